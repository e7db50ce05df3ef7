import { redact } from '../../observe/redact.ts';
import type { Secret } from '../../shared/secret.ts';
import type { JsonObject } from '../json-object.ts';

export type Tokens = {
  /** Null where none was given yet: the first refresh brings it. */
  readonly access: Secret | null;
  readonly refresh: Secret | null;
  readonly id: Secret | null;
  readonly type: string;
  readonly scope: string | null;
  /** Milliseconds since the epoch; null: it does not end by itself, or nobody knows. */
  readonly expiresAt: number | null;
};

export type Identity = {
  readonly email: string | null;
  /** The vendor's own id of the person. */
  readonly subject: string | null;
  /** A workspace or organisation, where one person may have several. */
  readonly accountId: string | null;
};

/** What calls need beside the token. Named as in the file. */
export type Details = {
  readonly project_id?: string;
  /** `FREE`, `PRO`, `ULTRA`, or the vendor's own word for a plan. */
  readonly tier?: string;
  readonly tier_full?: string;
  readonly resource_url?: string;
  readonly device_id?: string;
  readonly api_base?: string;
  readonly organization_uuid?: string;
  readonly organization_name?: string;
};

/** What lasts: only a person can change the last two. */
export type Standing =
  | { readonly kind: 'active' }
  | { readonly kind: 'needs_login'; readonly reason: string; readonly since: number }
  | {
      readonly kind: 'blocked';
      /** `unfinished`: what comes after the login, such as finding the project to bill, has not come about yet. */
      readonly why: 'banned' | 'validation' | 'ineligible' | 'unfinished';
      readonly reason: string;
      /** Where the person can do something about it. */
      readonly link: string | null;
      readonly since: number;
    };

/** The client as which a service is asked. */
export type Client = { readonly id: string; readonly secret: Secret | null };

export type AccountSource =
  | { readonly kind: 'file'; readonly path: string }
  /** Lives in variables alone, and what is renewed lives as long as the process. */
  | { readonly kind: 'environment'; readonly index: number };

export type Account = {
  /** The file's stem, or `env://provider/N`. */
  readonly id: string;
  readonly provider: string;
  readonly source: AccountSource;
  readonly tokens: Tokens;
  /** An API key that the service makes for its accounts. */
  readonly apiKey: Secret | null;
  readonly identity: Identity;
  readonly details: Details;
  /** The client that the refresh token was given to: no other may use it. Null: not known. */
  readonly client: Client | null;
  readonly label: string | null;
  /** The user's own; null: by tier. */
  readonly priority: number | null;
  readonly isEnabled: boolean;
  readonly standing: Standing;
  readonly lastRefreshAt: number | null;
  /** Fields of others, kept as they are. */
  readonly rest: JsonObject;
};

export const DEFAULT_PRIORITY = 10;

/**
 * Whether two records are one account. What the vendor says goes first; without it only the very same refresh token
 * shows it.
 */
export function isSameAccount(a: Account, b: Account): boolean {
  if (a.provider !== b.provider) return false;
  const [left, right] = [a.identity, b.identity];
  const isSameEmail = left.email?.toLowerCase() === right.email?.toLowerCase();
  if (left.accountId !== null && right.accountId !== null && left.accountId !== right.accountId) return false;
  if (left.subject !== null && right.subject !== null) return left.subject === right.subject;
  if (left.email !== null && right.email !== null) return isSameEmail;
  if (left.accountId !== null && right.accountId !== null) return true;
  return a.tokens.refresh !== null && a.tokens.refresh.reveal() === b.tokens.refresh?.reveal();
}

/** `jo…@ex….com`; of other names, such as a phone number, two characters on either side. */
export function maskedEmail(email: string): string {
  const masked = redact(email);
  if (masked !== email) return masked;
  return email.length > 6 ? `${email.slice(0, 2)}…${email.slice(-2)}` : '…';
}

/** Every secret of an account, for whoever has to keep them out of a text. */
export const secretsOf = (account: Account): readonly Secret[] =>
  [
    account.tokens.access,
    account.tokens.refresh,
    account.tokens.id,
    account.apiKey,
    account.client?.secret ?? null,
  ].filter((secret) => secret !== null);
