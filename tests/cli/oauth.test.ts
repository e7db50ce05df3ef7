import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PendingLogin } from '../../src/oauth/engine/pending-login.ts';
import { findProfile } from '../../src/oauth/profiles/index.ts';
import { type OidcServer, startOidcServer } from '../support/oidc-server.mjs';
import { visit } from '../support/person.ts';
import { startVendor, type VendorScript } from '../support/vendor-server.ts';
import { Home, type Outcome } from './support/home.ts';

let home: Home;
let server: OidcServer | null;

beforeEach(() => {
  home = new Home();
  server = null;
});
afterEach(async () => {
  await server?.close();
  home[Symbol.dispose]();
});

const accountPath = (id: string) => join(home.stateDir, 'oauth', `${id}.json`);
const accountFile = (id: string) => JSON.parse(readFileSync(accountPath(id), 'utf8'));
const put = (id: string, json: object) => home.write(`.local/state/rotator/oauth/${id}.json`, JSON.stringify(json));

/** A config whose services are at a real server of the test's. */
async function atServer(more = ''): Promise<OidcServer> {
  server = await startOidcServer();
  const { authorizeUrl, tokenUrl, deviceUrl, clientId } = server;
  const urls = `client_id: ${clientId}, authorize_url: "${authorizeUrl}", token_url: "${tokenUrl}", redirect_port: 0`;
  home.config(`providers:
  codex: { oauth: { ${urls} } }
  claude: { oauth: { ${urls} } }
  xai: { oauth: { client_id: ${clientId}, device_url: "${deviceUrl}", token_url: "${tokenUrl}" } }
${more}`);
  return server;
}

/** No token of an account stands in what was printed. */
function expectNoSecrets(...outcomes: readonly Outcome[]): void {
  const secrets = readdirSync(join(home.stateDir, 'oauth'))
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      const { access_token, refresh_token, id_token, client_secret, api_key } = accountFile(name.slice(0, -5));
      return [access_token, refresh_token, id_token, client_secret, api_key].filter((one) => typeof one === 'string');
    });
  expect(secrets.length).toBeGreaterThan(0);
  for (const { stdout, stderr } of outcomes)
    for (const secret of secrets) expect(stdout + stderr).not.toContain(secret);
}

