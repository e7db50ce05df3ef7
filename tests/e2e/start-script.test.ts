// What `npm start` runs: the demo, untouched by the keys and configs of the machine it runs on.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import { ensureBinary } from '../support/binary.ts';
import { eventually } from '../support/eventually.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

const root = join(import.meta.dir, '..', '..');
const node = Bun.which('node') ?? process.execPath;

let home: TempHome;
type Started = { readonly child: ReturnType<typeof spawn>; readonly output: { stdout: string; stderr: string } };
let started: Started[] = [];

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
});
afterEach(async () => {
  for (const { child } of started) {
    child.kill('SIGTERM');
    await child.exited;
  }
  started = [];
  await home[Symbol.asyncDispose]();
});
afterAll(() => expect(started).toEqual([]));

function spawn(env: Record<string, string>) {
  return Bun.spawn([node, join(root, 'scripts', 'start.mjs'), '--port', '0', '--state', home.state], {
    cwd: home.cwd,
    env: { ...home.env, ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  });
}

function start(env: Record<string, string> = {}): Started {
  const child = spawn(env);
  const output = { stdout: '', stderr: '' };
  const read = async (name: 'stdout' | 'stderr') => {
    const decoder = new TextDecoder();
    for await (const chunk of child[name]) output[name] += decoder.decode(chunk, { stream: true });
  };
  void read('stdout');
  void read('stderr');
  const one = { child, output };
  started.push(one);
  return one;
}

async function urlOf({ output }: Started): Promise<string> {
  await eventually('it listens', () => output.stdout.includes('\n'));
  return /http:\S+/.exec(output.stdout)?.[0] ?? '';
}

test('serves the demo and nothing of the environment, and finds no config', async () => {
  await home.write('project/rotator.yaml', 'this is: [no config\n');
  const config = await home.write('config/rotator/rotator.yaml', 'neither: [is this\n');
  const running = start({
    GROQ_API_KEY: 'gsk_0123456789abcdef',
    HF_TOKEN: 'hf_0123456789abcdef',
    ROTATOR_CONFIG: config,
  });
  const url = await urlOf(running);
  const key = (await Bun.file(join(home.state, 'client-key')).text()).trim();
  const response = await fetch(`${url}/v1/providers`, { headers: { authorization: `Bearer ${key}` } });
  expect(await response.json()).toMatchObject({ data: [{ id: 'demo', credentials: { total: 5 } }] });
});

test.each([
  ['SIGTERM', 0],
  ['SIGINT', 0],
] as const)('%s reaches the server, and its exit code comes back', async (signal, code) => {
  const running = start();
  const url = await urlOf(running);
  running.child.kill(signal);
  // npm and the terminal both deliver it; that must not count as a second one.
  running.child.kill(signal);
  expect(await running.child.exited).toBe(code);
  await expect(fetch(`${url}/health`)).rejects.toThrow();
});

test('a failure of the server is the failure of the script', async () => {
  const first = start();
  await urlOf(first);
  const second = start();
  expect(await second.child.exited).toBe(1);
  await eventually('it says why', () => second.output.stderr.includes('error: '));
});
