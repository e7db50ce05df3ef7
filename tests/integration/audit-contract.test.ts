// Sentences of the contract that an audit once found broken, each as a test of its own.
import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { rawClient } from '../support/raw-http.ts';
import {
  type Answer,
  after,
  answer,
  chatFrames,
  chatStream,
  completion,
  doneFrame,
  finishFrame,
  gate,
  hangUp,
  refusal,
  reply,
  roleFrame,
  silence,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { chatBody, clientKey, startRotator } from '../support/server.ts';
import { textOf } from '../support/stream-tap.ts';
const oneTry = { retries_same_key: 0 };

test('a client that reads slowly does not run into `idle`, and the key is not blamed', async () => {
  const line = textFrame('x'.repeat(64 * 1024));
  const N = 300;
  const large: Answer = async (wire) => {
    await wire.head(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });
    for (let i = 0; i < N; i++) await wire.chunk(line);
    await wire.chunk(finishFrame() + doneFrame());
    await wire.lastChunk();
  };
  await using upstream = await startUpstream({ keys: { one: large } });
  await using rotator = await startRotator({ upstream, timeouts: { idle: '200ms' } });
  using client = await rawClient(rotator.url);
  const body = JSON.stringify(chatBody({ stream: true }));
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${clientKey}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await client.until('xxx');
  client.pause();
  await Bun.sleep(800);
  client.resume();
  await client.ended;
  expect(client.received.includes('"error"')).toBe(false);
  expect(client.size).toBeGreaterThan(N * line.length);
  expect((await rotator.keys())[0]).toMatchObject({ blocks: [], usage: { failures: 0 } });
}, 20_000);

test('an overload without a time has no invented hour in Retry-After', async () => {
  await using upstream = await startUpstream({ answer: () => refusal(529) });
  await using rotator = await startRotator({ upstream, keys: ['one'], rotation: oneTry });
  const response = await rotator.chat();
  expect(response.status).toBe(503);
  expect(response.headers.get('x-should-retry')).toBeNull();
  expect(Number(response.headers.get('retry-after') ?? 0)).toBeLessThanOrEqual(60);
});

test('a JSON reply to a stream request reaches the client as text/event-stream', async () => {
  await using upstream = await startUpstream({ answer: () => reply(200, completion('w')) });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  const response = await rotator.stream();
  expect(textOf(await response.text())).toBe('w');
  expect(response.headers.get('content-type')).toStartWith('text/event-stream');
});
test.each(['text/plain', ''])('a stream labelled %p reaches the client as text/event-stream', async (type) => {
  const script: Answer = async (wire) => {
    await wire.head(200, [
      ...(type ? [['content-type', type] as const] : []),
      ['transfer-encoding', 'chunked'] as const,
    ]);
    await wire.chunk(chatFrames('a').join(''));
    await wire.lastChunk();
  };
  await using upstream = await startUpstream({ answer: () => script });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  expect((await rotator.stream()).headers.get('content-type')).toStartWith('text/event-stream');
});

describe('`-` and `_` are the same everywhere', () => {
  const providers = (url: string) => ({
    'my-vllm': { base_url: url, keys: ['a'], models: { deny: ['my_vllm/secret*'] } },
    'lm-studio': { base_url: url, keys: ['b'] },
  });
  test('in models.deny', async () => {
    await using up = await startUpstream({ answer: () => answer('x') });
    await using r = await startRotator({ providers: providers(up.baseUrl) });
    expect((await r.chat({ model: 'my-vllm/secret-1' })).status).toBe(404);
  });
  test.each(['my_vllm/*', 'my-vllm/*'])('in an allow-list: %s', async (pattern) => {
    await using up = await startUpstream({ answer: () => answer('x') });
    await using r = await startRotator({
      providers: providers(up.baseUrl),
      server: { client_keys: [{ key: clientKey, models: [pattern] }] },
    });
    for (const model of ['my-vllm/m', 'my_vllm/m']) expect((await r.chat({ model })).status).toBe(200);
  });
  test('in an allow-list for a built-in provider: lm-studio/*', async () => {
    await using up = await startUpstream({ answer: () => answer('x') });
    await using r = await startRotator({
      providers: providers(up.baseUrl),
      server: { client_keys: [{ key: clientKey, models: ['lm-studio/*'] }] },
    });
    expect((await r.chat({ model: 'lm-studio/m' })).status).toBe(200);
  });
  test('in GET /v1/models/{id}', async () => {
    await using up = await startUpstream({ answer: () => answer('x') });
    await using r = await startRotator({ providers: providers(up.baseUrl) });
    expect((await r.get('/v1/models/my_vllm/m')).status).toBe(200);
  });
});

