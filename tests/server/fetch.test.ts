import { describe, expect, test } from 'bun:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { createFetch } from '../../src/server/fetch.ts';
import { errorOf } from '../support/expect-error.ts';
import { ADMIN_TOKEN, CLIENT_KEY, chat, fakeServer, withAdmin, withKey } from './fake-deps.ts';

describe('the request id', () => {
  test.each(['abc', 'A-b_c.9', 'x'.repeat(64)])('%s of the client is kept', async (id) => {
    const response = await fakeServer().send('/', { headers: { 'x-request-id': id } });
    expect(response.headers.get('x-request-id')).toBe(id);
  });

  test.each(['', 'x'.repeat(65), 'a b', 'a,b', 'a/b', 'é', '"><script>', 'a;b'])('%p is replaced', async (id) => {
    const response = await fakeServer().send('/', { headers: { 'x-request-id': id } });
    expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-f-]{36}$/);
  });

  test('stands on every kind of answer and differs between requests', async () => {
    const { send } = fakeServer();
    const answers = await Promise.all([
      send('/'),
      send('/nowhere'),
      send('/v1/models'),
      send('/', { method: 'POST' }),
      send('/', { headers: { host: 'evil.example' } }),
      send('/', { headers: { origin: 'https://evil.example' } }),
      send('/v1/chat/completions', chat()),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 404, 401, 405, 421, 403, 200]);
    expect(new Set(answers.map((answer) => answer.headers.get('x-request-id'))).size).toBe(7);
  });

  test('is the one the gateway works under', async () => {
    const { send, calls } = fakeServer();
    await send('/v1/chat/completions', chat({ 'x-request-id': 'mine' }));
    expect(calls[0]?.requestId).toBe('mine');
  });
});

describe('the Host rule', () => {
  test('refuses a rebound name before it looks at anything else', async () => {
    const { send, calls } = fakeServer();
    for (const path of ['/', '/health', '/v1/models', '/v1/chat/completions', '/admin/keys', '/nowhere']) {
      const response = await send(path, withKey({ host: 'evil.example' }));
      expect(response.status).toBe(421);
      expect((await errorOf(response)).type).toBe('invalid_request_error');
    }
    expect(calls).toHaveLength(0);
  });

  test('accepts loopback names, the names in allowed_hosts, and everything on another bind', async () => {
    expect((await fakeServer().send('/health', { headers: { host: '[::1]:8000' } })).status).toBe(200);
    const named = fakeServer({ settings: { allowedHosts: ['llm.home'] } });
    expect((await named.send('/health', { headers: { host: 'llm.home:8000' } })).status).toBe(200);
    const open = fakeServer({ settings: { host: '0.0.0.0' } });
    expect((await open.send('/health', { headers: { host: 'llm.example' } })).status).toBe(200);
  });

  test('looks at the URL when a request never had a socket', async () => {
    expect((await fakeServer().send('http://localhost/health')).status).toBe(200);
    expect((await fakeServer().send('http://evil.example/health')).status).toBe(421);
  });

  test('tells a refused host no CORS headers', async () => {
    const { send } = fakeServer({ settings: { cors: ['*'] } });
    const response = await send('/health', { headers: { host: 'evil.example', origin: 'http://evil.example' } });
    expect(response.status).toBe(421);
    expect(response.headers.has('access-control-allow-origin')).toBe(false);
  });
});

