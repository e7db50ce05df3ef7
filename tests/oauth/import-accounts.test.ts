import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { importAccounts } from '../../src/oauth/accounts/import-accounts.ts';
import { jwt } from '../support/vendor-server.ts';
import { StateDirectory } from './oauth-fixture.ts';

let state: StateDirectory;
let home: StateDirectory;
beforeEach(() => {
  state = new StateDirectory();
  home = new StateDirectory();
});
afterEach(() => {
  state[Symbol.dispose]();
  home[Symbol.dispose]();
});

function put(name: string, json: unknown): string {
  const file = join(home.path, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof json === 'string' ? json : JSON.stringify(json));
  return file;
}

const take = (from: string | null = null) => importAccounts(state.directory(), from, home.path);
const brief = ({ imported }: Awaited<ReturnType<typeof take>>) =>
  imported.map(({ account, action, isShared }) => [account.id, account.identity.email, action, isShared]);

describe('import', () => {
  test('without a path looks where the vendors’ tools and CLIProxyAPI keep theirs', async () => {
    put('.gemini/oauth_creds.json', { access_token: 'a', refresh_token: 'r1', expiry_date: 1767225600000 });
    put('.gemini/google_accounts.json', { active: 'g@x.test', old: [] });
    put('.qwen/oauth_creds.json', { access_token: 'a', refresh_token: 'r2', resource_url: 'portal.qwen.ai' });
    put('.codex/auth.json', {
      OPENAI_API_KEY: null,
      tokens: { access_token: 'a', refresh_token: 'r3', account_id: 'acc', id_token: jwt({ email: 'c@x.test' }) },
    });
    put('.cli-proxy-api/claude-u@x.test.json', {
      type: 'claude',
      access_token: 'a',
      refresh_token: 'r4',
      email: 'u@x.test',
    });
    put('.cli-proxy-api/gemini-u@x.test-p.json', {
      type: 'gemini',
      token: { access_token: 'a', refresh_token: 'r5' },
      email: 'u@x.test',
      project_id: 'p',
    });
    expect(brief(await take())).toEqual([
      ['gemini_cli-1', 'g@x.test', 'added', false],
      // The tool goes on using the same refresh token, which is good for one use.
      ['qwen_code-1', null, 'added', true],
      ['codex-1', 'c@x.test', 'added', true],
      ['claude-1', 'u@x.test', 'added', false],
      ['gemini_cli-2', 'u@x.test', 'added', false],
    ]);
  });

  test('takes the Python project’s directory, and the project around it', async () => {
    const file = put('proxy/oauth_creds/gemini_cli_oauth_1.json', {
      access_token: 'a',
      refresh_token: 'r',
      client_id: 'c',
      client_secret: 's',
      _proxy_metadata: { email: 'u@x.test', project_id: 'p', tier: 'PRO' },
    });
    put('proxy/oauth_creds/iflow_oauth_1.json', {
      access_token: 'a',
      refresh_token: 'r',
      api_key: 'k',
      email: 'i@x.test',
    });
    expect(brief(await take(join(home.path, 'proxy')))).toEqual([
      ['gemini_cli-1', 'u@x.test', 'added', false],
      ['iflow-1', 'i@x.test', 'added', false],
    ]);
    const again = await take(dirname(file));
    expect(again.imported.map(({ action }) => action)).toEqual(['unchanged', 'unchanged']);
    const [kept] = (await state.directory().scan()).accounts;
    expect(kept?.client?.secret?.reveal()).toBe('s');
  });

  test('an older copy does not undo what was renewed here, and brings back an account that needs a login', async () => {
    const file = put('codex-1.json', {
      type: 'codex',
      access_token: 'a0',
      refresh_token: 'r0',
      email: 'u@x.test',
      expiry_date: 2e12,
    });
    await take(file);
    const directory = state.directory();
    const kept = await directory.read('codex-1');
    if (!kept) throw new Error('not imported');
    await directory.save({ ...kept, tokens: { ...kept.tokens, expiresAt: 3e12 } });
    put('codex-1.json', {
      type: 'codex',
      access_token: 'a9',
      refresh_token: 'r9',
      email: 'u@x.test',
      expiry_date: 1e12,
    });
    expect((await take(file)).imported[0]?.action).toBe('unchanged');
    await directory.save({ ...kept, standing: { kind: 'needs_login', reason: 'invalid_grant', since: 1 } });
    expect((await take(file)).imported[0]?.action).toBe('updated');
    expect(await directory.read('codex-1')).toMatchObject({ standing: { kind: 'active' } });
  });

  test('takes a .env file and an exported list', async () => {
    const env = put(
      '.env',
      'PROXY_API_KEY=x\nCODEX_1_ACCESS_TOKEN="a"\nCODEX_1_REFRESH_TOKEN=r1\nCODEX_2_ACCESS_TOKEN=b\nCODEX_2_REFRESH_TOKEN=r2\n',
    );
    expect((await take(env)).imported.map(({ account: { id } }) => id)).toEqual(['codex-1', 'codex-2']);
    const list = put('all.json', [
      { type: 'kimi', refresh_token: 'r', access_token: 'a' },
      { type: 'xai', refresh_token: 'r' },
    ]);
    expect((await take(list)).imported.map(({ account: { id } }) => id)).toEqual(['kimi-1', 'xai-1']);
  });

  test.each([
    ['nothing there', null, 'there is no such file'],
    ['an empty file', '', 'it holds no account that is known here'],
    ['another text', 'hello', 'it holds no account that is known here'],
    ['another JSON', '{"a":1}', 'it does not say of which service it is'],
    ['no tokens', '{"type":"codex"}', 'it has no refresh_token and no access_token'],
    ['a list of nothing', '[1]', 'none of its entries is an account'],
  ])('says why %s is not taken', async (_, text, reason) => {
    const file = text === null ? join(home.path, 'gone.json') : put('some-file.json', text);
    expect(await take(file)).toEqual({ imported: [], skipped: [{ path: file, reason }] });
  });
});
