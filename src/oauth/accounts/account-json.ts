/**
 * An account as JSON: written in one layout, read in all that are around: this program's, the vendors' own tools', those of
 * CLIProxyAPI and of the Python project.
 */
import { isObject } from '../../shared/json-shape.ts';
import { Secret } from '../../shared/secret.ts';
import { type JsonObject, numberOf, objectOf, textOf } from '../json-object.ts';
import { claimsOf } from '../engine/jwt-claims.ts';
import type { Profile } from '../profile.ts';
import type { Account, AccountSource, Details, Standing } from './account.ts';

/** Fields that this program writes itself; all others are kept as they came. */
const OWN = new Set([
  'type',
  'access_token',
  'refresh_token',
  'id_token',
  'token_type',
  'scope',
  'expiry_date',
  'client_id',
  'client_secret',
  'api_key',
  'email',
  'sub',
  'account_id',
  '_proxy_metadata',
  '_rotator',
]);

/** Other spellings of the same, which would go stale beside the own ones. */
const OTHER_SPELLINGS = new Set([
  'tokens',
  'token',
  'credential',
  'expired',
  'expiry',
  'expires_at',
  'expires_in',
  'timestamp',
  'token_expiry',
  'last_refresh',
  'apiKey',
  'cookie',
  'phone',
  'account_uuid',
  'label',
  'note',
  'priority',
  'tier',
  'tier_full',
  'disabled',
  'project_id',
  'resource_url',
  'device_id',
  'api_base',
  'organization_uuid',
  'organization_name',
]);

const DETAILS = [
  'project_id',
  'tier',
  'tier_full',
  'resource_url',
  'device_id',
  'api_base',
  'organization_uuid',
  'organization_name',
] as const satisfies readonly (keyof Details)[];

/** The token type of an account whose refresh token is a cookie of the vendor's web site. */
export const COOKIE = 'Cookie';

/** The account in an object, or what is missing for one. */
export function readAccount(
  json: JsonObject,
  at: { readonly id: string; readonly source: AccountSource; readonly profile: Profile },
): Account | { readonly problem: string } {
  const inner = objectOf(json, 'tokens') ?? objectOf(json, 'token') ?? objectOf(json, 'credential');
  const fields: JsonObject = inner ? { ...json, ...inner } : json;
  const meta = objectOf(json, '_proxy_metadata') ?? {};
  const own = objectOf(json, '_rotator') ?? {};
  const access = secretOf(textOf(fields, 'access_token'));
  const given = secretOf(textOf(fields, 'refresh_token'));
  const cookie = given === null ? secretOf(textOf(fields, 'cookie')) : null;
  const refresh = given ?? cookie;
  const apiKey = secretOf(textOf(fields, 'api_key', 'apiKey'));
  if (!refresh && !access && !apiKey) return { problem: 'it has no refresh_token and no access_token' };
  const idToken = textOf(fields, 'id_token');
  const said = at.profile.identify?.(fields) ?? {};
  const claims = idToken === null ? {} : claimsOf(idToken);
  const clientId = textOf(fields, 'client_id');
  return {
    id: at.id,
    provider: at.profile.id,
    source: at.source,
    tokens: {
      access,
      refresh,
      id: secretOf(idToken),
      type: cookie === null ? (textOf(fields, 'token_type') ?? 'Bearer') : COOKIE,
      scope: scopeOf(fields),
      expiresAt: expiryOf(fields),
    },
    apiKey,
    identity: {
      email:
        textOf(fields, 'email') ??
        textOf(meta, 'email') ??
        said.email ??
        textOf(claims, 'email') ??
        textOf(fields, 'phone'),
      subject: textOf(fields, 'sub', 'account_uuid') ?? said.subject ?? textOf(claims, 'sub'),
      accountId: textOf(fields, 'account_id') ?? said.accountId ?? null,
    },
    details: { ...said.details, ...detailsOf(fields), ...detailsOf(meta) },
    client: clientId === null ? null : { id: clientId, secret: secretOf(textOf(fields, 'client_secret')) },
    label: textOf(own, 'label') ?? textOf(json, 'label', 'note'),
    priority: numberOf(own, 'priority') ?? numberOf(json, 'priority'),
    isEnabled: json.disabled !== true && own.enabled !== false,
    standing: standingOf(objectOf(own, 'standing')),
    lastRefreshAt: timeOf(json.last_refresh) ?? timeOf(own.last_refresh),
    rest: Object.fromEntries(Object.entries(json).filter(([name]) => !OWN.has(name) && !OTHER_SPELLINGS.has(name))),
  };
}