describe('the Origin rule', () => {
  const cors = ['https://app.example'];
  const origin = 'https://app.example';

  test('refuses pages that are not listed, with a key or without, on every route', async () => {
    const { send, calls } = fakeServer({ settings: { cors } });
    for (const path of ['/', '/health', '/v1/models', '/v1/chat/completions', '/nowhere']) {
      const response = await send(path, withKey({ origin: 'https://evil.example' }));
      expect(response.status).toBe(403);
      expect(response.headers.has('access-control-allow-origin')).toBe(false);
      expect((await errorOf(response)).type).toBe('permission_error');
    }
    expect(calls).toHaveLength(0);
  });

  test('refuses the preflight of a page that is not listed', async () => {
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
    const response = await fakeServer({ settings: { cors } }).send('/v1/models', { method: 'OPTIONS', headers });
    expect(response.status).toBe(403);
  });

  test('answers the preflight of a listed page without a key', async () => {
    const response = await fakeServer({ settings: { cors } }).send('/v1/chat/completions', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('access-control-allow-headers')).toBe('authorization');
    expect(response.headers.get('vary')).toBe('origin');
  });

  test('lets a listed page read answers and errors, with the headers that tell the route', async () => {
    const { send } = fakeServer({ settings: { cors } });
    const answers = [
      await send('/v1/models', withKey({ origin })),
      await send('/v1/models', { headers: { origin } }),
      await send('/nowhere', { headers: { origin } }),
      await send('/v1/chat/completions', chat({ origin })),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([200, 401, 404, 200]);
    for (const answer of answers) {
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
      expect(answer.headers.get('access-control-expose-headers')).toContain('x-rotator-target');
      expect(answer.headers.get('vary')).toBe('origin');
    }
  });

  test('leaves a streamed answer a stream', async () => {
    const { send } = fakeServer({
      settings: { cors },
      deps: {
        gateway: {
          handle: async () =>
            new Response('data: {}\n\ndata: [DONE]\n\n', { headers: { 'content-type': 'text/event-stream' } }),
        },
      },
    });
    const response = await send('/v1/chat/completions', chat({ origin }));
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('access-control-expose-headers')).toContain('x-request-id');
    expect(await response.text()).toEndWith('[DONE]\n\n');
  });

  test('keeps every page out of /admin, with the token and on every list', async () => {
    const { send } = fakeServer({ settings: { cors: ['*', origin] } });
    for (const path of ['/admin', '/admin/keys', '/admin/nowhere']) {
      const response = await send(path, withAdmin({ origin }));
      expect(response.status).toBe(403);
      expect(response.headers.has('access-control-allow-origin')).toBe(false);
    }
    const headers = { origin, 'access-control-request-method': 'GET' };
    expect((await send('/admin/keys', { method: 'OPTIONS', headers })).status).toBe(403);
  });

  test('says nothing of CORS to those who are no page', async () => {
    const response = await fakeServer().send('/health');
    expect(response.headers.has('access-control-allow-origin')).toBe(false);
    expect(response.headers.has('vary')).toBe(false);
  });
});

