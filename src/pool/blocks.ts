import { assertNever } from '../shared/assert-never.ts';
import type { Random } from '../shared/random.ts';
import type { Outcome } from './outcome.ts';
import type { Block, BlockKind, PoolSettings } from './pool.ts';

/**
 * What the past says about one credential. Pure: `observe(state, event, now, policy)` gives the next state and touches
 * nothing else. States are plain data, and a state in which nothing changed is returned as the same object.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Vendors' times are believed up to here; weekly windows are real, decades are a unit mistake. */
export const MAX_WAIT_MS = 8 * DAY;
/** What was away for longer than this is first tried with one request. */
const LONG_BLOCK_MS = 5 * MINUTE;
/** A model refused with 403: long enough to stop asking, short enough to notice a changed plan. */
const FORBIDDEN_MODEL_MS = HOUR;
/** Of `cooldowns.auth`: 5 minutes, half an hour, 6 hours with the default. Never final. */
const REJECTION_FACTORS = [1, 6, 72] as const;
/** How many may be in flight while trust grows back: the probe, then a trickle, then all. */
const PROBATION_LIMITS = [1, 1, 2, 4] as const;

export type HeldBlock = Block & {
  /** Milliseconds since the epoch at which it began. */
  readonly since: number;
  /** When it ends, one probe goes first. */
  readonly isProbed: boolean;
};

export type Probation = {
  /** Index into the limits: 0 is the probe. */
  readonly step: number;
  readonly since: number;
};

/** One scope: a whole credential, a credential on one model, a model at the provider, or the provider. */
export type ScopeState = {
  /** At most one of each kind. */
  readonly blocks: readonly HeldBlock[];
  /** Failures in a row: on a model those of the ladder, on a key rejections. */
  readonly streak: number;
  /** When the streak last grew. */
  readonly streakAt: number;
  readonly probation: Probation | null;
};

export type CredentialState = { readonly key: ScopeState; readonly models: ReadonlyMap<string, ScopeState> };

export type CredentialEvent =
  /** `startedAt`: when the lease began; what began before a block says nothing about the time after it. */
  | {
      readonly kind: 'settled';
      readonly model: string;
      readonly startedAt: number;
      readonly outcome: Outcome;
      readonly reason: string;
    }
  /** A sibling served the request on which this credential met 5xx. */
  | { readonly kind: 'rested'; readonly model: string }
  | { readonly kind: 'time-passed' }
  /** By the operator. */
  | { readonly kind: 'reset' };

export type BlockPolicy = { readonly cooldowns: PoolSettings['cooldowns']; readonly random: Random };

export const CLEAR: ScopeState = { blocks: [], streak: 0, streakAt: 0, probation: null };
export const HEALTHY: CredentialState = { key: CLEAR, models: new Map() };

export function observe(
  state: CredentialState,
  event: CredentialEvent,
  now: number,
  policy: BlockPolicy,
): CredentialState {
  switch (event.kind) {
    case 'reset':
      return HEALTHY;
    case 'time-passed': {
      let next = withKey(state, ripen(state.key, now));
      for (const [model, scope] of state.models) next = withModel(next, model, ripen(scope, now));
      return next;
    }
    case 'rested': {
      const { random, cooldowns } = policy;
      const scope = ripen(state.models.get(event.model) ?? CLEAR, now);
      const ms = guess(cooldowns.transientMs, cooldowns.transientMs * 1.1, random);
      const reason = 'answered 5xx where a sibling succeeded';
      return withModel(state, event.model, hold(scope, modelBlock(event.model, 'transient', now + ms, reason), now));
    }
    case 'settled':
      return judge(state, event, now, policy);
    default:
      return assertNever(event);
  }
}

