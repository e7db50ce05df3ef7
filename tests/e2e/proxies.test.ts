// Outbound proxies of the compiled program: the bytes really pass there, per provider and per key.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { endAll, ensureBinary, startServer } from '../support/binary.ts';
import { readCompletion, readStream } from '../support/chat-replies.ts';
import { startHttpProxy, startSocksProxy, type TestProxy } from '../support/proxies.ts';
import { answer, chatStream, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

const KEY = 'upstream-key-0123456789';
const OTHER = 'upstream-key-other-0123456789';
const body = { model: 'own/m', messages: [{ role: 'user', content: 'x' }] };

let home: TempHome;
let upstream: ScriptedUpstream;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
  upstream = await startUpstream({
    answer: ({ text }) => (text.includes('"stream":true') ? chatStream('streamed') : answer('whole')),
  });
});
afterEach(async () => {
  await upstream[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});
afterAll(endAll);

const kinds: Readonly<Record<string, () => Promise<TestProxy>>> = {
  'an HTTP proxy': () => startHttpProxy(),
  'a SOCKS5 proxy': () => startSocksProxy(),
};

test.each(Object.keys(kinds))('%s of a provider carries answers and streams', async (kind) => {
  using proxy = (await kinds[kind]?.()) ?? (await startHttpProxy());
  const config = await home.write(
    'rotator.yaml',
    `providers:\n  own: { base_url: ${upstream.baseUrl}, keys: [${KEY}], proxy: "${proxy.url}" }\n`,
  );
  await using server = await startServer(['--config', config], { home });
  expect((await readCompletion(await server.chat(body))).text).toBe('whole');
  const stream = await server.chat({ ...body, stream: true });
  expect(readStream(await stream.text())).toMatchObject({ text: 'streamed', hasEnd: true, error: null });
  expect(proxy.tunnels.length).toBeGreaterThan(0);
  expect(upstream.calls).toHaveLength(2);
});

test.each(Object.keys(kinds))('%s of one key carries that key alone', async (kind) => {
  using proxy = (await kinds[kind]?.()) ?? (await startHttpProxy());
  const config = await home.write(
    'rotator.yaml',
    `providers:\n  own:\n    base_url: ${upstream.baseUrl}\n    keys:\n` +
      `      - { key: ${OTHER}, models: [near] }\n      - { key: ${KEY}, models: [far], proxy: "${proxy.url}" }\n`,
  );
  await using server = await startServer(['--config', config], { home });
  expect((await server.chat({ ...body, model: 'own/near' })).status).toBe(200);
  expect(proxy.tunnels).toHaveLength(0);
  expect((await server.chat({ ...body, model: 'own/far' })).status).toBe(200);
  expect(proxy.tunnels).toHaveLength(1);
  expect(upstream.keysUsed).toEqual([OTHER, KEY]);
});

test('proxies named by the environment are not used for this machine', async () => {
  using proxy = await startHttpProxy();
  const config = await home.write(
    'rotator.yaml',
    `providers:\n  own: { base_url: ${upstream.baseUrl}, keys: [${KEY}] }\n`,
  );
  const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, ALL_PROXY: proxy.url };
  await using server = await startServer(['--config', config], { home, env });
  expect((await readCompletion(await server.chat(body))).text).toBe('whole');
  expect(proxy.tunnels).toHaveLength(0);
});
