/**
 * Accounts in variables, for machines without a disk of their own: `CODEX_REFRESH_TOKEN`, or `CODEX_1_REFRESH_TOKEN` and
 * so on. They are never written anywhere.
 */
import type { JsonObject } from '../json-object.ts';
import { accountJson, readAccount } from './account-json.ts';
import type { Account } from './account.ts';
import type { Profile } from '../profile.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** Variable after the prefix → field of the file. */
const FIELDS: Readonly<Record<string, string>> = {
  ACCESS_TOKEN: 'access_token',
  REFRESH_TOKEN: 'refresh_token',
  ID_TOKEN: 'id_token',
  TOKEN_TYPE: 'token_type',
  SCOPE: 'scope',
  EXPIRY_DATE: 'expiry_date',
  CLIENT_ID: 'client_id',
  CLIENT_SECRET: 'client_secret',
  TOKEN_URI: 'token_uri',
  UNIVERSE_DOMAIN: 'universe_domain',
  API_KEY: 'api_key',
  EMAIL: 'email',
  ACCOUNT_ID: 'account_id',
  PROJECT_ID: 'project_id',
  TIER: 'tier',
  TIER_FULL: 'tier_full',
  RESOURCE_URL: 'resource_url',
  DEVICE_ID: 'device_id',
  LABEL: 'label',
};

/** Numbered from 1 up to the first gap; the unnumbered one only where there is no number. */
export function environmentAccounts(env: Env, profiles: readonly Profile[]): readonly Account[] {
  return profiles.flatMap((profile) => {
    const numbered: Account[] = [];
    for (let n = 1; ; n++) {
      const account = accountAt(env, profile, `${profile.envPrefix}_${n}_`, n);
      if (account === null) break;
      numbered.push(account);
    }
    if (numbered.length > 0) return numbered;
    const only = accountAt(env, profile, `${profile.envPrefix}_`, 0);
    return only === null ? [] : [only];
  });
}

function accountAt(env: Env, profile: Profile, prefix: string, index: number): Account | null {
  const json: Record<string, string> = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = env[prefix + name]?.trim();
    if (value) json[field] = value;
  }
  if (json.access_token === undefined || json.refresh_token === undefined) return null;
  const id = `env://${profile.id}/${index}`;
  const read = readAccount(json, { id, source: { kind: 'environment', index }, profile });
  return 'problem' in read ? null : read;
}

/** The lines that bring an account back with `environmentAccounts`. `n`: its number. */
export function environmentLines(account: Account, profile: Profile, n: number): readonly string[] {
  const json = accountJson(account);
  const meta: JsonObject = { ...account.details, email: account.identity.email, label: account.label };
  return Object.entries(FIELDS).flatMap(([name, field]) => {
    const value = json[field] ?? meta[field];
    if (value === null || value === undefined || value === '') return [];
    return `${profile.envPrefix}_${n}_${name}=${quoted(String(value))}`;
  });
}

/** Bare where no shell and no reader of `.env` files could take it for more than text. */
function quoted(value: string): string {
  if (/^[\w./:@%+,=~-]+$/.test(value)) return value;
  return `'${value.replaceAll("'", `'\\''`)}'`;
}
