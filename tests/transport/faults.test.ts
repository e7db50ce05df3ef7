import { afterAll, describe, expect, test } from 'bun:test';
import type { Socket } from 'node:net';
import { bodyFailure, createUpstream } from '../../src/transport/fetch-upstream.ts';
import { TransportError } from '../../src/transport/upstream.ts';
import {
  elsewhereCertificate,
  freePort,
  http,
  localCertificate,
  type SocketServer,
  type SocketServerOptions,
  startSocketServer,
} from '../support/socket-server.ts';
import { post, rejection } from './upstream-call.ts';

const upstream = createUpstream({ ca: localCertificate.cert });
const servers: SocketServer[] = [];
afterAll(() => {
  upstream.close();
  for (const server of servers) server[Symbol.dispose]();
});

async function serve(options: SocketServerOptions): Promise<string> {
  const server = await startSocketServer(options);
  servers.push(server);
  return server.url;
}

const answering = (text: string): SocketServerOptions => ({ onRequest: (socket) => socket.end(text) });
const plain: SocketServerOptions = { onConnect: (socket) => socket.once('data', () => socket.end(http('ok'))) };
const reset = (socket: Socket) => socket.resetAndDestroy();

async function failure(url: string, more: Parameters<typeof post>[1] = {}): Promise<[phase: string, code: string]> {
  const error = await rejection(upstream(post(url, more)));
  if (!(error instanceof TransportError)) throw error;
  expect(error.message).not.toContain('hunter2');
  expect(error.message).not.toContain('upstream-key');
  expect(error.cause).toBeUndefined();
  return [error.phase, error.code];
}

