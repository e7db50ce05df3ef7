import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createUpstream } from '../../src/transport/fetch-upstream.ts';
import { TransportError } from '../../src/transport/upstream.ts';
import { type Blackhole, startBlackhole } from '../support/blackhole.ts';
import {
  freePort,
  http,
  localCertificate,
  type SocketServerOptions,
  startSocketServer,
} from '../support/socket-server.ts';
import { post, rejection } from './upstream-call.ts';

let blackhole: Blackhole;
beforeAll(async () => {
  blackhole = await startBlackhole();
}, 30_000);
afterAll(() => blackhole[Symbol.dispose]());

const timedOut = { name: 'TransportError', phase: 'connect-timeout', code: 'CONNECT_TIMEOUT' };

describe('a call ends when it is not connected in time', () => {
  const rows: Record<string, () => { url: string; proxy?: string }> = {
    'to an upstream that swallows packets': () => ({ url: blackhole.url }),
    'to one that should speak TLS': () => ({ url: blackhole.url.replace('http', 'https') }),
    'to an HTTP proxy': () => ({
      url: 'https://api.example.test',
      proxy: `http://u:hunter2@127.0.0.1:${blackhole.port}`,
    }),
    'to a SOCKS5 proxy': () => ({
      url: 'https://api.example.test',
      proxy: `socks5://u:hunter2@127.0.0.1:${blackhole.port}`,
    }),
  };
  for (const [name, where] of Object.entries(rows)) {
    test(name, async () => {
      using upstream = closing(createUpstream());
      const { url, ...more } = where();
      const error = await rejection(upstream.call(post(url, { ...more, connectTimeoutMs: 200 })));
      expect(error).toMatchObject(timedOut);
      expect(String(error)).not.toContain('hunter2');
    });
  }

  test('when the server accepts but never finishes the TLS handshake', async () => {
    using server = await startSocketServer({});
    using upstream = closing(createUpstream());
    const url = server.url.replace('http', 'https');
    expect(await rejection(upstream.call(post(url, { connectTimeoutMs: 200 })))).toMatchObject(timedOut);
  });

  test('when a SOCKS5 proxy says nothing', async () => {
    using server = await startSocketServer({});
    using upstream = closing(createUpstream());
    const proxy = server.url.replace('http', 'socks5');
    expect(await rejection(upstream.call(post('http://127.0.0.1:1', { proxy, connectTimeoutMs: 200 })))).toMatchObject(
      timedOut,
    );
  });
});

describe('a call is left alone', () => {
  const slow = (tls?: SocketServerOptions['tls']): SocketServerOptions => ({
    ...(tls && { tls }),
    onRequest: (socket) => setTimeout(() => socket.write(http('ok')), 700),
  });

  test('when the upstream is connected but slow', async () => {
    using server = await startSocketServer(slow());
    using upstream = closing(createUpstream());
    const response = await upstream.call(post(server.url, { connectTimeoutMs: 300 }));
    expect(await response.text()).toBe('ok');
    // The call's own connection, and the one that showed that the server can be reached.
    expect(server.connections).toBe(2);
  });

  test('when it speaks TLS', async () => {
    using server = await startSocketServer(slow(localCertificate));
    using upstream = closing(createUpstream({ ca: localCertificate.cert }));
    const response = await upstream.call(post(server.url, { connectTimeoutMs: 300 }));
    expect(await response.text()).toBe('ok');
  });

  test('and nothing is probed when the upstream has answered lately', async () => {
    using server = await startSocketServer(slow());
    using upstream = closing(createUpstream());
    for (let i = 0; i < 2; i++) await (await upstream.call(post(server.url, { connectTimeoutMs: 300 }))).text();
    expect(server.connections).toBe(2);
  });

  test('and many calls that begin together share one probe', async () => {
    using server = await startSocketServer(slow());
    using upstream = closing(createUpstream());
    const calls = Array.from({ length: 20 }, () =>
      upstream.call(post(server.url, { connectTimeoutMs: 300 })).then((r) => r.text()),
    );
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']));
    expect(server.connections).toBe(21);
  });

  test('when nothing was probed because it failed first', async () => {
    using upstream = closing(createUpstream());
    const error = await rejection(
      upstream.call(post(`http://127.0.0.1:${await freePort()}`, { connectTimeoutMs: 200 })),
    );
    expect(error).toBeInstanceOf(TransportError);
    expect(error).toMatchObject({ phase: 'not-sent', code: 'ECONNREFUSED' });
  });
});

function closing(upstream: ReturnType<typeof createUpstream>) {
  return { call: upstream, [Symbol.dispose]: () => upstream.close() };
}