function judge(
  before: CredentialState,
  event: CredentialEvent & { kind: 'settled' },
  now: number,
  policy: BlockPolicy,
): CredentialState {
  const { outcome, model, startedAt, reason } = event;
  // The common case by far: a success where nothing was wrong. It allocates nothing.
  if (outcome.kind === 'success' && before.key === CLEAR && !before.models.has(model)) return before;
  const key = ripen(before.key, now);
  const onModel = ripen(before.models.get(model) ?? CLEAR, now);
  const state = withModel(withKey(before, key), model, onModel);
  const { cooldowns, random } = policy;
  switch (outcome.kind) {
    case 'success':
      return withModel(withKey(state, provenKey(key, startedAt)), model, provenModel(onModel, startedAt));
    case 'neutral':
    // These are the provider's faults, see breaker.ts; a credential is never blamed for them.
    case 'upstream-error':
    case 'overloaded':
    case 'unreachable':
    case 'model-missing':
      return state;
    case 'rate-limited': {
      const kind = outcome.isQuota ? 'quota' : 'rate_limit';
      if (outcome.isPermanent) {
        const block = { ...modelBlock(model, kind, null, reason), source: outcome.source };
        return withModel(state, model, hold(onModel, block, now));
      }
      const scope = outcome.scope === 'credential' ? 'key' : `model:${model}`;
      const put = (from: CredentialState, change: (scope: ScopeState) => ScopeState) =>
        outcome.scope === 'credential'
          ? withKey(from, change(from.key))
          : withModel(from, model, change(from.models.get(model) ?? CLEAR));
      if (outcome.waitMs !== null && !Number.isNaN(outcome.waitMs)) {
        if (outcome.waitMs <= 0) return put(state, (held) => lift(held, (b) => b.kind === kind && b.until !== null));
        const until = now + Math.min(outcome.waitMs, MAX_WAIT_MS);
        return put(state, (held) => hold(held, { scope, kind, until, reason, source: outcome.source }, now, true));
      }
      // Nobody said when: the default, or the ladder's rung when that keeps happening.
      const climbed = climb(onModel, startedAt, now);
      const base = Math.max(cooldowns.rateLimitMs, rungOf(cooldowns.ladderMs, climbed.streak));
      const ceiling = Math.max(ceilingOf(cooldowns.ladderMs), cooldowns.rateLimitMs * 1.1);
      const until = now + guess(base, ceiling, random);
      return put(withModel(state, model, climbed), (held) =>
        hold(held, { scope, kind, until, reason, source: 'guess' }, now),
      );
    }
    case 'failed': {
      const climbed = climb(onModel, startedAt, now);
      const ms = guess(rungOf(cooldowns.ladderMs, climbed.streak), ceilingOf(cooldowns.ladderMs), random);
      return withModel(
        state,
        model,
        ms > 0 ? hold(climbed, modelBlock(model, 'ladder', now + ms, reason), now) : climbed,
      );
    }
    case 'auth':
      return withKey(state, rejected(key, 'auth', event, now, policy));
    case 'forbidden': {
      if (outcome.scope === 'credential') return withKey(state, rejected(key, 'forbidden', event, now, policy));
      const ms = guess(FORBIDDEN_MODEL_MS, FORBIDDEN_MODEL_MS, random);
      return withModel(state, model, hold(onModel, modelBlock(model, 'forbidden', now + ms, reason), now));
    }
    case 'billing':
      return withKey(state, hold(key, { scope: 'key', kind: 'billing', until: null, reason, source: 'status' }, now));
    default:
      return assertNever(outcome);
  }
}

/** The key itself was refused. Requests that were already under way when that came out are the same incident. */
function rejected(
  key: ScopeState,
  kind: 'auth' | 'forbidden',
  event: CredentialEvent & { kind: 'settled' },
  now: number,
  { cooldowns, random }: BlockPolicy,
): ScopeState {
  const climbed = climb(key, event.startedAt, now);
  const factor = REJECTION_FACTORS[Math.min(climbed.streak, REJECTION_FACTORS.length) - 1] ?? 1;
  const ms = guess(cooldowns.authMs * factor, cooldowns.authMs * Math.max(...REJECTION_FACTORS), random);
  const block: Block = { scope: 'key', kind, until: now + ms, reason: event.reason, source: 'guess' };
  return hold(climbed, block, now, false, true);
}

/**
 * A success that began after the rejection shows that the key works again. One that began before was let in under the
 * old state and shows nothing.
 */
function provenKey(key: ScopeState, startedAt: number): ScopeState {
  if (key === CLEAR) return key;
  const isRejection = (block: HeldBlock) => block.kind === 'auth' || block.kind === 'forbidden';
  const lifted = lift(key, (block) => isRejection(block) && startedAt >= block.since);
  const forgiven = lifted.streak > 0 && startedAt >= lifted.streakAt ? { ...lifted, streak: 0, streakAt: 0 } : lifted;
  return promote(forgiven, startedAt);
}

function provenModel(scope: ScopeState, startedAt: number): ScopeState {
  if (scope === CLEAR) return scope;
  const lifted = lift(scope, (block) => {
    switch (block.kind) {
      case 'ladder':
      case 'transient':
        return true;
      case 'forbidden':
        return startedAt >= block.since;
      // `limit: 0` is disproved by an answer; a limit that is merely reached is not.
      case 'rate_limit':
      case 'quota':
        return block.until === null && startedAt >= block.since;
      default:
        return false;
    }
  });
  return promote(lifted.streak > 0 ? { ...lifted, streak: 0, streakAt: 0 } : lifted, startedAt);
}

