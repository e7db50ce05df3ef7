// A state directory that cannot be used costs what would be kept there, and nothing else.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { mkdir } from 'node:fs/promises';
import { endAll, ensureBinary, runBinary, startServer } from '../support/binary.ts';
import { readCompletion } from '../support/chat-replies.ts';
import { answer, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

const KEY = 'upstream-key-0123456789';
const body = { model: 'own/m', messages: [{ role: 'user', content: 'x' }] };

let home: TempHome;
let upstream: ScriptedUpstream;
let config: string;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
  upstream = await startUpstream({ keys: { [KEY]: answer('served') } });
  config = await home.write('rotator.yaml', `providers:\n  own: { base_url: ${upstream.baseUrl}, keys: [${KEY}] }\n`);
});
afterEach(async () => {
  await upstream[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});
afterAll(endAll);

test('a state directory below a file cannot be made: serve runs in memory and warns', async () => {
  const file = await home.write('a-file', '');
  await using server = await startServer(['--config', config, '--state', `${file}/state`], { home });
  await server.untilStderr('memory');
  expect((await readCompletion(await server.chat(body))).text).toBe('served');
});

test('a read-only state directory: serve runs in memory and warns', async () => {
  // procfs takes no files from anybody, root included.
  await using server = await startServer(['--config', config, '--state', '/proc/self'], { home });
  await server.untilStderr('memory');
  expect((await readCompletion(await server.chat(body))).text).toBe('served');
});

const canMount = process.platform === 'linux' && process.getuid?.() === 0 && (await canMountTmpfs());

// Needs a file system of its own that is full: only root can make one.
test.skipIf(!canMount)('a full disk: serve runs, answers, and ends in good order', async () => {
  await mkdir(home.state);
  await system('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', home.state);
  try {
    await system('sh', '-c', `head -c 1000000 /dev/zero > '${home.state}/filler'; true`);
    await using server = await startServer(['--config', config], { home });
    expect((await readCompletion(await server.chat(body))).text).toBe('served');
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  } finally {
    await system('umount', '-l', home.state);
  }
});

test('a damaged database is set aside, and what the operator says from then on is kept', async () => {
  await home.write('state/rotator.db', 'this is no database, and never was. '.repeat(100));
  const run = (...args: string[]) => runBinary([...args, '--config', config, '--json'], { home });
  const [key] = JSON.parse((await run('keys', 'list')).stdout);
  expect(await run('keys', 'disable', key.id)).toMatchObject({ code: 0 });
  expect(JSON.parse((await run('keys', 'list')).stdout)).toMatchObject([{ id: key.id, state: 'disabled' }]);
});

async function canMountTmpfs(): Promise<boolean> {
  const probe = Bun.spawn(['unshare', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], {
    stdout: 'ignore',
    stderr: 'ignore',
  });
  return (await probe.exited) === 0;
}

async function system(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdout: 'ignore', stderr: 'pipe' });
  const [code, stderr] = await Promise.all([child.exited, child.stderr.text()]);
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
}
