import type { Failure } from '../providers/failure.ts';
import { assertNever } from '../shared/assert-never.ts';

/** What to do after a failed attempt. `next-credential` and `same-credential` stay with the target. */
export type NextStep = 'give-up' | 'same-credential' | 'next-credential' | 'next-target';

/** What a request has spent so far. The budgets are separate: none of them buys another. */
export type Spent = {
  /** Repeats on the credential that just failed. */
  readonly sameCredential: number;
  /** Attempts of this request, on any target, whose answer may have been made and billed although none arrived. */
  readonly maybeBilled: number;
  /** Attempts of this request that ran into `first_byte` or `total`. */
  readonly timeouts: number;
  /** Attempts on this target that were never sent. */
  readonly notSent: number;
};

/** The policy, as a table: one row per kind of failure. */
export function nextStep(failure: Failure, spent: Spent, retriesSameKey: number): NextStep {
  switch (failure.kind) {
    case 'bad-request':
    case 'client-gone':
    case 'deadline':
    case 'loop':
      return 'give-up';
    case 'context-too-long':
    case 'model-missing':
      return 'next-target';
    case 'rate-limited':
    case 'billing':
    case 'key-rejected':
    case 'signed-out':
    case 'forbidden':
    case 'unclassified':
    case 'empty':
      return 'next-credential';
    case 'overloaded':
      // With a time from the provider the model rests; without one it is a 5xx like any other.
      if (failure.wait) return 'next-credential';
      return spent.sameCredential < retriesSameKey ? 'same-credential' : 'next-credential';
    case 'upstream-error':
      return spent.sameCredential < retriesSameKey ? 'same-credential' : 'next-credential';
    case 'not-sent':
      return spent.notSent <= retriesSameKey ? 'next-credential' : 'next-target';
    // The upstream may have done the work already: one further attempt in all.
    case 'lost':
      return spent.maybeBilled <= 1 ? 'next-credential' : 'give-up';
    case 'stream-broken':
      if (failure.isCommitted) return 'give-up';
      return spent.maybeBilled <= 1 ? 'next-credential' : 'give-up';
    case 'timeout':
      if (failure.phase === 'connect') return spent.notSent <= retriesSameKey ? 'next-credential' : 'next-target';
      return spent.timeouts <= 1 ? 'next-credential' : 'give-up';
    default:
      return assertNever(failure);
  }
}

/** After these the same credential may be leased again in the same request; after all others it may not. */
export function mayRevisit(failure: Failure, isProxied: boolean): boolean {
  switch (failure.kind) {
    case 'rate-limited':
      return true;
    case 'overloaded':
      return failure.wait !== null;
    case 'not-sent':
      return !isProxied;
    case 'timeout':
      return failure.phase === 'connect' && !isProxied;
    default:
      return false;
  }
}

/** The answer to this attempt may exist, and may be billed, although it did not arrive. */
export function isMaybeBilled(failure: Failure): boolean {
  return failure.kind === 'lost' || failure.kind === 'stream-broken';
}