describe('paths and methods', () => {
  test.each([
    '/nowhere',
    '//v1/models',
    '/v1/models/',
    '/v1//models',
    '/%761/models',
    '/v1%2Fmodels',
    '/%61dmin/keys',
    '/admin',
    '/admin/',
    '/v1/completions/x',
  ])('%s is 404 in the OpenAI envelope', async (path) => {
    const response = await fakeServer().send(path, withKey());
    expect(response.status).toBe(404);
    expect((await errorOf(response)).type).toBe('invalid_request_error');
  });

  test('what the URL parser resolves to /admin still asks for the admin token', async () => {
    for (const path of ['/v1/../admin/keys', '/v1/%2e%2e/admin/keys', '/\\admin/keys']) {
      expect((await fakeServer().send(path, withKey())).status).not.toBe(200);
    }
  });

  test('a path that is nearly one says which', async () => {
    const { send } = fakeServer();
    const message = async (path: string) => (await errorOf(await send(path, { method: 'POST' }))).message;
    expect(await message('/chat/completions')).toContain('/v1/chat/completions');
    expect(await message('/v1/v1/chat/completions')).toContain('/v1/chat/completions');
    expect(await message('/wp-login.php')).not.toContain('mean');
  });

  test.each([
    ['POST', '/', 'GET, HEAD'],
    ['DELETE', '/v1/models', 'GET, HEAD'],
    ['OPTIONS', '/v1/models/x', 'POST, GET, HEAD'],
    ['GET', '/v1/chat/completions', 'POST'],
    ['HEAD', '/v1/chat/completions', 'POST'],
    ['PUT', '/admin/reload', 'POST'],
  ])('%s %s is 405 and allows %s', async (method, path, allow) => {
    const response = await fakeServer().send(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(allow);
  });

  test('HEAD gives the headers of GET and no body', async () => {
    const { send } = fakeServer();
    for (const path of ['/', '/health', '/ready', '/v1/models', '/v1/models/groq/llama-3', '/v1/providers']) {
      const get = await send(path, withKey());
      const head = await send(path, { method: 'HEAD', ...withKey() });
      expect(head.status).toBe(get.status);
      expect(head.headers.get('content-type')).toBe('application/json');
      expect(head.headers.get('content-length')).toBe(String((await get.bytes()).length));
      expect(await head.text()).toBe('');
    }
    const refused = await send('/v1/models', { method: 'HEAD' });
    expect([refused.status, await refused.text()]).toEqual([401, '']);
  });
});

describe('keys', () => {
  test.each(['/', '/health', '/ready'])('%s needs none', async (path) => {
    expect((await fakeServer().send(path)).status).toBe(200);
  });

  test.each(['/v1/models', '/v1/models/groq/llama-3', '/v1/providers'])('%s needs a client key', async (path) => {
    const { send } = fakeServer();
    const refused = await send(path);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect((await errorOf(refused)).type).toBe('authentication_error');
    expect((await send(path, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })).status).toBe(401);
    expect((await send(path, withKey())).status).toBe(200);
    expect((await send(`${path}?key=${CLIENT_KEY}`)).status).toBe(200);
  });

  test.each([
    ['GET', '/admin/status'],
    ['GET', '/admin/keys'],
    ['POST', '/admin/keys/groq-1a2b3c4d5e/enable'],
    ['POST', '/admin/keys/groq-1a2b3c4d5e/disable'],
    ['POST', '/admin/keys/groq-1a2b3c4d5e/reset'],
    ['POST', '/admin/keys/groq-1a2b3c4d5e/test'],
    ['POST', '/admin/test-route'],
    ['POST', '/admin/reload'],
    ['GET', '/admin/usage'],
    ['GET', '/admin/requests'],
    ['GET', '/admin/requests/req-1'],
    ['GET', '/admin/events'],
    ['POST', '/admin/quota/refresh'],
  ])('%s %s opens to the admin token in Authorization alone, and not to a client key', async (method, path) => {
    const { send, operated } = fakeServer({ settings: { exposeRoute: true } });
    const body = method === 'POST' ? '{"model":"groq/llama-3"}' : null;
    for (const init of [
      {},
      withKey(),
      { headers: { 'x-api-key': ADMIN_TOKEN } },
      { headers: { 'x-goog-api-key': ADMIN_TOKEN } },
    ]) {
      expect((await send(path, { method, body, ...init })).status).toBe(401);
    }
    expect((await send(`${path}?key=${ADMIN_TOKEN}`, { method, body })).status).toBe(401);
    expect(operated).toEqual([]);
    expect((await send(path, { method, body, ...withAdmin() })).status).toBe(200);
  });

  test('no key reaches the gateway, in no header', async () => {
    const { send, calls } = fakeServer();
    await send(
      '/v1/chat/completions?key=other',
      chat({ 'x-api-key': 'a', 'x-goog-api-key': 'b', 'x-session-id': 's' }),
    );
    const headers = calls[0]?.headers ?? new Headers();
    for (const name of ['authorization', 'x-api-key', 'x-goog-api-key']) expect(headers.has(name)).toBe(false);
    expect(headers.get('x-session-id')).toBe('s');
  });

  test('no key is logged, neither of a header nor of the query', async () => {
    const { send, lines } = fakeServer({
      deps: {
        gateway: {
          handle: () => {
            throw new Error('bug');
          },
        },
      },
    });
    await send(`/v1/chat/completions?key=${CLIENT_KEY}`, chat());
    await send(`/nowhere?key=${CLIENT_KEY}`);
    await send('/v1/models?key=wrong-key', { headers: { authorization: 'Bearer wrong-key' } });
    expect(lines).toHaveLength(3);
    expect(JSON.stringify(lines)).not.toContain(CLIENT_KEY);
    expect(JSON.stringify(lines)).not.toContain('wrong-key');
  });

  test('a reload changes them for the next request', async () => {
    const server = fakeServer();
    let settings = server.settings;
    const send = createFetch({ ...server.deps, settings: () => settings });
    const ask = () => send(new Request('http://127.0.0.1/v1/models', withKey()), { address: null });
    expect((await ask()).status).toBe(200);
    settings = { ...settings, clientKeys: [] };
    expect((await ask()).status).toBe(401);
  });
});

