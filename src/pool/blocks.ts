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
const MAX_WAIT_MS = 8 * DAY;
/** What was away for longer than this is first tried with one request. */
const LONG_BLOCK_MS = 5 * MINUTE;
/** A model refused with 403: long enough to stop asking, short enough to notice a changed plan. */
const FORBIDDEN_MODEL_MS = HOUR;
/** Of `cooldowns.auth`: 5 minutes, half an hour, 6 hours with the default. Never final. */
const REJECTION_FACTORS = [1, 6, 72] as const;
/** Ladders on this many models of different quota groups, with no success between, tell of the key and not of models. */
const LOCKOUT_SUSPECTS = 3;
const LOCKOUT_MS = 5 * MINUTE;
/** A "per day" limit that is said to be over sooner than this is checked again before it is believed. */
const MAX_DOUBTED_MS = 5 * MINUTE;
/** How many may be in flight while trust grows back: the probe, then a trickle, then all. */
const PROBATION_LIMITS = [1, 1, 2, 4] as const;

export type HeldBlock = Block & {
  /** Milliseconds since the epoch at which it began. */
  readonly since: number;
  /** When it ends, one probe goes first. */
  readonly isProbed: boolean;
  /** A time that the provider gave and that a longer guess hides; it stays when guesses are forgotten. */
  readonly told: { readonly until: number; readonly source: string } | null;
};

export type Probation = {
  /** Index into the limits: 0 is the probe. */
  readonly step: number;
  readonly since: number;
};

/** One scope: a whole credential, a credential on one group or model, a model at the provider, or the provider. */
export type ScopeState = {
  /** At most one of each kind. */
  readonly blocks: readonly HeldBlock[];
  /** Failures in a row: on a model those of the ladder, on a key rejections. */
  readonly streak: number;
  /** When the streak last grew. */
  readonly streakAt: number;
  /** When a "per day" limit was named that was said to be over soon; null: not since the last success or reset. */
  readonly dayRefusedAt: number | null;
  readonly probation: Probation | null;
};

export type CredentialState = {
  readonly key: ScopeState;
  /** By quota group: what its models share. */
  readonly groups: ReadonlyMap<string, ScopeState>;
  readonly models: ReadonlyMap<string, ScopeState>;
  /** Groups and models outside groups whose ladders were climbed since the last success, at most enough for a lockout. */
  readonly suspects: readonly string[];
};

/** Where in a credential's state a limit is held. */
export type LimitScope = { readonly kind: 'key' } | { readonly kind: 'group' | 'model'; readonly name: string };

export type CredentialEvent =
  /** `startedAt`: when the lease began; what began before a block says nothing about the time after it. */
  | {
      readonly kind: 'settled';
      readonly model: string;
      /** The model's quota group. */
      readonly group: string | null;
      readonly startedAt: number;
      readonly outcome: Outcome;
      readonly reason: string;
      /** The same request was told to work at its commit point; one request earns trust once. */
      readonly isConfirmed: boolean;
      /** At the commit point: the rest of the answer can still break, so that failures in a row are not over yet. */
      readonly isOpen: boolean;
    }
  /** Another credential of the same quota pool learned this; null: the quota is free again. */
  | {
      readonly kind: 'quota-shared';
      readonly scope: LimitScope;
      readonly block: HeldBlock | null;
      readonly dayRefusedAt: number | null;
    }
  /** The provider was asked what is left; null: something. */
  | {
      readonly kind: 'quota-told';
      readonly scope: LimitScope;
      readonly block: Block | null;
      /** What was refused after the question, the answer does not know. */
      readonly askedAt: number;
    }
  /** A key test or the operator proved the key. */
  | { readonly kind: 'proven' }
  /** The daily reset: guesses are forgotten, what a provider said stays. */
  | { readonly kind: 'day-passed' }
  /** A sibling served the request on which this credential met 5xx. */
  | { readonly kind: 'rested'; readonly model: string }
  | { readonly kind: 'time-passed' }
  /** By the operator. */
  | { readonly kind: 'reset' };

export type BlockPolicy = {
  readonly cooldowns: PoolSettings['cooldowns'];
  readonly random: Random;
  /** The next daily reset, milliseconds since the epoch. */
  readonly dayEndsAt: number;
};