/** The whole file, secrets in plain text. */
export function accountJson(account: Account): JsonObject {
  const { tokens, identity, details, client, standing } = account;
  return withoutNulls({
    ...account.rest,
    type: account.provider,
    access_token: tokens.access?.reveal(),
    refresh_token: tokens.refresh?.reveal(),
    id_token: tokens.id?.reveal(),
    token_type: tokens.type,
    scope: tokens.scope,
    expiry_date: tokens.expiresAt,
    client_id: client?.id,
    client_secret: client?.secret?.reveal(),
    api_key: account.apiKey?.reveal(),
    sub: identity.subject,
    account_id: identity.accountId,
    ...Object.fromEntries(
      DETAILS.filter((name) => !name.startsWith('tier') && name !== 'project_id').map((name) => [name, details[name]]),
    ),
    _proxy_metadata: withoutNulls({
      email: identity.email,
      project_id: details.project_id,
      tier: details.tier,
      tier_full: details.tier_full,
    }),
    _rotator: withoutNulls({
      label: account.label,
      priority: account.priority,
      enabled: account.isEnabled ? null : false,
      last_refresh: account.lastRefreshAt === null ? null : new Date(account.lastRefreshAt).toISOString(),
      standing: standing.kind === 'active' ? null : { ...standing },
    }),
  });
}

export const accountText = (account: Account): string => `${JSON.stringify(accountJson(account), null, 2)}\n`;

const secretOf = (text: string | null): Secret | null => (text === null ? null : new Secret(text));

function withoutNulls(fields: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== null && value !== undefined && !(isObject(value) && Object.keys(value).length === 0),
    ),
  );
}

function detailsOf(fields: JsonObject): Details {
  const found: Record<string, string> = {};
  for (const name of DETAILS) {
    const value = textOf(fields, name);
    // CLIProxyAPI writes several projects into one field; the first is the account's own.
    if (value !== null) found[name] = name === 'project_id' ? (value.split(',')[0] ?? value).trim() : value;
  }
  return found;
}

function scopeOf(fields: JsonObject): string | null {
  const { scopes } = fields;
  return (
    textOf(fields, 'scope') ??
    (Array.isArray(scopes) ? scopes.filter((one) => typeof one === 'string').join(' ') : null)
  );
}

function expiryOf(fields: JsonObject): number | null {
  for (const name of ['expiry_date', 'expired', 'expiry', 'expires_at', 'token_expiry']) {
    const at = timeOf(fields[name]);
    if (at !== null) return at;
  }
  const [since, seconds] = [numberOf(fields, 'timestamp'), numberOf(fields, 'expires_in')];
  return since !== null && seconds !== null ? since + seconds * 1000 : null;
}

/** Seconds of today have ten digits, milliseconds thirteen. */
const LARGEST_SECONDS = 1e11;

/** Milliseconds since the epoch from a number of seconds or milliseconds, or from a date. */
export function timeOf(value: unknown): number | null {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) {
    return Math.round(value < LARGEST_SECONDS ? value * 1000 : value);
  }
  if (typeof value !== 'string' || value.trim() === '') return null;
  if (/^\d+(\.\d+)?$/.test(value.trim())) return timeOf(Number(value));
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : at;
}

const BLOCKS = ['banned', 'validation', 'ineligible', 'unfinished'] as const;

function standingOf(json: JsonObject | null): Standing {
  if (json === null) return { kind: 'active' };
  const reason = textOf(json, 'reason') ?? '';
  const since = numberOf(json, 'since') ?? 0;
  if (json.kind === 'needs_login') return { kind: 'needs_login', reason, since };
  const why = BLOCKS.find((one) => one === json.why);
  if (json.kind === 'blocked' && why) return { kind: 'blocked', why, reason, link: textOf(json, 'link'), since };
  return { kind: 'active' };
}