describe('oauth login', () => {
  test('waits for the browser, keeps the account 0600 and says who it is', async () => {
    await atServer();
    const command = home.start(['oauth', 'login', 'codex']);
    const [, address = ''] = await command.stderr.until(/^\s*(http:\S+)$/m);
    await command.stderr.until(/Waiting for the browser/);
    const callback = await visit(address, { login: 'ann' });
    expect(await (await fetch(callback.replace('localhost', '127.0.0.1'))).text()).toContain('Almost done');
    const outcome = await command.ended;
    expect(outcome).toMatchObject({ exitCode: 0, stdout: '' });
    expect(outcome.stderr).toEndWith('logged in: codex-1 (an…@pe….test)\n');
    expect(statSync(accountPath('codex-1')).mode & 0o777).toBe(0o600);
    expect(existsSync(join(home.stateDir, 'oauth-login.json'))).toBe(false);
    expectNoSecrets(outcome);
  });

  test('without a terminal is begun with --json and finished with --code', async () => {
    await atServer();
    const begun = await home.run(['oauth', 'login', 'codex', '--json']);
    expect(begun).toMatchObject({ exitCode: 0, stderr: '' });
    const pending = JSON.parse(begun.stdout);
    expect(pending).toMatchObject({
      status: 'pending',
      provider: 'codex',
      finish: 'rotator oauth login codex --code CODE',
    });
    expect(statSync(join(home.stateDir, 'oauth-login.json')).mode & 0o777).toBe(0o600);
    const callback = await visit(pending.url);
    const done = await home.run(['oauth', 'login', 'codex', '--code', ` ${callback}\n`, '--json']);
    expect(done).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({
      id: 'codex-1',
      provider: 'codex',
      email: 'an…@pe….test',
      state: 'ready',
      created: true,
    });
    // The verifier is gone with the login.
    expect(existsSync(join(home.stateDir, 'oauth-login.json'))).toBe(false);
    expectNoSecrets(begun, done);
  });

  test('with --paste and no terminal prints the address alone on stdout', async () => {
    await atServer();
    const begun = await home.run(['oauth', 'login', 'codex', '--paste']);
    expect(begun.exitCode).toBe(0);
    const code = new URL(await visit(begun.stdout.trim())).searchParams.get('code') ?? '';
    expect(await home.run(['oauth', 'login', 'codex', '--code', code])).toMatchObject({ exitCode: 0 });
  });

  test('of the same account again updates it in place, another one gets a file of its own', async () => {
    await atServer();
    for (const login of ['ann', 'bob', 'ann']) {
      const begun = await home.run(['oauth', 'login', 'codex', '--json']);
      const callback = await visit(JSON.parse(begun.stdout).url, { login });
      expect((await home.run(['oauth', 'login', 'codex', '--code', callback])).exitCode).toBe(0);
    }
    const list = await home.run(['oauth', 'list', '--json']);
    expect(JSON.parse(list.stdout).map(({ id, email }: { id: string; email: string }) => [id, email])).toEqual([
      ['codex-1', 'an…@pe….test'],
      ['codex-2', 'bo…@pe….test'],
    ]);
  });

  test('by a device code tells it, waits, and prints both lines for a program', async () => {
    await atServer();
    const command = home.start(['oauth', 'login', 'xai', '--json']);
    const [line] = await command.stdout.until(/^\{.*\}$/m);
    const { url, user_code } = JSON.parse(line);
    expect(await visit(url, { userCode: user_code })).toBe('done');
    const outcome = await command.ended;
    expect(outcome.exitCode).toBe(0);
    const [, last = ''] = outcome.stdout.trim().split('\n');
    expect(JSON.parse(last)).toMatchObject({ id: 'xai-1', created: true, email: 'an…@pe….test' });
    expectNoSecrets(outcome);
  }, 15_000);

  test.each([
    ['codex', /Waiting for the browser/],
    ['xai', /with the code/],
  ])('of %s is seen by others while it goes on, and no longer', async (service, waits) => {
    await atServer();
    const pending = new PendingLogin(home.stateDir);
    const command = home.start(['oauth', 'login', service]);
    await command.stderr.until(waits);
    expect(await pending.notice(Date.now())).toEqual({ provider: service, expiresAt: expect.any(Number) });
    command.signal('SIGINT');
    expect((await command.ended).exitCode).toBe(130);
    expect(await pending.notice(Date.now())).toBeNull();
    expect(readdirSync(home.stateDir)).not.toContain('oauth-login.json');
  });

  test.each(['codex', 'xai'])('of %s tells with --quiet what has to be opened, and nothing else', async (service) => {
    const { issuer } = await atServer();
    const command = home.start(['oauth', 'login', service, '--quiet']);
    const [, address = ''] = await command.stderr.until(/^\s*(http:\S+)$/m);
    expect(address).toStartWith(issuer);
    command.signal('SIGINT');
    const { stdout, stderr } = await command.ended;
    expect(stdout + stderr).not.toMatch(/Waiting for|ssh -L/);
  });

  test('begun by another command gives way to a new one, and says so', async () => {
    await atServer();
    await home.run(['oauth', 'login', 'codex', '--json']);
    const command = home.start(['oauth', 'login', 'xai']);
    await command.stderr.until(/with the code/);
    command.signal('SIGINT');
    expect((await command.ended).stderr).toContain('the login of codex that waited for its code is given up');
    const finished = await home.run(['oauth', 'login', 'codex', '--code', 'a-code-1']);
    expect(finished.exitCode).toBe(2);
    expect(finished.stderr).toContain('no login of codex waits for a code');
  });

  test('refuses a callback of another login, in the browser and in the terminal', async () => {
    await atServer();
    const command = home.start(['oauth', 'login', 'codex']);
    const [, address = ''] = await command.stderr.until(/^\s*(http:\S+)$/m);
    const callback = new URL(await visit(address));
    callback.searchParams.set('state', 'another');
    await fetch(callback.href.replace('localhost', '127.0.0.1'));
    const outcome = await command.ended;
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toContain('error: what came back belongs to another login');
    await home.run(['oauth', 'login', 'codex', '--json']);
    const pasted = await home.run(['oauth', 'login', 'codex', '--code', callback.href]);
    expect(pasted.exitCode).toBe(1);
    expect(pasted.stderr).toContain('error: what came back belongs to another login');
    expect(existsSync(accountPath('codex-1'))).toBe(false);
  });

  test('tells a person’s refusal as one', async () => {
    await atServer();
    const begun = await home.run(['oauth', 'login', 'codex', '--json']);
    const callback = await visit(JSON.parse(begun.stdout).url, { refuses: true });
    const outcome = await home.run(['oauth', 'login', 'codex', '--code', callback]);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toStartWith('error: the login was refused: ');
  });

  test('ends with Ctrl-C and leaves the port', async () => {
    await atServer();
    const command = home.start(['oauth', 'login', 'codex']);
    await command.stderr.until(/Waiting for the browser/);
    command.signal('SIGINT');
    expect((await command.ended).exitCode).toBe(130);
  });

  test('goes on one at a time', async () => {
    await atServer();
    const first = home.start(['oauth', 'login', 'codex']);
    await first.stderr.until(/Waiting for the browser/);
    const second = await home.run(['oauth', 'login', 'xai']);
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toContain('error: another login is going on in this state directory');
    first.signal('SIGTERM');
    expect((await first.ended).exitCode).toBe(143);
  });

  test('says which port is taken, and the way without one', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    server = await startOidcServer();
    home.config(`providers:
  codex: { oauth: { authorize_url: "${server.authorizeUrl}", token_url: "${server.tokenUrl}", redirect_port: ${port} } }
`);
    const outcome = await home.run(['oauth', 'login', 'codex']);
    taken.close();
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toContain(`error: port ${port} of this machine cannot be used (EADDRINUSE)`);
    expect(outcome.stderr).toContain('hint: rotator oauth login codex --paste needs no port');
  });

  test.each([
    [['codexx'], 2, 'provider "codexx" is not known', 'did you mean "codex"?'],
    [['groq'], 2, 'provider "groq" has no accounts to log in; it takes API keys', 'rotator keys add groq'],
    [
      ['qwen-code'],
      1,
      'Qwen Code is closed since 2026-04-15: Alibaba has ended the free login',
      'a Model Studio key works',
    ],
    [['iflow'], 1, 'iFlow is closed since 2026-04-17', 'providers.iflow.oauth'],
    [
      ['claude'],
      2,
      'Claude subscription is restricted (2026-02-17)',
      'rotator oauth login claude --accept-risk goes on',
    ],
    [['antigravity'], 2, 'Antigravity is restricted (2026-02-11): Google disables accounts', '--accept-risk'],
    [['gemini-cli', '--json'], 2, 'Gemini CLI wants a client secret', 'GEMINI_CLI_CLIENT_SECRET'],
    [['codex', '--code', 'abc'], 2, 'no login of codex waits for a code', 'rotator oauth login codex --json'],
    [
      ['xai', '--code', 'abcd'],
      2,
      'xAI Grok gives a code to type in elsewhere and takes none here',
      'shows it, and waits',
    ],
  ])('%j: exit %d, in words', async (argv, exitCode, message, hint) => {
    const outcome = await home.run(['oauth', 'login', ...argv]);
    expect(outcome.exitCode).toBe(exitCode);
    expect(outcome.stderr).toContain(message);
    expect(outcome.stderr).toContain(hint);
    expect(existsSync(join(home.stateDir, 'oauth'))).toBe(false);
  });

  test('a restricted service goes on when the risk is accepted', async () => {
    await atServer();
    const begun = await home.run(['oauth', 'login', 'claude', '--accept-risk', '--json']);
    expect(JSON.parse(begun.stdout)).toMatchObject({ status: 'pending', provider: 'claude' });
  });

  test('an account that Google wants validated is kept, with its link, exit 4', async () => {
    const tokens = { json: { access_token: 'at-secret-1', refresh_token: 'rt-secret-1', expires_in: 3600 } };
    let isValidated = false;
    const loadCodeAssist: VendorScript = () => ({
      json: isValidated
        ? { currentTier: { id: 'standard-tier' }, cloudaicompanionProject: 'p-1' }
        : {
            ineligibleTiers: [
              {
                reasonCode: 'VALIDATION_REQUIRED',
                reasonMessage: 'verify your account',
                validationUrl: 'https://accounts.test/verify',
              },
            ],
          },
    });
    await using vendor = startVendor({
      '/token': () => tokens,
      '/oauth2/v1/userinfo': () => ({ json: { email: 'ann@people.test' } }),
      '/v1internal:loadCodeAssist': loadCodeAssist,
    });
    home.config(`providers:
  gemini-cli:
    oauth: { authorize_url: "${vendor.origin}/a", token_url: "${vendor.origin}/token", api_url: "${vendor.origin}" }
`);
    await home.run(['oauth', 'login', 'gemini-cli', '--json']);
    const outcome = await home.run(['oauth', 'login', 'gemini_cli', '--code', '4/abcdef']);
    expect(outcome.exitCode).toBe(4);
    expect(outcome.stderr).toContain(
      'error: gemini_cli-1 cannot be used yet: VALIDATION_REQUIRED: verify your account',
    );
    expect(outcome.stderr).toContain('hint: https://accounts.test/verify');
    const list = await home.run(['oauth', 'list', '--json']);
    expect(JSON.parse(list.stdout)).toMatchObject([
      { id: 'gemini_cli-1', state: 'blocked', blocked: 'validation', link: 'https://accounts.test/verify' },
    ]);
    isValidated = true;
    const refreshed = await home.run(['oauth', 'refresh', 'gemini-cli-1', '--json']);
    expect(JSON.parse(refreshed.stdout)).toMatchObject([{ state: 'ready', tier: 'PRO', project_id: 'p-1' }]);
    expectNoSecrets(outcome, list, refreshed);
  });

  test('a vendor that refuses is told with its own word, and nothing is kept', async () => {
    await using vendor = startVendor({ '/token': () => ({ status: 400, json: { error: 'invalid_grant' } }) });
    home.config(`providers:
  codex: { oauth: { authorize_url: "${vendor.origin}/a", token_url: "${vendor.origin}/token" } }
`);
    await home.run(['oauth', 'login', 'codex', '--json']);
    const outcome = await home.run(['oauth', 'login', 'codex', '--code', 'a-code-1', '--json']);
    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
    expect(JSON.parse(outcome.stderr).error).toMatchObject({
      code: 'login_failed',
      message: 'Codex (ChatGPT) gave no tokens: invalid_grant (HTTP 400)',
    });
    expect(existsSync(join(home.stateDir, 'oauth'))).toBe(false);
  });
});

