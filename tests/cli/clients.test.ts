import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import type { StatusReport } from '../../src/gateway/operations.ts';
import { Home } from './support/home.ts';
import { freeTier, limitedClients } from './support/reports.ts';
import { serveReports } from './support/served-reports.ts';

let home: Home;

beforeEach(() => {
  home = new Home();
});

afterEach(() => home[Symbol.dispose]());

const KEY = /^sk-rotator-[\w-]{43}\n$/;

async function listed(env: Record<string, string> = {}): Promise<unknown> {
  const outcome = await home.run(['clients', 'list', '--json'], { env });
  expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
  return home.json(outcome);
}

describe('clients add', () => {
  test('prints a new key once, and keeps its hash', async () => {
    const outcome = await home.run(['clients', 'add', 'laptop']);
    expect(outcome).toMatchObject({ exitCode: 0 });
    expect(outcome.stdout).toMatch(KEY);
    expect(outcome.stderr).toContain(`created ${home.configPath}: added the client key "laptop"`);
    const hash = new Bun.CryptoHasher('sha256').update(outcome.stdout.trim()).digest('hex');
    expect(home.readConfig()).toContain(`"sha256:${hash}"`);
    expect(home.readConfig()).not.toContain(outcome.stdout.trim());
    expect(statSync(home.configPath).mode & 0o777).toBe(0o600);
    expect(await listed()).toEqual([
      {
        name: 'laptop',
        id: hash.slice(0, 16),
        source: 'config',
        models: [],
        limits: { rpm: null, tpm: null, rpd: null, usd_per_day: null, usd_per_month: null },
        windows: [],
      },
    ]);
  });

  test('writes what it may use', async () => {
    const limits = ['--limit', 'rpm=60', '--limit', 'tpm=200k', '--limit', 'usd_per_month=2.5'];
    const outcome = await home.run(['clients', 'add', ...limits, 'ci', '--models', 'groq/*', 'fast', '--json']);
    expect(outcome).toMatchObject({ exitCode: 0 });
    expect(home.json(outcome)).toMatchObject({ name: 'ci', path: home.configPath, key: expect.any(String) });
    expect(await listed()).toMatchObject([
      { name: 'ci', models: ['groq/*', 'fast'], limits: { rpm: 60, tpm: 200_000, rpd: null, usd_per_month: 2.5 } },
    ]);
    const shown = await home.run(['clients', 'list']);
    expect(shown.stdout).toContain('60 rpm, 200k tpm, $2.5 a month');
  });

  test('takes a key from stdin or a variable, and repeats neither', async () => {
    const own = await home.run(['clients', 'add', 'own', '--stdin'], { stdin: 'my-own-key\n' });
    expect(own).toMatchObject({ exitCode: 0, stdout: '' });
    expect(home.readConfig()).not.toContain('my-own-key');
    const env = await home.run(['clients', 'add', 'by-name', '--env', 'APP_KEY'], { env: { APP_KEY: 'app-key' } });
    expect(env).toMatchObject({ exitCode: 0, stdout: '' });
    expect(home.readConfig()).toContain('${APP_KEY}');
    expect(`${own.stderr}${env.stderr}`).not.toContain('app-key');
    expect(await listed({ APP_KEY: 'app-key' })).toMatchObject([{ name: 'own' }, { name: 'by-name' }]);
  });

  const mistakes: [string[], string][] = [
    [['clients', 'add', 'a', '--limit', 'rpn=5'], 'did you mean rpm=5?'],
    [['clients', 'add', 'a', '--limit', 'rpm'], 'expected a limit such as rpm=60'],
    [['clients', 'add', 'a', '--limit', 'rpm=few'], 'limits.rpm'],
    [['clients', 'add', ' '], 'a client key needs a name'],
    [['clients', 'add', 'a', '--stdin'], 'nothing came from stdin'],
    [['clients', 'add', 'a', '--env', 'NOT-A-NAME'], 'is not the name of an environment variable'],
  ];
  test.each(mistakes)('refuses %p', async (argv, said) => {
    const outcome = await home.run(argv);
    expect(outcome).toMatchObject({ exitCode: 2, stdout: '' });
    expect(outcome.stderr).toContain(said);
  });

  test('says that the key of the first start no longer opens anything', async () => {
    home.write('.local/state/rotator/client-key', 'sk-rotator-first\n');
    expect(await listed()).toMatchObject([{ name: 'default', source: 'state' }]);
    const outcome = await home.run(['clients', 'add', 'laptop']);
    expect(outcome.stderr).toContain(`the key in ${home.stateDir}/client-key is no longer accepted`);
    const second = await home.run(['clients', 'add', 'phone']);
    expect(second.stderr).not.toContain('no longer accepted');
  });
});

