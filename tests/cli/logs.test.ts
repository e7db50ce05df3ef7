import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineEvent, RequestView } from '../../src/gateway/operations.ts';
import { EventFeed } from '../../src/observe/event-feed.ts';
import { openStore } from '../../src/store/database.ts';
import { loggedRequest } from '../store/rows.ts';
import { Home } from './support/home.ts';
import { serveReports } from './support/served-reports.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home[Symbol.dispose]());

const request = (seq: number, change: Partial<RequestView> = {}): RequestView => ({
  seq,
  id: `req-${seq}`,
  at: '2026-01-01T12:00:00.000Z',
  client: 'laptop',
  model: 'fast',
  target: 'groq/llama',
  credential: 'groq-1a2b3c4d5e',
  status: 200,
  failure: null,
  stream: true,
  queue_ms: 0.1,
  first_byte_ms: 210,
  total_ms: 1234,
  overhead_ms: 0.3,
  input_tokens: 90,
  output_tokens: 40,
  cached_tokens: 60,
  reasoning_tokens: null,
  cost_usd: 0.0123,
  attempts: [
    {
      target: 'groq/llama',
      credential: 'groq-aaaaaaaaaa',
      status: 429,
      failure: 'rate-limited',
      ms: 12,
      error: 'slow down',
    },
    { target: 'groq/llama', credential: 'groq-1a2b3c4d5e', status: 200, failure: null, ms: 900, error: null },
  ],
  ...change,
});

/** A server that has these requests, the newest first, and tells when one is added. */
async function served(requests: RequestView[]) {
  const events = new EventFeed<EngineEvent>((count) => ({ type: 'events-missed', at: '', count }));
  const asked: unknown[] = [];
  const server = await serveReports(home, {
    requests: async (query) => {
      asked.push(query);
      return requests
        .filter(({ seq, failure }) => seq > (query.after ?? 0) && (!query.failedOnly || failure !== null))
        .slice(0, query.limit);
    },
    request: async (id) => requests.find((one) => one.id === id || String(one.seq) === id) ?? null,
    events: (signal) => events.subscribe(signal),
  });
  return {
    asked,
    add(one: RequestView) {
      requests.unshift(one);
      events.publish({ ...one, type: 'request-finished' });
    },
    end: () => events.close(),
    [Symbol.dispose]: () => {
      events.close();
      server[Symbol.dispose]();
    },
  };
}

describe('logs of a running server', () => {
  test('are one line each, the newest last', async () => {
    using _ = await served([request(2, { failure: 'timeout', status: 504, cost_usd: null }), request(1)]);
    const { exitCode, stdout, stderr } = await home.run(['logs']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const [first, second, ...rest] = stdout.trimEnd().split('\n');
    expect(rest).toEqual([]);
    expect(first).toMatch(
      /^\d\d-\d\d \d\d:\d\d:\d\d {2}200 {2} *1\.2 s {2}90 in \(60 cached\) 40 out +\$0\.012 +laptop +fast > groq\/llama {2}2 attempts {2}req-1$/,
    );
    expect(second).toContain('504');
    expect(second).toContain('timeout');
  });

  test('are lines of JSON with --json', async () => {
    using _ = await served([request(2), request(1)]);
    const { stdout } = await home.run(['logs', '--json']);
    const lines: RequestView[] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([request(1), request(2)]);
  });

  test('are asked for by number and by failure', async () => {
    using server = await served([]);
    const { stderr } = await home.run(['logs', '--failed', '-n', '7']);
    expect(stderr).toBe('no request has failed\n');
    expect(server.asked).toEqual([{ limit: 7, failedOnly: true, before: null, after: null }]);
  });

  test('steer no terminal, whatever a client has sent', async () => {
    using _ = await served([request(1, { model: 'a\u001b[2Jb', client: 'c\nd' })]);
    const { stdout } = await home.run(['logs'], { env: { LANG: 'en_US.UTF-8' } });
    expect(stdout).not.toContain('\u001b');
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  });

  test('of one request show its attempts, with what was said, and where its files are', async () => {
    using _ = await served([request(1)]);
    const { stdout } = await home.run(['logs', 'req-1']);
    expect(stdout).toContain('1. groq/llama with groq-aaaaaaaaaa: rate-limited (429, 12 ms)');
    expect(stdout).toContain('slow down');
    expect(stdout).toContain('2. groq/llama with groq-1a2b3c4d5e: served (200, 900 ms)');
    expect(stdout).toContain('queue 0 ms, first byte 210 ms, total 1.2 s, overhead 0.3 ms');
    expect(stdout).not.toContain('files');
    const files = join(home.stateDir, 'logs/2026-01-01/req-1');
    mkdirSync(files, { recursive: true });
    expect((await home.run(['logs', '1'])).stdout).toContain(`files   ${files}`);
    expect(JSON.parse((await home.run(['logs', '1', '--json'])).stdout)).toEqual({ ...request(1), files });
  });

  test('of a request that is not there, or of one that is followed, are a usage error', async () => {
    using _ = await served([]);
    expect(await home.run(['logs', 'nothing'])).toMatchObject({ exitCode: 2, stdout: '' });
    expect(await home.run(['logs', 'nothing', '--follow'])).toMatchObject({ exitCode: 2, stdout: '' });
    expect(await home.run(['logs', '-n', '0'])).toMatchObject({ exitCode: 2, stdout: '' });
  });

  test('go on with --follow until Ctrl-C, and tell nothing twice', async () => {
    using server = await served([request(1)]);
    const command = home.start(['logs', '--follow', '--json']);
    await command.stdout.until(/req-1/);
    server.add(request(2));
    await command.stdout.until(/req-2/);
    server.add(request(3));
    server.add(request(4));
    await command.stdout.until(/req-4/);
    command.signal('SIGINT');
    const { exitCode, stdout } = await command.ended;
    expect(exitCode).toBe(130);
    expect([...stdout.matchAll(/"id":"req-(\d)"/g)].map(([, seq]) => seq)).toEqual(['1', '2', '3', '4']);
  });

  test('end with the server', async () => {
    using server = await served([request(1)]);
    const command = home.start(['logs', '--follow']);
    await command.stdout.until(/req-1/);
    server.end();
    expect(await command.ended).toMatchObject({ exitCode: 1, stderr: 'error: the server has ended\n' });
  });
});

describe('logs without a server', () => {
  test('are those of the database', async () => {
    mkdirSync(home.stateDir, { recursive: true });
    const store = openStore(join(home.stateDir, 'rotator.db'));
    store.writer.request(loggedRequest({ id: 'req-kept' }));
    store.close();
    const { exitCode, stdout } = await home.run(['logs']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('req-kept');
  });

  test('are followed, too', async () => {
    mkdirSync(home.stateDir, { recursive: true });
    const store = openStore(join(home.stateDir, 'rotator.db'));
    const command = home.start(['logs', '--follow']);
    await command.stderr.until(/no server runs here/);
    store.writer.request(loggedRequest({ id: 'req-later' }));
    store.close();
    await command.stdout.until(/req-later/);
    command.signal('SIGTERM');
    expect((await command.ended).exitCode).toBe(143);
  });
});