describe('a fault before the request was sent is known as such', () => {
  const rows: Record<string, [code: string, url: () => Promise<string>]> = {
    'nothing listens': ['ECONNREFUSED', async () => `http://127.0.0.1:${await freePort()}`],
    'the name does not resolve': ['ENOTFOUND', async () => 'http://nonexistent.invalid/?key=hunter2'],
    'TLS to a port that speaks none': ['EPROTO', async () => (await serve(plain)).replace('http:', 'https:')],
    'a TLS version from the past': [
      'EPROTO',
      () =>
        serve({ tls: { ...localCertificate, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }, ...answering(http('ok')) }),
    ],
    'a certificate that nobody vouches for': [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      async () => await serve({ tls: elsewhereCertificate, ...answering(http('ok')) }),
    ],
    'no URL at all': ['ERR_INVALID_URL', async () => 'hunter2'],
    'a URL of another kind': ['ERR_INVALID_URL', async () => 'file:///hunter2'],
  };
  for (const [name, [code, url]] of Object.entries(rows)) {
    test(name, async () => expect(await failure(await url())).toEqual(['not-sent', code]));
  }

  test('a certificate of another host', async () => {
    const url = await serve({ tls: elsewhereCertificate, ...answering(http('ok')) });
    const strict = createUpstream({ ca: elsewhereCertificate.cert });
    const error = await rejection(strict(post(url)));
    strict.close();
    expect(error).toMatchObject({ phase: 'not-sent', code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  const proxies: Record<string, [code: string, proxy: () => Promise<string>, target: 'http' | 'https' | 'both']> = {
    'a proxy that does not listen': [
      'ECONNREFUSED',
      async () => `http://u:hunter2@127.0.0.1:${await freePort()}`,
      'both',
    ],
    'a proxy whose name does not resolve': ['ENOTFOUND', async () => 'http://u:hunter2@nonexistent.invalid:1', 'both'],
    'a proxy that wants other credentials (CONNECT)': [
      'ERR_PROXY_TUNNEL',
      () => proxyUrl('407 Proxy Authentication Required'),
      'https',
    ],
    'a proxy that wants other credentials (plain)': [
      'ERR_PROXY_AUTH',
      () => proxyUrl('407 Proxy Authentication Required'),
      'http',
    ],
    'a proxy that forbids the target': ['ERR_PROXY_TUNNEL', () => proxyUrl('403 Forbidden'), 'https'],
    'a proxy that cannot reach the target': ['ERR_PROXY_TUNNEL', () => proxyUrl('502 Bad Gateway'), 'https'],
    'a proxy of an unknown kind': ['ERR_PROXY_ADDRESS', async () => 'ftp://u:hunter2@127.0.0.1', 'both'],
    'a proxy address that is no URL': ['ERR_PROXY_ADDRESS', async () => 'u:hunter2@127.0.0.1:1', 'both'],
    'a SOCKS5 proxy that does not listen': [
      'ECONNREFUSED',
      async () => `socks5://u:hunter2@127.0.0.1:${await freePort()}`,
      'both',
    ],
  };
  const proxyUrl = async (status: string) => {
    const url = await serve(answering(`HTTP/1.1 ${status}\r\nx-secret: hunter2\r\ncontent-length: 0\r\n\r\n`));
    return url.replace('://', '://u:hunter2@');
  };
  for (const [name, [code, proxy, target]] of Object.entries(proxies)) {
    for (const scheme of target === 'both' ? (['http', 'https'] as const) : [target]) {
      test(`${name}, for ${scheme}`, async () => {
        expect(await failure(`${scheme}://127.0.0.1:9/?key=hunter2`, { proxy: await proxy() })).toEqual([
          'not-sent',
          code,
        ]);
      });
    }
  }
});

describe('a fault after the request may have been seen is lost', () => {
  const rows: Record<string, [code: string, options: SocketServerOptions]> = {
    'closed when accepted': ['ECONNRESET', { onConnect: (socket) => socket.destroy() }],
    'reset when accepted': ['ECONNRESET', { onConnect: reset }],
    'closed before the head': ['ECONNRESET', { onRequest: (socket) => socket.destroy() }],
    'half-closed before the head': ['ECONNRESET', { onRequest: (socket) => socket.end() }],
    'reset before the head': ['ECONNRESET', { onRequest: reset }],
    'closed inside the head': ['ECONNRESET', answering('HTTP/1.1 200 OK\r\ncont')],
    'an answer that is not HTTP': ['Malformed_HTTP_Response', answering('SSH-2.0-OpenSSH\r\n\r\n')],
    'a length that is no number': ['InvalidContentLength', answering('HTTP/1.1 200 OK\r\ncontent-length: zz\r\n\r\n')],
    'TLS closed before the head': ['ECONNRESET', { tls: localCertificate, onRequest: (socket) => socket.end() }],
  };
  for (const [name, [code, options]] of Object.entries(rows)) {
    test(name, async () => expect(await failure(`${await serve(options)}/?key=hunter2`)).toEqual(['lost', code]));
  }

  test('a kept connection that dies under the second request, which is not repeated', async () => {
    let requests = 0;
    const url = await serve({
      onRequest: (socket) => (++requests === 1 ? socket.write(http('ok')) : socket.destroy()),
    });
    expect(await (await upstream(post(url))).text()).toBe('ok');
    expect(await failure(url)).toEqual(['lost', 'ECONNRESET']);
    expect(requests).toBe(2);
  });
});

describe('a body that breaks is lost', () => {
  const head = 'HTTP/1.1 200 OK\r\n';
  const later = (end: (socket: Socket) => void): SocketServerOptions => ({
    onRequest: (socket) =>
      socket.write(`${head}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n`, () => setTimeout(() => end(socket), 20)),
  });
  const rows: Record<string, [code: string, options: SocketServerOptions]> = {
    'shorter than its length': ['ECONNRESET', answering(`${head}content-length: 100\r\n\r\nok`)],
    'without its last chunk': ['ECONNRESET', answering(`${head}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n`)],
    'closed in the middle': ['ECONNRESET', later((socket) => socket.destroy())],
    'reset in the middle': ['ECONNRESET', later(reset)],
    'with broken chunks': ['InvalidHTTPResponse', answering(`${head}transfer-encoding: chunked\r\n\r\nzz\r\nok\r\n`)],
    'TLS closed in the middle': ['ECONNRESET', { ...later((socket) => socket.destroy()), tls: localCertificate }],
  };
  for (const [name, [code, options]] of Object.entries(rows)) {
    test(name, async () => {
      const response = await upstream(post(`${await serve(options)}/?key=hunter2`));
      const error = bodyFailure(await rejection(response.text()));
      expect([error.phase, error.code]).toEqual(['lost', code]);
      expect(error.message).not.toContain('hunter2');
      expect(bodyFailure(error)).toBe(error);
    });
  }

  test('a body without a length that ends with its connection is whole', async () => {
    const url = await serve(answering(`${head}\r\nok`));
    expect(await (await upstream(post(url))).text()).toBe('ok');
  });
});

describe('an abort', () => {
  const reason = { why: 'mine' };

  test('before the call rejects with its reason, and nothing is sent', async () => {
    expect(
      await rejection(upstream(post(`http://127.0.0.1:${await freePort()}`, { signal: AbortSignal.abort(reason) }))),
    ).toBe(reason);
  });

  test('before the head rejects with its reason and closes the connection', async () => {
    const abort = new AbortController();
    const closed = Promise.withResolvers<void>();
    const url = await serve({
      onRequest: (socket) => {
        socket.on('close', () => closed.resolve());
        abort.abort(reason);
      },
    });
    expect(await rejection(upstream(post(url, { signal: abort.signal })))).toBe(reason);
    await closed.promise;
  });

  test('inside the body rejects the read and closes the connection', async () => {
    const abort = new AbortController();
    const closed = Promise.withResolvers<void>();
    const url = await serve({
      onRequest: (socket) => {
        socket.on('close', () => closed.resolve());
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok');
      },
    });
    const response = await upstream(post(url, { signal: abort.signal }));
    const reading = rejection(response.text());
    abort.abort(reason);
    await reading;
    await closed.promise;
  });
});
