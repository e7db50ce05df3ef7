// The official SDK puts our streams together: what it throws at, or reads differently, is wrong.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import type { ChatEvent, ChatReply } from '../../../src/protocols/ir.ts';
import { replyEvents } from '../../../src/protocols/reply-events.ts';
import { fixture } from './fixture.ts';
import { replyContext } from './requests.ts';

let answer: { readonly body: string; readonly status: number; readonly isStream: boolean };
let server: Bun.Server<undefined>;
let client: Anthropic;

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () =>
      new Response(answer.body, {
        status: answer.status,
        headers: { 'content-type': answer.isStream ? 'text/event-stream' : 'application/json' },
      }),
  });
  client = new Anthropic({ apiKey: 'k', baseURL: `http://127.0.0.1:${server.port}`, maxRetries: 0 });
});
afterAll(() => server.stop(true));

const ask = { model: 'm', max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] } as const;

/** The message that the SDK makes of a stream. */
function streamed(body: string) {
  answer = { body, status: 200, isStream: true };
  return client.messages.stream({ ...ask, messages: [...ask.messages] }).finalMessage();
}

function written(events: Iterable<ChatEvent>): string {
  const encoder = anthropicMessages.streamEncoder(replyContext);
  const frames = [...events].map((event) => encoder.push(event));
  return anthropicMessages.heartbeat.early + frames.join(anthropicMessages.heartbeat.running) + encoder.end();
}

const reply: ChatReply = {
  id: 'chatcmpl-1',
  model: 'gpt',
  created: 1,
  usage: {
    inputTokens: 10,
    outputTokens: 4,
    cachedTokens: 3,
    cacheWriteTokens: null,
    reasoningTokens: null,
    audioInputTokens: null,
    audioOutputTokens: null,
    costUsd: null,
  },
  choices: [
    {
      finish: { unified: 'tool-calls', raw: 'tool_calls' },
      parts: [
        { type: 'reasoning', text: 'hm', signature: { protocol: 'anthropic-messages', value: 'S' } },
        { type: 'redacted-reasoning', signature: { protocol: 'anthropic-messages', value: 'D' } },
        { type: 'text', text: 'Let me look.' },
        { type: 'tool-call', id: 'a', name: 'f', arguments: '{"q":"ü"}', kind: 'function' },
        { type: 'tool-call', id: 'b', name: 'g', arguments: '', kind: 'function' },
        { type: 'text', text: 'And more.' },
      ],
    },
  ],
};

describe('the SDK', () => {
  test('reads a translated stream, heartbeats between its frames, as the whole reply', async () => {
    const message = await streamed(written(replyEvents(reply)));
    expect(JSON.parse(JSON.stringify(message))).toMatchObject(anthropicMessages.encodeReply(reply, replyContext).value);
    expect(message.usage).toMatchObject({ input_tokens: 7, cache_read_input_tokens: 3, output_tokens: 4 });
    expect(message.stop_reason).toBe('tool_use');
  });

  test('reads a stream of calls that interleaved upstream', async () => {
    const call = (count: number): ChatEvent => ({
      type: 'tool-call-start',
      choice: 0,
      call: count,
      id: `c${count}`,
      name: 'f',
      kind: 'function',
    });
    const grown = (count: number, text: string): ChatEvent => ({
      type: 'tool-call-delta',
      choice: 0,
      call: count,
      text,
    });
    const message = await streamed(
      written([call(0), call(1), grown(0, '{"n":'), grown(1, '{"n":'), grown(1, '1}'), grown(0, '0}')]),
    );
    expect(message.content).toMatchObject([
      { id: 'c0', input: { n: 0 } },
      { id: 'c1', input: { n: 1 } },
    ]);
  });

  test('reads an empty stream', async () => {
    const message = await streamed(written([]));
    expect([message.content, message.stop_reason]).toEqual([[], 'end_turn']);
  });

  for (const name of ['text', 'thinking-text-tool', 'search-citations']) {
    test(`reads ${name}, told as a stream of its whole message, as that message`, async () => {
      const whole = await fixture(`${name}.json`);
      const message = await streamed(anthropicMessages.streamOf(new TextEncoder().encode(whole), true));
      expect(JSON.parse(JSON.stringify(message))).toMatchObject(JSON.parse(whole));
    });
  }

  test('reads a stream whose end we add', async () => {
    const stream = await fixture('text.chunks.txt');
    const cut = stream.slice(0, stream.indexOf('event: message_stop'));
    const message = await streamed(cut + anthropicMessages.endFrame(anthropicMessages.streamReader()));
    expect(message.stop_sequence).toBe('END');
  });

  test('throws the error that ends a stream', async () => {
    const begun = written(replyEvents(reply)).split('event: message_delta')[0] ?? '';
    const failure = anthropicMessages.errorFrames(
      { kind: 'upstream-broken', status: 502, message: 'gone' },
      null,
      null,
    );
    await expect(streamed(begun + failure)).rejects.toThrow('gone');
  });

  test('knows an overload by its status', async () => {
    const { status, body } = anthropicMessages.encodeError(
      { kind: 'upstream-overloaded', status: 503, message: 'busy' },
      null,
    );
    answer = { status, body, isStream: false };
    // The SDK's own promise asks only when it is awaited.
    const asked = Promise.resolve(client.messages.create({ ...ask, messages: [...ask.messages] }));
    await expect(asked).rejects.toMatchObject({
      status: 529,
      error: { error: { type: 'overloaded_error', message: 'busy' } },
    });
  });
});
