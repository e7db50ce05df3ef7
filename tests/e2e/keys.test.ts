// A person adds a key, looks at it, asks why it would be taken, and chats: with no server running.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { stat } from 'node:fs/promises';
import { endAll, ensureBinary, runBinary } from '../support/binary.ts';
import { answer, chatStream, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

const KEY = 'gsk_not_a_real_key_0123456789';
const ROUTE = 'groq/llama-3.3-70b-versatile';

let home: TempHome;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
});
afterEach(() => home[Symbol.asyncDispose]());
afterAll(endAll);

describe('a real vendor', () => {
  test('keys add writes the config file, keys list and test-route know the key, and nobody prints it', async () => {
    const added = await runBinary(['keys', 'add', 'groq', '--stdin', '--label', 'work'], { home, stdin: `${KEY}\n` });
    expect(added).toMatchObject({ code: 0 });
    const file = home.path('config', 'rotator', 'rotator.yaml');
    expect(await Bun.file(file).text()).toContain(KEY);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    const listed = await runBinary(['keys', 'list', '--json'], { home });
    const [key] = JSON.parse(listed.stdout);
    expect(key).toMatchObject({ provider: 'groq', label: 'work', source: 'config', enabled: true, state: 'ready' });
    expect(key.usage.cost_usd).toBeNull();

    const routed = await runBinary(['test-route', ROUTE, '--json'], { home });
    expect(routed.code).toBe(0);
    expect(JSON.parse(routed.stdout).would_serve).toEqual({ target: ROUTE, credential: key.id });

    const shown = await runBinary(['config', 'show'], { home });
    const all = [added, listed, routed, shown, await runBinary(['keys', 'list'], { home })];
    for (const { stdout, stderr } of all) expect(stdout + stderr).not.toContain(KEY);
  }, 20_000);

  test('the same key a second time is exit code 1', async () => {
    await runBinary(['keys', 'add', 'groq', '--key', KEY], { home });
    expect(await runBinary(['keys', 'add', 'groq', '--key', KEY], { home })).toMatchObject({ code: 1 });
  });

  test('a disabled key serves nobody: exit code 3, and the override is kept', async () => {
    await runBinary(['keys', 'add', 'groq', '--key', KEY, '--label', 'work'], { home });
    expect(await runBinary(['keys', 'disable', 'work'], { home })).toMatchObject({ code: 0 });
    const routed = await runBinary(['test-route', ROUTE, '--json'], { home });
    expect(routed.code).toBe(3);
    expect(JSON.parse(routed.stdout)).toMatchObject({
      would_serve: null,
      targets: [{ credentials: [{ label: 'work', verdict: 'disabled' }] }],
    });
  });

  test('a key is removed by its label, and one of the environment is not', async () => {
    await runBinary(['keys', 'add', 'groq', '--key', KEY, '--label', 'work'], { home });
    expect(await runBinary(['keys', 'remove', 'work'], { home })).toMatchObject({ code: 0 });
    expect(JSON.parse((await runBinary(['keys', 'list', '--json'], { home })).stdout)).toEqual([]);
    await using other = await tempHome();
    const env = { GROQ_API_KEY: KEY };
    const [key] = JSON.parse((await runBinary(['keys', 'list', '--json'], { home: other, env })).stdout);
    const { code, stderr } = await runBinary(['keys', 'remove', key.id], { home: other, env });
    expect(code).toBe(2);
    expect(stderr).toContain('GROQ_API_KEY');
  }, 20_000);
});

describe('a server of one’s own', () => {
  let upstream: ScriptedUpstream;
  beforeEach(async () => {
    upstream = await startUpstream({ keys: { [KEY]: chatStream('Hello ', 'you') } });
  });
  afterEach(() => upstream[Symbol.asyncDispose]());

  test('is added with its address, and chat streams from it', async () => {
    const args = ['keys', 'add', 'my-vllm', '--base-url', upstream.baseUrl, '--key', KEY];
    expect(await runBinary(args, { home })).toMatchObject({ code: 0 });
    const chat = await runBinary(['chat', '-m', 'my-vllm/m'], { home, stdin: 'explain this' });
    expect(chat).toMatchObject({ code: 0, stdout: 'Hello you\n' });
    expect(upstream.calls[0]?.text).toContain('explain this');
  }, 20_000);

  test('that refuses the key: exit code 4', async () => {
    await runBinary(['keys', 'add', 'my-vllm', '--base-url', upstream.baseUrl, '--key', 'another-key-0123456789'], {
      home,
    });
    const { code, stdout, stderr } = await runBinary(['chat', 'hello', '-m', 'my-vllm/m'], { home });
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toMatch(/^error: /m);
    expect(await runBinary(['keys', 'test'], { home })).toMatchObject({ code: expect.any(Number) });
  }, 20_000);
});

test('a server that takes no key gets none', async () => {
  await using upstream = await startUpstream({ answer: () => answer('open') });
  const config = await home.write(
    'rotator.yaml',
    `providers:\n  local: { base_url: ${upstream.baseUrl}, keys: none }\n`,
  );
  const args = ['chat', 'hello', '-m', 'local/m', '--no-stream', '--config', config];
  expect(await runBinary(args, { home })).toMatchObject({ code: 0, stdout: 'open\n' });
  expect(upstream.calls[0]?.headers.get('authorization')).toBeNull();
});
