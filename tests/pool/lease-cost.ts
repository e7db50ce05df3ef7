import { systemClock } from '../../src/shared/clock.ts';
import { createPool } from '../../src/pool/create-pool.ts';
import type { Lease } from '../../src/pool/pool.ts';
import { credential, leased, limited, names, settled, want, withSettings } from './pool-fixture.ts';

/**
 * What one lease and its settling cost, run by hand: `bun tests/pool/lease-cost.ts`. Nothing is asserted; only the ratio
 * between the rows of one run means anything.
 */
const ROUNDS = 7;
const LEASES = 100_000;
const IN_FLIGHT = 64;

for (const [keys, blockedShare, maxPerKey] of [
  [1, 0, 0],
  [100, 0, 0],
  [100, 0.5, 0],
  [5000, 0, 0],
  [5000, 0.5, 0],
  [5000, 0.99, 0],
  [5000, 0, 1],
] as const) {
  const pool = createPool({
    provider: 'acme',
    credentials: names(keys).map((name) => credential(name)),
    settings: withSettings({ tolerance: 3, concurrency: { maxPerKey } }),
    clock: systemClock,
    random: Math.random,
  });
  const wanted = want();
  const success = settled({ kind: 'success' });
  for (let i = 0; i < keys * blockedShare; i++) {
    pool.settle(leased(pool.lease(wanted, Date.now())), settled(limited(3_600_000)));
  }
  const flight: Lease[] = [];
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    for (let i = 0; i < LEASES; i++) {
      const slot = i % IN_FLIGHT;
      const old = flight[slot];
      if (old) pool.settle(old, success);
      flight[slot] = leased(pool.lease(wanted, Date.now()));
    }
    return ((performance.now() - start) / LEASES) * 1e6;
  }).sort((a, b) => a - b);
  const median = Math.round(times[ROUNDS >> 1] ?? Number.NaN);
  const words = `${keys} keys, ${blockedShare * 100} % blocked, at most ${maxPerKey || 'any'} per key`;
  process.stdout.write(`${words}: ${median} ns\n`);
}
