// Codex's accounts against a ChatGPT of the test's: streams only, windows in headers, errors inside a 200.
import { describe, expect, test } from 'bun:test';
import { AccountFiles } from '../support/account-files.ts';
import {
  type Answer,
  type HeaderLines,
  type Received,
  reply,
  type ScriptedUpstream,
  startUpstream,
  stream,
} from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, startRotator } from '../support/server.ts';

const event = (type: string, fields: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const begun = event('response.created', { sequence_number: 0, response: { id: 'resp_1', status: 'in_progress' } });
const message = (text: string) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [] }],
});
const ended = (output: readonly object[]) =>
  event('response.completed', {
    response: {
      id: 'resp_1',
      object: 'response',
      status: 'completed',
      model: 'gpt-5.3-codex',
      output,
      usage: { input_tokens: 7, output_tokens: 3, total_tokens: 10 },
    },
  });

/** An answer as the vendor streams it; its last event often lists no output. */
const says = (text: string, headers: HeaderLines = {}): Answer =>
  stream(
    [
      begun,
      event('response.output_item.added', { output_index: 0, item: { ...message(''), status: 'in_progress' } }),
      event('response.output_text.delta', { output_index: 0, item_id: 'msg_1', content_index: 0, delta: text }),
      event('response.output_item.done', { output_index: 0, item: message(text) }),
      ended([]),
    ],
    { headers },
  );

const failsInside = (code: string, text: string): Answer =>
  stream([
    begun,
    event('response.failed', { response: { id: 'resp_1', status: 'failed', error: { code, message: text } } }),
  ]);

const chatgpt = (call: (request: Received) => Answer) => startUpstream({ answer: call });
const start = (upstream: ScriptedUpstream, files: AccountFiles, more: object = {}) =>
  startRotator({
    stateDir: files.path,
    rotation: { tolerance: 0, retries_same_key: 0, ...more },
    providers: {
      codex: {
        base_url: upstream.origin,
        oauth: { token_url: `${upstream.origin}/token`, authorize_url: `${upstream.origin}/authorize` },
      },
    },
  });

function accounts(count = 1): AccountFiles {
  const files = new AccountFiles();
  // Beyond the five days within which a token is renewed.
  const expiry = Date.now() + 30 * 86_400_000;
  for (let n = 1; n <= count; n++) {
    files.put(`codex-${n}`, { account_id: `workspace-${n}`, priority: n, expiry_date: expiry });
  }
  return files;
}

