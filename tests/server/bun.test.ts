import { afterEach, describe, expect, test } from 'bun:test';
import { CliError } from '../../src/shared/cli-error.ts';
import { type Listener, type ListenOptions, listen } from '../../src/server/bun.ts';
import { chat, fakeServer, withKey } from './fake-deps.ts';
import { errorOf } from '../support/expect-error.ts';
import { type RawClient, rawClient } from '../support/raw-http.ts';

const open: { stop(): void }[] = [];
afterEach(() => {
  for (const thing of open.splice(0)) thing.stop();
});

function start(fetch: ListenOptions['fetch'], options: Partial<ListenOptions> = {}): Listener {
  const listener = listen({ hostname: '127.0.0.1', port: 0, fetch, ...options });
  open.push({ stop: () => listener.abort() });
  return listener;
}

async function raw(listener: Listener): Promise<RawClient> {
  const connection = await rawClient(`http://127.0.0.1:${listener.port}`);
  open.push({ stop: () => connection.close() });
  return connection;
}

/** A promise and the way to settle it. */
const gate = () => Promise.withResolvers<void>();

const KEY = 'Authorization: Bearer sk-rotator-client\r\n';

describe('a request over a socket', () => {
  test('is answered, and the connection kept for the next', async () => {
    const listener = start(fakeServer().serverFetch);
    const connection = await raw(listener);
    connection.send('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await connection.until(/"instance":"instance-hash"}/);
    connection.send(`GET /v1/models/groq%2Fllama-3 HTTP/1.1\r\nHost: localhost:1\r\n${KEY}\r\n`);
    await connection.until(/"id":"groq\/llama-3"/);
  });

  test('as HEAD has the length of GET and no body', async () => {
    const listener = start(fakeServer().serverFetch);
    const whole = await fetch(`${listener.url}/health`);
    const head = await fetch(`${listener.url}/health`, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String((await whole.bytes()).length));
    expect(await head.text()).toBe('');
  });

  test('carries the address of its sender', async () => {
    const seen: (string | null)[] = [];
    const listener = start(async (_, peer) => {
      seen.push(peer.address);
      return new Response();
    });
    await fetch(listener.url);
    expect(seen).toEqual(['127.0.0.1']);
  });

  test.each([
    ['a rebound name', 421, 'GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n'],
    ['two Host headers', 421, 'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n'],
    ['an empty Host', 421, 'GET /health HTTP/1.1\r\nHost:\r\n\r\n'],
    ['a Host with credentials', 421, 'GET /health HTTP/1.1\r\nHost: evil@127.0.0.1\r\n\r\n'],
    ['a Host that is no name', 421, 'GET /health HTTP/1.1\r\nHost: [bad\r\n\r\n'],
    ['no Host in HTTP/1.0', 421, 'GET /health HTTP/1.0\r\n\r\n'],
    ['no Host in HTTP/1.1', 400, 'GET /health HTTP/1.1\r\n\r\n'],
    ['an absolute URL of another host', 421, 'GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\n\r\n'],
    ['an absolute URL with our Host', 200, 'GET http://evil.example/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['a doubled slash', 404, `GET //v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}\r\n`],
    ['a path that climbs to /admin', 401, `GET /v1/../admin/keys HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}\r\n`],
    ['a hidden climb to /admin', 401, `GET /v1/%2e%2e/admin/keys HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}\r\n`],
    ['TRACE', 405, 'TRACE /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['CONNECT', 404, 'CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['OPTIONS *', 400, 'OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['a header block of 20 KB', 431, `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['a line break in x-request-id', 400, 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx-request-id: a\nevil: 1\r\n\r\n'],
    [
      'a length and chunks at once',
      400,
      `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
  ])('with %s gets %d', async (_, status, bytes) => {
    const connection = await raw(start(fakeServer().serverFetch));
    connection.send(bytes);
    expect(await connection.until(/^HTTP\/1\.1 \d+/)).toStartWith(`HTTP/1.1 ${status}`);
  });

  test('cannot put headers into the answer through x-request-id', async () => {
    const connection = await raw(start(fakeServer().serverFetch));
    connection.send('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx-request-id: a%0d%0aevil: 1\r\n\r\n');
    const answer = await connection.until(/\r\n\r\n.*}$/s);
    expect(answer).not.toContain('evil');
    expect(answer).toMatch(/x-request-id: req_/i);
  });
});

describe('a body over a socket', () => {
  test('far above every limit gets our envelope, not Bun’s bare 413', async () => {
    const listener = start(fakeServer().serverFetch);
    const response = await fetch(`${listener.url}/v1/chat/completions`, chat({}, new Uint8Array(5_000_000)));
    expect(response.status).toBe(413);
    expect((await errorOf(response)).code).toBe('body_too_large');
  });

  test('that only declares to be too large is refused at once', async () => {
    const connection = await raw(start(fakeServer().serverFetch));
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}Content-Length: 99999999999\r\n\r\n`,
    );
    expect(await connection.until(/body_too_large/)).toStartWith('HTTP/1.1 413');
  });

  test('in chunks is refused at the limit, before its end', async () => {
    const { serverFetch, calls } = fakeServer();
    const connection = await raw(start(serverFetch));
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}Transfer-Encoding: chunked\r\n\r\n`,
    );
    for (let sent = 0; sent < 3; sent++) connection.send(`190\r\n${'x'.repeat(400)}\r\n`);
    expect(await connection.until(/body_too_large/)).toStartWith('HTTP/1.1 413');
    expect(calls).toHaveLength(0);
  });

  test('in chunks under the limit arrives whole', async () => {
    const { serverFetch, calls } = fakeServer();
    const connection = await raw(start(serverFetch));
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}Transfer-Encoding: chunked\r\n\r\n`,
    );
    connection.send('8\r\n{"model"\r\n');
    connection.send('5\r\n:"m"}\r\n0\r\n\r\n');
    await connection.until(/chatcmpl-1/);
    expect(new TextDecoder().decode(calls[0]?.body)).toBe('{"model":"m"}');
  });

  test('that waits for 100-continue is asked for', async () => {
    const connection = await raw(start(fakeServer().serverFetch));
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
    );
    await connection.until(/100 Continue/);
    connection.send('{}');
    await connection.until(/chatcmpl-1/);
  });

  test('that its sender gives up half-way never reaches the gateway, and nothing is logged as a bug', async () => {
    const { serverFetch, calls, lines } = fakeServer();
    const arrived = gate();
    const answered = gate();
    const listener = start(async (request, peer) => {
      arrived.resolve();
      const response = await serverFetch(request, peer);
      answered.resolve();
      return response;
    });
    const connection = await raw(listener);
    connection.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}Content-Length: 100\r\n\r\n{"mod`);
    await arrived.promise;
    connection.close();
    await answered.promise;
    expect(calls).toHaveLength(0);
    expect(lines.filter((line) => line.level === 'error')).toEqual([]);
  });
});

