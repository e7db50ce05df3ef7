import { describe, expect, test } from 'bun:test';
import { inspect } from 'node:util';
import type { Account } from '../../src/oauth/accounts/account.ts';
import { isSameAccount, maskedEmail } from '../../src/oauth/accounts/account.ts';
import { accountJson, readAccount, timeOf } from '../../src/oauth/accounts/account-json.ts';
import type { JsonObject } from '../../src/oauth/json-object.ts';
import { jwt } from '../support/vendor-server.ts';
import { account, profileNamed } from './oauth-fixture.ts';

function read(provider: string, json: JsonObject): Account {
  const profile = profileNamed(provider);
  const result = readAccount(json, { id: `${provider}-1`, source: { kind: 'file', path: '/x' }, profile });
  if ('problem' in result) throw new Error(result.problem);
  return result;
}

const brief = (one: Account) => ({
  access: one.tokens.access?.reveal(),
  refresh: one.tokens.refresh?.reveal(),
  expiresAt: one.tokens.expiresAt,
  email: one.identity.email,
  accountId: one.identity.accountId,
  details: one.details,
});

describe('a file is read', () => {
  test.each([
    [
      'of the Python project',
      'gemini_cli',
      {
        access_token: 'at',
        refresh_token: 'rt',
        expiry_date: 1767225600000,
        client_id: 'c',
        client_secret: 's',
        token_uri: 'https://oauth2.googleapis.com/token',
        _proxy_metadata: { email: 'u@x.test', project_id: 'p', tier: 'PRO', loaded_from_env: false },
      },
      { expiresAt: 1767225600000, email: 'u@x.test', details: { project_id: 'p', tier: 'PRO' } },
    ],
    [
      'of gemini-cli',
      'gemini_cli',
      {
        access_token: 'at',
        refresh_token: 'rt',
        scope: 'a b',
        token_type: 'Bearer',
        id_token: jwt({ email: 'u@x.test', sub: '7' }),
        expiry_date: 1767225600000,
      },
      { expiresAt: 1767225600000, email: 'u@x.test' },
    ],
    [
      'of CLIProxyAPI for Gemini',
      'gemini_cli',
      {
        type: 'gemini',
        token: {
          access_token: 'at',
          refresh_token: 'rt',
          expiry: '2026-01-01T00:00:00Z',
          client_id: 'c',
          client_secret: 's',
        },
        project_id: 'a,b',
        email: 'u@x.test',
      },
      { expiresAt: 1767225600000, email: 'u@x.test', details: { project_id: 'a' } },
    ],
    [
      'of CLIProxyAPI for Antigravity',
      'antigravity',
      {
        type: 'antigravity',
        access_token: 'at',
        refresh_token: 'rt',
        expires_in: 3600,
        timestamp: 1767222000000,
        email: 'u@x.test',
        project_id: 'p',
      },
      { expiresAt: 1767225600000, email: 'u@x.test', details: { project_id: 'p' } },
    ],
    [
      'of CLIProxyAPI for Claude',
      'claude',
      {
        type: 'claude',
        access_token: 'at',
        refresh_token: 'rt',
        email: 'u@x.test',
        account_uuid: 'au',
        expired: '2026-01-01T01:00:00+01:00',
      },
      { expiresAt: 1767225600000, email: 'u@x.test' },
    ],
    [
      'of the Codex tool',
      'codex',
      {
        OPENAI_API_KEY: null,
        tokens: {
          access_token: 'at',
          refresh_token: 'rt',
          account_id: 'acc',
          id_token: jwt({
            email: 'u@x.test',
            'https://api.openai.com/auth': { chatgpt_account_id: 'acc', chatgpt_plan_type: 'plus' },
          }),
        },
        last_refresh: '2026-01-01T00:00:00Z',
      },
      { email: 'u@x.test', accountId: 'acc', details: { tier: 'plus' } },
    ],
    [
      'of the Qwen tool',
      'qwen_code',
      {
        access_token: 'at',
        refresh_token: 'rt',
        token_type: 'Bearer',
        resource_url: 'portal.qwen.ai',
        expiry_date: 1767225600000,
      },
      { expiresAt: 1767225600000, details: { resource_url: 'portal.qwen.ai' } },
    ],
    [
      'nested, with an ISO time',
      'gemini_cli',
      { credential: { access_token: 'at', refresh_token: 'rt', token_expiry: '2026-01-01T00:00:00Z' } },
      { expiresAt: 1767225600000 },
    ],
  ])('%s', (_, provider, json, expected) => {
    expect(brief(read(provider, json))).toMatchObject({ access: 'at', refresh: 'rt', ...expected });
  });

  test('without any token is a problem that repeats nothing of it', () => {
    const at = { id: 'x', source: { kind: 'file', path: '/x' }, profile: profileNamed('codex') } as const;
    expect(readAccount({ password: 'p' }, at)).toEqual({ problem: 'it has no refresh_token and no access_token' });
  });

  test('what others wrote into it stays, in the places that are not ours', () => {
    const json = {
      access_token: 'at',
      refresh_token: 'rt',
      universe_domain: 'googleapis.com',
      token_uri: 'u',
      x: { y: [1] },
    };
    expect(accountJson(read('gemini_cli', json))).toMatchObject({
      universe_domain: 'googleapis.com',
      token_uri: 'u',
      x: { y: [1] },
    });
  });

  test('what is written is read back the same, whatever it came from', () => {
    const nested = {
      tokens: { access_token: 'at', refresh_token: 'rt', account_id: 'acc' },
      last_refresh: '2026-01-01T00:00:00Z',
    };
    const first = read('codex', { ...nested, label: 'work', priority: 2, disabled: true });
    expect(first).toMatchObject({ label: 'work', priority: 2, isEnabled: false });
    const second = read('codex', accountJson(first));
    expect(accountJson(second)).toEqual(accountJson(first));
    expect(second).toMatchObject({ label: 'work', priority: 2, isEnabled: false, lastRefreshAt: 1767225600000 });
    // The old places would go stale.
    expect(accountJson(first)).not.toHaveProperty('tokens');
  });

  test.each([
    [{ kind: 'needs_login', reason: 'invalid_grant', since: 5 }],
    [{ kind: 'blocked', why: 'validation', reason: 'r', link: 'https://x.test/', since: 5 }],
    [{ kind: 'blocked', why: 'banned', reason: 'r', link: null, since: 5 }],
    [{ kind: 'active' }],
  ] as const)('the standing %j survives', (standing) => {
    expect(read('codex', accountJson(account('codex', { standing }))).standing).toEqual(standing);
  });

  test.each([
    [1767225600000, 1767225600000],
    [1767225600, 1767225600000],
    ['1767225600', 1767225600000],
    ['2026-01-01T00:00:00Z', 1767225600000],
    ['soon', null],
    [0, null],
    [null, null],
    [{}, null],
  ])('the time %j is %j', (value, at) => expect(timeOf(value)).toBe(at));
});

