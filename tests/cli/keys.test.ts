import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { answer, refusal, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';
import type { CredentialView } from '../../src/gateway/operations.ts';
import { Home } from './support/home.ts';

let home: Home;
let upstream: ScriptedUpstream | null;

beforeEach(() => {
  home = new Home();
  upstream = null;
});

afterEach(async () => {
  home[Symbol.dispose]();
  await upstream?.close();
});

type View = { id: string; label: string | null; enabled: boolean; state: string; masked: string; source: string };

async function listed(env?: Record<string, string>): Promise<readonly View[]> {
  const outcome = await home.run(['keys', 'list', '--json'], env ? { env } : {});
  expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
  return JSON.parse(outcome.stdout);
}

const KEY = 'gsk_0123456789abcdef';

describe('keys add', () => {
  test('makes a private config at the XDG place and says where', async () => {
    const outcome = await home.run(['keys', 'add', 'groq', '--key', KEY, '--label', 'work', '--priority', '1']);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.stdout).toBe('');
    expect(outcome.stderr).toMatch(new RegExp(`^created ${home.configPath}: added groq-[0-9a-f]{10}\n$`));
    expect(statSync(home.configPath).mode & 0o777).toBe(0o600);
    expect(existsSync(join(home.cwd, 'rotator.yaml'))).toBe(false);
    expect(await listed()).toMatchObject([{ provider: 'groq', label: 'work', priority: 1, source: 'config' }]);
  });

  test('keeps the comments of a config that is there', async () => {
    home.config('# mine\nproviders:\n  groq: { keys: [first-key] } # keep\n');
    const outcome = await home.run(['keys', 'add', 'groq', '--key', KEY, '--json']);
    expect(outcome).toMatchObject({ exitCode: 0 });
    expect(home.json(outcome)).toMatchObject({ provider: 'groq', path: home.configPath, created: false });
    expect(home.readConfig()).toStartWith('# mine\n');
    expect(home.readConfig()).toContain('# keep');
    expect(await listed()).toHaveLength(2);
  });

  test('writes a reference with --env, and warns when the variable is not set', async () => {
    const added = await home.run(['keys', 'add', 'groq', '--env', 'MY_KEY'], { env: { MY_KEY: KEY } });
    expect(added).toMatchObject({ exitCode: 0, stdout: '' });
    expect(home.readConfig()).toContain('${MY_KEY}');
    expect(home.readConfig()).not.toContain(KEY);
    expect(await listed({ MY_KEY: KEY })).toHaveLength(1);
    const unset = await home.run(['keys', 'add', 'mistral', '--env', 'NOT_SET']);
    expect(unset.exitCode).toBe(0);
    expect(unset.stderr).toContain('warning: NOT_SET is not set: the key is skipped until it is');
  });

  test('reads the key from stdin', async () => {
    const { exitCode } = await home.run(['keys', 'add', 'groq', '--stdin'], { stdin: `${KEY}\n` });
    expect(exitCode).toBe(0);
    expect(home.readConfig()).toContain(KEY);
  });

  test('adds a server of the user’s own with --base-url', async () => {
    const url = 'http://127.0.0.1:1/v1';
    const { exitCode } = await home.run(['keys', 'add', 'my-vllm', '--base-url', url, '--key', 'none']);
    expect(exitCode).toBe(0);
    expect(await listed()).toMatchObject([{ id: 'my-vllm-none', provider: 'my-vllm', kind: 'none' }]);
  });

  test('knows the long tail, and names what a vendor needs where nobody can be asked', async () => {
    expect(await home.run(['keys', 'add', 'together-ai', '--key', KEY])).toMatchObject({ exitCode: 0 });
    expect(await listed()).toMatchObject([{ provider: 'together' }]);
    const before = home.readConfig();
    const missing = await home.run(['keys', 'add', 'cloudflare', '--key', KEY]);
    expect(missing).toEqual({
      exitCode: 2,
      stdout: '',
      stderr:
        'error: cloudflare_workers_ai needs url_variables.CLOUDFLARE_ACCOUNT_ID, and nobody can be asked\n' +
        'hint: set CLOUDFLARE_ACCOUNT_ID in the environment, or give --base-url\n',
    });
    expect(home.readConfig()).toBe(before);
    const env = { CLOUDFLARE_ACCOUNT_ID: '0123' };
    expect(await home.run(['keys', 'add', 'cloudflare', '--key', KEY], { env })).toMatchObject({ exitCode: 0 });
    expect(home.readConfig()).toContain('CLOUDFLARE_ACCOUNT_ID: "0123"');
  });

  test('writes what the environment says of a vendor’s URL, so that a server elsewhere can use the key', async () => {
    const env = { AZURE_RESOURCE_NAME: 'mine' };
    const first = await home.run(['keys', 'add', 'azure', '--key', KEY], { env });
    expect(first).toMatchObject({ exitCode: 0, stdout: '' });
    expect(first.stderr).toMatch(/added azure-\w+\nresource is that of AZURE_RESOURCE_NAME\n$/);
    expect(home.readConfig()).toContain('    resource: "mine"\n');
    // The command reads it without the variable, as a server of another environment does.
    expect(await listed()).toMatchObject([{ provider: 'azure', state: 'ready' }]);
    // What the config says stays, whatever the environment says by now.
    const other = { AZURE_RESOURCE_NAME: 'other' };
    const second = await home.run(['keys', 'add', 'azure', '--key', `${KEY}2`], { env: other });
    expect(second).toMatchObject({ exitCode: 0 });
    expect(second.stderr).not.toContain('AZURE_RESOURCE_NAME');
    expect(home.readConfig()).not.toContain('other');
  });

  test('changes nothing where what the environment says cannot stand in a URL', async () => {
    const env = { AZURE_RESOURCE_NAME: 'https://mine' };
    const { exitCode, stderr } = await home.run(['keys', 'add', 'azure', '--key', KEY], { env });
    expect({ exitCode, isThere: existsSync(home.configPath) }).toEqual({ exitCode: 2, isThere: false });
    expect(stderr).toContain('providers.azure.resource: expected the name of a resource');
  });

  test('accepts second names and either dash', async () => {
    await home.run(['keys', 'add', 'nvidia-nim', '--key', KEY]);
    expect(await listed()).toMatchObject([{ provider: 'nvidia' }]);
  });

  test('refuses a duplicate with exit 1 and changes nothing', async () => {
    await home.run(['keys', 'add', 'groq', '--key', KEY]);
    const before = home.readConfig();
    const { exitCode, stderr } = await home.run(['keys', 'add', 'groq', '--key', KEY, '--json']);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stderr).error.code).toBe('duplicate_key');
    expect(home.readConfig()).toBe(before);
  });

  test.each([
    [['keys', 'add'], 'no provider was named'],
    [['keys', 'add', 'groq'], 'no key was given for groq'],
    [['keys', 'add', 'groq', '--stdin'], 'the key for groq is empty'],
    [['keys', 'add', 'groq', '--key', 'two words'], 'the key for groq has blanks in it'],
    [['keys', 'add', 'groq', '--key', 'k1', '--key', 'k2'], '--key was given twice'],
    [['keys', 'add', 'groq', '--env', 'not-a-name'], '"not-a-name" is not the name of an environment variable'],
    [['keys', 'add', 'grok', '--key', 'k'], 'provider "grok" is not known'],
    [['keys', 'add', 'zzzzzzzz', '--key', 'k'], 'provider "zzzzzzzz" is not known'],
    [['keys', 'add', 'gemini_cli', '--key', 'k'], 'provider "gemini_cli" takes no keys, only accounts'],
  ])('%j exits 2 and creates nothing', async (argv, message) => {
    const { exitCode, stdout, stderr } = await home.run(argv);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr.split('\n')[0]).toBe(`error: ${message}`);
    expect(existsSync(home.configPath)).toBe(false);
  });

  test('tells a broken config before it asks or changes anything', async () => {
    home.config('providers: { groq: { kees: [x] } }\n');
    const { exitCode, stderr } = await home.run(['keys', 'add', 'groq', '--key', KEY]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('kees');
    expect(home.readConfig()).toBe('providers: { groq: { kees: [x] } }\n');
  });

  test('with --test asks the provider, and a rejected key is exit 4', async () => {
    upstream = await startUpstream({ models: refusal(401, { message: 'no such key' }) });
    const argv = ['keys', 'add', 'mine', '--base-url', upstream.baseUrl, '--key', KEY, '--test'];
    const { exitCode, stdout, stderr } = await home.run(argv);
    expect(exitCode).toBe(4);
    expect(stdout).toContain('key-rejected');
    expect(stderr).toContain('error: mine-');
    expect(home.readConfig()).toContain(KEY);
  });
});

