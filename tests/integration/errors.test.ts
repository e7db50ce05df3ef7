import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { expectError, expectRetryAfter } from '../support/expect-error.ts';
import {
  type Answer,
  after,
  answer,
  chatStream,
  gate,
  halfHead,
  hangUp,
  refusal,
  reply,
  resetAtOnce,
  silence,
  startUpstream,
} from '../support/scripted-upstream.ts';
import { chatBody, inOrder, startRotator } from '../support/server.ts';

const rateLimited = (headers: Record<string, string> = {}) =>
  refusal(429, { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' }, headers);
const badKey = refusal(401, { message: 'Incorrect API key provided', code: 'invalid_api_key' });
const broken = refusal(500, { message: 'The server had an error', type: 'server_error' });
const overloaded = refusal(529, { message: 'Overloaded', type: 'overloaded_error' });

/** No second try on the same key, so that each key in a script is one call. */
const oneTry = { retries_same_key: 0 };

describe('what is wrong with the request is said at the door, and costs no upstream call', () => {
  test.each([
    ['not JSON', '{"model": "mock/m", '],
    ['nothing', ''],
    ['an array', '[1,2]'],
    ['a string', '"mock/m"'],
    ['no model', '{"messages":[]}'],
    ['a model that is no string', '{"model":7,"messages":[]}'],
    ['an empty model', '{"model":"","messages":[]}'],
  ])('%s is 400 invalid_request_error', async (_, body) => {
    await using upstream = await startUpstream({ keys: { one: answer('never') } });
    await using rotator = await startRotator({ upstream });
    await expectError(await rotator.chat(body), { status: 400, type: 'invalid_request_error' });
    expect(upstream.calls).toHaveLength(0);
  });

  test('a body over max_body is 413 body_too_large, announced or not', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('fits') } });
    await using rotator = await startRotator({ upstream, server: { max_body: '64kb' } });
    const large = { messages: [{ role: 'user', content: 'x'.repeat(65 * 1024) }] };
    await expectError(await rotator.chat(large), {
      status: 413,
      type: 'invalid_request_error',
      code: 'body_too_large',
    });
    const packed = Bun.gzipSync(new TextEncoder().encode(JSON.stringify(chatBody(large))));
    await expectError(await rotator.chat(packed, { headers: { 'content-encoding': 'gzip' } }), {
      status: 413,
      type: 'invalid_request_error',
      code: 'body_too_large',
    });
    expect(upstream.calls).toHaveLength(0);
    expect((await rotator.chat()).status).toBe(200);
  });

  test('a missing or wrong client key is 401 authentication_error', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('never') } });
    await using rotator = await startRotator({ upstream });
    for (const key of [null, 'sk-rotator-wrong', 'one', rotator.adminToken]) {
      const error = await expectError(await rotator.chat({}, { key }), { status: 401, type: 'authentication_error' });
      if (key !== null) expect(error.message).not.toContain(key);
    }
    expect((await rotator.get('/v1/models', { key: null })).status).toBe(401);
    expect((await rotator.get('/v1/providers', { key: null })).status).toBe(401);
    expect(upstream.requests).toHaveLength(0);
  });

  test('a client key that may not use the model is 403 permission_error', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('allowed') } });
    await using rotator = await startRotator({
      upstream,
      server: { client_keys: [{ name: 'narrow', key: 'sk-rotator-narrow', models: ['mock/small-*'] }] },
    });
    const key = 'sk-rotator-narrow';
    await expectError(await rotator.chat({ model: 'mock/large-1' }, { key }), {
      status: 403,
      type: 'permission_error',
    });
    expect(upstream.calls).toHaveLength(0);
    expect((await rotator.chat({ model: 'mock/small-1' }, { key })).status).toBe(200);
  });

  test.each([
    ['a bare name that nobody lists', 'nothing-like-it'],
    ['an unknown provider', 'no-such-provider/m'],
    ['a known provider without credentials', 'groq/llama-3.3-70b-versatile'],
    ['a denied model', 'mock/secret-preview'],
  ])('%s is 404 model_not_found', async (_, model) => {
    await using upstream = await startUpstream({ keys: { one: answer('never') } });
    await using rotator = await startRotator({ upstream, provider: { models: { deny: ['*-preview'] } } });
    const error = await expectError(await rotator.chat({ model }), {
      status: 404,
      type: 'invalid_request_error',
      code: 'model_not_found',
    });
    expect(error.message).toContain(model.split('/')[0] ?? '');
    expect(upstream.calls).toHaveLength(0);
  });

  test('an unknown path is 404 and a wrong method 405, in the same envelope', async () => {
    await using rotator = await startRotator({});
    const missing = await rotator.get('/v1/nothing');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    const wrong = await rotator.get('/v1/chat/completions');
    expect(wrong.status).toBe(405);
    expect(await wrong.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
  });

  test('an encoding that is not understood is 415', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('never') } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat('{}', { headers: { 'content-encoding': 'br' } });
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    expect(upstream.calls).toHaveLength(0);
  });
});

