import type { Block, Refusal } from '../pool/pool.ts';
import type { Problem } from '../protocols/problem.ts';
import type { Failure, FailureKind } from '../providers/failure.ts';

// An account without credit comes back when somebody pays: nobody knows when, but soon is wrong.
const UNKNOWN_WAIT_MS = 3_600_000;
// Nothing is enabled for this model; the operator may change that at any time.
const DISABLED_WAIT_MS = 60_000;

const BROKEN: readonly FailureKind[] = ['upstream-error', 'not-sent', 'lost', 'stream-broken', 'empty', 'unclassified'];

/** Everything that stood between a request and an answer from one target. */
export type TargetFailure = {
  /** `provider/model`. */
  readonly target: string;
  readonly failures: readonly Failure[];
  /** Why the pool had no (further) credential; null when the policy stopped before asking. */
  readonly refusal: Refusal | null;
};

/**
 * What the client is told about a target that did not answer. Mixed failures: merely busy, then rate or quota, then
 * timeout, overload, broken, refused, whichever comes first.
 */
export function verdict(failed: TargetFailure, now: number): Problem {
  const last = failed.failures.at(-1);
  if (last) {
    const final = finalProblem(last);
    if (final) return final;
  }
  const kinds = new Set<FailureKind>(failed.failures.map((failure) => failure.kind));
  const blocks = failed.refusal?.blocks ?? [];
  const isBlockedBy = (...wanted: Block['kind'][]) => blocks.some((block) => wanted.includes(block.kind));
  const has = (...wanted: FailureKind[]) => wanted.some((kind) => kinds.has(kind));
  // The words of the last failure of the kind that decided; what came of another would be told as its reason.
  const said = (...wanted: readonly FailureKind[]) => {
    const told = failed.failures.findLast(({ kind }) => wanted.includes(kind));
    return told ? `: ${told.message.replace(`${failed.target}: `, '')}` : '';
  };
  const retryAt = failed.refusal?.retryAt ?? null;
  const wait = retryAt === null ? {} : { retryAfterMs: Math.max(0, retryAt - now) };
  const { target } = failed;

  if (failed.refusal?.cause === 'busy') {
    return {
      kind: 'no-credential',
      status: 503,
      message: `no credential for ${target} came free in time`,
      retryAfterMs: 1000,
      ...wait,
    };
  }
  if (failed.refusal?.cause === 'queue-full') {
    return {
      kind: 'no-credential',
      status: 503,
      message: `too many requests are waiting for ${target}`,
      retryAfterMs: 1000,
      ...wait,
    };
  }
  if (failed.refusal?.cause === 'over-limit') {
    return {
      kind: 'rate-limited',
      status: 429,
      message: `every credential for ${target} is at the limits set for it`,
      ...soonest(failed, wait),
    };
  }
  if (has('rate-limited', 'billing') || isBlockedBy('rate_limit', 'quota', 'billing', 'custom_cap')) {
    return {
      kind: 'rate-limited',
      status: 429,
      message: `every credential for ${target} is rate-limited or out of quota${said('rate-limited', 'billing')}`,
      ...soonest(failed, wait),
    };
  }
  if (has('timeout', 'deadline'))
    return {
      kind: 'timeout',
      status: 504,
      message: `${target} did not answer in time${said('timeout', 'deadline')}`,
      ...wait,
    };
  if (has('overloaded') || (kinds.size === 0 && isBlockedBy('overload'))) {
    return {
      kind: 'upstream-overloaded',
      status: 503,
      message: `${target} is overloaded${said('overloaded')}`,
      ...soonest(failed, wait, null),
    };
  }
  if (has(...BROKEN)) {
    return { kind: 'upstream-broken', status: 502, message: `${target} failed${said(...BROKEN)}` };
  }
  if (isBlockedBy('unreachable', 'transient')) {
    const state = isBlockedBy('unreachable') ? 'cannot be reached' : 'has failed repeatedly and rests';
    return { kind: 'upstream-broken', status: 502, message: `${target} ${state}`, ...wait };
  }
  const waiting = failed.failures.flatMap((failure) =>
    failure.kind === 'signed-out' && failure.until !== null ? [failure.until] : [],
  );
  if (waiting.length > 0) {
    const retryAfterMs = Math.max(0, Math.min(...waiting) - now);
    const message = `no account for ${target} has a token${said('signed-out')}`;
    return { kind: 'upstream-broken', status: 502, message, retryAfterMs, ...wait };
  }
  const isRefused = has('key-rejected', 'forbidden', 'signed-out') || isBlockedBy('auth', 'forbidden');
  // Whoever is back before those that were refused was not: it rests for its failures.
  const isAnotherBack =
    retryAt !== null &&
    blocks.length > 0 &&
    blocks.every(({ kind, until }) => (kind !== 'auth' && kind !== 'forbidden') || until === null || until > retryAt);
  if (isRefused && !isAnotherBack) {
    return {
      kind: 'upstream-authentication',
      status: 502,
      message: `${target} refused every credential${said('key-rejected', 'forbidden', 'signed-out')}`,
    };
  }
  if (isBlockedBy('model_missing')) {
    return { kind: 'model-not-found', status: 404, message: `${target} does not exist at its provider` };
  }
  return {
    kind: 'no-credential',
    status: 503,
    message: `no credential can serve ${target} now`,
    retryAfterMs: DISABLED_WAIT_MS,
    ...wait,
  };
}

/** Failures that are told as they are, whatever else happened before. */
function finalProblem(failure: Failure): Problem | null {
  switch (failure.kind) {
    case 'bad-request':
      return {
        kind: 'upstream-rejected',
        status: failure.status ?? 400,
        message: failure.message,
        ...(failure.rejected.type !== null && { type: failure.rejected.type }),
        code: failure.rejected.code,
        param: failure.rejected.param,
      };
    case 'context-too-long':
      return { kind: 'context-too-long', status: 400, message: failure.message, param: failure.rejected.param };
    case 'model-missing':
      return { kind: 'model-not-found', status: 404, message: failure.message };
    case 'loop':
      return { kind: 'loop', status: 508, message: failure.message };
    case 'client-gone':
      // Nobody reads it; 499 is what access logs call it.
      return { kind: 'timeout', status: 499, message: failure.message };
    default:
      return null;
  }
}

/** The pool's word on when, or, where it has none, the shortest wait that an upstream named. */
function soonest(
  failed: TargetFailure,
  wait: { retryAfterMs?: number },
  unknownMs: number | null = UNKNOWN_WAIT_MS,
): { retryAfterMs?: number } {
  if (wait.retryAfterMs !== undefined) return { retryAfterMs: wait.retryAfterMs };
  const named = failed.failures.flatMap((failure) =>
    (failure.kind === 'rate-limited' || failure.kind === 'overloaded') && failure.wait ? [failure.wait.ms] : [],
  );
  if (named.length > 0) return { retryAfterMs: Math.min(...named) };
  return unknownMs === null ? {} : { retryAfterMs: unknownMs };
}