test('a cookie is a login of its own, without a page and without a client secret', async () => {
  await using vendor = startVendor({
    '/api/openapi/apikey': ({ method }) => ({
      json: {
        success: true,
        data: method === 'GET' ? { name: 'mine' } : { apiKey: 'iflow-key-secret', expireTime: '2036-01-08 08:00' },
      },
    }),
  });
  home.config(`providers:
  iflow: { oauth: { token_url: "${vendor.origin}/token" } }
`);
  const outcome = await home.run(['oauth', 'login', 'iflow', '--code', 'a=1; BXAuth=cookie-secret; b=2', '--json']);
  expect(outcome).toMatchObject({ exitCode: 0 });
  expect(JSON.parse(outcome.stdout)).toMatchObject({ id: 'iflow-1', state: 'ready', created: true });
  expect(accountFile('iflow-1')).toMatchObject({ api_key: 'iflow-key-secret', refresh_token: 'cookie-secret' });
  expectNoSecrets(outcome);
});

describe('oauth list, label, logout', () => {
  beforeEach(() => {
    put('codex-1', {
      type: 'codex',
      access_token: 'at-1',
      refresh_token: 'rt-1',
      email: 'ann@people.test',
      expiry_date: 4e12,
    });
    put('codex-2', {
      type: 'codex',
      access_token: 'at-2',
      refresh_token: 'rt-2',
      email: 'bob@people.test',
      expiry_date: 4e12,
    });
  });

  test('the table names no address in full and no token', async () => {
    const outcome = await home.run(['oauth', 'list']);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.stdout).toContain('codex-1');
    expect(outcome.stdout).toContain('an…@pe….test');
    expect(outcome.stdout).not.toContain('ann@');
    expectNoSecrets(outcome);
  });

  test('accounts of the environment stand beside those of files', async () => {
    const env = { KIMI_1_ACCESS_TOKEN: 'at-env', KIMI_1_REFRESH_TOKEN: 'rt-env' };
    const list = JSON.parse((await home.run(['oauth', 'list', '--json'], { env })).stdout);
    expect(list).toMatchObject([{ id: 'codex-1' }, { id: 'codex-2' }, { id: 'env://kimi/1', source: 'environment' }]);
    expect(JSON.stringify(list)).not.toMatch(/at-env|rt-env/);
    const outcome = await home.run(['oauth', 'logout', 'env://kimi/1'], { env });
    expect(outcome.exitCode).toBe(2);
    expect(outcome.stderr).toContain('env://kimi/1 comes from the environment');
  });

  test('a file that cannot be used is warned of', async () => {
    home.write('.local/state/rotator/oauth/codex-3.json', '{');
    const outcome = await home.run(['oauth', 'list']);
    expect(outcome.stderr).toContain('codex-3.json: it holds no JSON object');
  });

  test('a label is kept, is as good as an id, and is not given twice', async () => {
    expect(await home.run(['oauth', 'label', 'codex-1', 'work'])).toMatchObject({ exitCode: 0 });
    expect(accountFile('codex-1')).toMatchObject({ refresh_token: 'rt-1', _rotator: { label: 'work' } });
    expect(await home.run(['oauth', 'label', 'codex-2', 'work'])).toMatchObject({ exitCode: 1 });
    const other = await home.run(['oauth', 'label', 'codex-2', 'codex-1']);
    expect(other).toMatchObject({ exitCode: 1 });
    expect(other.stderr).toContain('"codex-1" is the id of another account');
    expect(await home.run(['oauth', 'logout', 'work'])).toMatchObject({ exitCode: 0 });
    expect(existsSync(accountPath('codex-1'))).toBe(false);
  });

  test('an id that means two is refused, one that means none too', async () => {
    expect((await home.run(['oauth', 'logout', 'codex'])).stderr).toContain('"codex" means 2 credentials');
    const none = await home.run(['oauth', 'logout', 'kimi-1']);
    expect(none).toMatchObject({ exitCode: 2 });
    expect(none.stderr).toContain('rotator oauth list');
  });
});

