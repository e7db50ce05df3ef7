/** When an account's token is renewed, and what follows when that fails. */
import { assertNever } from '../../shared/assert-never.ts';
import type { Random } from '../../shared/random.ts';
import type { Account, Standing } from '../accounts/account.ts';
import type { TokenFailure } from '../engine/token-answer.ts';

/** `fresh`: nothing to do. `due`: good for now, and to be renewed. `expired`: of no use until renewed. */
export type Freshness = 'fresh' | 'due' | 'expired';

/** A call takes its time to arrive, and clocks differ by a little. */
const MARGIN_MS = 10_000;

export function freshness(account: Account, leadMs: number, now: number): Freshness {
  const { access, expiresAt } = account.tokens;
  if (access === null) return 'expired';
  if (expiresAt === null) return 'fresh';
  if (expiresAt - Math.min(MARGIN_MS, lifeOf(account) / 10) <= now) return 'expired';
  return expiresAt - leadFor(account, leadMs) <= now ? 'due' : 'fresh';
}

/** A lead longer than half of a token's life would renew it over and over. */
const leadFor = (account: Account, leadMs: number): number => Math.min(leadMs, lifeOf(account) / 2);

/** How long its token was given for; Infinity where nobody knows. */
function lifeOf({ tokens, lastRefreshAt }: Account): number {
  if (tokens.expiresAt === null || lastRefreshAt === null || lastRefreshAt >= tokens.expiresAt) {
    return Number.POSITIVE_INFINITY;
  }
  return tokens.expiresAt - lastRefreshAt;
}

/** Milliseconds until an account should be looked at again, spread so that many do not come at once. */
export function msUntilDue(account: Account, leadMs: number, now: number, random: Random): number {
  const { expiresAt } = account.tokens;
  if (expiresAt === null || account.tokens.access === null) return SWEEP_MS;
  const due = expiresAt - leadFor(account, leadMs) - now;
  return Math.max(0, Math.min(due, SWEEP_MS)) + random() * SPREAD_MS;
}

export const SWEEP_MS = 10 * 60_000;
/** At start, and after, accounts are renewed at moments of their own within this. */
export const SPREAD_MS = 30_000;

/** Tries of one refresh, with these rests between them. */
export const RETRY_MS = [1_000, 2_000, 4_000] as const;

export type AfterFailure =
  /** The same call again, after a while. */
  | { readonly kind: 'retry'; readonly ms: number }
  /** Not now: nobody asks before `until`. */
  | { readonly kind: 'wait'; readonly until: number; readonly reason: string }
  /** A person is needed. */
  | { readonly kind: 'ended'; readonly standing: Standing };

const RATE_LIMIT_MS = 60_000;
/** Longer than this nobody waits on the word of a header. */
const MAX_WAIT_MS = 60 * 60_000;
const PENDING_MS = 60_000;

/** `attempt`: how many tries have failed, this one included. */
export function afterFailure(failure: TokenFailure, attempt: number, now: number, random: Random): AfterFailure {
  const spread = (ms: number) => Math.round(ms * (0.9 + 0.2 * random()));
  switch (failure.kind) {
    case 'rate-limited': {
      const ms = Math.min(failure.retryAfterMs ?? RATE_LIMIT_MS, MAX_WAIT_MS);
      return { kind: 'wait', until: now + ms, reason: failure.reason };
    }
    case 'unavailable': {
      const ms = RETRY_MS[attempt - 1];
      if (ms !== undefined && attempt < RETRY_MS.length) return { kind: 'retry', ms: spread(ms) };
      return { kind: 'wait', until: now + spread(PENDING_MS), reason: failure.reason };
    }
    case 'unreadable':
      return { kind: 'wait', until: now + spread(PENDING_MS), reason: failure.reason };
    case 'refused':
      // Only these say something of this token; another code may be a slip of the server.
      return isFinal(failure.error)
        ? { kind: 'ended', standing: { kind: 'needs_login', reason: failure.reason, since: now } }
        : { kind: 'wait', until: now + spread(PENDING_MS), reason: failure.reason };
    case 'blocked': {
      const { why, reason, link } = failure;
      return { kind: 'ended', standing: { kind: 'blocked', why, reason, link, since: now } };
    }
    default:
      return assertNever(failure);
  }
}

const FINAL = new Set([
  'invalid_grant',
  'invalid_client',
  'invalid_request',
  'unauthorized_client',
  'refresh_token_reused',
  'refresh_token_expired',
  'refresh_token_invalidated',
  'http_401',
  'http_403',
]);

const isFinal = (error: string) => FINAL.has(error);