describe('what the upstream calls wrong keeps its own words', () => {
  test.each([400, 413, 422])('%i keeps status, message, type, code and param', async (status) => {
    await using upstream = await startUpstream({
      keys: {
        one: refusal(status, { message: 'Bad top_p', type: 'vendor_type', code: 'vendor_code', param: 'top_p' }),
        two: answer('never'),
      },
    });
    await using rotator = await startRotator({ upstream });
    const error = await expectError(await rotator.chat(), { status, type: 'vendor_type', code: 'vendor_code' });
    expect(error.message).toContain('Bad top_p');
    expect(error.param).toBe('top_p');
    expect(upstream.keysUsed).toEqual(['one']);
  });

  test('a wrong request without a readable body is still invalid_request_error', async () => {
    await using upstream = await startUpstream({
      keys: { one: reply(400, '<html>Bad Request</html>', { 'content-type': 'text/html' }) },
    });
    await using rotator = await startRotator({ upstream });
    await expectError(await rotator.chat(), { status: 400, type: 'invalid_request_error' });
  });

  test('the same holds for a request that asked for a stream', async () => {
    await using upstream = await startUpstream({
      keys: { one: refusal(422, { message: 'Unprocessable', type: 'vendor_type', code: 'vendor_code' }) },
    });
    await using rotator = await startRotator({ upstream });
    await expectError(await rotator.stream(), { status: 422, type: 'vendor_type', code: 'vendor_code' });
  });

  test('a context that is too long is 400 context_length_exceeded, after one call', async () => {
    await using upstream = await startUpstream({
      keys: {
        one: refusal(400, {
          message:
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
          type: 'invalid_request_error',
          code: 'context_length_exceeded',
          param: 'messages',
        }),
        two: answer('never'),
      },
    });
    await using rotator = await startRotator({ upstream });
    await expectError(await rotator.chat(), {
      status: 400,
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
    });
    expect(upstream.keysUsed).toEqual(['one']);
  });
});