describe('oauth refresh', () => {
  test('renews, and says with exit 4 which account needs a login', async () => {
    await using vendor = startVendor({
      '/token': ({ fields }) =>
        fields.refresh_token === 'rt-1'
          ? { json: { access_token: 'at-9', refresh_token: 'rt-9', expires_in: 3600 } }
          : { status: 400, json: { error: 'invalid_grant' } },
    });
    home.config(`providers:
  codex: { oauth: { authorize_url: "${vendor.origin}/a", token_url: "${vendor.origin}/token" } }
`);
    put('codex-1', { type: 'codex', access_token: 'at-1', refresh_token: 'rt-1', email: 'ann@people.test' });
    put('codex-2', { type: 'codex', access_token: 'at-2', refresh_token: 'rt-2', email: 'bob@people.test' });
    const one = await home.run(['oauth', 'refresh', 'codex-1', '--json']);
    expect(one).toMatchObject({ exitCode: 0 });
    expect(accountFile('codex-1')).toMatchObject({ access_token: 'at-9', refresh_token: 'rt-9' });
    const all = await home.run(['oauth', 'refresh', '--json']);
    expect(all.exitCode).toBe(4);
    expect(JSON.parse(all.stdout)).toMatchObject([
      { id: 'codex-1' },
      { id: 'codex-2', state: 'needs_login', command: 'rotator oauth login codex', reason: 'invalid_grant (HTTP 400)' },
    ]);
    expectNoSecrets(one, all);
  });

  test('tells a server in trouble from an account in trouble', async () => {
    await using vendor = startVendor({ '/token': () => ({ status: 429, json: {} }) });
    home.config(`providers:
  codex: { oauth: { authorize_url: "${vendor.origin}/a", token_url: "${vendor.origin}/token" } }
`);
    put('codex-1', { type: 'codex', access_token: 'at-1', refresh_token: 'rt-1', expiry_date: 1 });
    const outcome = await home.run(['oauth', 'refresh', 'codex-1', '--json']);
    expect(outcome.exitCode).toBe(1);
    expect(JSON.parse(outcome.stdout)).toMatchObject([{ state: 'waiting', reason: 'HTTP 429' }]);
  });

  test('that brought no new token is told with its reason, though the old one is good still', async () => {
    await using vendor = startVendor({ '/token': () => ({ status: 429, json: {} }) });
    home.config(`providers:
  codex: { oauth: { authorize_url: "${vendor.origin}/a", token_url: "${vendor.origin}/token" } }
`);
    put('codex-1', { type: 'codex', access_token: 'at-1', refresh_token: 'rt-1', expiry_date: 4e12 });
    const outcome = await home.run(['oauth', 'refresh']);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stdout).toContain('ready');
    expect(outcome.stderr).toContain('error: codex-1 could not be renewed now: HTTP 429');
  });
});

