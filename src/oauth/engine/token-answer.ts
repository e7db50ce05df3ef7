import type { Secret } from '../../shared/secret.ts';
import type { JsonObject } from '../json-object.ts';

export type TokenSet = {
  readonly access: Secret;
  /** Null: the old one stays. */
  readonly refresh: Secret | null;
  readonly id: Secret | null;
  readonly type: string;
  readonly scope: string | null;
  readonly expiresAt: number | null;
};

/** Why a token endpoint gave no token. No text in here holds a token. */
export type TokenFailure =
  /** By the standard's own error code, such as `invalid_grant`: asking again is of no use. */
  | { readonly kind: 'refused'; readonly error: string; readonly reason: string }
  /** Too many requests. */
  | { readonly kind: 'rate-limited'; readonly retryAfterMs: number | null; readonly reason: string }
  /** A 5xx, or nothing came at all. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** Something that is no answer of a token endpoint. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** The vendor has closed the account, or wants something of its owner. */
  | {
      readonly kind: 'blocked';
      readonly why: 'banned' | 'validation' | 'ineligible';
      readonly reason: string;
      readonly link: string | null;
    };

export type TokenAnswer =
  /** `raw`: everything the vendor said, tokens included. */
  | { readonly kind: 'tokens'; readonly tokens: TokenSet; readonly raw: JsonObject }
  | { readonly kind: 'failure'; readonly failure: TokenFailure };
