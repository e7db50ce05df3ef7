import type { Cap } from '../../src/pool/cap.ts';
import type { CredentialId, KeyLimits, PoolCredential } from '../../src/pool/credential.ts';
import { createPool } from '../../src/pool/create-pool.ts';
import type { Outcome, Settlement } from '../../src/pool/outcome.ts';
import { isRefusal, type Lease, type Pool, type PoolSettings, type Refusal, type Want } from '../../src/pool/pool.ts';
import type { Random } from '../../src/shared/random.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** A random source in the middle: a guess is then exactly what it says, without jitter. */
export const middle: Random = () => 0.5;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const settings: PoolSettings = {
  mode: 'balanced',
  balanceBy: 'requests',
  isAffinityOn: true,
  dailyReset: { hour: 0, minute: 0, timezone: 'UTC' },
  groups: [],
  caps: [],
  fairCycle: null,
  tolerance: 0,
  maxWaiting: 1000,
  cooldowns: {
    ladderMs: [10_000, 30_000, 60_000, 120_000, 300_000],
    rateLimitMs: 60_000,
    authMs: 300_000,
    transientMs: 30_000,
  },
  concurrency: { maxPerKey: 0, optimalPerKey: 1, priorityMultipliers: {} },
};

/** No limits of its own. */
export const NO_LIMITS: KeyLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerDay: null,
  tokensPerDay: null,
  concurrency: null,
};

type Change = Partial<Omit<PoolSettings, 'concurrency'>> & { concurrency?: Partial<PoolSettings['concurrency']> };

/** A cap as a test has it in mind: a count a day over all models, until the day ends. */
export const cap = (
  count: number,
  change: Partial<Omit<Cap, 'models'>> & { models?: readonly string[] } = {},
): Cap => ({
  tierName: null,
  amount: { kind: 'count', count },
  window: { kind: 'daily' },
  rest: { kind: 'until-reset', plusMs: 0 },
  ...change,
  models: (change.models ?? []).map(namePattern),
});

export function withSettings(change: Change): PoolSettings {
  return { ...settings, ...change, concurrency: { ...settings.concurrency, ...change.concurrency } };
}

export function credentialId(name: string): CredentialId {
  // The brand says only that the id came through the config's door; here the test is that door.
  return name as CredentialId;
}

export function credential(name: string, change: Partial<Omit<PoolCredential, 'id'>> = {}): PoolCredential {
  return {
    id: credentialId(name),
    label: name,
    priority: 10,
    weight: 1,
    models: [],
    limits: NO_LIMITS,
    tierName: null,
    quotaPool: null,
    isEnabled: true,
    ...change,
  };
}

export const names = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`);

export function want(model = 'm', exclude: readonly string[] = [], bytes = 100): Want {
  return { model, bytes, exclude: new Set(exclude.map(credentialId)), tokens: 0, affinity: null };
}

export const settled = (outcome: Outcome): Settlement => ({
  outcome,
  usage: null,
  reason: 'because',
  learned: null,
});

export const limited = (waitMs: number | null, change: Partial<Outcome & { kind: 'rate-limited' }> = {}): Outcome => ({
  kind: 'rate-limited',
  waitMs,
  source: 'retry-after',
  isQuota: false,
  scope: 'model',
  isPermanent: false,
  window: null,
  ...change,
});

export function setUp(
  credentials: readonly PoolCredential[],
  change: { settings?: PoolSettings; random?: Random; clock?: ManualClock } = {},
) {
  const clock = change.clock ?? new ManualClock();
  const pool = createPool({
    provider: 'acme',
    credentials,
    settings: change.settings ?? settings,
    clock,
    random: change.random ?? middle,
  });
  return { pool, clock };
}

export function leased(result: Lease | Refusal): Lease {
  if (isRefusal(result)) throw new Error(`refused: ${JSON.stringify(result)}`);
  return result;
}

export function refused(result: Lease | Refusal): Refusal {
  if (!isRefusal(result)) throw new Error(`leased ${result.credentialId}`);
  return result;
}

/** Leases and settles at once; tells which credential it was. */
export function use(pool: Pool, clock: ManualClock, outcome: Outcome = { kind: 'success' }, wanted = want()): string {
  const lease = leased(pool.lease(wanted, clock.now()));
  pool.settle(lease, settled(outcome));
  return lease.credentialId;
}

/** Follows a promise without waiting for it. */
export function follow(promise: Promise<Lease | Refusal>) {
  const seen: { result: Lease | Refusal | null } = { result: null };
  void promise.then((result) => {
    seen.result = result;
  });
  return {
    get state(): string {
      if (seen.result === null) return 'waiting';
      return isRefusal(seen.result) ? seen.result.cause : seen.result.credentialId;
    },
    get lease(): Lease {
      if (seen.result === null) throw new Error('still waiting');
      return leased(seen.result);
    },
    get refusal(): Refusal {
      if (seen.result === null) throw new Error('still waiting');
      return refused(seen.result);
    },
  };
}
