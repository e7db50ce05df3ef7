import type { ErrorFacts } from './error-body.ts';
import type { Failure, WaitHint } from './failure.ts';
import { limitWindow } from './limit-window.ts';
import { MAX_WAIT_MS } from './wait-hint.ts';

/** Failures written from what an error says, for the common classifier and for vendors' own. */

const HOUR_MS = 3_600_000;

const base = (error: ErrorFacts) => ({ status: error.status, message: error.message });
const rejected = (error: ErrorFacts) => ({ type: error.type, code: error.code, param: error.param });

export const badRequest = (error: ErrorFacts): Failure => ({
  kind: 'bad-request',
  ...base(error),
  rejected: rejected(error),
});

export const contextTooLong = (error: ErrorFacts): Failure => ({
  kind: 'context-too-long',
  ...base(error),
  rejected: rejected(error),
});

export const modelMissing = (error: ErrorFacts): Failure => ({ kind: 'model-missing', ...base(error) });
export const billing = (error: ErrorFacts): Failure => ({ kind: 'billing', ...base(error) });
export const keyRejected = (error: ErrorFacts): Failure => ({ kind: 'key-rejected', ...base(error) });
export const upstreamError = (error: ErrorFacts): Failure => ({ kind: 'upstream-error', ...base(error) });
export const unclassified = (error: ErrorFacts): Failure => ({ kind: 'unclassified', ...base(error) });

export const forbidden = (error: ErrorFacts, scope: 'model' | 'credential'): Failure => ({
  kind: 'forbidden',
  ...base(error),
  scope,
});

export const overloaded = (error: ErrorFacts, wait: WaitHint | null): Failure => ({
  kind: 'overloaded',
  ...base(error),
  wait,
});

/**
 * `isQuota` is also true when the vendor's words name a day or more, or when the wait alone says that no short-term rate
 * is meant. `window`: what the words are known to mean where they do not say it.
 */
export function rateLimited(
  error: ErrorFacts,
  wait: WaitHint | null,
  more: {
    readonly isQuota?: boolean;
    readonly scope?: 'model' | 'credential';
    readonly isPermanent?: boolean;
    readonly window?: 'minute' | 'day' | undefined;
  } = {},
): Failure {
  const window = more.window ?? limitWindow(error);
  const isLongWait = wait !== null && wait.ms > HOUR_MS && wait.ms <= MAX_WAIT_MS;
  return {
    kind: 'rate-limited',
    ...base(error),
    wait,
    isQuota: more.isQuota === true || window === 'day' || window === 'longer' || isLongWait,
    scope: more.scope ?? 'model',
    isPermanent: more.isPermanent ?? false,
    window: window === 'longer' ? null : window,
  };
}
