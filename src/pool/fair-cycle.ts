import type { CredentialId } from './credential.ts';

/**
 * Every credential is used up once before any is used again: whoever was exhausted sits out until the cycle ends. Pure:
 * one cycle of one tier, on one model or quota group or on everything.
 */

export type FairCycleRules = {
  /** `group`: per quota group, or model that is in none. `credential`: one cycle for everything. */
  readonly scope: 'group' | 'credential';
  /** One cycle for all priorities instead of one for each. */
  readonly isCrossTier: boolean;
  /** A cycle that began so long ago is over. */
  readonly durationMs: number;
  /** A block of at least this exhausts. */
  readonly thresholdMs: number;
  /** So does this share of a limit per day or longer. */
  readonly quotaThreshold: number;
  /** The end of a block is waited for this long before a cycle is ended because nobody else can be used. */
  readonly resetGuardMs: number;
};

export type Cycle = {
  /** When the first was exhausted. */
  readonly startedAt: number;
  readonly exhausted: ReadonlySet<CredentialId>;
};

/** An enabled credential of the tier. */
export type CyclePeer = {
  readonly id: CredentialId;
  /** -Infinity: nothing keeps it from use. Infinity: nobody knows until when. */
  readonly blockedUntil: number;
};

export function exhaust(cycle: Cycle | null, id: CredentialId, now: number): Cycle {
  if (!cycle) return { startedAt: now, exhausted: new Set([id]) };
  return cycle.exhausted.has(id) ? cycle : { ...cycle, exhausted: new Set(cycle.exhausted).add(id) };
}

/** Null once it is over. Peers are all of the tier, not those that are left to some request. */
export function review(
  cycle: Cycle,
  peers: Iterable<CyclePeer>,
  rules: Pick<FairCycleRules, 'durationMs' | 'resetGuardMs'>,
  now: number,
): Cycle | null {
  if (cycle.exhausted.size === 0 || now >= cycle.startedAt + rules.durationMs) return null;
  let soonest = Number.POSITIVE_INFINITY;
  for (const { id, blockedUntil } of peers) {
    if (cycle.exhausted.has(id)) continue;
    if (blockedUntil <= now) return cycle;
    soonest = Math.min(soonest, blockedUntil);
  }
  // Nobody of those that are not exhausted can be used, or there are none: only the near end of a block is waited for.
  return soonest - now <= rules.resetGuardMs ? cycle : null;
}
