import { assertNever } from '../shared/assert-never.ts';
import type { Random } from '../shared/random.ts';
import { CLEAR, climb, guess, hold, lift, ripen, type ScopeState, shiftScope } from './blocks.ts';
import type { CredentialId } from './credential.ts';
import type { Outcome } from './outcome.ts';

/**
 * What the past says about the provider: one state per model, and one for the way to it. Pure, like blocks.ts. These
 * are nobody's key's fault, so they block the model or the provider for every credential at once.
 */

/** This many 5xx… */
const TRIP_FAILURES = 3;
/** …within this time, from at least two credentials (or the only one), with no success between. */
const TRIP_WINDOW_MS = 60_000;
const OPEN_MS = 30_000;
const MAX_OPEN_MS = 300_000;
const OVERLOAD_MS = 30_000;
const MAX_OVERLOAD_MS = 8 * 24 * 60 * 60_000;
const MODEL_MISSING_MS = 5 * 60_000;
const UNREACHABLE_MS = 1_000;
const MAX_UNREACHABLE_MS = 30_000;

export type ModelState = {
  /** The breaker is open while a `transient` block is here, half-open while there is a probation. */
  readonly scope: ScopeState;
  /** The last 5xx since the last success, at most as many as trip the breaker. */
  readonly failures: readonly { readonly at: number; readonly by: CredentialId }[];
  /** How often the breaker opened without a success since. */
  readonly openings: number;
};

export type ProviderEvent = {
  readonly model: string;
  readonly credentialId: CredentialId;
  /** When the lease began. */
  readonly startedAt: number;
  readonly outcome: Outcome;
  readonly reason: string;
  /** Nobody else could serve this model: one credential's word is enough. */
  readonly isOnlyCredential: boolean;
};

export const QUIET: ModelState = { scope: CLEAR, failures: [], openings: 0 };

/** Time passed: ends what is over, half-opens the breaker. */
export function ripenModel(state: ModelState, now: number): ModelState {
  const scope = ripen(state.scope, now);
  return scope === state.scope ? state : { ...state, scope };
}

export function observeModel(before: ModelState, event: ProviderEvent, now: number, random: Random): ModelState {
  const { outcome, model, reason } = event;
  if (outcome.kind === 'success' && before === QUIET) return before;
  const state = ripenModel(before, now);
  const scopeName = `provider+model:${model}`;
  switch (outcome.kind) {
    case 'success': {
      // A time given by the provider outlives the answer of a request that was let in before it was given.
      const kept = lift(state.scope, (block) => block.kind !== 'overload' || block.source === 'guess').blocks;
      return kept.length === 0 ? QUIET : { ...QUIET, scope: { ...CLEAR, blocks: kept } };
    }
    case 'upstream-error': {
      const isOpen = state.scope.blocks.some((block) => block.kind === 'transient');
      // Still from before it opened: nothing new.
      if (isOpen) return state;
      const { probation } = state.scope;
      if (probation && event.startedAt < probation.since) return state;
      const failures = [
        ...state.failures.filter((failure) => failure.at > now - TRIP_WINDOW_MS),
        { at: now, by: event.credentialId },
      ].slice(-TRIP_FAILURES);
      const isTripped =
        failures.length >= TRIP_FAILURES &&
        (event.isOnlyCredential || failures.some((failure) => failure.by !== event.credentialId));
      if (!isTripped && !probation) return { ...state, failures };
      const openings = state.openings + 1;
      const ms = guess(Math.min(OPEN_MS * 2 ** (openings - 1), MAX_OPEN_MS), MAX_OPEN_MS, random);
      const block = { scope: scopeName, kind: 'transient', until: now + ms, reason, source: 'breaker' } as const;
      return { scope: hold(state.scope, block, now, false, true), failures: [], openings };
    }
    case 'overloaded': {
      const isTold = outcome.waitMs !== null && !Number.isNaN(outcome.waitMs);
      if (isTold && outcome.waitMs <= 0) return { ...state, scope: lift(state.scope, (b) => b.kind === 'overload') };
      const ms = isTold ? Math.min(outcome.waitMs, MAX_OVERLOAD_MS) : guess(OVERLOAD_MS, OVERLOAD_MS * 1.1, random);
      const source = isTold ? 'provider' : 'guess';
      const block = { scope: scopeName, kind: 'overload', until: now + ms, reason, source } as const;
      return { ...state, scope: hold(state.scope, block, now, isTold) };
    }
    case 'model-missing': {
      const until = now + MODEL_MISSING_MS;
      const block = { scope: scopeName, kind: 'model_missing', until, reason, source: 'guess' } as const;
      return { ...state, scope: hold(state.scope, block, now) };
    }
    case 'neutral':
    case 'rate-limited':
    case 'auth':
    case 'forbidden':
    case 'billing':
    case 'failed':
    case 'unreachable':
      return state;
    default:
      return assertNever(outcome);
  }
}

/** The way to the provider: DNS, connect, TLS. A short block that doubles; any success ends it. */
export function observeReach(before: ScopeState, event: ProviderEvent, now: number, random: Random): ScopeState {
  if (before === CLEAR && event.outcome.kind !== 'unreachable') return before;
  if (event.outcome.kind === 'success') return CLEAR;
  const scope = ripen(before, now);
  if (event.outcome.kind !== 'unreachable') return scope;
  const climbed = climb(scope, event.startedAt, now);
  // Doubling without end would overflow after a thousand failures.
  const doublings = Math.min(climbed.streak - 1, 10);
  const ms = guess(Math.min(UNREACHABLE_MS * 2 ** doublings, MAX_UNREACHABLE_MS), MAX_UNREACHABLE_MS, random);
  const block = { scope: 'provider', kind: 'unreachable', until: now + ms, reason: event.reason, source: 'guess' };
  return hold(climbed, { ...block, kind: 'unreachable' }, now);
}

/** The clock was set back; see `shiftScope`. */
export function shiftModel(state: ModelState, byMs: number): ModelState {
  if (state === QUIET) return state;
  const failures = state.failures.map((failure) => ({ ...failure, at: failure.at + byMs }));
  return { ...state, scope: shiftScope(state.scope, byMs), failures };
}
