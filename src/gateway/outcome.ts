import type { Outcome } from '../pool/outcome.ts';
import type { Failure } from '../providers/failure.ts';
import { assertNever } from '../shared/assert-never.ts';

/**
 * What a failure means to the credential that was used, in the pool's words. A way out that is closed is the provider's
 * trouble, unless the credential goes by a proxy: then it may be that one's alone.
 */
export function outcomeOf(failure: Failure, isProxied: boolean): Outcome {
  switch (failure.kind) {
    case 'bad-request':
    case 'context-too-long':
    case 'client-gone':
    case 'deadline':
    case 'loop':
    // What the pool has to know of the account it is told by who keeps the accounts.
    case 'signed-out':
    // The connection died: nobody knows whose fault it was, and the policy already limits how often it is tried.
    case 'lost':
      return { kind: 'neutral' };
    case 'model-missing':
      return { kind: 'model-missing' };
    case 'rate-limited':
      return {
        kind: 'rate-limited',
        waitMs: failure.wait?.ms ?? null,
        source: failure.wait?.source ?? 'guess',
        isQuota: failure.isQuota,
        scope: failure.scope,
        isPermanent: failure.isPermanent,
        window: failure.window,
      };
    case 'billing':
      return { kind: 'billing' };
    case 'key-rejected':
      return { kind: 'auth' };
    case 'forbidden':
      return { kind: 'forbidden', scope: failure.scope };
    case 'upstream-error':
      return { kind: 'upstream-error' };
    case 'overloaded':
      return failure.wait ? { kind: 'overloaded', waitMs: failure.wait.ms } : { kind: 'upstream-error' };
    case 'not-sent':
      return isProxied ? { kind: 'failed' } : { kind: 'unreachable' };
    case 'timeout':
      return failure.phase === 'connect' && !isProxied ? { kind: 'unreachable' } : { kind: 'failed' };
    case 'unclassified':
    case 'empty':
    case 'stream-broken':
      return { kind: 'failed' };
    default:
      return assertNever(failure);
  }
}