describe('an account', () => {
  test('shows no secret, however it is printed', () => {
    const one = read('codex', {
      access_token: 'at-secret',
      refresh_token: 'rt-secret',
      client_id: 'c',
      client_secret: 'cs-secret',
      api_key: 'ak-secret',
    });
    for (const text of [inspect(one, { depth: 9 }), JSON.stringify(one), `${one.tokens.access}`])
      expect(text).not.toContain('-secret');
  });

  test.each([
    ['the same address in another case', { email: 'A@x.test' }, { email: 'a@X.test' }, true],
    ['another address', { email: 'a@x.test' }, { email: 'b@x.test' }, false],
    [
      'the same subject under a new address',
      { email: 'a@x.test', subject: '1' },
      { email: 'b@x.test', subject: '1' },
      true,
    ],
    ['another subject', { subject: '1' }, { subject: '2' }, false],
    [
      'one person in two workspaces',
      { email: 'a@x.test', accountId: '1' },
      { email: 'a@x.test', accountId: '2' },
      false,
    ],
    ['one workspace, told by one file only', { email: 'a@x.test', accountId: '1' }, { email: 'a@x.test' }, true],
    ['nothing known but the same refresh token', {}, {}, true],
  ])('is recognised: %s', (_, left, right, isSame) => {
    const none = { email: null, subject: null, accountId: null };
    const [a, b] = [
      { ...none, ...left },
      { ...none, ...right },
    ].map((identity) => account('codex', { identity }));
    expect(a && b && isSameAccount(a, b)).toBe(isSame);
  });

  test('is not one of another service', () => {
    expect(isSameAccount(account('codex'), account('kimi'))).toBe(false);
  });

  test.each([
    ['john.doe@example.com', 'jo…@ex….com'],
    ['13912345678', '13…78'],
    ['bob', '…'],
  ])('%s is shown as %s', (address, shown) => expect(maskedEmail(address)).toBe(shown));
});