describe('open mode', () => {
  const settings = { clientKeys: 'open' } as const;

  test('asks no client key, and still the admin token', async () => {
    const { send, listed } = fakeServer({ settings });
    expect((await send('/v1/models')).status).toBe(200);
    expect(listed[0]).toEqual({ id: '', name: null, models: [] });
    expect((await send('/admin/keys')).status).toBe(401);
  });

  test.each([null, 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'multipart/form-data'])(
    'a POST as %p is refused',
    async (type) => {
      const { send, calls } = fakeServer({ settings });
      const response = await send('/v1/chat/completions', {
        method: 'POST',
        // Bytes, because a string body would bring its own content type.
        body: new TextEncoder().encode('{"model":"groq/llama-3"}'),
        headers: type === null ? {} : { 'content-type': type },
      });
      expect(response.status).toBe(415);
      expect(calls).toHaveLength(0);
    },
  );

  test.each(['application/json', 'Application/JSON; charset=utf-8', 'application/json;charset=utf-8'])(
    'a POST as %s is served',
    async (type) => {
      const { send } = fakeServer({ settings });
      expect((await send('/v1/chat/completions', chat({ 'content-type': type }))).status).toBe(200);
    },
  );

  test('with keys any content type goes, as curl -d sends it', async () => {
    const { send } = fakeServer();
    const init = chat({ 'content-type': 'application/x-www-form-urlencoded' });
    expect((await send('/v1/chat/completions', init)).status).toBe(200);
  });
});

describe('bodies', () => {
  test('one over max_body is 413 body_too_large', async () => {
    const { send, calls } = fakeServer();
    const response = await send('/v1/chat/completions', chat({}, 'x'.repeat(1001)));
    expect(response.status).toBe(413);
    expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', code: 'body_too_large' });
    expect(calls).toHaveLength(0);
  });

  test('one in another encoding is 415 and names those that are understood', async () => {
    const response = await fakeServer().send('/v1/chat/completions', chat({ 'content-encoding': 'br' }));
    expect(response.status).toBe(415);
    expect(response.headers.get('accept-encoding')).toBe('gzip, zstd');
  });

  test('a compressed one reaches the gateway inflated', async () => {
    const { send, calls } = fakeServer();
    const text = '{"model":"groq/llama-3"}';
    await send('/v1/chat/completions', chat({ 'content-encoding': 'gzip' }, new Uint8Array(gzipSync(text))));
    await send('/v1/chat/completions', chat({ 'content-encoding': 'zstd' }, new Uint8Array(zstdCompressSync(text))));
    expect(calls.map((call) => new TextDecoder().decode(call.body))).toEqual([text, text]);
  });

  test('is not read before its sender is known', async () => {
    const request = new Request('http://127.0.0.1/v1/chat/completions', { method: 'POST', body: 'x'.repeat(9999) });
    const response = await fakeServer().serverFetch(request, { address: null });
    expect(response.status).toBe(401);
    expect(request.bodyUsed).toBe(false);
  });

  test('the holder of the socket is told when the body is in, and only then', async () => {
    const { send } = fakeServer();
    let told = 0;
    const peer = { address: null, onBodyRead: () => told++ };
    await send('/v1/chat/completions', chat({}, 'x'.repeat(1001)), peer);
    await send('/v1/chat/completions', { method: 'POST' }, peer);
    expect(told).toBe(0);
    await send('/v1/chat/completions', chat(), peer);
    await send('/v1/models', withKey(), peer);
    expect(told).toBe(2);
  });
});