describe('a rate limit that nobody can serve', () => {
  test('is 429 with the time of the soonest credential', async () => {
    await using upstream = await startUpstream({
      keys: { one: rateLimited({ 'retry-after': '50' }), two: rateLimited({ 'retry-after': '30' }) },
    });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat();
    const seconds = expectRetryAfter(response);
    expect(seconds).toBeGreaterThanOrEqual(29);
    // Blocks carry a jitter of a tenth, so that keys do not come back together.
    expect(seconds).toBeLessThanOrEqual(34);
    const error = await expectError(response, { status: 429, type: 'rate_limit_error' });
    expect(Date.parse(error.rotator?.retry_at ?? '')).toBeGreaterThan(Date.now() + 25_000);
    expect(upstream.keysUsed.toSorted()).toEqual(['one', 'two']);
  });

  test('is answered without an upstream call while it lasts', async () => {
    await using upstream = await startUpstream({ keys: { one: rateLimited({ 'retry-after': '40' }) } });
    await using rotator = await startRotator({ upstream });
    await rotator.chat();
    const response = await rotator.chat();
    expectRetryAfter(response);
    await expectError(response, { status: 429, type: 'rate_limit_error' });
    expect(upstream.calls).toHaveLength(1);
  });

  test('says that trying again is useless above 60 s', async () => {
    await using upstream = await startUpstream({ keys: { one: rateLimited({ 'retry-after': '600' }) } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat();
    expect(expectRetryAfter(response)).toBeGreaterThan(60);
    expect(response.headers.get('x-should-retry')).toBe('false');
    await expectError(response, { status: 429, type: 'rate_limit_error' });
  });

  test('has a Retry-After of at least 1 when the wait is shorter', async () => {
    await using upstream = await startUpstream({ keys: { one: rateLimited({ 'retry-after-ms': '400' }) } });
    await using rotator = await startRotator({ upstream, rotation: { wait_same_key: '100ms' } });
    const response = await rotator.chat();
    expect(expectRetryAfter(response)).toBeGreaterThanOrEqual(1);
    await expectError(response, { status: 429, type: 'rate_limit_error' });
  });

  test.each([
    [
      'a used-up quota',
      429,
      { message: 'You exceeded your current quota', type: 'insufficient_quota', code: 'insufficient_quota' },
    ],
    [
      'a missing credit',
      402,
      { message: 'Insufficient Balance', type: 'unknown_error', code: 'invalid_request_error' },
    ],
  ])('%s is a 429 with Retry-After too', async (_, status, error) => {
    await using upstream = await startUpstream({ keys: { one: refusal(status, error) } });
    await using rotator = await startRotator({ upstream });
    for (const _again of [1, 2]) {
      const response = await rotator.chat();
      expectRetryAfter(response);
      await expectError(response, { status: 429, type: 'rate_limit_error' });
    }
    expect(upstream.calls).toHaveLength(1);
  });
});

describe('no credential free in time', () => {
  test('is 503 no_credential with Retry-After', async () => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: after(held, answer('first')) } });
    await using rotator = await startRotator({
      upstream,
      provider: { concurrency: { max_per_key: 1 } },
      timeouts: { acquire: '100ms' },
    });
    const first = rotator.chat();
    await held.reached;
    const second = await rotator.chat();
    expectRetryAfter(second);
    await expectError(second, { status: 503, type: 'server_error', code: 'no_credential' });
    held.open();
    expect((await first).status).toBe(200);
    expect(upstream.calls).toHaveLength(1);
  });
});

