import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { answer, refusal, reply, type ScriptedUpstream, silence, startUpstream } from '../support/scripted-upstream.ts';
import { Home } from './support/home.ts';

let home: Home;
let upstreams: ScriptedUpstream[];

beforeEach(() => {
  home = new Home();
  upstreams = [];
});

afterEach(async () => {
  home[Symbol.dispose]();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

type Options = NonNullable<Parameters<typeof startUpstream>[0]>;

async function mock(options: Options, name = 'mock'): Promise<string> {
  const upstream = await startUpstream({ models: ['m'], ...options });
  upstreams.push(upstream);
  return `  ${name}: { base_url: "${upstream.baseUrl}", keys: [${Object.keys(options.keys ?? { k1: 0 }).join(', ')}] }\n`;
}

describe('models', () => {
  test('lists what can be called', async () => {
    home.config(`providers:\n${await mock({ models: ['m', 'n'] })}`);
    const { exitCode, stdout, stderr } = await home.run(['models']);
    expect([exitCode, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^MODEL +CONTEXT +MAX OUTPUT +\$\/M IN +\$\/M OUT +CAN +OWNER$/);
    expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual(['mock/m', 'mock/n']);
  });

  test('lists aliases first, but not among those of one provider', async () => {
    home.config(`providers:\n${await mock({ models: ['m', 'n'] })}aliases: { fast: mock/n, "claude-*": mock/m }\n`);
    const all = home.json(await home.run(['models', '--json']));
    expect(all).toMatchObject([
      { id: 'fast', provider: null, owned_by: 'rotator' },
      { id: 'mock/m', provider: 'mock' },
      { id: 'mock/n', provider: 'mock' },
    ]);
    expect(home.json(await home.run(['models', 'f*', '--json']))).toMatchObject([{ id: 'fast' }]);
    expect(home.json(await home.run(['models', '--provider', 'mock', '--json']))).toHaveLength(2);
  });

  test('shows what a vendor’s model can do and what it costs, in the table and as JSON', async () => {
    home.config(`providers:\n${await mock({ models: ['gpt-4o'] }, 'openai')}`);
    const { stdout } = await home.run(['models']);
    expect(stdout.split('\n')[1]).toMatch(/^openai\/gpt-4o +128,000 +16,384 +2\.5 +10 +tools image\b/);
    expect(home.json(await home.run(['models', '--json']))).toMatchObject([
      {
        id: 'openai/gpt-4o',
        context_length: 128_000,
        max_output_tokens: 16_384,
        input_modalities: ['text', 'image'],
        output_modalities: ['text'],
        capabilities: { tools: true, reasoning: false, structured_output: null },
        pricing: { prompt: 0.0000025, completion: 0.00001, cached_input: 0.00000125 },
        price_source: 'packaged',
      },
    ]);
  });

  test.each([
    ['flash', ['mock/big-flash', 'mock/flash-2']],
    ['flash*', ['mock/flash-2']],
    ['mock/*flash', ['mock/big-flash']],
  ])('%s shows %j', async (pattern, ids) => {
    home.config(`providers:\n${await mock({ models: ['big-flash', 'flash-2', 'pro'] })}`);
    const outcome = await home.run(['models', pattern, '--json']);
    expect(outcome.exitCode).toBe(0);
    expect((home.json(outcome) as { id: string }[]).map((model) => model.id)).toEqual(ids);
  });

  test('names a provider that does not answer and still lists the others', async () => {
    const dead = await mock({ models: reply(500, 'no') }, 'dead');
    home.config(`providers:\n${await mock({})}${dead}`);
    const { exitCode, stdout, stderr } = await home.run(['models']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('mock/m');
    expect(stderr).toStartWith('warning: dead: ');
  });

  test('fails when no list could be read', async () => {
    home.config(`providers:\n${await mock({ models: reply(500, 'no') })}`);
    const { exitCode, stdout, stderr } = await home.run(['models']);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain('error: no model list could be read from mock');
    home.config('providers: { gone: { base_url: "http://127.0.0.1:1/v1", keys: none } }\n');
    const unreachable = await home.run(['models']);
    expect(unreachable.stderr).toStartWith('warning: gone: 127.0.0.1:1: nothing answers there (ECONNREFUSED)\n');
  });

  test('a vendor’s names cannot write to the terminal', async () => {
    home.config(`providers:\n${await mock({ models: ['m\u001b[2J\u202e'] })}`);
    const people = await home.run(['models']);
    expect(people.stdout).toContain('mock/m\ufffd[2J\ufffd');
    expect(people.stdout).not.toContain('\u001b');
    expect(home.json(await home.run(['models', '--json']))).toMatchObject([{ id: 'mock/m\u001b[2J\u202e' }]);
  });

  test('an unknown provider is exit 2 with the nearest', async () => {
    home.config(`providers:\n${await mock({})}`);
    const { exitCode, stderr } = await home.run(['models', '--provider', 'mokc']);
    expect(exitCode).toBe(2);
    expect(stderr).toBe('error: provider "mokc" is not configured\nhint: did you mean "mock"?\n');
  });

  test('a known provider without a key is told apart from a name nobody knows', async () => {
    home.config(`providers:\n${await mock({})}`);
    const known = await home.run(['models', '--provider', 'groq']);
    expect([known.exitCode, known.stderr]).toEqual([
      2,
      'error: provider "groq" is not configured\nhint: rotator keys add groq\n',
    ]);
    const unknown = await home.run(['models', '--provider', 'zzzzzz']);
    expect([unknown.exitCode, unknown.stderr]).toEqual([
      2,
      'error: provider "zzzzzz" is not configured\nhint: configured are: mock\n',
    ]);
  });

  test('names a provider that is still silent and does not pretend that it has no models', async () => {
    const silent = await mock({ models: silence }, 'silent');
    home.config(`providers:\n${await mock({})}${silent}`);
    const { exitCode, stdout, stderr } = await home.run(['models']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('mock/m');
    expect(stderr).toContain('warning: silent: has sent no model list');
  });

  test('shows the demo when it is asked for', async () => {
    const outcome = await home.run(['models', '--provider', 'demo', '--json']);
    expect(outcome.exitCode).toBe(0);
    expect((home.json(outcome) as { id: string }[]).map((model) => model.id)).toEqual(['demo/chat', 'demo/reasoner']);
  });

  test('says how to begin when there is nothing', async () => {
    const { exitCode, stdout, stderr } = await home.run(['models']);
    expect([exitCode, stdout]).toEqual([0, '']);
    expect(stderr).toBe('no provider has a credential yet: rotator keys add PROVIDER\n');
  });
});

describe('models with rules', () => {
  const lists = { models: ['pro', 'pro-preview', 'flash'] };

  test('shows what they would show and hide, and which rule does', async () => {
    home.config(`providers:\n${await mock(lists)}`);
    const before = home.readConfig();
    const { exitCode, stdout, stderr } = await home.run(['models', '--deny', '*-preview', 'flas']);
    expect(exitCode).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['MODEL', 'IS', 'BY'],
      ['mock/pro', 'shown'],
      ['mock/pro-preview', 'hidden', 'deny *-preview'],
      ['mock/flash', 'shown'],
      [''],
    ]);
    expect(stderr).toBe('warning: no model fits "flas"\n2 shown, 1 hidden; --save writes the rules into the config\n');
    expect(home.readConfig()).toBe(before);
  });

  test('counts those of the config, and says it all as JSON', async () => {
    home.config(`providers:\n${(await mock(lists)).replace(' }', ', models: { deny: ["*"] } }')}`);
    const outcome = await home.run(['models', '--allow', 'mock/pro*', '--json']);
    expect(home.json(outcome)).toEqual([
      { id: 'mock/pro', provider: 'mock', shown: true, rule: { kind: 'allow', pattern: 'mock/pro*' } },
      { id: 'mock/pro-preview', provider: 'mock', shown: true, rule: { kind: 'allow', pattern: 'mock/pro*' } },
      { id: 'mock/flash', provider: 'mock', shown: false, rule: { kind: 'deny', pattern: '*' } },
    ]);
  });

  test('of one provider leave the others alone', async () => {
    home.config(`providers:\n${await mock(lists)}${await mock(lists, 'other')}`);
    const outcome = await home.run(['models', '--allow', 'other/flash', '--json']);
    expect(home.json(outcome)).toEqual([
      { id: 'other/pro', provider: 'other', shown: false, rule: { kind: 'allow', pattern: null } },
      { id: 'other/pro-preview', provider: 'other', shown: false, rule: { kind: 'allow', pattern: null } },
      { id: 'other/flash', provider: 'other', shown: true, rule: { kind: 'allow', pattern: 'other/flash' } },
    ]);
  });

  test('are written into the config with --save, and hold from then on', async () => {
    const file = home.config(`providers:\n${await mock(lists)}`);
    const { exitCode, stderr } = await home.run(['models', '--deny', '*-preview', '--save']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`added to ${file}: providers.mock.models.deny: *-preview\n`);
    const ids = (home.json(await home.run(['models', '--json'])) as { id: string }[]).map(({ id }) => id);
    expect(ids).toEqual(['mock/pro', 'mock/flash']);
  });

  test('that name no provider are not saved while there are several', async () => {
    home.config(`providers:\n${await mock(lists)}${await mock(lists, 'other')}`);
    const { exitCode, stderr } = await home.run(['models', '--deny', '*-preview', '--save']);
    expect(exitCode).toBe(2);
    expect(stderr).toBe(
      'error: "*-preview" names no provider, and rules belong to one\nhint: --provider mock, or write it as mock/*-preview\n',
    );
  });

  test('--save alone saves nothing: exit 2', async () => {
    home.config(`providers:\n${await mock(lists)}`);
    expect((await home.run(['models', '--save'])).exitCode).toBe(2);
  });
});

describe('test-route', () => {
  test('explains without calling anything', async () => {
    home.config(`providers:\n${await mock({ keys: { k1: answer('ok'), k2: answer('ok') } })}`);
    const { exitCode, stdout, stderr } = await home.run(['test-route', 'mock/m']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^✓ mock\/m would be served by mock\/m with mock-\w{10}\n/);
    expect(stdout).toMatch(/chosen +\S/);
    expect(upstreams[0]?.calls).toHaveLength(0);
  });

  test('has the documented shape with --json', async () => {
    home.config(`providers:\n${await mock({ keys: { k1: answer('ok') } })}`);
    const outcome = await home.run(['test-route', 'mock/m', '--json']);
    expect(outcome.exitCode).toBe(0);
    const credential = expect.stringMatching(/^mock-\w{10}$/);
    expect(home.json(outcome)).toEqual({
      model: 'mock/m',
      resolved: 'provider',
      would_serve: { target: 'mock/m', credential },
      targets: [
        {
          target: 'mock/m',
          tier: null,
          lane: 'passthrough',
          skipped: null,
          changes: expect.any(Array),
          credentials: [{ id: credential, label: null, verdict: 'chosen', why: expect.any(String), blocks: [] }],
        },
      ],
      attempts: [],
    });
  });

  test('with --live shows every attempt', async () => {
    const keys = { k1: refusal(429, { message: 'slow down' }), k2: answer('ok') };
    home.config(`providers:\n${await mock({ keys })}rotation: { tolerance: 0 }\n`);
    const outcome = await home.run(['test-route', 'mock/m', '--live', '--json']);
    expect(outcome.exitCode).toBe(0);
    const { attempts } = home.json(outcome) as { attempts: { status: number; failure: string | null }[] };
    expect(attempts.at(-1)).toMatchObject({ status: 200, failure: null });
    const people = await home.run(['test-route', 'mock/m', '--live', '--stream']);
    expect(people.stdout).toMatch(/^ATTEMPT +KEY +STATUS +RESULT +TIME$/m);
  });

  test('with --live and every key rejected is exit 4', async () => {
    home.config(`providers:\n${await mock({ keys: { k1: refusal(401, { message: 'no such key' }) } })}`);
    const { exitCode, stdout, stderr } = await home.run(['test-route', 'mock/m', '--live']);
    expect(exitCode).toBe(4);
    expect(stdout).toContain('key-rejected');
    expect(stderr).toStartWith('error: the live request for "mock/m" failed: key-rejected (401)');
  });

  test('nothing that could serve is exit 3, after the report', async () => {
    home.config(`providers:\n  groq: { keys: [{ key: one-key, enabled: false }] }\n`);
    const outcome = await home.run(['test-route', 'groq/llama-3.3-70b-versatile', '--json']);
    expect(outcome.exitCode).toBe(3);
    expect(home.json(outcome)).toMatchObject({ would_serve: null });
    expect(JSON.parse(outcome.stderr).error.code).toBe('no_credential');
  });

  test('a provider without any credential is exit 3', async () => {
    const { exitCode, stderr } = await home.run(['test-route', 'groq/llama-3.3-70b-versatile']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('hint: rotator keys add groq\n');
  });

  test('an unknown model is exit 2 with the nearest', async () => {
    home.config(`providers:\n${await mock({ models: ['gemini-flash'] })}`);
    const { exitCode, stdout, stderr } = await home.run(['test-route', 'gemini-flsh']);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain('gemini-flash');
    const nowhereNear = await home.run(['test-route', 'zzzzzz']);
    expect(nowhereNear.stderr).toEndWith('\nhint: rotator models lists what can be called\n');
  });

  test('a key that the operator disabled is told with the way to enable it', async () => {
    home.config(`providers:\n${await mock({ keys: { k1: answer('ok') } })}`);
    await home.run(['keys', 'disable', 'mock']);
    const { exitCode, stderr } = await home.run(['test-route', 'mock/m']);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/hint: rotator keys enable mock-\w{10}\n$/);
  });

  test('a key that waits to be reset is told with the way to reset it', async () => {
    home.config(`providers:\n${await mock({ keys: { k1: refusal(402, { message: 'no credit' }) } })}`);
    const command = home.start(['serve', '--port', '0']);
    await command.stdout.until(/listening/);
    await home.run(['chat', '-m', 'mock/m', 'hi']);
    const { exitCode, stderr } = await home.run(['test-route', 'mock/m']);
    command.signal('SIGTERM');
    await command.ended;
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/hint: .*rotator keys reset mock-\w{10}/);
  });

  test('with --live mixed failures end as a request of a client would: a limit among them is exit 3', async () => {
    const keys = { k1: refusal(429, { message: 'slow down' }), k2: refusal(401, { message: 'no such key' }) };
    home.config(`providers:\n${await mock({ keys })}rotation: { tolerance: 0 }\n`);
    const { exitCode, stderr } = await home.run(['test-route', 'mock/m', '--live']);
    expect(exitCode).toBe(3);
    expect(stderr).toStartWith('error: the live request for "mock/m" failed: ');
    expect(stderr).toContain('rate-limited (429)');
    expect(stderr).toContain('key-rejected (401)');
    expect(stderr).toContain('hint: rotator keys test asks each key and shows what the provider says\n');
  });

  test('with --live a model that the provider does not have is exit 2', async () => {
    const missing = refusal(404, { message: 'The model `x` does not exist', code: 'model_not_found' });
    home.config(`providers:\n${await mock({ keys: { k1: missing } })}`);
    const { exitCode, stderr } = await home.run(['test-route', 'mock/x', '--live']);
    expect([exitCode, stderr]).toEqual([
      2,
      'error: the live request for "mock/x" failed: model-missing (404)\nhint: rotator models lists what can be called\n',
    ]);
  });

  test('--stream alone is exit 2: it would do nothing', async () => {
    const { exitCode, stderr } = await home.run(['test-route', 'demo/chat', '--stream']);
    expect([exitCode, stderr.split('\n')[0]]).toEqual([
      2,
      'error: --stream says how --live asks, and --live is missing',
    ]);
  });
});