describe('oauth import and export', () => {
  test('carry accounts from machine to machine, by variables and by files', async () => {
    put('codex-1', {
      type: 'codex',
      access_token: 'at-1',
      refresh_token: 'rt-1',
      email: 'ann@people.test',
      extra: { kept: 1 },
    });
    const variables = await home.run(['oauth', 'export', '--all']);
    expect(variables.stdout).toContain('CODEX_1_REFRESH_TOKEN=rt-1\n');
    const files = await home.run(['oauth', 'export', 'codex-1', '--format', 'json']);
    expect(JSON.parse(files.stdout)).toMatchObject({ type: 'codex', refresh_token: 'rt-1', extra: { kept: 1 } });
    using other = new Home();
    for (const [name, text] of [
      ['a.env', variables.stdout],
      ['b.json', files.stdout],
    ] as const) {
      const outcome = await other.run(['oauth', 'import', other.write(name, text), '--json']);
      expect(outcome).toMatchObject({ exitCode: 0 });
      expect(JSON.parse(outcome.stdout).imported).toMatchObject([{ id: 'codex-1', provider: 'codex' }]);
    }
    expect(JSON.parse(readFileSync(join(other.stateDir, 'oauth/codex-1.json'), 'utf8'))).toMatchObject({
      refresh_token: 'rt-1',
    });
  });

  test('import without a path finds the vendors’ tools, and warns of a token that two would share', async () => {
    home.write(
      '.codex/auth.json',
      JSON.stringify({ OPENAI_API_KEY: null, tokens: { access_token: 'at-1', refresh_token: 'rt-1' } }),
    );
    const outcome = await home.run(['oauth', 'import']);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.stderr).toContain(`added codex-1 from ${join(home.path, '.codex/auth.json')}`);
    expect(outcome.stderr).toContain('warning: codex-1 and the tool that keeps');
    expectNoSecrets(outcome);
  });

  test.each([
    [['export'], 2, 'no account was named'],
    [['export', 'codex-1', '--all'], 2, 'an id goes with neither'],
    [['export', '--provider', 'codex'], 1, 'there is no such account'],
    [['import', 'nowhere.json'], 1, 'there is no such file'],
  ])('%j: exit %d', async (argv, exitCode, message) => {
    const outcome = await home.run(['oauth', ...argv]);
    expect(outcome.exitCode).toBe(exitCode);
    expect(outcome.stderr).toContain(message);
  });
});

