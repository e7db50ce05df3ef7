// Every built-in vendor is called under its real host name, through a proxy that ends TLS on this machine. So what is
// tested is the table of base URLs itself, and that keys and headers go where they belong.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { recorded } from '../conformance/provider-fixture.ts';
import { endAll, ensureBinary, type RunningServer, startServer } from '../support/binary.ts';
import { readCompletion, readStream } from '../support/chat-replies.ts';
import { eventually } from '../support/eventually.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';
import { startVendorProxy, type VendorProxy } from '../support/vendor-proxy.ts';

/** Every vendor with one address for all that is not on this machine, with what its own documentation gives. */
const chatUrls = new Map(
  recorded
    // Where no key is taken, the accounts' own tests say where calls go.
    .filter(({ provider }) => provider.baseUrl !== null && !provider.isLocal && provider.key !== 'account')
    .filter(({ fixture }) => !fixture.settings)
    .map(({ provider, fixture }) => [provider.id, fixture.calls.chat]),
);
const remote = [...chatUrls.keys()];
const keyOf = (id: string) => `vendor-key-of-${id.replaceAll('_', '-')}-0123456789`;

/** From whichever header the vendor has it in. */
const keyIn = (headers: Readonly<Record<string, string | undefined>>) =>
  headers['authorization']?.replace(/^Bearer /, '') ?? headers['x-api-key'] ?? headers['x-goog-api-key'];

let home: TempHome;
let proxy: VendorProxy;
let server: RunningServer;

beforeAll(async () => {
  await ensureBinary();
  home = await tempHome();
  proxy = await startVendorProxy(home);
  const config = await home.write(
    'rotator.yaml',
    `providers:\n${remote.map((id) => `  ${id}: { keys: ["${keyOf(id)}"] }\n`).join('')}`,
  );
  server = await startServer(['--config', config], { home, env: proxy.env });
}, 60_000);

afterAll(async () => {
  await endAll();
  await proxy?.[Symbol.asyncDispose]();
  await home?.[Symbol.asyncDispose]();
});

test.each(remote)(
  '%s is called at its own address, with its own key',
  async (id) => {
    const response = await server.chat(
      { model: `${id}/some-model`, messages: [{ role: 'user', content: 'hello' }] },
      { cookie: 'session=1', 'openai-organization': 'org-of-the-client', 'x-forwarded-for': '10.0.0.1' },
    );
    expect(response.status).toBe(200);
    const url = (chatUrls.get(id) ?? '').replace('/m:', '/some-model:');
    expect((await readCompletion(response)).text).toBe(`hello from ${new URL(url).host}`);
    // The proxy is a process of its own: what it has seen is told after the answer has gone through it.
    const sentWithKey = () =>
      proxy.requests().filter(({ method, headers }) => method === 'POST' && keyIn(headers) === keyOf(id));
    await eventually('the proxy tells of the call', () => sentWithKey().length > 0);
    const sent = sentWithKey();
    expect(sent.map((request) => request.url)).toEqual([url]);
    expect(Object.values(sent[0]?.headers ?? {}).filter((value) => value?.includes(keyOf(id)))).toHaveLength(1);
    const headers = sent[0]?.headers ?? {};
    expect(headers['user-agent']).toMatch(/^rotator\/\d/);
    expect(Object.keys(headers).filter((name) => /^(cookie|openai-organization|x-forwarded-for)$/.test(name))).toEqual(
      [],
    );
    // Gemini has the model in its address.
    expect(`${url} ${sent[0]?.text}`).toContain('some-model');
  },
  20_000,
);

test('a stream comes through the same way', async () => {
  const response = await server.chat({
    model: 'groq/some-model',
    stream: true,
    messages: [{ role: 'user', content: 'hello' }],
  });
  expect(readStream(await response.text())).toMatchObject({ text: 'hello from api.groq.com', hasEnd: true });
}, 20_000);

test('no host was called but the vendors’', () => {
  const hosts = new Set([...chatUrls.values()].map((url) => new URL(url).host));
  expect(
    [...new Set(proxy.requests().map((request) => new URL(request.url).host))].filter((host) => !hosts.has(host)),
  ).toEqual([]);
});
