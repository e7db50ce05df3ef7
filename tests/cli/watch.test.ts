import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { StatusReport } from '../../src/gateway/operations.ts';
import { Home } from './support/home.ts';
import { freeTier, key, provider, used } from './support/reports.ts';
import { serveReports } from './support/served-reports.ts';
import { TerminalCommand } from './support/terminal.ts';
import { ADMIN_TOKEN } from '../server/fake-deps.ts';

// A program is started, and a screen comes once a second.
setDefaultTimeout(30_000);

let home: Home;

beforeEach(() => {
  home = new Home();
});

afterEach(() => home[Symbol.dispose]());

const report = (more: Partial<StatusReport> = {}): StatusReport => ({
  ...freeTier,
  started_at: new Date(Date.now() - 7_200_000).toISOString(),
  providers: [provider('groq')],
  keys: [key('groq-1a2b3c4d5e', { provider: 'groq' }), key('groq-2b3c4d5e6f', { provider: 'groq', label: 'work' })],
  ...more,
});
const has = (text: string) => (lines: readonly string[]) => lines.some((line) => line.includes(text));
const ENTER = '\r';
const CTRL_C = '\u0003';

describe('status --watch on a terminal', () => {
  test('shows the server’s keys as they change, and gives the screen back', async () => {
    let inFlight = 0;
    using _ = await serveReports(home, { status: async () => report({ in_flight: inFlight }) });
    await using command = new TerminalCommand(home, ['status', '--watch'], {}, { cols: 80, rows: 20 });
    const lines = await command.screenShows(has('groq-2b3c4d5e6f'));
    expect(await command.holdsScreen()).toBe(true);
    expect(lines).toHaveLength(20);
    expect(lines[0]).toContain('rotator 1.2.3');
    expect(lines.filter((line) => line.startsWith('>'))).toEqual([expect.stringContaining('groq-1a2b3c4d5e')]);
    inFlight = 7;
    await command.screenShows(has('7 in flight'));
    command.type('q');
    expect(await command.ended).toBe(0);
    expect(await command.holdsScreen()).toBe(false);
    expect(command.raw).toContain('\u001b[?25h');
  });

  test('filters, selects and orders', async () => {
    const ordered: string[] = [];
    using _ = await serveReports(home, {
      status: async () => report(),
      keys: async () => report().keys,
      reset: async (ids) => {
        ordered.push(`reset ${ids}`);
        return true;
      },
      setEnabled: async (id, isEnabled) => {
        ordered.push(`${isEnabled} ${id}`);
        return true;
      },
      test: async (id) => ({ id, ok: false, status: 401, result: 'key-rejected', message: 'no such key', ms: 1 }),
    });
    await using command = new TerminalCommand(home, ['status', '--watch']);
    await command.screenShows(has('groq-1a2b3c4d5e'));
    command.type('/work');
    await command.screenShows((lines) => has('/work_')(lines) && !has('groq-1a2b3c4d5e')(lines));
    command.type(`${ENTER}r`);
    await command.screenShows(has('reset groq-2b3c4d5e6f'));
    command.type('d');
    await command.screenShows(has('groq-2b3c4d5e6f is disabled'));
    command.type('t');
    await command.screenShows(has('groq-2b3c4d5e6f: key-rejected: no such key'));
    expect(ordered).toEqual(['reset groq-2b3c4d5e6f', 'false groq-2b3c4d5e6f']);
    command.type('\u001b');
    await command.screenShows(has('groq-1a2b3c4d5e'));
    command.type(CTRL_C);
    expect(await command.ended).toBe(130);
    expect(await command.holdsScreen()).toBe(false);
  });

  test('fits the terminal when it is resized', async () => {
    using _ = await serveReports(home, { status: async () => report() });
    await using command = new TerminalCommand(home, ['status', '--watch'], {}, { cols: 100, rows: 24 });
    await command.screenShows(has('t test'));
    command.resize(30, 8);
    const lines = await command.screenShows(
      (all) => all.length === 8 && /^q quit/.test(all[7] ?? '') && has('> ready')(all),
    );
    expect(lines.filter((line) => line.startsWith('>'))).toHaveLength(1);
  });

  test('is ended by a signal with the screen given back', async () => {
    using _ = await serveReports(home, { status: async () => report() });
    await using command = new TerminalCommand(home, ['status', '--watch']);
    await command.screenShows(has('groq-1a2b3c4d5e'));
    command.signal('SIGTERM');
    expect(await command.ended).toBe(143);
    expect(await command.holdsScreen()).toBe(false);
  });

  test('a token that is refused ends it with exit 4 before it takes the screen', async () => {
    using _ = await serveReports(home, { status: async () => report() });
    await using command = new TerminalCommand(home, ['status', '--watch'], { ROTATOR_ADMIN_TOKEN: 'wrong' });
    expect(await command.ended).toBe(4);
    expect(command.text).toContain('refused the admin token');
    expect(command.text).toContain('hint: set ROTATOR_ADMIN_TOKEN');
    expect(command.raw).not.toContain('\u001b[?1049h');
  });

  test('without colour and without Unicode it has neither', async () => {
    using _ = await serveReports(home, { status: async () => report() });
    await using command = new TerminalCommand(home, ['status', '--watch'], { NO_COLOR: '1', LANG: 'C' });
    const lines = await command.screenShows(has('groq-1a2b3c4d5e'));
    expect(lines.join('\n')).toMatch(/^[\n -~]*$/);
    expect(command.raw).not.toMatch(/\u001b\[[1-9][0-9]?m/);
  });

  test('follows a server that is gone, and one that comes back', async () => {
    const first = await serveReports(home, { status: async () => report({ in_flight: 3 }) });
    await using command = new TerminalCommand(home, ['status', '--watch']);
    await command.screenShows(has('3 in flight'));
    first[Symbol.dispose]();
    await command.screenShows(has('no server runs'));
    using _ = await serveReports(home, { status: async () => report({ in_flight: 9 }) });
    await command.screenShows(has('9 in flight'));
  });

  test('follows a server whose file is broken, and goes by the file when that server is gone', async () => {
    const config = home.config('providers: { groq: { kees: [x] } }\n');
    const server = await serveReports(home, { status: async () => report({ in_flight: 3, config }) });
    await using command = new TerminalCommand(home, ['status', '--watch']);
    await command.screenShows(has('3 in flight'));
    server[Symbol.dispose]();
    await command.screenShows(has('groq.kees: unknown field'));
    home.config('providers: { groq: { keys: [x] } }\n');
    await command.screenShows(has('no server runs'));
  });

  test('of 200 keys writes next to nothing when next to nothing changes', async () => {
    const keys = Array.from({ length: 200 }, (_, n) =>
      key(`groq-${String(n).padStart(10, '0')}`, { provider: 'groq', today: used(n) }),
    );
    let count = 0;
    const startedAt = new Date().toISOString();
    using _ = await serveReports(home, {
      status: async () => report({ keys, waiting: ++count, started_at: startedAt }),
    });
    await using command = new TerminalCommand(home, ['status', '--watch'], {}, { cols: 120, rows: 50 });
    await command.screenShows(has('1 waiting'));
    await command.screenShows(has('2 waiting'));
    const written = command.raw.length;
    await command.screenShows(has('4 waiting'));
    expect(command.raw.length - written).toBeLessThan(1000);
    expect(command.raw.match(/\u001b\[2J/g)?.length).toBeLessThanOrEqual(2);
  });
});

describe('status of a server elsewhere', () => {
  test('--url asks it with the token of the environment', async () => {
    using elsewhere = new Home();
    using server = await serveReports(elsewhere, { status: async () => report({ in_flight: 5 }) });
    const outcome = await home.run(['status', '--url', `${server.url}/`], {
      env: { ROTATOR_ADMIN_TOKEN: ADMIN_TOKEN },
    });
    expect(outcome.exitCode).toBe(0);
    expect(outcome.stdout).toContain(server.url);
    expect(outcome.stdout).toContain('5 in flight');
    const byVariable = await home.run(['status'], {
      env: { ROTATOR_ADMIN_TOKEN: ADMIN_TOKEN, ROTATOR_URL: server.url },
    });
    expect(byVariable.stdout).toContain(`${server.url} · `);
    await using command = new TerminalCommand(home, ['status', '--watch', '--url', server.url], {
      ROTATOR_ADMIN_TOKEN: ADMIN_TOKEN,
    });
    await command.screenShows(has('5 in flight'));
  });

  test('asks for the token where nobody has set it', async () => {
    using elsewhere = new Home();
    using server = await serveReports(elsewhere, { status: async () => report() });
    await using command = new TerminalCommand(home, ['status', '--url', server.url]);
    await command.shows('Admin token of');
    command.type(ADMIN_TOKEN + ENTER);
    expect(await command.ended).toBe(0);
    expect(command.text).not.toContain(ADMIN_TOKEN);
    expect(command.text).toContain('groq-1a2b3c4d5e');
  });

  test('a token that is refused is exit 4', async () => {
    using elsewhere = new Home();
    using server = await serveReports(elsewhere, {});
    const outcome = await home.run(['status', '--url', server.url], { env: { ROTATOR_ADMIN_TOKEN: 'wrong' } });
    expect(outcome.exitCode).toBe(4);
  });

  test('what is no rotator never sees the token', async () => {
    const seen: string[] = [];
    const stranger = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        seen.push(JSON.stringify([...request.headers]));
        return new Response('hello');
      },
    });
    const outcome = await home.run(['status', '--url', `http://127.0.0.1:${stranger.port}`], {
      env: { ROTATOR_ADMIN_TOKEN: ADMIN_TOKEN },
    });
    await stranger.stop(true);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toContain('is no rotator');
    expect(seen.join()).not.toContain(ADMIN_TOKEN);
  });

  test('without terminal and token it says where the token comes from', async () => {
    const outcome = await home.run(['status', '--url', 'http://127.0.0.1:1']);
    expect(outcome.exitCode).toBe(2);
    expect(outcome.stderr).toContain('set ROTATOR_ADMIN_TOKEN');
  });
});

