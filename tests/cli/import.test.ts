import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Home, type Outcome } from './support/home.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home[Symbol.dispose]());

const SECRETS = /made-up-key|made-up-token|sk-proxy/;

/** What was read is told by name; what it holds is not. */
function expectNoSecrets({ stdout, stderr }: Outcome): void {
  expect(stdout + stderr).not.toMatch(SECRETS);
}

const ENV = `PROXY_API_KEY=sk-proxy
GROQ_API_KEY_1=made-up-key-1
LOCAL_API_BASE=http://127.0.0.1:8001/v1
LOCAL_API_KEY=made-up-key-2
MODEL_FALLBACK_GROUPS='[["groq/llama-3.3-70b-versatile","local/llama"]]'
NOBODY_KNOWS=this
`;

describe('import', () => {
  test('makes a config that others cannot read, that config check takes and that routes', async () => {
    const outcome = await home.run(['import', home.write('proxy/.env', ENV)]);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(outcome.stdout).toBe(`imported:
  PROXY_API_KEY          server.client_keys[0]
  GROQ_API_KEY_1         providers.groq.keys[0]
  LOCAL_API_BASE         providers.local.base_url
  LOCAL_API_KEY          providers.local.keys[0]
  MODEL_FALLBACK_GROUPS  aliases.groq/llama-3.3-70b-versatile
  MODEL_FALLBACK_GROUPS  aliases.local/llama

not carried:
  NOBODY_KNOWS  no such variable is known here

note: keys take turns here; the project stayed with one until it was exhausted: rotation.mode: sequential

wrote ${home.configPath}
`);
    expectNoSecrets(outcome);
    expect(statSync(home.configPath).mode & 0o777).toBe(0o600);
    expect(await home.run(['config', 'check'])).toMatchObject({ exitCode: 0 });
    const route = home.json(await home.run(['test-route', 'local/llama', '--json']));
    expect(route).toMatchObject({
      resolved: 'alias',
      targets: [{ target: 'local/llama' }, { target: 'groq/llama-3.3-70b-versatile' }],
    });
  });

  test.each([
    [
      'litellm.yaml',
      'model_list:\n  - { model_name: m, litellm_params: { api_key: made-up-key } }\n',
      'a config of LiteLLM',
    ],
    ['config.yaml', 'port: 8317\ngemini-api-key:\n  - api-key: made-up-key\n', 'a config of CLIProxyAPI'],
    [
      'config.json',
      '{"config_store":{},"providers":{"openai":{"keys":[{"value":"made-up-key"}]}}}',
      'a config of Bifrost',
    ],
    ['lb.json', '{"strategy":{"mode":"loadbalance"},"targets":[{"virtual_key":"made-up-key"}]}', 'a config of Portkey'],
    ['rotator.yml', 'providers: { groq: { keys: [made-up-key] } }', 'a yml file'],
    ['secrets.toml', '[groq]\nkey = "made-up-key"\n', 'a toml file'],
  ])('says what %s is instead of reading it as a .env', async (name, text, what) => {
    const file = home.write(name, text);
    const outcome = await home.run(['import', file]);
    expect(outcome).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `error: ${file} is ${what}; only a .env of LLM-API-Key-Proxy can be imported
hint: keys go in with rotator keys add; what else goes where: docs/migrating.md
`,
    });
    expect(existsSync(home.configPath)).toBe(false);
  });

  test('refuses a config that is there, and leaves it alone', async () => {
    const config = home.config('providers: { groq: { keys: [mine] } }\n');
    const file = home.write('.env', ENV);
    for (const argv of [
      ['import', file],
      ['import', file, '--config', config],
    ]) {
      expect(await home.run(argv)).toEqual({
        exitCode: 1,
        stdout: '',
        stderr: `error: ${config} exists already\nhint: --merge adds what it lacks and keeps the rest\n`,
      });
    }
    expect(home.readConfig()).toBe('providers: { groq: { keys: [mine] } }\n');
  });

  test('refuses too when the config of the current directory would hide the new one', async () => {
    const found = home.write('work/rotator.yaml', 'server: { port: 9000 }\n');
    const outcome = await home.run(['import', home.write('.env', ENV)]);
    expect(outcome).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`${found} exists already`) });
    expect(existsSync(home.configPath)).toBe(false);
  });

  test('--merge adds what is missing, keeps comments and values, and tells where both differ', async () => {
    home.config(`# mine
server:
  port: 9000 # for the firewall
providers:
  groq:
    keys:
      - made-up-key-1 # from the console
    tier: 1
`);
    const file = home.write(
      'proxy/.env',
      `${ENV}PROVIDER_PRIORITY_GROQ=4\nGROQ_API_KEY_2=made-up-key-3\nROTATION_MODE_GROQ=sequential\n`,
    );
    home.write('proxy/launcher_config.json', JSON.stringify({ host: '127.0.0.1', port: 8000 }));
    const outcome = await home.run(['import', file, '--merge', '--json']);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expectNoSecrets(outcome);
    const report = JSON.parse(outcome.stdout);
    expect(report).toMatchObject({ config: home.configPath, created: false, changed: true });
    expect(report.conflicts).toEqual([
      { variable: 'PROVIDER_PRIORITY_GROQ', file, line: 7, at: 'providers.groq.tier' },
      { variable: 'port', file: home.path + '/proxy/launcher_config.json', line: null, at: 'server.port' },
    ]);
    expect(report.imported).toContainEqual({
      variable: 'GROQ_API_KEY_1',
      file,
      line: 2,
      to: 'providers.groq.keys[0]',
      already: true,
    });
    expect(report.notes).toEqual([expect.stringContaining('client-key is no longer taken')]);
    const text = home.readConfig();
    expect(text).toStartWith(`# mine
server:
  port: 9000 # for the firewall
  host: 127.0.0.1
  client_keys:
    - name: proxy
      key: "sk-proxy"
providers:
  groq:
    keys:
      - made-up-key-1 # from the console
      - "made-up-key-3"
    tier: 1
    rotation:
      mode: sequential
  local:
`);
    expect(await home.run(['config', 'check'])).toMatchObject({ exitCode: 0 });

    const again = await home.run(['import', file, '--merge', '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ created: false, changed: false });
    expect(home.readConfig()).toBe(text);
  });

  test('merges into no config that has problems of its own', async () => {
    const config = home.config('servre: { port: 9000 }\n');
    const outcome = await home.run(['import', home.write('.env', ENV), '--merge']);
    expect(outcome).toMatchObject({ exitCode: 2, stdout: '' });
    expect(outcome.stderr).toContain('unknown field. Did you mean "server"?');
    expect(readFileSync(config, 'utf8')).toBe('servre: { port: 9000 }\n');
  });

  test('takes with a .env what lies beside it, and with any other file nothing', async () => {
    home.write('proxy/.env', 'GROQ_API_KEY=made-up-key-1\n');
    const other = home.write('proxy/more.env', 'MISTRAL_API_KEY=made-up-key-2\n');
    home.write('proxy/usage/usage_groq.json', '{}');
    home.write('proxy/key_usage.json', '{}');
    home.write('proxy/quota_viewer_config.json', '{"remotes":[]}');
    const all = JSON.parse((await home.run(['import', join(home.path, 'proxy'), '--json'])).stdout);
    expect(all.imported.map((one: { to: string }) => one.to)).toEqual([
      'providers.groq.keys[0]',
      'providers.mistral.keys[0]',
    ]);
    expect(all.not_carried.map((one: { variable: string }) => one.variable.replace(`${home.path}/`, ''))).toEqual([
      'remotes',
      'proxy/key_usage.json',
      'proxy/usage/usage_groq.json',
    ]);
    const config = join(home.path, 'second.yaml');
    const alone = JSON.parse((await home.run(['import', other, '--json', '--config', config])).stdout);
    expect(alone).toMatchObject({ config, created: true, imported: [{ variable: 'MISTRAL_API_KEY' }] });
  });

  test('takes over accounts from files, from variables and from oauth_creds', async () => {
    const account = (n: number) =>
      JSON.stringify({ access_token: `made-up-token-${n}`, refresh_token: `made-up-token-r${n}` });
    home.write('proxy/oauth_creds/qwen_code_oauth_1.json', account(1));
    home.write('elsewhere/gemini_cli_oauth_9.json', account(2));
    const file = home.write(
      'proxy/.env',
      `GEMINI_CLI_OAUTH_1=~/elsewhere/gemini_cli_oauth_9.json
GEMINI_CLI_OAUTH_2=missing.json
GEMINI_CLI_4_ACCESS_TOKEN=made-up-token-4
GEMINI_CLI_4_REFRESH_TOKEN="made-up-token-r4"
GEMINI_CLI_4_EMAIL=somebody@people.test
`,
    );
    const outcome = await home.run(['import', file, '--json']);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expectNoSecrets(outcome);
    const report = JSON.parse(outcome.stdout);
    expect(report).toMatchObject({
      changed: false,
      imported: [
        { variable: 'GEMINI_CLI_OAUTH_1', to: 'account gemini_cli-1' },
        { variable: 'GEMINI_CLI_4_ACCESS_TOKEN', to: 'part of GEMINI_CLI_4_REFRESH_TOKEN' },
        { variable: 'GEMINI_CLI_4_REFRESH_TOKEN', to: 'account gemini_cli-2' },
        { variable: 'GEMINI_CLI_4_EMAIL', to: 'part of GEMINI_CLI_4_REFRESH_TOKEN' },
      ],
      not_carried: [{ variable: 'GEMINI_CLI_OAUTH_2', reason: 'there is no such file' }],
    });
    expect(report.accounts.imported.map((one: { id: string; action: string }) => [one.id, one.action])).toEqual([
      ['qwen_code-1', 'added'],
      ['gemini_cli-1', 'added'],
      ['gemini_cli-2', 'added'],
    ]);
    expect(readdirSync(join(home.stateDir, 'oauth')).filter((name) => name.endsWith('.json'))).toHaveLength(3);
    expect(readFileSync(join(home.stateDir, 'oauth/gemini_cli-2.json'), 'utf8')).toContain('made-up-token-r4');
    // Nothing of it is a field, so no file is made.
    expect(existsSync(home.configPath)).toBe(false);
  });

  test('takes accounts also when the config that was named has nothing to hold', async () => {
    const file = home.write('.env', 'CODEX_ACCESS_TOKEN=made-up-token\nCODEX_REFRESH_TOKEN=made-up-token-r\n');
    const config = join(home.path, 'named.yaml');
    const outcome = await home.run(['import', file, '--config', config]);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(outcome.stdout).toContain('CODEX_REFRESH_TOKEN  account codex-1');
    expect(outcome.stdout).toEndWith(`nothing to add to ${config}\n`);
    expect(existsSync(config)).toBe(false);
  });

  test('tells what became of the rest when accounts cannot be written', async () => {
    const state = home.write('in-the-way', '');
    const file = home.write('.env', `${ENV}CODEX_ACCESS_TOKEN=made-up-token\nCODEX_REFRESH_TOKEN=made-up-token-r\n`);
    const outcome = await home.run(['import', file, '--state', state]);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toContain(`the state directory ${state} cannot be written`);
    expect(outcome.stdout).toContain('CODEX_REFRESH_TOKEN  its account could not be written');
    expect(outcome.stdout).toContain(`wrote ${home.configPath}`);
    expectNoSecrets(outcome);
  });

  test('says nothing of a value where a key could not be one', async () => {
    const outcome = await home.run([
      'import',
      home.write('.env', 'GROQ_API_KEY="made-up-key-\nof two lines"\nMISTRAL_API_BASE=http://made-up-key@host/v1\n'),
    ]);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stdout).toContain('GROQ_API_KEY      providers.groq.keys[0]: expected an API key');
    expect(outcome.stdout).toContain('MISTRAL_API_BASE  providers.mistral.base_url: expected a URL');
    expectNoSecrets(outcome);
  });

  test('of a file in which nothing has a place says so after the report, and writes nothing', async () => {
    const outcome = await home.run(['import', home.write('.env', 'A=1\n')]);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stdout).toContain('A  no such variable is known here');
    expect(outcome.stderr).toContain('has a place in rotator.yaml');
    expect(existsSync(home.configPath)).toBe(false);
  });

  test.each([
    [['import'], 'missing required argument "file"'],
    [['import', 'nowhere.env'], 'nowhere.env does not exist'],
    [['import', '.'], '.env does not exist'],
  ])('%j is a usage error', async (argv, message) => {
    const outcome = await home.run(argv);
    expect(outcome).toMatchObject({ exitCode: 2, stdout: '' });
    expect(outcome.stderr).toContain(message);
  });
});
