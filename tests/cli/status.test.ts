import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { UsageReport } from '../../src/gateway/operations.ts';
import { openStore } from '../../src/store/database.ts';
import { loggedRequest, usageRow } from '../store/rows.ts';
import { Home } from './support/home.ts';
import { freeTier, used } from './support/reports.ts';
import { serveReports } from './support/served-reports.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home[Symbol.dispose]());

describe('status of a running server', () => {
  test('shows its keys, and the same as JSON', async () => {
    using server = await serveReports(home, { status: async () => freeTier });
    const people = await home.run(['status']);
    expect(people).toMatchObject({ exitCode: 0, stderr: '' });
    expect(people.stdout).toStartWith(`rotator 1.2.3 · ${server.url} · up `);
    expect(people.stdout).toContain('gemini: 2 of 5 keys can be used');
    const machine = await home.run(['status', '--json']);
    expect(machine).toMatchObject({ exitCode: 0, stderr: '' });
    expect(home.json(machine)).toEqual(freeTier);
  });

  test('goes by the locale and has no colours in a pipe', async () => {
    using _ = await serveReports(home, { status: async () => freeTier });
    const { stdout } = await home.run(['status'], { env: { LANG: 'C', FORCE_COLOR: '0' } });
    expect(stdout).toMatch(/^[\n -~]*$/);
    const coloured = await home.run(['status'], { env: { FORCE_COLOR: '1' } });
    expect(coloured.stdout).toContain('\u001b[');
    const plain = await home.run(['status', '--no-color'], { env: { FORCE_COLOR: '1' } });
    expect(plain.stdout).not.toContain('\u001b[');
  });

  test('with --refresh asks for quotas first and says who cannot be asked', async () => {
    const order: string[] = [];
    using _ = await serveReports(home, {
      status: async () => {
        order.push('status');
        return freeTier;
      },
      refreshQuota: async () => {
        order.push('refresh');
        return {
          refreshed: [{ provider: 'gemini_cli', credentials: 2 }],
          unsupported: ['gemini', 'groq'],
          errors: [{ provider: 'codex', credential: 'codex-1', message: 'answered 500' }],
        };
      },
    });
    const { exitCode, stderr } = await home.run(['status', '--refresh']);
    expect(exitCode).toBe(0);
    expect(order).toEqual(['refresh', 'status']);
    expect(stderr).toBe(
      'asked gemini_cli for the quotas of 2 keys\nwarning: codex-1: answered 500\ncannot be asked for quotas: gemini, groq\n',
    );
  });

  test('says how to begin when there are no keys', async () => {
    using _ = await serveReports(home, { status: async () => ({ ...freeTier, providers: [], keys: [] }) });
    expect((await home.run(['status'])).stderr).toBe('no keys yet: rotator keys add PROVIDER\n');
  });
});

test('keys list says how many models rest, and until when, beside a state that stays ready', async () => {
  using _ = await serveReports(home, { status: async () => freeTier });
  const { exitCode, stdout } = await home.run(['keys', 'list']);
  expect(exitCode).toBe(0);
  const row = stdout.split('\n').find((line) => line.startsWith('gemini-2b3c4d5e6f'));
  expect(row).toMatch(/ ready +0 +0 +2 models and groups rest, back now; rpm is used up, room now/);
});

describe('usage of a running server', () => {
  const report: UsageReport = {
    by: 'model',
    since: '2026-01-01T00:00:00.000Z',
    rows: [{ name: 'groq/llama-3', label: null, ...used(12, 1, 3400) }],
    total: used(12, 1, 3400),
  };

  test('is a table for people and the report for machines', async () => {
    const asked: unknown[] = [];
    using _ = await serveReports(home, {
      usage: async (query) => {
        asked.push({ ...query, since: new Date(query.since).toISOString() });
        return report;
      },
    });
    const people = await home.run(['usage', '--by', 'model', '--since', '2026-01-01']);
    expect(people).toMatchObject({ exitCode: 0, stderr: '' });
    expect(people.stdout).toBe(
      'MODEL         REQUESTS  FAILED  INPUT  CACHED  OUTPUT  REASONING  COST\n' +
        'groq/llama-3        12       1   3.4k       0     340          0     –\n',
    );
    expect(asked).toEqual([{ by: 'model', since: '2026-01-01T00:00:00.000Z' }]);
    const machine = await home.run(['usage', '--by', 'model', '--since', '2026-01-01', '--json']);
    expect(home.json(machine)).toEqual(report);
  });

  test('is by provider and of seven days unless something else is asked for', async () => {
    const asked: { by: string; ageMs: number }[] = [];
    using _ = await serveReports(home, {
      usage: async ({ by, since }) => {
        asked.push({ by, ageMs: Date.now() - since });
        return { ...report, rows: [] };
      },
    });
    const outcome = await home.run(['usage']);
    expect(outcome).toEqual({ exitCode: 0, stdout: '', stderr: `nothing was used since ${report.since}\n` });
    expect(asked[0]?.by).toBe('provider');
    expect(Math.floor((asked[0]?.ageMs ?? 0) / 86_400_000)).toBe(7);
  });
});

describe('without a server', () => {
  const remember = () => {
    const store = openStore(join(home.stateDir, 'rotator.db'));
    store.writer.usage(usageRow({ at: Date.now(), credential: 'groq-1a2b3c4d5e', client: 'laptop' }));
    store.writer.usage(usageRow({ at: Date.now() - 86_400_000 * 30 }));
    store.writer.request(loggedRequest());
    store.close();
  };

  test('usage comes from the database', async () => {
    remember();
    const outcome = await home.run(['usage', '--by', 'client', '--json']);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(home.json(outcome)).toMatchObject({
      by: 'client',
      rows: [{ name: 'laptop', label: null, requests: 1, input_tokens: 10, cost_usd: null }],
      total: { requests: 1 },
    });
    const longer = await home.run(['usage', '--since', '60d', '--json']);
    expect(home.json(longer)).toMatchObject({ rows: [{ name: 'groq', requests: 2 }] });
  });

  test('status shows the configured keys and what the database remembers of today', async () => {
    remember();
    home.config('providers:\n  groq: { keys: [one-key] }\n');
    const outcome = await home.run(['status', '--json']);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(home.json(outcome)).toMatchObject({
      today: { requests: 1, cost_usd: null },
      providers: [{ id: 'groq', today: { requests: 1 } }],
      keys: [{ provider: 'groq', state: 'ready', windows: [], today: { requests: 0 } }],
    });
    const people = await home.run(['status']);
    expect(people.stdout).toMatch(/^rotator \S+ · no server runs\n/);
    expect(people.stdout).toContain('groq: 1 of 1 key can be used');
  });

  test.each([
    ['is damaged', 'no database at all, and long enough to be looked at'.repeat(40), 'was damaged'],
    ['is no file', null, 'cannot be opened'],
  ])('a database that %s is told by whoever meets it: nothing is known for another reason', async (_, text, words) => {
    if (text === null) mkdirSync(join(home.stateDir, 'rotator.db'), { recursive: true });
    else home.write('.local/state/rotator/rotator.db', text);
    const { exitCode, stderr } = await home.run(['usage']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(words);
  });

  test('status --refresh says that nobody can be asked', async () => {
    home.config('providers:\n  groq: { keys: [one-key] }\n');
    const { exitCode, stderr } = await home.run(['status', '--refresh']);
    expect([exitCode, stderr]).toEqual([0, 'cannot be asked for quotas: groq\n']);
  });
});