/** Removes what has ended; the end of a long block begins a probation. */
export function ripen(scope: ScopeState, now: number): ScopeState {
  const isOver = (block: HeldBlock) => block.until !== null && block.until <= now;
  if (!scope.blocks.some(isOver)) return scope;
  const isProbed = scope.blocks.some((block) => isOver(block) && block.isProbed);
  return {
    ...scope,
    blocks: scope.blocks.filter((block) => !isOver(block)),
    probation: isProbed ? { step: 0, since: now } : scope.probation,
  };
}

/**
 * Adds a block, or merges it with the one of its kind. The end only grows, unless the source is authoritative: a time
 * given by the provider replaces what was there. What has no end is shortened by nobody.
 */
export function hold(
  scope: ScopeState,
  block: Block,
  now: number,
  isAuthoritative = false,
  isAlwaysProbed = false,
): ScopeState {
  const held = scope.blocks.find((other) => other.kind === block.kind);
  if (held && !isAuthoritative && !isLater(block.until, held.until)) return scope;
  if (held && held.until === null) return scope;
  const since = held?.since ?? now;
  // Failing on probation starts it again, however short the new block is.
  const isProbed =
    isAlwaysProbed || scope.probation !== null || (block.until !== null && block.until - since > LONG_BLOCK_MS);
  const next: HeldBlock = { ...block, since, isProbed };
  return { ...scope, blocks: [...scope.blocks.filter((other) => other !== held), next], probation: null };
}

export function lift(scope: ScopeState, isLifted: (block: HeldBlock) => boolean): ScopeState {
  if (!scope.blocks.some(isLifted)) return scope;
  return { ...scope, blocks: scope.blocks.filter((block) => !isLifted(block)) };
}

/** One more failure in a row. What was under way when the streak last grew belongs to the same incident. */
export function climb(scope: ScopeState, startedAt: number, now: number): ScopeState {
  if (scope.streak > 0 && startedAt < scope.streakAt) return scope;
  return { ...scope, streak: scope.streak + 1, streakAt: now };
}

function promote(scope: ScopeState, startedAt: number): ScopeState {
  if (scope.probation === null || startedAt < scope.probation.since) return scope;
  const step = scope.probation.step + 1;
  return { ...scope, probation: step < PROBATION_LIMITS.length ? { ...scope.probation, step } : null };
}

/** How many requests may be in flight under this probation. Without one: any number. */
export function probationLimit(scope: ScopeState): number {
  if (scope.probation === null) return Number.POSITIVE_INFINITY;
  return PROBATION_LIMITS[scope.probation.step] ?? Number.POSITIVE_INFINITY;
}

/** When the last block of a scope ends: -Infinity without one, Infinity when nobody knows. */
export function endOf(scope: ScopeState): number {
  let end = Number.NEGATIVE_INFINITY;
  for (const block of scope.blocks) end = Math.max(end, block.until ?? Number.POSITIVE_INFINITY);
  return end;
}

/** When the first block of a scope ends, Infinity for never. */
export function firstEndOf(scope: ScopeState): number {
  let end = Number.POSITIVE_INFINITY;
  for (const block of scope.blocks) end = Math.min(end, block.until ?? Number.POSITIVE_INFINITY);
  return end;
}

/** A guess is spread by up to 10 % either way, so that what was blocked together does not return together. */
export function guess(ms: number, ceilingMs: number, random: Random): number {
  return Math.round(Math.min(ms * (0.9 + 0.2 * random()), ceilingMs));
}

/** Milliseconds for the n-th failure in a row; the last rung repeats. */
function rungOf(ladderMs: readonly number[], streak: number): number {
  return ladderMs[Math.min(streak, ladderMs.length) - 1] ?? 0;
}

/** No jitter climbs over the ladder's own top: 300 s with the default. */
const ceilingOf = (ladderMs: readonly number[]) => Math.max(0, ...ladderMs);

const isLater = (a: number | null, b: number | null) => b !== null && (a === null || a > b);

const modelBlock = (model: string, kind: BlockKind, until: number | null, reason: string): Block => ({
  scope: `model:${model}`,
  kind,
  until,
  reason,
  source: 'guess',
});

function isClear(scope: ScopeState): boolean {
  return scope.blocks.length === 0 && scope.streak === 0 && scope.probation === null;
}

function withKey(state: CredentialState, key: ScopeState): CredentialState {
  if (key === state.key) return state;
  return { ...state, key: isClear(key) ? CLEAR : key };
}

function withModel(state: CredentialState, model: string, scope: ScopeState): CredentialState {
  const before = state.models.get(model);
  if (before === scope || (before === undefined && isClear(scope))) return state;
  const models = new Map(state.models);
  if (isClear(scope)) models.delete(model);
  else models.set(model, scope);
  return { ...state, models };
}

/** Forgets all that is known of one model. */
export function forgetModel(state: CredentialState, model: string): CredentialState {
  return withModel(state, model, CLEAR);
}
