import { describe, expect, test } from 'bun:test';
import { parseEnv } from 'node:util';
import { Secret } from '../../src/shared/secret.ts';
import { environmentAccounts, environmentLines } from '../../src/oauth/accounts/environment-accounts.ts';
import { accountJson } from '../../src/oauth/accounts/account-json.ts';
import { profiles } from '../../src/oauth/profiles/index.ts';
import { account, email, profileNamed } from './oauth-fixture.ts';

const found = (env: Record<string, string>) => environmentAccounts(env, profiles);
const both = (prefix: string) => ({ [`${prefix}_ACCESS_TOKEN`]: 'at', [`${prefix}_REFRESH_TOKEN`]: 'rt' });

describe('accounts of the environment', () => {
  test('are numbered from 1 up to the first gap', () => {
    const env = { ...both('CODEX_1'), ...both('CODEX_2'), ...both('CODEX_4'), ...both('CODEX') };
    expect(found(env).map(({ id }) => id)).toEqual(['env://codex/1', 'env://codex/2']);
  });

  test('without a number count only where none has one', () => {
    expect(found(both('GEMINI_CLI')).map(({ id }) => id)).toEqual(['env://gemini_cli/0']);
  });

  test('need both tokens, and an empty one is none', () => {
    expect(found({ CODEX_ACCESS_TOKEN: 'at' })).toEqual([]);
    expect(found({ CODEX_ACCESS_TOKEN: 'at', CODEX_REFRESH_TOKEN: ' ' })).toEqual([]);
  });

  test('take what else is told', () => {
    const [one] = found({
      ...both('IFLOW_1'),
      IFLOW_1_API_KEY: 'key',
      IFLOW_1_EXPIRY_DATE: '2026-01-01T00:00:00Z',
      IFLOW_1_EMAIL: 'u@x.test',
      IFLOW_1_LABEL: 'work',
    });
    expect(one).toMatchObject({
      source: { kind: 'environment', index: 1 },
      tokens: { expiresAt: 1767225600000 },
      identity: { email: 'u@x.test' },
      label: 'work',
    });
    expect(one?.apiKey?.reveal()).toBe('key');
  });

  test('come back from what is exported, odd characters and all', () => {
    const original = account('gemini_cli', {
      identity: email('u@x.test'),
      details: { project_id: 'p-1', tier: 'PRO', tier_full: 'standard-tier' },
      client: { id: 'c', secret: new Secret('s"e$c #r') },
      label: 'my account',
      tokens: { ...account('gemini_cli').tokens, scope: 'a b', expiresAt: 1767225600000 },
    });
    const lines = environmentLines(original, profileNamed('gemini_cli'), 1).join('\n');
    const [back] = found(
      Object.fromEntries(Object.entries(parseEnv(lines)).map(([name, value]) => [name, value ?? ''])),
    );
    expect(back && accountJson(back)).toEqual(accountJson(original));
  });
});