describe('keys list', () => {
  test('says how to begin when there are none', async () => {
    expect(await home.run(['keys', 'list'])).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'no keys yet: rotator keys add PROVIDER\n',
    });
    expect((await home.run(['keys', 'list', '--quiet'])).stderr).toBe('');
    expect((await home.run(['keys', 'list', '--json'])).stdout).toBe('[]\n');
  });

  test('shows every key with its source and never the key itself', async () => {
    home.config(`providers:\n  groq: { keys: [{ key: ${KEY}, label: work }] }\ndiscover_env: all\n`);
    const env = { MISTRAL_API_KEY_2: 'mistral-0123456789abcdef' };
    const { exitCode, stdout } = await home.run(['keys', 'list'], { env });
    expect(exitCode).toBe(0);
    const [head, ...rows] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/^ID +PROVIDER +LABEL +KEY +SOURCE +STATE +REQUESTS +FAILED +BLOCKS$/);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatch(/^groq-[0-9a-f]{10} +groq +work +gsk_…cdef +config +ready +0 +0$/);
    expect(stdout).not.toContain(KEY);
  });

  test('has the documented shape with --json', async () => {
    home.config(`providers:\n  groq: { keys: [${KEY}] }\n`);
    expect(await listed()).toEqual([
      {
        id: expect.stringMatching(/^groq-[0-9a-f]{10}$/),
        provider: 'groq',
        label: null,
        kind: 'api_key',
        masked: 'gsk_…cdef',
        source: 'config',
        enabled: true,
        priority: 10,
        state: 'ready',
        in_flight: 0,
        blocks: [],
        usage: { requests: 0, failures: 0, input_tokens: 0, output_tokens: 0, cost_usd: null },
      },
    ] as never);
  });
});

