import { isObject } from '../shared/json-shape.ts';
import type { AffinityMap } from './affinity.ts';
import { CLEAR, type CredentialState, HEALTHY, type HeldBlock, ripen, type ScopeState, shiftScope } from './blocks.ts';
import { type ModelState, QUIET } from './breaker.ts';
import type { FairCycles } from './fair-cycles.ts';
import { type PolledQuota, readPolled } from './polled-quota.ts';
import type { SpotCost } from './select/cost.ts';
import type { BlockKind, PoolSettings } from './pool.ts';
import type { Roster } from './roster.ts';

/**
 * What survives a restart, as plain JSON. Reading believes nothing: a part that is not what it should be is left out, and
 * a snapshot of another version is no snapshot.
 */

const VERSION = 1;
/** Shorter blocks are over before anybody has restarted, and are not worth writing. */
const MIN_BLOCK_MS = 60_000;
/** Not a nudge: the clock was set back while nobody was looking. */
const MAX_NUDGE_MS = 1000;
/** So many models keep their counts of the day. */
const MAX_USED_MODELS = 64;
/** No block lasts longer, whatever is read. */
const MAX_BLOCK_MS = 8 * 24 * 60 * 60_000;

export type Totals = {
  readonly requests: number;
  readonly successes: number;
  readonly failures: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
};

export type Snapshot = {
  /** How far the clock was set back since it was written; 0: it was not. */
  readonly byMs: number;
  readonly dayEndsAt: number;
  readonly credentials: readonly {
    readonly id: string;
    readonly state: CredentialState;
    readonly totals: Totals;
    /** For `CredentialLimits.restore`. */
    readonly limits: unknown;
    /** For `CredentialCaps.restore`. */
    readonly caps: unknown;
    readonly polled: PolledQuota | null;
  }[];
  readonly models: readonly { readonly model: string; readonly state: ModelState }[];
  /** For `AffinityMap.restore`. */
  readonly affinity: unknown;
  /** For `FairCycles.restore`. */
  readonly fairCycles: unknown;
  /** What uses were counted by. */
  readonly balanceBy: unknown;
  readonly uses: readonly {
    readonly model: string;
    readonly id: string;
    readonly use: number;
    readonly cost: Pick<SpotCost, 'usd' | 'priced' | 'unpriced'>;
  }[];
};

export function writeSnapshot(
  roster: Roster,
  affinity: AffinityMap,
  fairCycles: FairCycles,
  { dayEndsAt, balanceBy }: { readonly dayEndsAt: number; readonly balanceBy: PoolSettings['balanceBy'] },
  now: number,
): unknown {
  const credentials: unknown[] = [];
  for (const member of roster.members.values()) {
    const { requests, successes, failures, inputTokens, outputTokens, state } = member;
    const caps = member.caps?.snapshot() ?? null;
    if (requests === 0 && state === HEALTHY && member.limits === null && caps === null && !member.polled) continue;
    credentials.push({
      id: member.credential.id,
      totals: { requests, successes, failures, inputTokens, outputTokens },
      key: written(state.key),
      groups: [...state.groups].map(([name, scope]) => [name, written(scope)]),
      models: [...state.models].map(([name, scope]) => [name, written(scope)]),
      suspects: state.suspects,
      limits: member.limits?.snapshot(now) ?? null,
      caps,
      polled: member.polled,
    });
  }
  const models: unknown[] = [];
  for (const ledger of roster.ledgers.values()) {
    const scope = written(ledger.state.scope);
    if (scope.blocks.length > 0) models.push([ledger.model, scope]);
  }
  return {
    version: VERSION,
    at: now,
    dayEndsAt,
    credentials,
    models,
    affinity: affinity.snapshot(now),
    fairCycles: fairCycles.snapshot(),
    balanceBy,
    uses: usesOf(roster),
  };
}

export function readSnapshot(stored: unknown, now: number): Snapshot | null {
  if (!isObject(stored) || stored.version !== VERSION || !isNumber(stored.at) || !isNumber(stored.dayEndsAt))
    return null;
  const byMs = stored.at > now + MAX_NUDGE_MS ? now - stored.at : 0;
  const credentials: Snapshot['credentials'][number][] = [];
  for (const entry of listOf(stored.credentials)) {
    if (!isObject(entry) || typeof entry.id !== 'string') continue;
    const { suspects } = entry;
    credentials.push({
      id: entry.id,
      state: {
        key: scopeOf(entry.key, 'key', byMs, now) ?? CLEAR,
        groups: scopesOf(entry.groups, 'group', byMs, now),
        models: scopesOf(entry.models, 'model', byMs, now),
        suspects: listOf(suspects)
          .filter((name) => typeof name === 'string')
          .slice(0, 3),
      },
      totals: totalsOf(entry.totals),
      limits: entry.limits ?? null,
      caps: entry.caps ?? null,
      polled: readPolled(entry.polled, now),
    });
  }
  const models = [...scopesOf(stored.models, 'provider+model', byMs, now)].map(([model, scope]) => ({
    model,
    state: { ...QUIET, scope },
  }));
  return {
    byMs,
    dayEndsAt: stored.dayEndsAt + byMs,
    credentials,
    models,
    affinity: stored.affinity,
    fairCycles: stored.fairCycles,
    balanceBy: stored.balanceBy,
    uses: readUses(stored.uses),
  };
}