export const CLEAR: ScopeState = { blocks: [], streak: 0, streakAt: 0, dayRefusedAt: null, probation: null };
export const HEALTHY: CredentialState = { key: CLEAR, groups: new Map(), models: new Map(), suspects: [] };

export function observe(
  state: CredentialState,
  event: CredentialEvent,
  now: number,
  policy: BlockPolicy,
): CredentialState {
  switch (event.kind) {
    case 'reset':
      return HEALTHY;
    case 'time-passed':
      return mapScopes(state, (scope) => ripen(scope, now));
    case 'day-passed': {
      const next = mapScopes(state, (scope) => forgetGuesses(ripen(scope, now), now, scope === state.key));
      return next.suspects.length > 0 ? { ...next, suspects: [] } : next;
    }
    case 'proven': {
      const lifted = lift(ripen(state.key, now), isProvable);
      const trusted =
        lifted.probation || lifted.streak > 0 ? { ...lifted, streak: 0, streakAt: 0, probation: null } : lifted;
      return absolve(withKey(state, trusted));
    }
    case 'quota-shared': {
      const scope = ripen(scopeAt(state, event.scope), now);
      const held = scope.blocks.find((block) => block.kind === 'quota');
      // "limit: 0" was said of this credential alone.
      if (held?.until === null) return state;
      // A guess does not shorten what this one was told.
      if (held && event.block && event.block.source === 'guess' && !isLater(event.block.until, held.until))
        return state;
      if (!held && !event.block && scope.dayRefusedAt === event.dayRefusedAt)
        return withScope(state, event.scope, scope);
      const blocks = scope.blocks.filter((block) => block !== held);
      return withScope(state, event.scope, {
        ...scope,
        blocks: event.block ? [...blocks, event.block] : blocks,
        dayRefusedAt: event.dayRefusedAt,
        probation: event.block ? null : scope.probation,
      });
    }
    case 'quota-told': {
      const scope = ripen(scopeAt(state, event.scope), now);
      if (event.block) return withScope(state, event.scope, hold(scope, event.block, now, true));
      const isOld = (block: HeldBlock) => block.kind === 'quota' && block.until !== null && block.since < event.askedAt;
      const isDoubted = scope.dayRefusedAt !== null && scope.dayRefusedAt < event.askedAt;
      const free = lift(scope, isOld);
      return withScope(state, event.scope, isDoubted ? { ...free, dayRefusedAt: null } : free);
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

/** Nothing is known of this credential that a success could change. */
export function isUntroubled({ key, models, suspects, groups }: CredentialState, model: string, group: string | null) {
  return key === CLEAR && suspects.length === 0 && !models.has(model) && (group === null || !groups.has(group));
}

function judge(
  before: CredentialState,
  event: CredentialEvent & { kind: 'settled' },
  now: number,
  policy: BlockPolicy,
): CredentialState {
  const { outcome, model, group, startedAt, reason } = event;
  // The common case by far: a success where nothing was wrong. It allocates nothing.
  if (outcome.kind === 'success' && isUntroubled(before, model, group)) return before;
  const key = ripen(before.key, now);
  const onModel = ripen(before.models.get(model) ?? CLEAR, now);
  let state = withModel(withKey(before, key), model, onModel);
  if (group !== null) state = withGroup(state, group, ripen(state.groups.get(group) ?? CLEAR, now));
  const { cooldowns, random } = policy;
  switch (outcome.kind) {
    case 'success': {
      const trust = (scope: ScopeState) => (event.isConfirmed ? scope : promote(scope, startedAt));
      state = withModel(
        withKey(state, trust(provenKey(key, startedAt))),
        model,
        trust(provenModel(onModel, startedAt, event.isOpen)),
      );
      if (group !== null) {
        const onGroup = state.groups.get(group) ?? CLEAR;
        const isDoubted = onGroup.dayRefusedAt !== null && startedAt >= onGroup.dayRefusedAt;
        state = withGroup(state, group, trust(isDoubted ? { ...onGroup, dayRefusedAt: null } : onGroup));
      }
      return event.isOpen ? state : absolve(state);
    }
    case 'neutral':
    // These are the provider's faults, see breaker.ts; a credential is never blamed for them.
    case 'upstream-error':
    case 'overloaded':
    case 'unreachable':
    case 'model-missing':
      return state;
    case 'rate-limited':
      return limited(state, event, outcome, now, policy);
    case 'failed': {
      const climbed = climb(onModel, startedAt, now);
      const ms = guess(rungOf(cooldowns.ladderMs, climbed.streak), ceilingOf(cooldowns.ladderMs), random);
      if (ms <= 0) return withModel(state, model, climbed);
      const blocked = hold(climbed, modelBlock(model, 'ladder', now + ms, reason), now);
      return suspect(withModel(state, model, blocked), event, now, policy);
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

/** A limit or a quota was reached: exactly until the time that was given, else for a guess. */
function limited(
  state: CredentialState,
  event: CredentialEvent & { kind: 'settled' },
  outcome: Outcome & { kind: 'rate-limited' },
  now: number,
  policy: BlockPolicy,
): CredentialState {
  const { model, startedAt, reason } = event;
  const { cooldowns, random, dayEndsAt } = policy;
  const isDay = outcome.window === 'day';
  const kind = outcome.isQuota || isDay ? 'quota' : 'rate_limit';
  if (outcome.isPermanent) {
    const block = { ...modelBlock(model, kind, null, reason), source: outcome.source };
    return withModel(state, model, hold(state.models.get(model) ?? CLEAR, block, now));
  }
  const where = limitScope(outcome.scope, model, event.group);
  const scope = scopeName(where);
  const held = scopeAt(state, where);
  const put = (from: CredentialState, change: (scope: ScopeState) => ScopeState) =>
    withScope(from, where, change(scopeAt(from, where)));
  const waitMs = outcome.waitMs === null || Number.isNaN(outcome.waitMs) ? null : outcome.waitMs;
  // Said of a request from before the day was given up: nothing new.
  const givenUp = held.blocks.find((block) => block.kind === kind && block.source === DAILY_RESET);
  const isOld = givenUp !== undefined && startedAt < givenUp.since;
  if (isOld && !isLater(now + Math.min(waitMs ?? 0, MAX_WAIT_MS), givenUp.until)) return state;
  if (waitMs !== null && waitMs <= 0) return put(state, (was) => lift(was, (b) => b.kind === kind && b.until !== null));
  const told = {
    scope,
    kind,
    until: now + Math.min(waitMs ?? 0, MAX_WAIT_MS),
    reason,
    source: outcome.source,
  } as const;
  const guessed = (ms: number, ceilingMs: number) =>
    ({ scope, kind, until: now + guess(ms, ceilingMs, random), reason, source: 'guess' }) as const;
  if (isDay && (waitMs === null || waitMs <= MAX_DOUBTED_MS)) {
    // Vendors put "per day" on limits that are over in seconds. Once is doubted, twice is believed.
    const isAgain = held.dayRefusedAt !== null && startedAt >= held.dayRefusedAt;
    const until = Math.max(now, dayEndsAt);
    if (isAgain && until >= told.until) {
      return put(state, (was) => hold(was, { scope, kind, until, reason, source: DAILY_RESET }, now, false, true));
    }
    const block = waitMs === null ? guessed(cooldowns.rateLimitMs, cooldowns.rateLimitMs * 1.1) : told;
    return put(state, (was) =>
      hold({ ...was, dayRefusedAt: was.dayRefusedAt ?? now }, block, now, waitMs !== null, true),
    );
  }
  if (waitMs !== null) return put(state, (was) => hold(was, told, now, true));
  // A minute's limit is full again after a minute, however often it was reached.
  if (outcome.window === 'minute') {
    return put(state, (was) => hold(was, guessed(cooldowns.rateLimitMs, cooldowns.rateLimitMs * 1.1), now));
  }
  // Nobody said when: the default, or the ladder's rung when that keeps happening.
  const climbed = climb(state.models.get(model) ?? CLEAR, startedAt, now);
  const base = Math.max(cooldowns.rateLimitMs, rungOf(cooldowns.ladderMs, climbed.streak));
  const ceiling = Math.max(ceilingOf(cooldowns.ladderMs), cooldowns.rateLimitMs * 1.1);
  const block = guessed(base, ceiling);
  return suspect(
    put(withModel(state, model, climbed), (was) => hold(was, block, now)),
    event,
    now,
    policy,
  );
}

/** The source of a block that waits for the daily reset, because a "per day" limit was named twice. */
const DAILY_RESET = 'daily-reset';

export const limitScope = (scope: 'model' | 'credential', model: string, group: string | null): LimitScope =>
  scope === 'credential'
    ? { kind: 'key' }
    : group === null
      ? { kind: 'model', name: model }
      : { kind: 'group', name: group };

export const scopeName = (scope: LimitScope) => (scope.kind === 'key' ? 'key' : `${scope.kind}:${scope.name}`);

export function scopeAt(state: CredentialState, scope: LimitScope): ScopeState {
  if (scope.kind === 'key') return state.key;
  return (scope.kind === 'group' ? state.groups : state.models).get(scope.name) ?? CLEAR;
}

/** A ladder was climbed. Enough of them with no success between, and the key itself is locked out for a while. */
function suspect(
  state: CredentialState,
  event: CredentialEvent & { kind: 'settled' },
  now: number,
  { random }: BlockPolicy,
): CredentialState {
  const { key } = state;
  if (key.blocks.some((block) => block.kind === 'lockout')) return state;
  if (key.probation && event.startedAt < key.probation.since) return state;
  const name = event.group === null ? `model:${event.model}` : `group:${event.group}`;
  const isKnown = state.suspects.includes(name);
  if (isKnown && state.suspects.length < LOCKOUT_SUSPECTS) return state;
  // Once locked out they stay suspects until a success: a probe that fails locks it out again at once.
  const suspects = isKnown || state.suspects.length >= LOCKOUT_SUSPECTS ? state.suspects : [...state.suspects, name];
  if (suspects.length < LOCKOUT_SUSPECTS) return { ...state, suspects };
  const until = now + guess(LOCKOUT_MS, LOCKOUT_MS, random);
  const block: Block = { scope: 'key', kind: 'lockout', until, reason: event.reason, source: 'guess' };
  return { ...withKey(state, hold(key, block, now, false, true)), suspects };
}

const absolve = (state: CredentialState): CredentialState =>
  state.suspects.length > 0 ? { ...state, suspects: [] } : state;

/** What a proof of the key disproves. */
const isProvable = (block: HeldBlock) =>
  block.kind === 'auth' ||
  block.kind === 'billing' ||
  block.kind === 'lockout' ||
  (block.kind === 'forbidden' && block.scope === 'key');

/**
 * What the daily reset leaves: times that a provider gave, and what only a proof lifts. What is forgotten is probed
 * where its own end would have been. A key's rejections keep their count, so that a dead key is not asked every 5 minutes
 * of every new day.
 */
function forgetGuesses(scope: ScopeState, now: number, isKey: boolean): ScopeState {
  const isForgotten = (block: HeldBlock) => block.until !== null && isGuess(block);
  const forgotten = scope.blocks.filter(isForgotten);
  const streak = isKey ? scope.streak : 0;
  if (forgotten.length === 0 && streak === scope.streak && scope.dayRefusedAt === null) return scope;
  return {
    blocks: scope.blocks.flatMap((block) => {
      if (!isForgotten(block)) return block;
      return block.told && block.told.until > now ? { ...block, ...block.told, told: null } : [];
    }),
    streak,
    streakAt: streak > 0 ? scope.streakAt : 0,
    dayRefusedAt: null,
    probation: forgotten.some((block) => block.isProbed) ? { step: 0, since: now } : scope.probation,
  };
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
  const isRejection = (block: HeldBlock) =>
    block.kind === 'auth' || block.kind === 'forbidden' || block.kind === 'lockout';
  const lifted = lift(key, (block) => isRejection(block) && startedAt >= block.since);
  const trusted =
    lifted.dayRefusedAt !== null && startedAt >= lifted.dayRefusedAt ? { ...lifted, dayRefusedAt: null } : lifted;
  return trusted.streak > 0 && startedAt >= trusted.streakAt ? { ...trusted, streak: 0, streakAt: 0 } : trusted;
}

function provenModel(scope: ScopeState, startedAt: number, isOpen: boolean): ScopeState {
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
  const isDoubted = lifted.dayRefusedAt !== null && startedAt >= lifted.dayRefusedAt;
  const trusted = isDoubted ? { ...lifted, dayRefusedAt: null } : lifted;
  return trusted.streak > 0 && !isOpen ? { ...trusted, streak: 0, streakAt: 0 } : trusted;
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
  const told = isAuthoritative || !held ? null : toldOf(held);
  const next: HeldBlock = { ...block, since, isProbed, told };
  return { ...scope, blocks: [...scope.blocks.filter((other) => other !== held), next], probation: null };
}

const isGuess = ({ source }: Block) => source === 'guess' || source === DAILY_RESET;

const toldOf = ({ told, ...block }: HeldBlock) =>
  isGuess(block) || block.until === null ? told : { until: block.until, source: block.source };

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
  return scope.blocks.length === 0 && scope.streak === 0 && scope.probation === null && scope.dayRefusedAt === null;
}

function withKey(state: CredentialState, key: ScopeState): CredentialState {
  if (key === state.key) return state;
  return { ...state, key: isClear(key) ? CLEAR : key };
}

function withModel(state: CredentialState, model: string, scope: ScopeState): CredentialState {
  const models = withEntry(state.models, model, scope);
  return models === state.models ? state : { ...state, models };
}

function withGroup(state: CredentialState, group: string, scope: ScopeState): CredentialState {
  const groups = withEntry(state.groups, group, scope);
  return groups === state.groups ? state : { ...state, groups };
}

function withScope(state: CredentialState, where: LimitScope, scope: ScopeState): CredentialState {
  if (where.kind === 'key') return withKey(state, scope);
  return where.kind === 'group' ? withGroup(state, where.name, scope) : withModel(state, where.name, scope);
}

/** The very same map when nothing changes. */
function withEntry(
  scopes: ReadonlyMap<string, ScopeState>,
  name: string,
  scope: ScopeState,
): ReadonlyMap<string, ScopeState> {
  const before = scopes.get(name);
  if (before === scope || (before === undefined && isClear(scope))) return scopes;
  const next = new Map(scopes);
  if (isClear(scope)) next.delete(name);
  else next.set(name, scope);
  return next;
}

function mapScopes(state: CredentialState, change: (scope: ScopeState) => ScopeState): CredentialState {
  let next = withKey(state, change(state.key));
  for (const [group, scope] of state.groups) next = withGroup(next, group, change(scope));
  for (const [model, scope] of state.models) next = withModel(next, model, change(scope));
  return next;
}

/** Forgets all that is known of one model. */
export function forgetModel(state: CredentialState, model: string): CredentialState {
  return withModel(state, model, CLEAR);
}

/** Forgets the groups that the config no longer has. */
export function forgetGroups(state: CredentialState, isKept: (group: string) => boolean): CredentialState {
  let next = state;
  for (const group of state.groups.keys()) if (!isKept(group)) next = withGroup(next, group, CLEAR);
  return next;
}

/** The clock was set back: everything happened that much earlier by the new time, and lasts as long as it would have. */
export function shiftScope(scope: ScopeState, byMs: number): ScopeState {
  if (scope === CLEAR) return scope;
  return {
    blocks: scope.blocks.map((block) => ({
      ...block,
      since: block.since + byMs,
      until: block.until === null ? null : block.until + byMs,
      told: block.told === null ? null : { ...block.told, until: block.told.until + byMs },
    })),
    streak: scope.streak,
    streakAt: scope.streakAt + byMs,
    dayRefusedAt: scope.dayRefusedAt === null ? null : scope.dayRefusedAt + byMs,
    probation: scope.probation === null ? null : { ...scope.probation, since: scope.probation.since + byMs },
  };
}

export const shiftState = (state: CredentialState, byMs: number): CredentialState =>
  mapScopes(state, (scope) => shiftScope(scope, byMs));
