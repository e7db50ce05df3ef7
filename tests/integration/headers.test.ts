import { describe, expect, test } from 'bun:test';
import { expectError, readError } from '../support/expect-error.ts';
import { rawExchange } from '../support/raw-http.ts';
import {
  answer,
  chatFrames,
  completion,
  type HeaderLines,
  reply,
  startUpstream,
  stream,
} from '../support/scripted-upstream.ts';
import { chatBody, clientKey, startRotator } from '../support/server.ts';

const body = JSON.stringify(chatBody());

/** A chat call in exact bytes, so that `Host` and the like are the test's own. */
const chatHead = (host: string, more: readonly string[] = []) => [
  'POST /v1/chat/completions HTTP/1.1',
  `host: ${host}`,
  `authorization: Bearer ${clientKey}`,
  'content-type: application/json',
  `content-length: ${body.length}`,
  ...more,
];

const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);

describe('headers upstream', () => {
  test('cross by an allow-list, and nothing of the client beyond it', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const crossing = {
      accept: 'application/json',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'tools',
      'openai-beta': 'assistants=v2',
      'idempotency-key': 'once',
    };
    const response = await rotator.chat(
      {},
      {
        headers: {
          ...crossing,
          cookie: 'session=1',
          'openai-organization': 'org-1',
          'openai-project': 'proj-1',
          'x-forwarded-for': '10.0.0.1',
          'x-forwarded-host': 'evil.example',
          'x-forwarded-proto': 'https',
          'x-real-ip': '10.0.0.1',
          forwarded: 'for=10.0.0.1',
          via: '1.1 proxy',
          referer: 'http://127.0.0.1/page',
          'proxy-authorization': 'Basic eA==',
          'x-api-key': 'sk-other',
          'x-goog-api-key': 'sk-other',
          'x-stainless-lang': 'js',
          'x-request-id': 'mine',
          'x-session-id': 'mine',
          'x-rotator-timeout-ms': '9000',
          'x-rotator-no-fallback': '1',
          'x-anything': 'else',
          te: 'trailers',
        },
      },
    );
    expect(response.status).toBe(200);
    const received = upstream.calls[0];
    expect(received?.headers.get('authorization')).toBe('Bearer one');
    expect(received?.headers.get('content-type')).toBe('application/json');
    expect(received?.headers.get('user-agent')).toMatch(/^rotator\/\d+\.\d+\.\d+/);
    for (const [name, value] of Object.entries(crossing)) expect(received?.headers.get(name)).toBe(value);
    const allowed = [
      ...Object.keys(crossing),
      'authorization',
      'content-type',
      'user-agent',
      // What HTTP itself needs.
      'host',
      'content-length',
      'connection',
      'accept-encoding',
      // By which a loop back to this server is found.
      'x-rotator-via',
    ];
    expect([...(received?.headers.keys() ?? [])].filter((name) => !allowed.includes(name))).toEqual([]);
    expect(received?.headers.get('host')).toBe(`127.0.0.1:${upstream.port}`);
  });

  test('name rotator as the user agent, whoever the client is', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    await rotator.chat({}, { headers: { 'user-agent': 'OpenAI/JS 7.57.0' } });
    expect(upstream.calls[0]?.headers.get('user-agent')).toMatch(/^rotator\/[\w.-]+$/);
  });

  test('carry what the user configured for the provider', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({
      upstream,
      provider: { headers: { 'x-extra': '1', 'x-title': 'mine' } },
    });
    await rotator.chat({}, { headers: { 'x-extra': 'from the client' } });
    expect(upstream.calls[0]?.headers.get('x-extra')).toBe('1');
    expect(upstream.calls[0]?.headers.get('x-title')).toBe('mine');
  });

  test.each(['x-api-key', 'x-goog-api-key'])('never carry the client key, also when it came as %s', async (name) => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    expect((await rotator.chat({}, { key: null, headers: { [name]: clientKey } })).status).toBe(200);
    expect(JSON.stringify(upstream.calls[0]?.rawHeaders)).not.toContain(clientKey);
  });

  test('and the URL never carry the client key, also when it came as ?key=', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const response = await fetch(`${rotator.url}/v1/chat/completions?key=${clientKey}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(response.status).toBe(200);
    expect(upstream.calls[0]?.path).toBe('/v1/chat/completions');
    expect(rotator.log.join('\n')).not.toContain(clientKey);
  });

  test('the first valid key in the order of the contract counts', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat({}, { key: 'sk-some-vendor-key', headers: { 'x-api-key': clientKey } });
    expect(response.status).toBe(200);
    expect(upstream.calls[0]?.headers.get('authorization')).toBe('Bearer one');
    expect(upstream.calls[0]?.headers.get('x-api-key')).toBeNull();
  });
});

describe('headers back', () => {
  const vendor: HeaderLines = [
    ['set-cookie', '__cf_bm=1; path=/'],
    ['openai-organization', 'org-of-the-key'],
    ['openai-processing-ms', '12'],
    ['x-ratelimit-limit-requests', '60'],
    ['x-ratelimit-remaining-tokens', '1000'],
    ['anthropic-ratelimit-requests-remaining', '1'],
    ['retry-after', '3'],
    ['x-request-id', 'req_of_the_vendor'],
    ['server', 'cloudflare'],
    ['cf-ray', '1'],
    ['via', '1.1 vendor'],
    ['x-powered-by', 'vendor'],
    ['strict-transport-security', 'max-age=1'],
    ['access-control-allow-origin', '*'],
    ['keep-alive', 'timeout=5'],
    ['x-anything', 'else'],
  ];
  const foreign = vendor.map(([name]) => name).filter((name) => name !== 'x-request-id');

  test.each([
    ['a whole answer', reply(200, completion('x'), vendor), false],
    ['a stream', stream(chatFrames('x'), { headers: vendor }), true],
    ['an error', reply(400, { error: { message: 'no', type: 'invalid_request_error' } }, vendor), false],
  ])('of %s cross by an allow-list', async (_, script, isStream) => {
    await using upstream = await startUpstream({ keys: { one: script } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat({ stream: isStream }, { headers: { 'x-request-id': 'mine' } });
    await response.text();
    expect(foreign.filter((name) => response.headers.has(name))).toEqual([]);
    expect(response.headers.get('x-request-id')).toBe('mine');
  });

  test('say who served', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const { headers } = await rotator.chat({ model: 'mock/vendor/m' });
    expect(headers.get('x-rotator-target')).toBe('mock/vendor/m');
    expect(headers.get('x-rotator-credential')).toMatch(/^mock-[0-9a-f]{10}$/);
    expect(headers.get('x-rotator-attempts')).toBe('1');
    expect(headers.get('x-rotator-overhead-ms')).toMatch(/^\d+(\.\d+)?$/);
    expect(headers.get('x-fallback-provider')).toBeNull();
  });

  test.each([
    ['kept when it is well formed', 'client.Req-1_x', 'client.Req-1_x'],
    ['replaced when it is too long', 'x'.repeat(65), null],
    ['replaced when it has other characters', 'a b"<c>', null],
    ['made when there is none', undefined, null],
  ])('x-request-id is %s', async (_, sent, kept) => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const { headers } = await rotator.chat({}, { headers: sent === undefined ? {} : { 'x-request-id': sent } });
    const id = headers.get('x-request-id') ?? '';
    expect(id).toMatch(/^[\w.-]{1,64}$/);
    if (kept === null) expect(id).not.toBe(sent ?? '');
    else expect(id).toBe(kept);
  });

  test('a compressed reply of the upstream reaches the client readable and truly labelled', async () => {
    const packed = Bun.gzipSync(new TextEncoder().encode(JSON.stringify(completion('unpacked'))));
    await using upstream = await startUpstream({ keys: { one: reply(200, packed, { 'content-encoding': 'gzip' }) } });
    await using rotator = await startRotator({ upstream });
    expect(await (await rotator.chat()).json()).toEqual(completion('unpacked'));
  });
});

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])('%i from upstream is refused, and the key goes nowhere else', async (status) => {
    await using elsewhere = await startUpstream({ answer: () => answer('stolen') });
    await using upstream = await startUpstream({
      keys: { one: reply(status, '', { location: `${elsewhere.baseUrl}/chat/completions` }) },
    });
    await using rotator = await startRotator({ upstream, rotation: { retries_same_key: 0 } });
    const response = await rotator.chat();
    expect(response.status).toBe(502);
    expect(response.headers.get('location')).toBeNull();
    expect(readError(await response.json()).type).toBe('upstream_error');
    expect(elsewhere.requests).toHaveLength(0);
  });
});

describe('fields of the body that steer other programs', () => {
  test('stay plain body fields and change nothing of the call', async () => {
    await using elsewhere = await startUpstream({ answer: () => answer('stolen') });
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const fields = {
      api_base: elsewhere.baseUrl,
      base_url: elsewhere.baseUrl,
      api_key: 'sk-other',
      extra_headers: { authorization: 'Bearer sk-other', 'x-evil': '1' },
      extra_body: { a: 1 },
      headers: { 'x-evil': '1' },
      custom_llm_provider: 'openai',
      timeout: 1,
    };
    expect((await rotator.chat(fields)).status).toBe(200);
    expect(elsewhere.requests).toHaveLength(0);
    const call = upstream.calls[0];
    expect(JSON.parse(call?.text ?? '')).toEqual({ ...chatBody({ model: 'm' }), ...fields });
    expect(call?.headers.get('authorization')).toBe('Bearer one');
    expect(call?.headers.has('x-evil')).toBe(false);
  });
});

describe('compressed requests', () => {
  const text = JSON.stringify(chatBody({ messages: [{ role: 'user', content: 'packed é' }] }));
  const bytes = new TextEncoder().encode(text);
  test.each([
    ['gzip', Bun.gzipSync(bytes)],
    ['zstd', new Uint8Array(Bun.zstdCompressSync(bytes))],
    ['GZIP', Bun.gzipSync(bytes)],
    ['identity', bytes],
  ])('in %s are inflated', async (encoding, packed) => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat(packed, { headers: { 'content-encoding': encoding } });
    expect(response.status).toBe(200);
    expect(upstream.calls[0]?.text).toBe(text.replace('mock/m', 'm'));
    expect(upstream.calls[0]?.headers.has('content-encoding')).toBe(false);
  });

  test.each(['gzip', 'zstd'])('that are no %s at all are 400', async (encoding) => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat(bytes, { headers: { 'content-encoding': encoding } });
    await expectError(response, { status: 400, type: 'invalid_request_error' });
  });

  test.each(['gzip', 'zstd'])('that are cut off in the middle (%s) are 400', async (encoding) => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const packed = encoding === 'gzip' ? Bun.gzipSync(bytes) : new Uint8Array(Bun.zstdCompressSync(bytes));
    const response = await rotator.chat(packed.subarray(0, packed.length - 10), {
      headers: { 'content-encoding': encoding },
    });
    await expectError(response, { status: 400, type: 'invalid_request_error' });
  });

  test.each(['gzip', 'zstd'])('that swell over max_body (%s) are 413', async (encoding) => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream, server: { max_body: '1mb' } });
    const bomb = new Uint8Array(64 * 1024 * 1024);
    const packed = encoding === 'gzip' ? Bun.gzipSync(bomb) : new Uint8Array(Bun.zstdCompressSync(bomb));
    expect(packed.length).toBeLessThan(1024 * 1024);
    await expectError(await rotator.chat(packed, { headers: { 'content-encoding': encoding } }), {
      status: 413,
      type: 'invalid_request_error',
      code: 'body_too_large',
    });
  });
});

describe('a loop', () => {
  test('back to this server is 508, and ends at once', async () => {
    await using rotator = await startRotator({});
    rotator.apply({
      providers: { self: { base_url: `${rotator.url}/v1`, keys: [clientKey] } },
      rotation: { retries_same_key: 0 },
    });
    for (const isStream of [false, true]) {
      const response = await rotator.chat({ model: 'self/self/self/m', stream: isStream });
      await expectError(response, { status: 508, type: 'upstream_error', code: 'loop' });
    }
    const requests = rotator.log.filter((line) => line.includes('508'));
    expect(requests.length).toBeLessThanOrEqual(8);
  });

  test('through another server is found as well', async () => {
    await using first = await startRotator({});
    await using second = await startRotator({});
    first.apply({
      providers: { next: { base_url: `${second.url}/v1`, keys: [clientKey] } },
      rotation: { retries_same_key: 0 },
    });
    second.apply({
      providers: { next: { base_url: `${first.url}/v1`, keys: [clientKey] } },
      rotation: { retries_same_key: 0 },
    });
    const response = await first.chat({ model: 'next/next/next/next/m' });
    await expectError(response, { status: 508, type: 'upstream_error', code: 'loop' });
  });
});

describe('a web page of another origin', () => {
  test.each(['evil.example', 'evil.example:8000', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1', ''])(
    'that has rebound its name to this machine (Host %j) is 421',
    async (host) => {
      await using upstream = await startUpstream({ keys: { one: answer('x') } });
      await using rotator = await startRotator({ upstream });
      const text = await rawExchange(rotator.url, chatHead(host), body);
      // Bun itself refuses a request with an empty Host.
      expect(host === '' ? [400, 421] : [421]).toContain(statusOf(text));
      for (const path of ['/', '/health', '/v1/models', '/admin/status']) {
        expect(statusOf(await rawExchange(rotator.url, [`GET ${path} HTTP/1.1`, `host: ${host}`]))).not.toBe(200);
      }
      expect(upstream.calls).toHaveLength(0);
    },
  );

  test.each(['127.0.0.1', 'localhost', 'LOCALHOST', 'localhost:9999', '[::1]', '127.0.0.5', 'proxy.home'])(
    'is none when Host is %s',
    async (host) => {
      await using upstream = await startUpstream({ keys: { one: answer('x') } });
      await using rotator = await startRotator({ upstream, server: { allowed_hosts: ['proxy.home'] } });
      expect(statusOf(await rawExchange(rotator.url, chatHead(host), body))).toBe(200);
    },
  );

  test('is refused with 403, key or not, and makes no call', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1', 'http://localhost.evil.example']) {
      const response = await rotator.chat({}, { headers: { origin } });
      expect(response.status).toBe(403);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
      expect(readError(await response.json()).message).not.toBe('');
    }
    const preflight = await fetch(`${rotator.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(403);
    expect(upstream.calls).toHaveLength(0);
  });

  test('in server.cors is served, and its preflight needs no key', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream, server: { cors: ['https://app.example'] } });
    const origin = 'https://app.example';
    const preflight = await fetch(`${rotator.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    });
    expect(preflight.ok).toBe(true);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    const allowed = (preflight.headers.get('access-control-allow-headers') ?? '').toLowerCase();
    for (const name of ['authorization', 'content-type']) expect(allowed).toContain(name);
    const response = await rotator.chat({}, { headers: { origin } });
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('vary')?.toLowerCase()).toContain('origin');
    const refused = await rotator.chat({}, { headers: { origin }, key: 'sk-wrong' });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(origin);
  });

  test('is refused by /admin even when it is in server.cors', async () => {
    await using rotator = await startRotator({ server: { cors: ['https://app.example'] } });
    expect((await rotator.admin('status')).status).toBe(200);
    expect((await rotator.admin('status', { headers: { origin: 'https://app.example' } })).status).toBe(403);
  });

  test('cannot post a form to an open server', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream, server: { client_keys: 'none' } });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const response = await rotator.chat(body, { key: null, headers: { 'content-type': type } });
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.status).toBeLessThan(500);
    }
    expect(upstream.calls).toHaveLength(0);
    expect((await rotator.chat(body, { key: null })).status).toBe(200);
    const withCharset = { 'content-type': 'application/json; charset=utf-8' };
    expect((await rotator.chat(body, { key: null, headers: withCharset })).status).toBe(200);
  });
});

describe('the doors that need no key', () => {
  test('are /, /health and /ready, and no other', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const root = await rotator.get('/', { key: null });
    expect(await root.json()).toMatchObject({ name: 'rotator', status: 'ok', version: expect.any(String) });
    const health = await rotator.get('/health', { key: null });
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ instance: expect.any(String) });
    expect((await rotator.get('/ready', { key: null })).status).toBe(200);
    for (const path of ['/v1/models', '/v1/providers', '/v1/models/mock%2Fm', '/admin/status', '/admin/keys']) {
      expect((await rotator.get(path, { key: null })).status).toBe(401);
    }
  });

  test('/ready is 503 without a credential that can serve; rate limits do not count', async () => {
    await using upstream = await startUpstream({
      keys: { one: reply(429, { error: { message: 'slow down' } }, { 'retry-after': '50' }) },
    });
    await using rotator = await startRotator({ upstream });
    await rotator.chat();
    expect((await rotator.get('/ready', { key: null })).status).toBe(200);
    await using empty = await startRotator({});
    expect((await empty.get('/ready', { key: null })).status).toBe(503);
    await using refused = await startRotator({ upstream, keys: ['unknown-key'] });
    await refused.chat();
    expect((await refused.get('/ready', { key: null })).status).toBe(503);
  });
});