describe('keys enable and disable', () => {
  test('last, and take a label', async () => {
    home.config(`providers:\n  groq: { keys: [{ key: ${KEY}, label: work }] }\n`);
    const off = await home.run(['keys', 'disable', 'work']);
    expect(off.exitCode).toBe(0);
    expect(off.stderr).toMatch(/^groq-[0-9a-f]{10} is disabled\n$/);
    expect(await listed()).toMatchObject([{ enabled: false, state: 'disabled' }]);
    expect((await home.run(['keys', 'enable', 'groq'])).exitCode).toBe(0);
    expect(await listed()).toMatchObject([{ enabled: true, state: 'ready' }]);
  });

  test('cannot lift what the config disables, and say so', async () => {
    home.config(`providers:\n  groq: { keys: [{ key: ${KEY}, enabled: false }] }\n`);
    const { exitCode, stderr } = await home.run(['keys', 'enable', 'groq']);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/warning: groq-\w+ stays disabled: the config says "enabled: false"/);
  });

  test('an ambiguous name is exit 2 and lists the candidates', async () => {
    home.config('providers:\n  groq: { keys: [one-key, two-key] }\n');
    const { exitCode, stderr } = await home.run(['keys', 'disable', 'groq']);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      /^error: "groq" means 2 credentials\nhint: write more of the id: groq-\w{10}, groq-\w{10}\n$/,
    );
  });

  test('an unknown id is exit 2', async () => {
    const { exitCode, stderr } = await home.run(['keys', 'enable', 'nobody', '--json']);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stderr).error.code).toBe('unknown_key');
  });

  test('fail where nothing can be kept', async () => {
    home.config('providers:\n  groq: { keys: [one-key] }\n');
    const file = home.write('a-file', '');
    const { exitCode, stderr } = await home.run(['--state', join(file, 'state'), 'keys', 'disable', 'groq']);
    expect(exitCode).toBe(1);
    expect(stderr).toStartWith(`error: the state directory ${join(file, 'state')} cannot be written`);
  });
});

describe('keys remove', () => {
  test('takes a key out of the file and leaves the rest', async () => {
    home.config('providers:\n  groq:\n    keys:\n      - one-key # first\n      - { key: two-key, label: second }\n');
    const { exitCode, stderr } = await home.run(['keys', 'remove', 'second']);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(new RegExp(`^changed ${home.configPath}: removed groq-\\w{10}\n$`));
    expect(home.readConfig()).toContain('one-key # first');
    expect(home.readConfig()).not.toContain('two-key');
  });

  test('of an account is exit 2 and says how it is logged out', async () => {
    home.write(
      '.local/state/rotator/oauth/codex-1.json',
      JSON.stringify({ type: 'codex', refresh_token: 'rt-secret' }),
    );
    const { exitCode, stderr } = await home.run(['keys', 'remove', 'codex-1']);
    expect(exitCode).toBe(2);
    expect(stderr).toBe('error: codex-1 is an account, not a key of the config\nhint: rotator oauth logout codex-1\n');
  });

  test('of a key from the environment is exit 2 and says where it comes from', async () => {
    const { exitCode, stderr } = await home.run(['keys', 'remove', 'groq'], { env: { GROQ_API_KEY_1: KEY } });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('comes from the environment variable GROQ_API_KEY_1');
  });
});

