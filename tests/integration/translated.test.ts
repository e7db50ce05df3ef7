// Where the two sides speak different protocols: what cannot be carried is told, and what is asked of a translation is bounded.
import { describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import { answer, reply, startUpstream, stream } from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, startRotator } from '../support/server.ts';

const post = (rotator: Rotator, path: string, body: object | string) =>
  fetch(`${rotator.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const messagesAnswer = reply(200, {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [{ type: 'text', text: 'ok' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
});

describe('probabilities of tokens', () => {
  test('are asked for in the words of the upstream', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('ok') } });
    await using rotator = await startRotator({ upstream });
    const include = ['message.output_text.logprobs'];
    const response = await post(rotator, '/v1/responses', { model: 'mock/m', input: 'hi', include, top_logprobs: 2 });
    expect(response.headers.get('x-rotator-warnings')).toBeNull();
    expect(JSON.parse(upstream.calls[0]?.text ?? '')).toMatchObject({ logprobs: true, top_logprobs: 2 });
  });

  test('are removed where the upstream has none, and the client is told', async () => {
    await using upstream = await startUpstream({ keys: { one: messagesAnswer } });
    await using rotator = await startRotator({ upstream, provider: { protocol: 'anthropic-messages' } });
    const response = await rotator.chat({ logprobs: true, top_logprobs: 2 });
    expect([response.status, response.headers.get('x-rotator-warnings')]).toEqual([200, 'logprobs removed']);
    expect(upstream.calls[0]?.text).not.toContain('logprobs');
  });

  test('pass where both sides speak the same protocol', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('ok') } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat({ logprobs: true, top_logprobs: 2 });
    expect(response.headers.get('x-rotator-warnings')).toBeNull();
    expect(JSON.parse(upstream.calls[0]?.text ?? '')).toMatchObject({ logprobs: true, top_logprobs: 2 });
  });
});

describe('what a stream cannot say', () => {
  const geminiStream = [
    { candidates: [{ content: { parts: [{ text: 'see' }] } }] },
    { candidates: [{ content: { parts: [{ inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } }] } }] },
    { candidates: [{ content: { parts: [{ text: 'it' }] }, finishReason: 'STOP' }] },
  ].map((json) => `data: ${JSON.stringify(json)}\n\n`);
  const body = { model: 'mock/m', max_tokens: 9, stream: true, messages: [{ role: 'user' as const, content: 'draw' }] };
  const started = async (server = {}) => {
    const upstream = await startUpstream({ keys: { one: stream(geminiStream) } });
    const rotator = await startRotator({ upstream, provider: { protocol: 'gemini' }, server });
    return { upstream, rotator };
  };

  test('is named in a comment before its end, which an SDK passes over', async () => {
    const { upstream, rotator } = await started();
    await using _ = upstream;
    await using __ = rotator;
    const text = await (await post(rotator, '/v1/messages', body)).text();
    expect(text).toContain(': x-rotator-warnings: image removed\n\nevent: content_block_stop');
    const client = new Anthropic({ baseURL: rotator.url, apiKey: clientKey, maxRetries: 0 });
    const { content, stop_reason } = await client.messages.stream(body).finalMessage();
    expect([content, stop_reason]).toMatchObject([[{ type: 'text', text: 'seeit' }], 'end_turn']);
  });

  test('is named to nobody who may not see routes', async () => {
    const { upstream, rotator } = await started({ expose_route: false });
    await using _ = upstream;
    await using __ = rotator;
    const text = await (await post(rotator, '/v1/messages', body)).text();
    expect(text).toContain('event: message_stop');
    expect(text).not.toContain('x-rotator');
  });

  test('is not named where all is said', async () => {
    const { upstream, rotator } = await started();
    await using _ = upstream;
    await using __ = rotator;
    const text = await (await post(rotator, '/v1/chat/completions', body)).text();
    expect(text).toContain('"images":[');
    expect(text).not.toContain('x-rotator');
  });
});

describe('a schema', () => {
  const nested = (levels: number) =>
    `${'{"type":"object","properties":{"a":'.repeat(levels)}{"type":"string"}${'}}'.repeat(levels)}`;
  const body = (levels: number) =>
    `{"model":"mock/m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":${nested(levels)}}]}`;

  test('a thousand levels deep is translated', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('ok') } });
    await using rotator = await startRotator({ upstream });
    expect((await post(rotator, '/v1/messages', body(1000))).status).toBe(200);
    expect(upstream.calls[0]?.text).toContain(nested(1000));
  });

  test('deeper than can be written is a wrong request, and no bug', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('ok') } });
    await using rotator = await startRotator({ upstream });
    const response = await post(rotator, '/v1/messages', body(200_000));
    expect([response.status, await response.json()]).toMatchObject([
      400,
      {
        error: {
          type: 'invalid_request_error',
          message: 'the request is nested too deeply to be written as openai-chat, which mock/m speaks',
        },
      },
    ]);
    expect(upstream.calls).toHaveLength(0);
  });
});

describe('warnings', () => {
  const warned = async (fields: object) => {
    await using upstream = await startUpstream({ keys: { one: answer('ok') } });
    await using rotator = await startRotator({ upstream });
    const response = await post(rotator, '/v1/responses', { model: 'mock/m', input: 'hi', ...fields });
    expect(response.status).toBe(200);
    return response.headers.get('x-rotator-warnings') ?? '';
  };

  test('name each thing that was lost, in printable ASCII', async () => {
    expect(await warned({ truncation: 'auto', 'größe\r\nx: y': 1 })).toBe('truncation removed; gr??e??x: y removed');
  });

  test('that are too many for a header say how many are left', async () => {
    const names = Array.from({ length: 200 }, (_, at) => `field_${at}`);
    const text = await warned(Object.fromEntries(names.map((name) => [name, 1])));
    expect(text.length).toBeLessThanOrEqual(1024);
    const told = text.split('; ');
    expect(told.at(-1)).toBe(`and ${200 - (told.length - 1)} more`);
    expect(told.slice(0, -1)).toEqual(names.slice(0, told.length - 1).map((name) => `${name} removed`));
  });
});
