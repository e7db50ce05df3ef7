import { describe, expect, test } from 'bun:test';
import { createPool } from '../../src/pool/create-pool.ts';
import type { Pool } from '../../src/pool/pool.ts';
import { costsOf, newSpotCost } from '../../src/pool/select/cost.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  credential,
  credentialId,
  DAY,
  leased,
  middle,
  setUp,
  settled,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

const byCost = withSettings({ balanceBy: 'cost', concurrency: { optimalPerKey: 0 } });

/** One request that used so many tokens, and cost so much; null: nobody knows. */
function spend(pool: Pool, now: number, id: string, tokens: number, costUsd: number | null): void {
  const lease = leased(pool.lease({ ...want(), only: credentialId(id) }, now));
  const usage = { inputTokens: tokens, outputTokens: 0, ...(costUsd !== null && { costUsd }) };
  pool.settle(lease, { ...settled({ kind: 'success' }), usage });
}

describe('by cost', () => {
  test('is taken whose requests cost least, whatever they counted in tokens', () => {
    const { pool, clock } = setUp([credential('a'), credential('b')], { settings: byCost });
    spend(pool, clock.now(), 'a', 50_000, 0.01);
    spend(pool, clock.now(), 'b', 1000, 0.5);
    expect(pool.explain(want()).map(({ verdict }) => verdict)).toEqual(['chosen', 'ready']);
    expect(use(pool, clock)).toBe('a');
  });

  test('tokens decide while the price of one request is not known', () => {
    const { pool, clock } = setUp([credential('a'), credential('b')], { settings: byCost });
    spend(pool, clock.now(), 'a', 50_000, 0.01);
    spend(pool, clock.now(), 'b', 1000, 0.5);
    spend(pool, clock.now(), 'b', 1000, null);
    expect(use(pool, clock)).toBe('b');
  });

  test('what is in flight counts as what the others cost', () => {
    const { pool, clock } = setUp([credential('a'), credential('b')], { settings: byCost });
    spend(pool, clock.now(), 'a', 10, 0.1);
    spend(pool, clock.now(), 'b', 10, 0.11);
    const first = leased(pool.lease(want(), clock.now()));
    const second = leased(pool.lease(want(), clock.now()));
    expect([first.credentialId, second.credentialId].map(String)).toEqual(['a', 'b']);
  });

  test('a newcomer begins at its peers’ minimum', () => {
    const { pool, clock } = setUp([credential('a'), credential('b')], { settings: byCost });
    spend(pool, clock.now(), 'a', 10, 0.1);
    spend(pool, clock.now(), 'b', 10, 0.2);
    pool.update(
      ['a', 'b', 'c'].map((name) => credential(name)),
      byCost,
    );
    spend(pool, clock.now(), 'c', 10, 0.05);
    expect(use(pool, clock)).toBe('a');
  });

  test('is counted in mean requests, and not at all where a price is missing or everything was free', () => {
    expect(costsOf([undefined, newSpotCost()])).toBeNull();
    const spot = (usd: number, priced: number, more = {}) => ({ ...newSpotCost(), usd, priced, ...more });
    expect(costsOf([spot(0.5, 2), spot(0.25, 1), undefined])).toEqual([2, 1, 0]);
    expect(costsOf([spot(0.5, 2, { open: 2 }), spot(0.5, 2)])?.[0]).toBe(4);
    expect(costsOf([spot(0.5, 2), spot(0.25, 2, { unpriced: 1 })])).toBeNull();
    expect(costsOf([spot(0, 2), spot(0, 2)])).toBeNull();
  });
});

describe('use of the day', () => {
  const keys = [credential('a'), credential('b')];
  const started = (clock: ManualClock, settings: typeof byCost, restore: unknown, random = middle) =>
    createPool({ provider: 'acme', credentials: keys, settings, clock, random, restore });

  test('goes on after a restart, by requests and by cost', () => {
    for (const settings of [withSettings({}), byCost]) {
      const { pool, clock } = setUp(keys, { settings });
      for (let i = 0; i < 3; i++) spend(pool, clock.now(), 'a', 100, 0.1);
      spend(pool, clock.now(), 'b', 100, 0.1);
      const next = started(clock, settings, JSON.parse(JSON.stringify(pool.snapshot())));
      expect([1, 2].map(() => use(next, clock))).toEqual(['b', 'b']);
    }
  });

  test('begins anew when the day is over, when another thing is counted, and of what cannot be read', async () => {
    const { pool, clock } = setUp(keys, { settings: withSettings({}) });
    for (let i = 0; i < 3; i++) use(pool, clock, { kind: 'success' }, want('m', ['b']));
    const stored = { ...Object(pool.snapshot()) };
    const first = (restore: unknown, settings = withSettings({})) =>
      use(
        started(clock, settings, restore, () => 0),
        clock,
      );
    expect(first(stored)).toBe('b');
    expect(first(stored, withSettings({ balanceBy: 'tokens' }))).toBe('a');
    expect(first({ ...stored, uses: [3, [null], ['m', 4, ['a', 'many']]] })).toBe('a');
    await clock.advance(DAY);
    expect(first(stored)).toBe('a');
  });
});