/** By model: id, use, and what it cost, in turn. Of the models that were used last; the others begin even. */
function usesOf(roster: Roster): readonly unknown[] {
  const ledgers = [...roster.ledgers.values()].sort((a, b) => b.touchedAt - a.touchedAt).slice(0, MAX_USED_MODELS);
  return ledgers.map(({ model, spots }) => [
    model,
    ...[...spots].flatMap(([{ credential }, { use, cost }]) =>
      use > 0 || cost.usd > 0 ? [[credential.id, use, cost.usd, cost.priced, cost.unpriced]] : [],
    ),
  ]);
}

function readUses(stored: unknown): Snapshot['uses'] {
  return listOf(stored).flatMap((entry) => {
    const [model, ...uses] = listOf(entry);
    if (typeof model !== 'string') return [];
    return uses.flatMap((each) => {
      const [id, use, usd, priced, unpriced] = listOf(each);
      if (typeof id !== 'string') return [];
      const cost = { usd: countOf(usd), priced: countOf(priced), unpriced: countOf(unpriced) };
      return [{ model, id, use: countOf(use), cost }];
    });
  });
}

function written(scope: ScopeState): ScopeState {
  const isLong = ({ since, until }: HeldBlock) => until === null || until - since > MIN_BLOCK_MS;
  return scope.blocks.every(isLong) ? scope : { ...scope, blocks: scope.blocks.filter(isLong) };
}

function scopesOf(stored: unknown, kind: string, byMs: number, now: number): ReadonlyMap<string, ScopeState> {
  const scopes = new Map<string, ScopeState>();
  for (const entry of listOf(stored)) {
    if (!Array.isArray(entry)) continue;
    const [name, value]: unknown[] = entry;
    if (typeof name !== 'string') continue;
    const scope = scopeOf(value, `${kind}:${name}`, byMs, now);
    if (scope) scopes.set(name, scope);
  }
  return scopes;
}

/** Null when nothing of it is left. */
function scopeOf(stored: unknown, name: string, byMs: number, now: number): ScopeState | null {
  if (!isObject(stored)) return null;
  const { streak, streakAt, dayRefusedAt, probation } = stored;
  const read: ScopeState = {
    blocks: listOf(stored.blocks).flatMap((block) => blockOf(block, name, now - byMs) ?? []),
    streak: isNumber(streak) && Number.isInteger(streak) && streak > 0 ? streak : 0,
    streakAt: isNumber(streakAt) ? streakAt : 0,
    dayRefusedAt: isNumber(dayRefusedAt) ? dayRefusedAt : null,
    probation:
      isObject(probation) && isStep(probation.step) && isNumber(probation.since)
        ? { step: probation.step, since: probation.since }
        : null,
  };
  const scope = ripen(byMs === 0 ? read : shiftScope(read, byMs), now);
  const isClear =
    scope.blocks.length === 0 && scope.streak === 0 && scope.dayRefusedAt === null && scope.probation === null;
  return isClear ? null : scope;
}

const KINDS = [
  'rate_limit',
  'quota',
  'auth',
  'forbidden',
  'billing',
  'ladder',
  'lockout',
  'transient',
  'overload',
  'unreachable',
  'model_missing',
] as const satisfies readonly BlockKind[];

function blockOf(stored: unknown, scope: string, writtenAt: number): HeldBlock | null {
  if (!isObject(stored)) return null;
  const { until, reason, source, since, isProbed, told } = stored;
  const kind = KINDS.find((known) => known === stored.kind);
  if (kind === undefined || !isNumber(since) || (until !== null && !isNumber(until))) return null;
  if (until !== null && until - writtenAt > MAX_BLOCK_MS) return null;
  return {
    scope,
    kind,
    until,
    reason: typeof reason === 'string' ? reason : '',
    source: typeof source === 'string' ? source : 'guess',
    since,
    isProbed: isProbed === true,
    told:
      isObject(told) && isNumber(told.until) && typeof told.source === 'string'
        ? { until: told.until, source: told.source }
        : null,
  };
}

function totalsOf(stored: unknown): Totals {
  const totals = isObject(stored) ? stored : {};
  const { requests, successes, failures, inputTokens, outputTokens } = totals;
  return {
    requests: countOf(requests),
    successes: countOf(successes),
    failures: countOf(failures),
    inputTokens: countOf(inputTokens),
    outputTokens: countOf(outputTokens),
  };
}

const countOf = (value: unknown) => (isNumber(value) && value >= 0 ? value : 0);

const isStep = (value: unknown): value is number => value === 0 || value === 1 || value === 2 || value === 3;

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
