import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUpstream } from '../../src/transport/fetch-upstream.ts';
import { type ProxyOptions, startHttpProxy, startSocksProxy, type TestProxy } from '../support/proxies.ts';
import { freePort, http, localCertificate, type SocketServer, startSocketServer } from '../support/socket-server.ts';
import { post, rejection } from './upstream-call.ts';

let plain: SocketServer;
let secure: SocketServer;
const answer = http('hello from the origin');

beforeAll(async () => {
  plain = await startSocketServer({ onRequest: (socket) => socket.write(answer) });
  secure = await startSocketServer({ tls: localCertificate, onRequest: (socket) => socket.write(answer) });
});
afterAll(() => {
  plain[Symbol.dispose]();
  secure[Symbol.dispose]();
});

function upstreamWith(env: Record<string, string> = {}) {
  const upstream = createUpstream({ ca: localCertificate.cert, env });
  return { call: upstream, [Symbol.dispose]: () => upstream.close() };
}

const kinds: Record<string, (options?: ProxyOptions) => Promise<TestProxy>> = {
  HTTP: startHttpProxy,
  SOCKS5: startSocksProxy,
};

for (const [kind, start] of Object.entries(kinds)) {
  describe(`through a ${kind} proxy`, () => {
    for (const scheme of ['http', 'https'] as const) {
      const origin = () => (scheme === 'http' ? plain : secure);

      test(`the bytes of a call really go through it (${scheme})`, async () => {
        using proxy = await start();
        using upstream = upstreamWith();
        const response = await upstream.call(post(`${origin().url}/v1/chat?a=1`, { proxy: proxy.url }));
        expect(response.status).toBe(200);
        expect(await response.text()).toBe('hello from the origin');
        expect(proxy.tunnels).toHaveLength(1);
        expect(proxy.tunnels[0]?.target).toContain(`:${origin().port}`);
        expect(proxy.tunnels[0]?.sent).toBeGreaterThan('POST /v1/chat?a=1 HTTP/1.1'.length);
        expect(proxy.tunnels[0]?.received).toBeGreaterThanOrEqual(answer.length);
        expect(origin().received).toContain('POST /v1/chat?a=1 HTTP/1.1');
        expect(origin().received).toContain('{"model":"m"}');
      });

      test(`credentials reach it, special characters included (${scheme})`, async () => {
        using proxy = await start({ login: 'üser:p@ss:w/rd%' });
        using upstream = upstreamWith();
        const url = proxy.urlFor('üser', 'p@ss:w/rd%');
        expect(await (await upstream.call(post(origin().url, { proxy: url }))).text()).toBe('hello from the origin');
        expect(proxy.tunnels.map((tunnel) => tunnel.login)).toEqual(['üser:p@ss:w/rd%']);
      });

      test(`wrong credentials are a call that was not sent (${scheme})`, async () => {
        using proxy = await start({ login: 'user:right' });
        using upstream = upstreamWith();
        for (const url of [proxy.urlFor('user', 'wrong-hunter2'), proxy.url]) {
          const error = await rejection(upstream.call(post(origin().url, { proxy: url })));
          expect(error).toMatchObject({ name: 'TransportError', phase: 'not-sent' });
          expect(String(error)).not.toContain('hunter2');
        }
        expect(proxy.tunnels).toBeEmpty();
        expect(proxy.refusals).toBe(2);
      });
    }

    test('an https target that does not listen is a call that was not sent', async () => {
      using proxy = await start();
      using upstream = upstreamWith();
      const url = `https://localhost:${await freePort()}`;
      expect(await rejection(upstream.call(post(url, { proxy: proxy.url })))).toMatchObject({ phase: 'not-sent' });
      expect(proxy.tunnels).toHaveLength(1);
    });

    test('the proxy, not this machine, resolves the name', async () => {
      using proxy = await start({ leadsTo: { host: '127.0.0.1', port: secure.port } });
      using upstream = upstreamWith();
      const response = await upstream.call(post('https://api.example.test/v1', { proxy: proxy.url }));
      expect(await response.text()).toBe('hello from the origin');
      expect(proxy.tunnels.map((tunnel) => tunnel.target)).toEqual(['api.example.test:443']);
    });

    test('one account’s tunnel never carries the calls of another', async () => {
      using proxy = await start();
      using upstream = upstreamWith();
      for (const user of ['a', 'b', 'a']) {
        await (await upstream.call(post(secure.url, { proxy: proxy.urlFor(user, 'x') }))).text();
      }
      const logins = proxy.tunnels.map((tunnel) => tunnel.login);
      if (kind === 'HTTP') expect(logins).toEqual(['a:x', 'b:x']);
      else expect(logins).toEqual([null, null]);
    });

    test('a proxy that is configured is used even where NO_PROXY exempts the host', async () => {
      using proxy = await start();
      using upstream = upstreamWith({ NO_PROXY: '*' });
      await (await upstream.call(post(secure.url, { proxy: proxy.url }))).text();
      expect(proxy.tunnels).toHaveLength(1);
    });

    test('HTTPS_PROXY is used for a direct call, never for this machine', async () => {
      using proxy = await start({ leadsTo: { host: '127.0.0.1', port: secure.port } });
      using upstream = upstreamWith({ HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url });
      expect(await (await upstream.call(post('https://api.example.test'))).text()).toBe('hello from the origin');
      expect(proxy.tunnels).toHaveLength(1);
      for (const url of [plain.url, secure.url])
        expect(await (await upstream.call(post(url))).text()).toBe('hello from the origin');
      expect(proxy.tunnels).toHaveLength(1);
    });

    test('a long body streams, and an abort closes the tunnel', async () => {
      using origin = await startSocketServer({
        onRequest: (socket) => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n'),
      });
      using proxy = await start();
      using upstream = upstreamWith();
      const abort = new AbortController();
      const response = await upstream.call(post(origin.url, { proxy: proxy.url, signal: abort.signal }));
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const { value } = await reader.read();
      expect(new TextDecoder().decode(value)).toBe('first');
      const next = rejection(reader.read());
      abort.abort(new Error('mine'));
      expect(await next).toMatchObject({ message: 'mine' });
    });

    test('a connection that dies inside the body is an error of the read', async () => {
      using origin = await startSocketServer({
        onRequest: (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok'),
      });
      using proxy = await start();
      using upstream = upstreamWith();
      const response = await upstream.call(post(origin.url, { proxy: proxy.url }));
      await rejection(response.text());
    });
  });
}

test('ambient variables of the process itself do not reach loopback or an exempt call', async () => {
  // Bun reads the variables by itself, so this needs a process that has them.
  const directory = mkdtempSync(join(tmpdir(), 'rotator-proxy-'));
  const script = join(directory, 'call.ts');
  const source = new URL('../../src/transport/fetch-upstream.ts', import.meta.url).pathname;
  const support = new URL('./upstream-call.ts', import.meta.url).pathname;
  writeFileSync(
    script,
    `import { createUpstream } from ${JSON.stringify(source)};
     import { post } from ${JSON.stringify(support)};
     const upstream = createUpstream({ env: process.env });
     for (const url of process.argv.slice(2)) console.log(await (await upstream(post(url))).text());
     process.exit(0);`,
  );
  const ca = new URL('../fixtures/tls/localhost.cert.pem', import.meta.url).pathname;
  using proxy = await startHttpProxy({ leadsTo: { host: '127.0.0.1', port: secure.port } });
  const child = Bun.spawn([process.execPath, script, plain.url, secure.url, 'https://api.example.test'], {
    env: { PATH: process.env.PATH, HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: ca },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  rmSync(directory, { recursive: true });
  expect(err).toBe('');
  expect(out.trim().split('\n')).toEqual(Array(3).fill('hello from the origin'));
  expect(proxy.tunnels.map((tunnel) => tunnel.target)).toEqual(['api.example.test:443']);
});
