import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Listener, listen } from '../../src/server/bun.ts';
import {
  findServer,
  instanceOf,
  newNonce,
  readServerFile,
  refuseSecondServer,
  removeServerFile,
  type ServerRecord,
  writeServerFile,
} from '../../src/server/server-file.ts';
import { fakeServer } from './fake-deps.ts';

let stateDir: string;
const listeners: Listener[] = [];
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'rotator-state-'));
});
afterEach(() => {
  for (const listener of listeners.splice(0)) listener.abort();
  rmSync(stateDir, { recursive: true, force: true });
});

const file = () => join(stateDir, 'server.json');

/** A server that listens, and the record that it would write. */
function running(nonce = newNonce()): ServerRecord {
  const { serverFetch } = fakeServer({ deps: { instance: instanceOf(nonce) } });
  const listener = listen({ hostname: '127.0.0.1', port: 0, fetch: serverFetch });
  listeners.push(listener);
  return record(listener.url, nonce);
}

const record = (url: string, nonce = newNonce(), pid = process.pid): ServerRecord => ({
  pid,
  url,
  version: '1.2.3',
  started_at: '2026-01-01T00:00:00.000Z',
  nonce,
});

/** The pid of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = Bun.spawn(['true']);
  await child.exited;
  return child.pid;
}

/** A URL on which nothing listens. */
function closedUrl(): string {
  const listener = listen({ hostname: '127.0.0.1', port: 0, fetch: async () => new Response() });
  listener.abort();
  return listener.url;
}

describe('server.json', () => {
  test('is written whole, for its owner alone, with nothing left beside it', async () => {
    const server = running();
    await writeServerFile(stateDir, server);
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({ ...server });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(readdirSync(stateDir)).toEqual(['server.json']);
  });

  test('leads to the running server', async () => {
    const server = running();
    await writeServerFile(stateDir, server);
    expect(await findServer(stateDir)).toEqual({ url: server.url, pid: process.pid });
  });

  test('is made together with its directory', async () => {
    const inside = join(stateDir, 'new', 'place');
    await writeServerFile(inside, running());
    expect(await findServer(inside)).not.toBeNull();
    expect(statSync(inside).mode & 0o777).toBe(0o700);
  });

  test('is removed by its own server and by no other', async () => {
    const server = running();
    await writeServerFile(stateDir, server);
    removeServerFile(stateDir, newNonce());
    expect(existsSync(file())).toBe(true);
    removeServerFile(stateDir, server.nonce);
    expect(existsSync(file())).toBe(false);
    removeServerFile(stateDir, server.nonce);
  });
});

test('the instance tells nothing of the nonce and differs with it', () => {
  const nonce = newNonce();
  expect(instanceOf(nonce)).toBe(instanceOf(nonce));
  expect(instanceOf(nonce)).not.toBe(instanceOf(newNonce()));
  expect(nonce).not.toContain(instanceOf(nonce));
});

describe('no server is found', () => {
  test('without a file or a directory', async () => {
    expect(await findServer(stateDir)).toBeNull();
    expect(await findServer(join(stateDir, 'nowhere'))).toBeNull();
  });

  test.each([
    '',
    'x',
    'null',
    '[]',
    '{}',
    '{"pid":1}',
    '{"pid":-1,"url":"http://127.0.0.1:1","version":"1","started_at":"","nonce":"n"}',
    '{"pid":0,"url":"http://127.0.0.1:1","version":"1","started_at":"","nonce":"n"}',
    '{"pid":1,"url":"file:///etc/passwd","version":"1","started_at":"","nonce":"n"}',
    '{"pid":1,"url":"http://127.0.0.1:1/path","version":"1","started_at":"","nonce":"n"}',
    '{"pid":1,"url":"http://127.0.0.1:1","version":"1","started_at":"","nonce":""}',
  ])('with a file that holds %p', async (text) => {
    writeFileSync(file(), text);
    expect(readServerFile(stateDir)).toBeNull();
    expect(await findServer(stateDir)).toBeNull();
  });

  test('when its process has ended, even if something answers on the port', async () => {
    const server = running();
    writeFileSync(file(), JSON.stringify({ ...server, pid: await deadPid() }));
    expect(await findServer(stateDir)).toBeNull();
  });

  test('when the pid is used again and nothing listens', async () => {
    writeFileSync(file(), JSON.stringify(record(closedUrl())));
    expect(await findServer(stateDir)).toBeNull();
  });

  test('when another server answers there: the admin token must not go to it', async () => {
    const other = running();
    writeFileSync(file(), JSON.stringify(record(other.url)));
    expect(await findServer(stateDir)).toBeNull();
  });

  test('when what answers is no rotator, or sends us on', async () => {
    const server = running();
    for (const answer of [
      () => new Response('hello'),
      () => new Response(null, { status: 302, headers: { location: `${server.url}/health` } }),
    ]) {
      const listener = listen({ hostname: '127.0.0.1', port: 0, fetch: async () => answer() });
      listeners.push(listener);
      writeFileSync(file(), JSON.stringify(record(listener.url, server.nonce)));
      expect(await findServer(stateDir)).toBeNull();
    }
  });
});

test('a proxy of the environment is not asked for the way to our own server', async () => {
  const server = running();
  await writeServerFile(stateDir, server);
  const script = `
    import { findServer } from ${JSON.stringify(join(import.meta.dir, '../../src/server/server-file.ts'))};
    console.log(JSON.stringify(await findServer(${JSON.stringify(stateDir)})));
  `;
  const proxy = closedUrl();
  const child = Bun.spawn([process.execPath, '-e', script], {
    env: { PATH: process.env['PATH'] ?? '', http_proxy: proxy, HTTP_PROXY: proxy, no_proxy: '' },
    stdout: 'pipe',
  });
  expect(JSON.parse(await child.stdout.text())).toEqual({ url: server.url, pid: process.pid });
});

describe('a second server', () => {
  test('is refused, and told of the first', async () => {
    const first = running();
    await writeServerFile(stateDir, first);
    const refusal = { exitCode: 1, code: 'already_running', message: expect.stringContaining(first.url) };
    expect(await refuseSecondServer(stateDir).catch((error: unknown) => error)).toMatchObject(refusal);
    expect(await writeServerFile(stateDir, running()).catch((error: unknown) => error)).toMatchObject(refusal);
    expect(readServerFile(stateDir)?.nonce).toBe(first.nonce);
    expect(readdirSync(stateDir)).toEqual(['server.json']);
  });

  test('may start where the first has left its file behind', async () => {
    for (const left of [
      JSON.stringify(record(closedUrl())),
      JSON.stringify(record(closedUrl(), newNonce(), await deadPid())),
      'half a fi',
    ]) {
      writeFileSync(file(), left);
      await refuseSecondServer(stateDir);
      const second = running();
      await writeServerFile(stateDir, second);
      expect(readServerFile(stateDir)).toEqual(second);
      expect(readdirSync(stateDir)).toEqual(['server.json']);
      removeServerFile(stateDir, second.nonce);
    }
  });

  test('of many that start at once one wins', async () => {
    writeFileSync(file(), JSON.stringify(record(closedUrl())));
    const servers = Array.from({ length: 8 }, () => running());
    const results = await Promise.allSettled(servers.map((server) => writeServerFile(stateDir, server)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    const winner = servers[results.findIndex((result) => result.status === 'fulfilled')];
    expect(readServerFile(stateDir)?.nonce).toBe(winner?.nonce ?? '');
    expect(readdirSync(stateDir)).toEqual(['server.json']);
  });
});