test('the status line leaves at hold also while a bare name waits for cold lists', async () => {
  const held = gate();
  await using upstream = await startUpstream({
    models: after(held, reply(200, { data: [{ id: 'm' }] })),
    answer: () => chatStream('x'),
  });
  await using rotator = await startRotator({ upstream, keys: ['one'], server: { hold: '50ms', heartbeat: '20ms' } });
  const head = rotator.stream({ model: 'm' });
  const first = await Promise.race([head.then(() => 'head'), Bun.sleep(1000).then(() => 'nothing for 1 s')]);
  held.open();
  await (await head).text();
  expect(first).toBe('head');
});
test('x-rotator-timeout-ms covers the wait for cold lists', async () => {
  await using upstream = await startUpstream({ models: silence });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  const t = Date.now();
  await rotator.chat({ model: 'm' }, { headers: { 'x-rotator-timeout-ms': '200' } });
  expect(Date.now() - t).toBeLessThan(1000);
});
test('a provider whose list hangs does not delay a bare name of another, nor GET /v1/models again and again', async () => {
  await using good = await startUpstream({ models: ['gm'], answer: () => answer('x') });
  await using dead = await startUpstream({ models: silence });
  await using rotator = await startRotator({
    providers: { good: { base_url: good.baseUrl, keys: ['a'] }, dead: { base_url: dead.baseUrl, keys: ['b'] } },
  });
  let t = Date.now();
  expect((await rotator.chat({ model: 'gm' })).status).toBe(200);
  const bare = Date.now() - t;
  await rotator.get('/v1/models');
  t = Date.now();
  await rotator.get('/v1/models');
  const second = Date.now() - t;
  expect({ bare: bare < 1000, second: second < 1000 }).toEqual({ bare: true, second: true });
}, 15_000);