test('a crash of a login shows no token, not even with its stack', async () => {
  await using vendor = startVendor({
    '/token': () => {
      // The place of the accounts is a file by now: nothing can be kept.
      home.write('.local/state/rotator/oauth', 'in the way');
      return { json: { access_token: 'at-secret', refresh_token: 'rt-secret' } };
    },
  });
  home.config(`providers:
  codex: { oauth: { authorize_url: "${vendor.origin}/a", token_url: "${vendor.origin}/token" } }
`);
  await home.run(['oauth', 'login', 'codex', '--json']);
  const env = { ROTATOR_DEBUG: '1' };
  const outcome = await home.run(['oauth', 'login', 'codex', '--code', 'code-secret'], { env });
  expect(outcome.exitCode).toBe(1);
  expect(outcome.stdout + outcome.stderr).not.toMatch(/at-secret|rt-secret|code-secret/);
});

test('a code is not spent where its account could not be kept', async () => {
  await using vendor = startVendor({ '/token': () => ({ json: { access_token: 'at-secret' } }) });
  home.config(`providers:
  codex: { oauth: { authorize_url: "${vendor.origin}/a", token_url: "${vendor.origin}/token" } }
`);
  await home.run(['oauth', 'login', 'codex', '--json']);
  const place = home.write('.local/state/rotator/oauth', 'in the way');
  const outcome = await home.run(['oauth', 'login', 'codex', '--code', 'a-code-1']);
  expect(outcome.exitCode).toBe(1);
  expect(outcome.stderr).toContain(`error: the state directory ${place} cannot be written`);
  expect(vendor.requests).toEqual([]);
});