describe('Bun’s idle timer, here set to its shortest', () => {
  test('cuts a body that stops coming and an unused connection, and neither a quiet answer nor a quiet stream', async () => {
    const server = fakeServer();
    const cut = gate();
    const listener = start(
      (request, peer) => {
        if (request.url.endsWith('/quiet')) {
          peer.onBodyRead?.();
          return cut.promise.then(() => new Response('late'));
        }
        if (request.url.endsWith('/stream')) {
          peer.onBodyRead?.();
          peer.onAnswer?.(false);
          const body = new ReadableStream({
            async start(controller) {
              controller.enqueue(new TextEncoder().encode('first\n'));
              await cut.promise;
              controller.enqueue(new TextEncoder().encode('last\n'));
              controller.close();
            },
          });
          return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
        }
        return server.serverFetch(request, peer);
      },
      { idleSeconds: 1 },
    );
    const quiet = fetch(`${listener.url}/quiet`).then((response) => response.text());
    const stream = fetch(`${listener.url}/stream`).then((response) => response.text());
    const unused = await raw(listener);
    unused.send(`GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}\r\n`);
    await unused.until(/groq/);
    // The same timer cuts this one: by then the first two have been silent for as long.
    const slow = await raw(listener);
    slow.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}Content-Length: 9\r\n\r\n{`);
    expect(await slow.ended).not.toContain('200');
    expect(await unused.ended).toStartWith('HTTP/1.1 200');
    cut.resolve();
    expect(await quiet).toBe('late');
    expect(await stream).toBe('first\nlast\n');
    expect(server.calls).toHaveLength(0);
  }, 20_000);
});

describe('a client that goes away', () => {
  test('aborts the signal that the gateway holds', async () => {
    const handled = gate();
    const aborted = gate();
    const { serverFetch } = fakeServer({
      deps: {
        gateway: {
          handle: async ({ signal }) => {
            signal.addEventListener('abort', () => aborted.resolve());
            handled.resolve();
            await aborted.promise;
            return new Response('too late');
          },
        },
      },
    });
    const connection = await raw(start(serverFetch));
    connection.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n${KEY}Content-Length: 2\r\n\r\n{}`);
    await handled.promise;
    connection.close();
    await aborted.promise;
  });

  test('cancels the stream it was reading', async () => {
    const cancelled = gate();
    const listener = start(async () => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
        cancel: () => cancelled.resolve(),
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    });
    const connection = await raw(listener);
    connection.send('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await connection.until(/data: 1/);
    connection.close();
    await cancelled.promise;
  });
});