describe('an upstream that fails', () => {
  test('every credential refused is 502 upstream_authentication, and never 401 or 403', async () => {
    await using upstream = await startUpstream({
      keys: { one: badKey, two: refusal(403, { message: 'Your account has been suspended' }) },
    });
    await using rotator = await startRotator({ upstream });
    await expectError(await rotator.chat(), { status: 502, type: 'upstream_error', code: 'upstream_authentication' });
    expect(upstream.keysUsed).toEqual(['one', 'two']);
    await expectError(await rotator.chat(), { status: 502, type: 'upstream_error', code: 'upstream_authentication' });
    expect(upstream.calls).toHaveLength(2);
  });

  const html = (status: number) => reply(status, '<html><h1>Bad Gateway</h1></html>', { 'content-type': 'text/html' });
  test.each<[string, Answer]>([
    ['500', broken],
    ['502 with an HTML page', html(502)],
    ['503', refusal(503, { message: 'Service Unavailable' })],
    ['a connection closed without a reply', hangUp],
    ['a connection reset without a reply', resetAtOnce],
    ['half a head', halfHead],
    ['200 with something that is no JSON', reply(200, 'hello')],
    ['200 with an HTML page', html(200)],
    ['200 with an empty body', reply(200, '')],
    ['200 with an error inside', reply(200, { error: { message: 'Internal', code: 502 } })],
  ])('%s is 502 upstream_error', async (_, script) => {
    await using upstream = await startUpstream({ keys: { one: script } });
    await using rotator = await startRotator({ upstream, rotation: oneTry });
    const response = await rotator.chat();
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { type: 'upstream_error', code: null } });
  });

  test('a refused connection is 502 upstream_error', async () => {
    const upstream = await startUpstream();
    await upstream.close();
    await using rotator = await startRotator({ upstream, keys: ['one'], rotation: oneTry });
    await expectError(await rotator.chat(), { status: 502, type: 'upstream_error' });
  });

  test('an overloaded upstream is 503 overloaded', async () => {
    await using upstream = await startUpstream({ keys: { one: overloaded } });
    await using rotator = await startRotator({ upstream, rotation: oneTry });
    await expectError(await rotator.chat(), { status: 503, type: 'upstream_error', code: 'overloaded' });
  });

  test.each([
    ['whole answer', 'total', false],
    ['stream', 'first_byte', true],
    ['request of either kind', 'request', false],
    ['stream within its own deadline', 'request', true],
  ])('a silent upstream is 504 timeout_error for a %s (%s)', async (_, timeout, isStream) => {
    await using upstream = await startUpstream({ keys: { one: silence } });
    await using rotator = await startRotator({ upstream, timeouts: { [timeout]: '100ms' } });
    await expectError(await rotator.chat({ stream: isStream }), { status: 504, type: 'timeout_error' });
    await eventually('the upstream call is cancelled', () => upstream.open === 0);
  });
});

describe('mixed failures of one target tell of the first that applies', () => {
  test('busy comes before rate limits: 503 no_credential', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: after(held, answer('slow')), two: rateLimited({ 'retry-after': '50' }) },
    });
    await using rotator = await startRotator({
      upstream,
      provider: { concurrency: { max_per_key: 1 } },
      timeouts: { acquire: '100ms' },
    });
    const first = rotator.chat();
    await held.reached;
    const second = await rotator.chat();
    expectRetryAfter(second);
    await expectError(second, { status: 503, type: 'server_error', code: 'no_credential' });
    expect(upstream.keysUsed).toEqual(['one', 'two']);
    held.open();
    await first;
  });

  const rows: [string, Answer[], { status: number; type: string; code?: string }][] = [
    ['a refused key and a rate limit', [badKey, rateLimited()], { status: 429, type: 'rate_limit_error' }],
    ['a rate limit and a refused key', [rateLimited(), badKey], { status: 429, type: 'rate_limit_error' }],
    ['a 500 and a rate limit', [broken, rateLimited()], { status: 429, type: 'rate_limit_error' }],
    [
      'a missing credit and a 500',
      [refusal(402, { message: 'Payment required' }), broken],
      { status: 429, type: 'rate_limit_error' },
    ],
    ['a timeout and a rate limit', [silence, rateLimited()], { status: 429, type: 'rate_limit_error' }],
    ['a timeout and a 500', [silence, broken], { status: 504, type: 'timeout_error' }],
    ['a 500 and a timeout', [broken, silence], { status: 504, type: 'timeout_error' }],
    ['a timeout and a refused key', [silence, badKey], { status: 504, type: 'timeout_error' }],
    ['a 500 and an overload', [broken, overloaded], { status: 503, type: 'upstream_error', code: 'overloaded' }],
    [
      'a refused key and an overload',
      [badKey, overloaded],
      { status: 503, type: 'upstream_error', code: 'overloaded' },
    ],
    ['a refused key and a 500', [badKey, broken], { status: 502, type: 'upstream_error' }],
    ['a 500 and a refused key', [broken, badKey], { status: 502, type: 'upstream_error' }],
    ['two refused keys', [badKey, badKey], { status: 502, type: 'upstream_error', code: 'upstream_authentication' }],
  ];
  for (const isStream of [false, true]) {
    test.each(rows)(`%s (${isStream ? 'stream' : 'whole answer'})`, async (_, scripts, wanted) => {
      const keys = Object.fromEntries(scripts.map((script, i) => [`key-${i}`, script]));
      await using upstream = await startUpstream({ keys });
      await using rotator = await startRotator({
        upstream,
        rotation: oneTry,
        timeouts: { total: '100ms', first_byte: '100ms' },
      });
      const response = await rotator.chat({ stream: isStream });
      if (wanted.status === 429) expectRetryAfter(response);
      await expectError(response, wanted);
      expect(upstream.keysUsed).toEqual(Object.keys(keys));
    });
  }
});