describe('clients list', () => {
  beforeEach(() => {
    home.config(`server:
  client_keys:
    - { name: laptop, key: sk-rotator-laptop, limits: { rpm: 60, usd_per_day: 5 } }
    - { name: ci, key: sk-rotator-ci, limits: { rpm: 1 }, models: ["groq/*"] }
    - { name: new, key: sk-rotator-new, limits: { rpd: 9 } }
    - { name: free, key: sk-rotator-free }
`);
  });

  const now = () => ({ ...freeTier, clients: limitedClients });
  const windows = async () => {
    const outcome = await home.run(['clients', 'list', '--json']);
    expect(outcome.exitCode).toBe(0);
    return (home.json(outcome) as { windows: unknown }[]).map((entry) => entry.windows);
  };

  test('says of a running server what is left of each limit', async () => {
    using _ = await serveReports(home, { status: async () => now() });
    const { exitCode, stdout, stderr } = await home.run(['clients', 'list']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout.replaceAll(/[0-9a-f]{16}/g, 'f'.repeat(16))).toBe(`\
NAME    ID                SOURCE  LIMIT     LEFT         FULL IN  MODELS
laptop  ffffffffffffffff  config  60 rpm    57 (95 %)             all
                                  $5 a day  $0.8 (16 %)
ci      ffffffffffffffff  config  1 rpm     0 (0 %)               groq/*
new     ffffffffffffffff  config  9 rpd     –                     all
free    ffffffffffffffff  config  none                            all
`);
    expect(await windows()).toEqual([limitedClients[0]?.windows, limitedClients[1]?.windows, null, []]);
  });

  test('shows the limits alone without one, and says so', async () => {
    const { exitCode, stdout, stderr } = await home.run(['clients', 'list']);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: 'no server runs: how much of the limits is left is not known\n',
    });
    expect(stdout).toMatch(/^NAME +ID +SOURCE +LIMITS +MODELS\nlaptop +\w{16} +config +60 rpm, \$5 a day +all\n/);
    expect(await windows()).toEqual([null, null, null, []]);
  });

  test('shows the limits alone where the server does not let itself be asked', async () => {
    using _ = await serveReports(home, { status: async () => now() });
    home.write('.local/state/rotator/admin-token', 'another');
    const { exitCode, stdout, stderr } = await home.run(['clients', 'list']);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^warning: how much of the limits is left is not known: .* refused the admin token\n$/);
    expect(stdout).toContain('60 rpm, $5 a day');
  });

  test('has nothing to ask a server that knows no such thing yet', async () => {
    const { clients: _, ...older } = now();
    using __ = await serveReports(home, { status: async () => older as StatusReport });
    expect(await windows()).toEqual([null, null, null, []]);
    expect(await home.run(['status'])).toMatchObject({ exitCode: 0, stderr: '' });
  });
});

describe('clients rotate and remove', () => {
  test('make another key, and take one out', async () => {
    const first = (await home.run(['clients', 'add', 'laptop', '--limit', 'rpm=5'])).stdout;
    await home.run(['clients', 'add', 'phone']);
    const rotated = await home.run(['clients', 'rotate', 'laptop']);
    expect(rotated.stdout).toMatch(KEY);
    expect(rotated.stdout).not.toBe(first);
    const hash = new Bun.CryptoHasher('sha256').update(rotated.stdout.trim()).digest('hex');
    expect(await listed()).toMatchObject([
      { name: 'laptop', id: hash.slice(0, 16), limits: { rpm: 5 } },
      { name: 'phone' },
    ]);
    const removed = await home.run(['clients', 'remove', 'phone']);
    expect(removed).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await listed()).toMatchObject([{ name: 'laptop' }]);
    expect(await home.run(['clients', 'remove', 'laptop'])).toMatchObject({ exitCode: 1 });
  });

  test('say where a key comes from that no file holds', async () => {
    home.config('providers: {}\n');
    const env = { ROTATOR_CLIENT_KEY: 'from-outside' };
    expect(await listed(env)).toMatchObject([{ name: 'default', source: 'env' }]);
    const outcome = await home.run(['clients', 'rotate', 'default'], { env });
    expect(outcome).toMatchObject({ exitCode: 2, stdout: '' });
    expect(outcome.stderr).toContain('ROTATOR_CLIENT_KEY');
    const unknown = await home.run(['clients', 'remove', 'nobody']);
    expect(unknown).toMatchObject({ exitCode: 2 });
    expect(unknown.stderr).toContain('"nobody"');
  });
});