describe('a stop', () => {
  test('refuses new connections, closes idle ones and lets open requests finish', async () => {
    const arrived = gate();
    const finish = gate();
    const listener = start(async (request) => {
      if (request.url.endsWith('/slow')) {
        arrived.resolve();
        await finish.promise;
      }
      return new Response('done');
    });
    const idle = await raw(listener);
    idle.send('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await idle.until(/done/);
    const slow = fetch(`${listener.url}/slow`).then((response) => response.text());
    await arrived.promise;
    expect(listener.pending()).toBe(1);
    const stopped = listener.stop(60_000);
    await idle.ended;
    expect(await rawClient(`http://127.0.0.1:${listener.port}`).catch((error: Error) => error)).toBeInstanceOf(Error);
    finish.resolve();
    expect(await slow).toBe('done');
    expect(await stopped).toBe(true);
  });

  test('lets a running stream end', async () => {
    const more = gate();
    const listener = start(async () => {
      const body = new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode('a'));
          await more.promise;
          controller.enqueue(new TextEncoder().encode('b'));
          controller.close();
        },
      });
      return new Response(body);
    });
    const response = await fetch(listener.url);
    const stopped = listener.stop(60_000);
    more.resolve();
    expect(await response.text()).toBe('ab');
    expect(await stopped).toBe(true);
  });

  test('cuts what is left after the grace, and says so', async () => {
    const arrived = gate();
    const aborted = gate();
    const listener = start(async (request) => {
      arrived.resolve();
      request.signal.addEventListener('abort', () => aborted.resolve());
      await aborted.promise;
      return new Response('too late');
    });
    const request = fetch(listener.url).catch((error: Error) => error);
    await arrived.promise;
    expect(await listener.stop(10)).toBe(false);
    await aborted.promise;
    expect(await request).toBeInstanceOf(Error);
  });

  test('is ended at once by an abort', async () => {
    const arrived = gate();
    const never = gate();
    const listener = start(async () => {
      arrived.resolve();
      await never.promise;
      return new Response();
    });
    const request = fetch(listener.url).catch((error: Error) => error);
    await arrived.promise;
    const stopped = listener.stop(60_000);
    listener.abort();
    expect(await stopped).toBe(false);
    expect(await request).toBeInstanceOf(Error);
    never.resolve();
  });
});

describe('an address that cannot be had', () => {
  const failure = (hostname: string, port: number): CliError => {
    try {
      start(async () => new Response(), { hostname, port });
    } catch (error) {
      if (error instanceof CliError) return error;
    }
    throw new Error('a CliError is expected');
  };

  test('is named when the port is in use, with what to do', () => {
    const { port } = start(async () => new Response());
    const error = failure('127.0.0.1', port);
    expect([error.exitCode, error.code]).toEqual([1, 'port_in_use']);
    expect(error.message).toContain(String(port));
    expect(error.hint).toContain('--port');
  });

  test('is named when this machine has no such address', () => {
    expect(failure('192.0.2.1', 0).code).toBe('address_unavailable');
    expect(failure('no-such-host.invalid', 0).code).toBe('address_unavailable');
  });

  test('is named when the port is no port', () => {
    expect(failure('127.0.0.1', 70_000).code).toBe('listen_failed');
  });
});

test('the URL is one that this machine can call', async () => {
  for (const [hostname, pattern] of [
    ['127.0.0.1', /^http:\/\/127\.0\.0\.1:\d+$/],
    ['0.0.0.0', /^http:\/\/127\.0\.0\.1:\d+$/],
    ['localhost', /^http:\/\/localhost:\d+$/],
  ] as const) {
    const listener = start(async () => new Response('here'), { hostname });
    expect(listener.url).toMatch(pattern);
    expect(await (await fetch(listener.url)).text()).toBe('here');
  }
});

test('what throws outside the core is told to its owner and not to the client', async () => {
  const told: unknown[] = [];
  const listener = start(
    async () => {
      throw new Error('the inside of it');
    },
    { onError: (error) => told.push(error) },
  );
  const response = await fetch(listener.url, withKey());
  expect(response.status).toBe(500);
  expect(await response.text()).toBe('');
  expect(told).toHaveLength(1);
});