const model = 'codex/gpt-5.3-codex';
const body = (call: Received | undefined) => JSON.parse(call?.text ?? '{}');
const responses = (rotator: Rotator, fields: object, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${rotator.url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}`, ...headers },
    body: JSON.stringify({ model, input: 'hello', ...fields }),
  });

describe('a request to Codex', () => {
  test('is a stream with all it wants and nothing it refuses, and says who asks', async () => {
    using files = accounts();
    await using upstream = await chatgpt(() => says('hi'));
    await using rotator = await start(upstream, files);
    const response = await rotator.chat(
      { model, temperature: 1, max_tokens: 100 },
      { headers: { 'x-session-id': 's' } },
    );
    expect(response.status).toBe(200);
    const [call] = upstream.calls;
    expect(call?.path).toBe('/backend-api/codex/responses');
    expect(call?.key).toBe('token-codex-1');
    expect(Object.fromEntries(call?.headers ?? [])).toMatchObject({
      'chatgpt-account-id': 'workspace-1',
      originator: 'rotator',
      accept: 'text/event-stream',
      'user-agent': expect.stringMatching(/^rotator\//),
      'session-id': expect.any(String),
    });
    const sent = body(call);
    expect(sent).toMatchObject({
      model: 'gpt-5.3-codex',
      stream: true,
      store: false,
      instructions: '',
      parallel_tool_calls: true,
      include: ['reasoning.encrypted_content'],
      reasoning: { effort: 'medium' },
      prompt_cache_key: call?.headers.get('session-id'),
    });
    expect(Object.keys(sent)).not.toContainAnyValues(['temperature', 'max_output_tokens', 'stream_options']);
  });

  test('of a chat client that wants a whole answer gets the stream collected', async () => {
    using files = accounts();
    await using upstream = await chatgpt(() => says('hi there'));
    await using rotator = await start(upstream, files);
    const answer: unknown = await (await rotator.chat({ model })).json();
    expect(answer).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { role: 'assistant', content: 'hi there' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 3 },
    });
  });

  test('of a chat client that streams, and of one that speaks Messages, is served', async () => {
    using files = accounts();
    await using upstream = await chatgpt(() => says('hi there'));
    await using rotator = await start(upstream, files);
    const text = await (await rotator.stream({ model })).text();
    expect(text).toContain('"content":"hi there"');
    expect(text.trimEnd()).toEndWith('data: [DONE]');
    const messages = await fetch(`${rotator.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': clientKey },
      body: JSON.stringify({ model, max_tokens: 50, messages: [{ role: 'user', content: 'hello' }] }),
    });
    expect(await messages.json()).toMatchObject({ content: [{ type: 'text', text: 'hi there' }] });
  });

  test('of a Responses client passes as it came, and a whole answer has its output', async () => {
    using files = accounts();
    await using upstream = await chatgpt(() => says('hi there'));
    await using rotator = await start(upstream, files);
    const whole = await (await responses(rotator, { truncation: 'auto', metadata: { a: 'b' } })).json();
    expect(whole).toMatchObject({ object: 'response', status: 'completed', output: [message('hi there')] });
    expect(body(upstream.calls[0])).toMatchObject({
      metadata: { a: 'b' },
      input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] }],
    });
    const streamed = await (await responses(rotator, { stream: true })).text();
    expect(streamed).toContain('event: response.output_text.delta');
    expect(streamed).toContain('event: response.completed');
  });

  test('of a free plan leaves out the tool that it would be refused for', async () => {
    using files = new AccountFiles();
    files.put('codex-1', { expiry_date: Date.now() + 30 * 86_400_000, _proxy_metadata: { tier: 'free' } });
    await using upstream = await chatgpt(() => says('hi'));
    await using rotator = await start(upstream, files);
    const tools = [{ type: 'image_generation' }, { type: 'web_search' }];
    expect((await responses(rotator, { tools })).status).toBe(200);
    expect(body(upstream.calls[0]).tools).toEqual([{ type: 'web_search' }]);
  });

  test('has names of tools that fit, and gives them back as they were', async () => {
    using files = accounts();
    const long = `mcp__server__${'x'.repeat(80)}`;
    await using upstream = await chatgpt((request) => {
      const [tool] = body(request).tools;
      const call = {
        id: 'fc_1',
        type: 'function_call',
        call_id: 'call_1',
        name: tool.name,
        arguments: '{}',
        status: 'completed',
      };
      return stream([begun, event('response.output_item.done', { output_index: 0, item: call }), ended([call])]);
    });
    await using rotator = await start(upstream, files);
    const tools = [{ type: 'function', function: { name: long, parameters: { type: 'object', properties: {} } } }];
    const { choices } = JSON.parse(await (await rotator.chat({ model, tools })).text());
    expect(body(upstream.calls[0]).tools[0].name.length).toBeLessThanOrEqual(64);
    expect(choices).toMatchObject([{ message: { tool_calls: [{ function: { name: long } }] } }]);
  });
});