test('an address that leads through a found config is refused', async () => {
  home.write('work/rotator.yaml', 'providers:\n  codex: { oauth: { token_url: "https://evil.test/token" } }\n');
  const outcome = await home.run(['oauth', 'list']);
  expect(outcome.exitCode).toBe(2);
  expect(outcome.stderr).toContain('this URL would receive your accounts');
});

describe('at a server of the user’s own', () => {
  const byPage = ['codex', 'gemini-cli', 'antigravity'];
  const byCode = ['xai'];

  test.each(byPage)('%s is logged in to in two commands', async (service) => {
    server = await startOidcServer({ scopes: findProfile(service)?.scopes ?? [] });
    const { authorizeUrl, tokenUrl, clientId } = server;
    home.config(`providers:
  ${service}: { oauth: { client_id: ${clientId}, authorize_url: "${authorizeUrl}", token_url: "${tokenUrl}" } }
`);
    const begun = await home.run(['oauth', 'login', service, '--json', '--accept-risk']);
    const pending = JSON.parse(begun.stdout);
    const done = await home.run(['oauth', 'login', service, '--code', await visit(pending.url), '--json']);
    expect(done).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({ provider: service.replace('-', '_'), state: 'ready' });
  });

  test.each(byCode)(
    '%s is logged in to by a code',
    async (service) => {
      server = await startOidcServer();
      const { deviceUrl, tokenUrl, clientId } = server;
      home.config(`providers:
  ${service}: { oauth: { client_id: ${clientId}, device_url: "${deviceUrl}", token_url: "${tokenUrl}" } }
`);
      const command = home.start(['oauth', 'login', service, '--no-browser']);
      const [, address = ''] = await command.stderr.until(/^\s*(http:\S+)$/m);
      const [, userCode = ''] = await command.stderr.until(/with the code {2}(\S+)/);
      expect(await visit(address, { userCode })).toBe('done');
      expect((await command.ended).stderr).toContain(`logged in: ${service}-1`);
    },
    15_000,
  );
});