describe('error.rotator', () => {
  test('carries the request id, the target and every attempt', async () => {
    await using upstream = await startUpstream({ keys: { one: badKey, two: rateLimited({ 'retry-after': '30' }) } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat({}, { headers: { 'x-request-id': 'trace-1' } });
    expect(response.headers.get('x-request-id')).toBe('trace-1');
    expect(response.headers.get('x-rotator-attempts')).toBe('2');
    const { rotator: detail } = await expectError(response, { status: 429, type: 'rate_limit_error' });
    const ids = (await rotator.keys()).map((key) => key.id);
    expect(detail).toEqual({
      request_id: 'trace-1',
      target: 'mock/m',
      attempts: [
        { target: 'mock/m', credential: ids[0] ?? '', status: 401, failure: 'key-rejected', ms: expect.any(Number) },
        { target: 'mock/m', credential: ids[1] ?? '', status: 429, failure: 'rate-limited', ms: expect.any(Number) },
      ],
      retry_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
  });

  test('tells no attempts, like the x-rotator headers, where expose_route is off', async () => {
    await using upstream = await startUpstream({ keys: { one: [rateLimited({ 'retry-after': '30' })], two: broken } });
    await using rotator = await startRotator({ upstream, server: { expose_route: false }, rotation: oneTry });
    const response = await rotator.chat();
    const error = await expectError(response, { status: 429, type: 'rate_limit_error' });
    expect(error.rotator).toMatchObject({ request_id: response.headers.get('x-request-id') });
    expect(error.rotator).not.toHaveProperty('attempts');
    expect([...response.headers.keys()].filter((name) => name.startsWith('x-rotator-'))).toEqual([]);
    expect(response.headers.get('x-request-id')).toBeTruthy();
  });

  test('shows no key, in no error and no log line', async () => {
    const secret = 'sk-very-secret-key-0123456789abcdef';
    await using upstream = await startUpstream({
      keys: { [secret]: refusal(401, { message: `Incorrect API key provided: ${secret}` }) },
    });
    await using rotator = await startRotator({ upstream });
    const text = await (await rotator.chat()).text();
    expect(text).not.toContain(secret);
    expect(rotator.log.join('\n')).not.toContain(secret);
    expect(rotator.log.join('\n')).not.toContain(rotator.key);
    expect(JSON.stringify(await rotator.keys())).not.toContain(secret);
  });
});

test('an upstream that recovers is used again at once: no error outlives its cause', async () => {
  await using upstream = await startUpstream({ keys: { one: [broken, answer('well again')] } });
  await using rotator = await startRotator({ upstream, keys: inOrder('one'), rotation: oneTry });
  expect((await rotator.chat()).status).toBe(502);
  expect((await rotator.chat()).status).toBe(200);
});

test('a stream that fails before it begins has a real status, not a 200', async () => {
  await using upstream = await startUpstream({
    keys: { one: [rateLimited({ 'retry-after': '20' })], two: chatStream('x') },
  });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  const response = await rotator.stream();
  expectRetryAfter(response);
  await expectError(response, { status: 429, type: 'rate_limit_error' });
});