describe('a limit of Codex', () => {
  const limit = (seconds: number) => ({
    error: {
      type: 'usage_limit_reached',
      message: 'The usage limit has been reached',
      plan_type: 'plus',
      resets_at: Math.floor(Date.now() / 1000) + seconds,
      resets_in_seconds: seconds,
    },
  });

  test('that is reached rests the account until it resets, for all models', async () => {
    using files = accounts(2);
    await using upstream = await chatgpt(({ key }) => (key === 'token-codex-1' ? reply(429, limit(7200)) : says('hi')));
    await using rotator = await start(upstream, files);
    expect((await rotator.chat({ model })).status).toBe(200);
    expect((await rotator.chat({ model: 'codex/gpt-5.2' })).status).toBe(200);
    expect(upstream.keysUsed).toEqual(['token-codex-1', 'token-codex-2', 'token-codex-2']);
    const [first] = await rotator.keys();
    expect(first).toMatchObject({ state: 'blocked', blocks: [{ scope: 'key', kind: 'quota', source: 'resets-at' }] });
    expect(Date.parse(first?.blocks[0]?.until ?? '') - Date.now()).toBeWithin(7_100_000, 7_201_000);
  });

  test('is told in the headers of every answer, and shown', async () => {
    using files = accounts();
    const headers = {
      'x-codex-primary-used-percent': '25',
      'x-codex-primary-window-minutes': '300',
      'x-codex-primary-reset-after-seconds': '3600',
      'x-codex-secondary-used-percent': '90.5',
      'x-codex-secondary-window-minutes': '10080',
      'x-codex-secondary-reset-after-seconds': '86400',
    };
    await using upstream = await chatgpt(() => says('hi', headers));
    await using rotator = await start(upstream, files);
    await rotator.chat({ model });
    const [key] = (await rotator.status()).keys;
    expect(key?.windows).toMatchObject([
      { scope: 'key', name: '5h', unit: 'percent', used: 25, remaining: 75, source: 'polled' },
      { scope: 'key', name: 'week', unit: 'percent', used: 90.5, remaining: 9.5, source: 'polled' },
    ]);
  });

  test('that the headers say is used up makes the next request go elsewhere', async () => {
    using files = accounts(2);
    const spent = { 'x-codex-primary-used-percent': '100', 'x-codex-primary-reset-after-seconds': '600' };
    await using upstream = await chatgpt(({ key }) => (key === 'token-codex-1' ? says('last', spent) : says('hi')));
    await using rotator = await start(upstream, files);
    for (const content of ['a', 'b']) await rotator.chat({ model, messages: [{ role: 'user', content }] });
    expect(upstream.keysUsed).toEqual(['token-codex-1', 'token-codex-2']);
  });
});

describe('an error behind response.created', () => {
  const overloaded = failsInside('server_is_overloaded', 'Our servers are currently overloaded.');

  test.each([true, false])('rotates unseen: overloaded (stream: %p)', async (isStream) => {
    using files = accounts(2);
    await using upstream = await chatgpt(({ key }) => (key === 'token-codex-1' ? overloaded : says('second')));
    await using rotator = await start(upstream, files);
    const response = await rotator.chat({ model, stream: isStream });
    const text = await response.text();
    expect([response.status, text.includes('second'), text.includes('overloaded')]).toEqual([200, true, false]);
    expect(upstream.keysUsed).toEqual(['token-codex-1', 'token-codex-2']);
    for (const key of await rotator.keys()) expect(key.state).toBe('ready');
  });

  test.each([true, false])('rotates when the stream breaks off before its end (stream: %p)', async (isStream) => {
    using files = accounts(2);
    await using upstream = await chatgpt(({ key }) => (key === 'token-codex-1' ? stream([begun]) : says('second')));
    await using rotator = await start(upstream, files);
    const response = await rotator.chat({ model, stream: isStream });
    expect([response.status, (await response.text()).includes('second')]).toEqual([200, true]);
  });

  test('alone is what the client is told', async () => {
    using files = accounts();
    await using upstream = await chatgpt(() => overloaded);
    await using rotator = await start(upstream, files);
    const response = await rotator.chat({ model });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: 'overloaded' } });
  });
});

test('a request whose reasoning is encrypted goes back to the account that encrypted it', async () => {
  using files = accounts(2);
  const thought = { id: 'rs_1', type: 'reasoning', summary: [], encrypted_content: 'SEALED-BY-ONE-ACCOUNT-0123456789' };
  await using upstream = await chatgpt(() =>
    stream([
      begun,
      event('response.output_item.done', { output_index: 0, item: thought }),
      ended([thought, message('hi')]),
    ]),
  );
  await using rotator = await start(upstream, files);
  await responses(rotator, {}).then((response) => response.text());
  await rotator.admin('keys/codex-1/disable', { method: 'POST' });
  const input = [thought, { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'more' }] }];
  const response = await responses(rotator, { input });
  expect(response.status).toBe(409);
});