describe('status --watch without a terminal', () => {
  test('is a usage error', async () => {
    const outcome = await home.run(['status', '--watch']);
    expect(outcome.exitCode).toBe(2);
    expect(outcome.stderr).toContain('--watch needs a terminal');
  });

  test('with --json prints a report a second, each in one line', async () => {
    let count = 0;
    using _ = await serveReports(home, { status: async () => report({ waiting: ++count }) });
    const command = home.start(['status', '--watch', '--json']);
    await command.stdout.until(/"waiting":2/);
    command.signal('SIGINT');
    const { exitCode, stdout } = await command.ended;
    expect(exitCode).toBe(130);
    const reports = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reports.slice(0, 2).map(({ waiting }) => waiting)).toEqual([1, 2]);
  });

  test('with --json says once what is wrong, and again when it was well between', async () => {
    const failsAt = [1, 2, 4];
    let count = 0;
    using _ = await serveReports(home, {
      status: async () => {
        if (failsAt.includes(++count)) throw new Error('made up');
        return report({ waiting: count });
      },
    });
    const command = home.start(['status', '--watch', '--json']);
    await command.stdout.until(/"waiting":3/);
    const once = command.stderr.text;
    expect(once).toMatch(/^warning: .* answered 500: .*\n$/);
    await command.stdout.until(/"waiting":5/);
    expect(command.stderr.text).toBe(once + once);
    command.signal('SIGINT');
    await command.ended;
  });

  test('with --json says once that its token is refused', async () => {
    const asked = Promise.withResolvers<void>();
    let count = 0;
    using server = await serveReports(home, {}, (path) => {
      // What the first two were answered has been dealt with when the third comes.
      if (path === '/admin/status' && ++count === 3) asked.resolve();
    });
    home.write('.local/state/rotator/admin-token', 'another');
    const command = home.start(['status', '--watch', '--json']);
    await asked.promise;
    expect(command.stderr.text).toBe(`warning: the server at ${server.url} refused the admin token\n`);
    command.signal('SIGINT');
    expect(await command.ended).toMatchObject({ exitCode: 130, stdout: '' });
  });
});
