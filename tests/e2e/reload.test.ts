// A change of the config file is applied while the server runs, however the file is changed; a bad one is not.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { chmod, mkdir, open, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { endAll, ensureBinary, type RunningServer, startServer } from '../support/binary.ts';
import { readStream } from '../support/chat-replies.ts';
import { eventually } from '../support/eventually.ts';
import {
  answer,
  chatStream,
  doneFrame,
  finishFrame,
  gate,
  roleFrame,
  type ScriptedUpstream,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

const OLD = 'upstream-key-old-0123456789';
const NEW = 'upstream-key-new-0123456789';

let home: TempHome;
let upstream: ScriptedUpstream;
let config: string;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
  upstream = await startUpstream({ keys: { [OLD]: answer('old'), [NEW]: answer('new') } });
  config = await home.write('config/rotator.yaml', yaml(OLD));
});
afterEach(async () => {
  await endAll();
  await upstream[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});
afterAll(endAll);

const yaml = (key: string) => `providers:\n  own: { base_url: ${upstream.baseUrl}, keys: [${key}] }\n`;
const body = { model: 'own/m', messages: [{ role: 'user', content: 'x' }] };

async function answerOf(server: RunningServer): Promise<string> {
  const text = await (await server.chat(body)).text();
  return /"content":"(\w+)"/.exec(text)?.[1] ?? text;
}

/** File systems tell of changes when they like; what must hold is that the change arrives. */
async function untilAnswer(server: RunningServer, wanted: string): Promise<void> {
  await eventually(`the answer is "${wanted}"`, async () => (await answerOf(server)) === wanted);
}

const changes: Readonly<Record<string, (text: string) => Promise<void>>> = {
  'a rename over it, as editors do': async (text) => {
    const part = await home.write('config/.rotator.yaml.swp', text);
    await rename(part, config);
  },
  'truncating it and writing in two pieces': async (text) => {
    await using file = await open(config, 'w');
    await file.write(text.slice(0, 20));
    await file.sync();
    await file.write(text.slice(20));
  },
  'deleting it and making it anew': async (text) => {
    await rm(config);
    await writeFile(config, text);
  },
};

test.each(Object.keys(changes))(
  '%s is applied, more than once',
  async (how) => {
    await using server = await startServer(['--config', config], { home });
    expect(await answerOf(server)).toBe('old');
    await changes[how]?.(yaml(NEW));
    await untilAnswer(server, 'new');
    await changes[how]?.(yaml(OLD));
    await untilAnswer(server, 'old');
  },
  20_000,
);

test('a symlink that is turned to another directory is followed, as mounted configs are', async () => {
  // The shape of a mounted volume: config → ..data/rotator.yaml, and ..data is swapped.
  await mkdir(home.path('mount/v1'), { recursive: true });
  await mkdir(home.path('mount/v2'));
  await writeFile(home.path('mount/v1/rotator.yaml'), yaml(OLD));
  await writeFile(home.path('mount/v2/rotator.yaml'), yaml(NEW));
  await symlink('v1', home.path('mount/..data'));
  const link = home.path('mount/rotator.yaml');
  await symlink('..data/rotator.yaml', link);
  await using server = await startServer(['--config', link], { home });
  expect(await answerOf(server)).toBe('old');
  await symlink('v2', home.path('mount/..data_tmp'));
  await rename(home.path('mount/..data_tmp'), home.path('mount/..data'));
  await untilAnswer(server, 'new');
  expect(await readlink(link)).toBe('..data/rotator.yaml');
}, 20_000);

test.each([
  ['a bad one', 'providers: { own: { keyz: [] } }\n', 'keyz'],
  ['one that is no YAML', 'providers: [\n', 'rotator.yaml'],
  ['an empty one', '', 'rotator.yaml'],
])(
  '%s leaves the running config in place and says why',
  async (_, text, told) => {
    await using server = await startServer(['--config', config], { home });
    await server.untilStderr('\n');
    const from = server.stderr().length;
    await writeFile(config, text);
    await server.untilStderr(told, from);
    expect(await answerOf(server)).toBe('old');
    await writeFile(config, yaml(NEW));
    await untilAnswer(server, 'new');
  },
  20_000,
);

test('SIGHUP reloads, also with --no-watch', async () => {
  await using server = await startServer(['--config', config, '--no-watch'], { home });
  await writeFile(config, yaml(NEW));
  expect(await answerOf(server)).toBe('old');
  server.kill('SIGHUP');
  await untilAnswer(server, 'new');
}, 20_000);

test('a change of the address says that it waits for the next start', async () => {
  await using server = await startServer(['--config', config], { home });
  expect(await answerOf(server)).toBe('old');
  await writeFile(config, `server: { host: localhost }\n${yaml(NEW)}`);
  await untilAnswer(server, 'new');
  await server.untilStderr('server.host changed');
}, 20_000);

test('an open stream and the counters survive', async () => {
  const middle = gate();
  await using slow = await startUpstream({
    keys: {
      [OLD]: stream([roleFrame(), textFrame('a'), middle, textFrame('b'), finishFrame(), doneFrame()]),
      [NEW]: chatStream('c'),
    },
  });
  const of = (...keys: string[]) => `providers:\n  own: { base_url: ${slow.baseUrl}, keys: [${keys.join(', ')}] }\n`;
  await writeFile(config, of(OLD));
  await chmod(config, 0o600);
  await using server = await startServer(['--config', config], { home });
  const open = await server.chat({ ...body, stream: true });
  await middle.reached;
  await writeFile(config, of(NEW));
  await server.untilStderr('config reloaded');
  const next = await server.chat({ ...body, stream: true });
  expect(readStream(await next.text()).text).toBe('c');
  middle.open();
  expect(readStream(await open.text())).toMatchObject({ text: 'ab', hasEnd: true, error: null });
}, 20_000);