describe('a model call', () => {
  test('carries what the gateway needs', async () => {
    const { send, calls, deps } = fakeServer({ settings: { exposeRoute: true } });
    await send('/v1/chat/completions', chat({ 'x-rotator-timeout-ms': '1500', 'x-rotator-no-fallback': '1' }));
    expect(calls[0]).toMatchObject({
      client: { name: 'laptop', models: [] },
      timeoutMs: 1500,
      isFallbackOff: true,
      showsRoute: true,
      arrivedAt: deps.clock.now(),
    });
    expect(calls[0]?.codec.id).toBe('openai-chat');
    expect(calls[0]?.signal.aborted).toBe(false);
  });

  test('without our headers has its defaults', async () => {
    const { send, calls } = fakeServer();
    await send('/v1/chat/completions', chat());
    await send('/v1/chat/completions', chat({ 'x-rotator-no-fallback': '0' }));
    for (const call of calls) expect(call).toMatchObject({ timeoutMs: null, isFallbackOff: false, showsRoute: false });
  });

  test.each([
    ['x-rotator-timeout-ms', '0'],
    ['x-rotator-timeout-ms', '-5'],
    ['x-rotator-timeout-ms', '1.5'],
    ['x-rotator-timeout-ms', '10s'],
    ['x-rotator-timeout-ms', '1e3'],
    ['x-rotator-timeout-ms', '9999999999999'],
    ['x-rotator-timeout-ms', ''],
    ['x-rotator-no-fallback', 'maybe'],
    ['x-rotator-no-fallback', '1, 0'],
  ])('with %s: %p is a bad request that names the header', async (name, value) => {
    const { send, calls } = fakeServer();
    const response = await send('/v1/chat/completions', chat({ [name]: value }));
    expect(response.status).toBe(400);
    expect((await errorOf(response)).param).toBe(name);
    expect(calls).toHaveLength(0);
  });

  test('that the client gives up aborts the signal', async () => {
    const { serverFetch, calls } = fakeServer();
    const stop = new AbortController();
    await serverFetch(new Request('http://127.0.0.1/v1/chat/completions', { ...chat(), signal: stop.signal }), {
      address: null,
    });
    stop.abort();
    expect(calls[0]?.signal.aborted).toBe(true);
  });
});

describe('error.rotator', () => {
  test('tells attempts only where routes are exposed', async () => {
    const shown = fakeServer({ settings: { exposeRoute: true } });
    const response = await shown.send('/nowhere', { headers: { 'x-request-id': 'r1' } });
    expect((await errorOf(response)).rotator).toEqual({ request_id: 'r1', target: null, attempts: [], retry_at: null });
    const hidden = fakeServer();
    expect((await errorOf(await hidden.send('/nowhere'))).rotator).not.toHaveProperty('attempts');
  });
});

describe('a bug', () => {
  const broken = () =>
    fakeServer({
      deps: {
        gateway: {
          handle: async () => {
            throw new Error('the inside of it');
          },
        },
      },
    });

  test('is a 500 that says nothing of the inside', async () => {
    const response = await broken().send('/v1/chat/completions', chat());
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain('inside');
    expect(text).not.toContain('.ts');
    expect(JSON.parse(text)).toMatchObject({ error: { type: 'server_error', code: 'internal' } });
  });

  test('is logged once, with its stack and the request id', async () => {
    const { send, lines } = broken();
    await send('/v1/chat/completions', chat({ 'x-request-id': 'r9' }));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.level).toBe('error');
    expect(lines[0]?.fields).toMatchObject({ request_id: 'r9', method: 'POST', path: '/v1/chat/completions' });
    expect(String(lines[0]?.fields?.['error'])).toContain('the inside of it');
  });
});

test('the answers of the public routes have their shapes', async () => {
  const { send } = fakeServer();
  expect(await (await send('/')).json()).toEqual({ name: 'rotator', status: 'ok', version: '1.2.3' });
  expect(await (await send('/health')).json()).toEqual({ status: 'ok', version: '1.2.3', instance: 'instance-hash' });
  expect((await send('/ready')).status).toBe(200);
  expect((await fakeServer({ deps: { isReady: () => false } }).send('/ready')).status).toBe(503);
});