describe('keys test and keys reset', () => {
  test('an accepted key is exit 0', async () => {
    upstream = await startUpstream({ models: ['m'], keys: { 'good-key': answer('ok') } });
    home.config(`providers:\n  mock: { base_url: "${upstream.baseUrl}", keys: [good-key] }\n`);
    const outcome = await home.run(['keys', 'test', '--json']);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(home.json(outcome)).toMatchObject([{ ok: true, status: 200, result: 'ok' }]);
  });

  test('a rejected one is exit 4 and named', async () => {
    upstream = await startUpstream({ models: refusal(401, { message: 'no such key' }) });
    home.config(`providers:\n  mock: { base_url: "${upstream.baseUrl}", keys: [bad-key] }\n`);
    const { exitCode, stdout, stderr } = await home.run(['keys', 'test', 'mock']);
    expect(exitCode).toBe(4);
    expect(stdout).toContain('key-rejected');
    expect(stderr).toMatch(/^error: mock-\w{10} is rejected: /);
  });

  test('reset without a server lifts what the database remembers, and of the named key alone', async () => {
    const limited = refusal(429, { message: 'slow down' }, { 'retry-after': '600' });
    upstream = await startUpstream({ models: ['m'], keys: { 'key-one': limited, 'key-two': limited } });
    const keys = '[{ key: key-one, label: one }, { key: key-two, label: two }]';
    home.config(`providers:\n  mock: { base_url: "${upstream.baseUrl}", keys: ${keys} }\n`);
    const blocks = async () =>
      (home.json(await home.run(['keys', 'list', '--json'])) as CredentialView[]).map((key) => key.blocks.length);
    expect((await home.run(['chat', '-m', 'mock/m', 'hi'])).exitCode).toBe(3);
    expect(await blocks()).toEqual([1, 1]);
    const reset = await home.run(['keys', 'reset', 'one']);
    expect(reset).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^reset mock-\w{10}\n$/) });
    expect(await blocks()).toEqual([0, 1]);
    await home.run(['keys', 'reset']);
    expect(await blocks()).toEqual([0, 0]);
  });
});

describe('keys add for a server that the config has already', () => {
  beforeEach(() => {
    home.config('providers:\n  my-vllm: { base_url: "http://127.0.0.1:1/v1", keys: [first-key] }\n');
  });

  test.each(['my-vllm', 'MY_VLLM'])('as %s needs no --base-url a second time', async (name) => {
    const { exitCode, stderr } = await home.run(['keys', 'add', name, '--key', KEY]);
    expect(stderr).toMatch(/added my-vllm-[0-9a-f]{10}\n$/);
    expect(exitCode).toBe(0);
    expect(await listed()).toMatchObject([{ provider: 'my-vllm' }, { provider: 'my-vllm' }]);
  });

  test('still wants the key, for it takes keys', async () => {
    const { exitCode, stderr } = await home.run(['keys', 'add', 'my-vllm']);
    expect(exitCode).toBe(2);
    expect(stderr).toStartWith('error: no key was given for my-vllm\n');
  });

  test('is what a near miss means', async () => {
    const { exitCode, stderr } = await home.run(['keys', 'add', 'my-vlm', '--key', KEY]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('hint: did you mean "my-vllm"?');
  });
});

test('a key that no header can carry is refused before it is written', async () => {
  const { exitCode, stderr } = await home.run(['keys', 'add', 'groq', '--key', 'gsk_🎉0123456789']);
  expect([exitCode, stderr.split('\n')[0]]).toEqual([
    2,
    'error: the key for groq has characters that no key has: only printable ASCII can be sent',
  ]);
  expect(existsSync(home.configPath)).toBe(false);
});

test.each(['remove', 'disable', 'enable', 'reset', 'test'])(
  'keys %s "" means no key, not the only one',
  async (verb) => {
    home.config('providers:\n  groq: { keys: [only-key] }\n');
    const { exitCode, stderr } = await home.run(['keys', verb, '']);
    expect([exitCode, stderr.split('\n')[0]]).toEqual([2, 'error: an empty text names no credential']);
    expect(home.readConfig()).toContain('only-key');
  },
);