test.each([
  ['request', { request: '200ms' }, {}],
  ['header', {}, { 'x-rotator-timeout-ms': '200' }],
])('merely busy until the deadline (%s) is 503 no_credential', async (_, timeouts, headers) => {
  const held = gate();
  await using upstream = await startUpstream({ answer: () => after(held, answer('x')) });
  await using rotator = await startRotator({ upstream, keys: ['one'], provider: { concurrency: { max_per_key: 1 } } });
  const first = rotator.chat();
  await held.reached;
  if (_ === 'request')
    rotator.apply({ upstream, keys: ['one'], provider: { concurrency: { max_per_key: 1 } }, timeouts });
  const second = await rotator.chat({}, { headers });
  held.open();
  await first;
  expect(second.status).toBe(503);
  expect(second.headers.get('retry-after')).not.toBeNull();
});
test('a rate limit and then the deadline is 429', async () => {
  await using upstream = await startUpstream({
    keys: { one: refusal(429, {}, { 'retry-after': '90' }), two: silence },
  });
  await using rotator = await startRotator({ upstream, timeouts: { request: '200ms' } });
  expect((await rotator.chat()).status).toBe(429);
});
test('503 no_credential always has Retry-After', async () => {
  await using upstream = await startUpstream({ answer: () => answer('x') });
  await using rotator = await startRotator({ upstream, keys: [{ key: 'one', models: ['other'] }] });
  const r = await rotator.chat();
  expect(r.status).toBe(503);
  expect(r.headers.get('retry-after')).not.toBeNull();
});
test('resetting the only key by its id lifts the breaker that test-route shows under it', async () => {
  let bad = true;
  await using upstream = await startUpstream({ answer: () => (bad ? refusal(500) : answer('x')) });
  await using rotator = await startRotator({ upstream, keys: ['one'], rotation: oneTry });
  for (let i = 0; i < 3; i++) await rotator.chat();
  bad = false;
  const id = (await rotator.keys())[0]?.id;
  await rotator.admin(`keys/${id}/reset`, { method: 'POST' });
  expect((await rotator.chat()).status).toBe(200);
});
test('expose_route: false hides the attempts and keeps error.rotator.request_id and retry_at', async () => {
  await using upstream = await startUpstream({ answer: () => refusal(429, {}, { 'retry-after': '30' }) });
  await using rotator = await startRotator({ upstream, keys: ['one'], server: { expose_route: false } });
  const e = ((await (await rotator.chat()).json()) as { error: { rotator?: Record<string, unknown> } }).error;
  expect(e.rotator?.['request_id']).toBeString();
  expect(e.rotator).not.toHaveProperty('attempts');
});
test('a lost request that is sent again is logged as possibly billed', async () => {
  await using upstream = await startUpstream({ keys: { one: hangUp, two: answer('x') } });
  await using rotator = await startRotator({ upstream });
  await (await rotator.chat()).text();
  expect(rotator.log.some((l) => /billed/.test(l))).toBe(true);
});
test('complete is complete: silence behind the last finish reason is a normal end', async () => {
  const script: Answer = async (wire, request) => {
    await wire.head(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });
    await wire.chunk(roleFrame() + textFrame('a') + finishFrame());
    await request.gone;
  };
  await using upstream = await startUpstream({ answer: () => script });
  await using rotator = await startRotator({ upstream, keys: ['one'], timeouts: { idle: '200ms' } });
  const text = await (await rotator.stream()).text();
  expect(text).toEndWith(doneFrame());
  expect(text).not.toContain('"error"');
  expect((await rotator.keys())[0]?.usage.failures).toBe(0);
});
test('a cut frame behind the last finish reason is a normal end', async () => {
  await using upstream = await startUpstream({
    answer: () => stream([textFrame('a'), finishFrame(), 'data: {"choices":[],"us']),
  });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  expect(await (await rotator.stream()).text()).not.toContain('"error"');
});
test('what a client may call stands on its list', async () => {
  await using upstream = await startUpstream({ answer: () => answer('x') });
  await using rotator = await startRotator({
    upstream,
    keys: ['one'],
    provider: { models: { define: { smart: { id: 'm' } } } },
    server: { client_keys: [{ key: clientKey, models: ['mock/m'] }] },
  });
  expect((await rotator.chat({ model: 'mock/smart' })).status).toBe(200);
  expect((await rotator.get('/v1/models/mock/smart')).status).toBe(200);
});
test('a bare name goes to the holder that the client may use', async () => {
  await using a = await startUpstream({ answer: () => answer('A') });
  await using b = await startUpstream({ answer: () => answer('B') });
  await using rotator = await startRotator({
    providers: { pa: { base_url: a.baseUrl, keys: ['x'] }, pb: { base_url: b.baseUrl, keys: ['y'] } },
    server: { client_keys: [{ key: clientKey, models: ['pb/*'] }] },
  });
  expect((await rotator.chat({ model: 'm' })).status).toBe(200);
});
test('a reply without a content type is application/json', async () => {
  const t = JSON.stringify(completion('x'));
  await using upstream = await startUpstream({
    answer: () => (wire) => wire.raw(`HTTP/1.1 200 OK\r\ncontent-length: ${t.length}\r\n\r\n${t}`),
  });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  expect((await rotator.chat()).headers.get('content-type')).toStartWith('application/json');
});
test('the log calls a client that left client-gone, not timeout', async () => {
  await using upstream = await startUpstream({ answer: () => silence });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  const c = new AbortController();
  const p = rotator.chat({}, { signal: c.signal }).catch(() => null);
  await eventually('sent', () => upstream.open === 1);
  c.abort();
  await p;
  await eventually('logged', () => rotator.log.some((l) => l.includes('"message":"request"')));
  expect(rotator.log.find((l) => l.includes('"message":"request"'))).toContain('"failure":"client-gone"');
});
test('a deny rule is not passed by a space behind the name', async () => {
  await using upstream = await startUpstream({ answer: () => answer('x') });
  await using rotator = await startRotator({ upstream, keys: ['one'], provider: { models: { deny: ['*-preview'] } } });
  expect((await rotator.chat({ model: 'mock/x-preview ' })).status).not.toBe(200);
});
test('an SSE reply to a whole-answer request is put together', async () => {
  await using upstream = await startUpstream({ answer: () => chatStream('a', 'b') });
  await using rotator = await startRotator({ upstream, keys: ['one'], rotation: oneTry });
  expect((await rotator.chat()).status).toBe(200);
});
