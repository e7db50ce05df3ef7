import { describe, expect, test } from 'bun:test';
import { createPool } from '../../src/pool/create-pool.ts';
import type { CredentialId, PoolCredential } from '../../src/pool/credential.ts';
import { type Cycle, type CyclePeer, exhaust, type FairCycleRules, review } from '../../src/pool/fair-cycle.ts';
import type { Outcome } from '../../src/pool/outcome.ts';
import type { Pool, PoolSettings } from '../../src/pool/pool.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import {
  cap,
  credential,
  credentialId,
  DAY,
  follow,
  HOUR,
  leased,
  limited,
  middle,
  MINUTE,
  NO_LIMITS,
  names,
  SECOND,
  setUp,
  settled,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

const rules: FairCycleRules = {
  scope: 'group',
  isCrossTier: false,
  durationMs: 7 * DAY,
  thresholdMs: 5 * MINUTE,
  quotaThreshold: 1,
  resetGuardMs: 90 * SECOND,
};
const signal = new AbortController().signal;
const sequential = (change: Partial<FairCycleRules> = {}, more: Partial<PoolSettings> = {}) =>
  withSettings({ mode: 'sequential', fairCycle: { ...rules, ...change }, concurrency: { optimalPerKey: 0 }, ...more });
const spent = limited(10 * MINUTE, { isQuota: true });

/** The one credential, and how it ends. */
function settle(pool: Pool, now: number, id: string, outcome: Outcome, model = 'm'): void {
  const lease = leased(pool.lease({ ...want(model), only: credentialId(id) }, now));
  pool.settle(lease, settled(outcome));
}
const verdicts = (pool: Pool, model = 'm') => pool.explain(want(model)).map(({ verdict }) => verdict);

describe('a cycle', () => {
  const id = (name: string): CredentialId => credentialId(name);
  const peer = (name: string, blockedUntil = Number.NEGATIVE_INFINITY): CyclePeer => ({ id: id(name), blockedUntil });
  const cycle = (startedAt: number, ...exhausted: string[]): Cycle => ({
    startedAt,
    exhausted: new Set(exhausted.map(id)),
  });

  test('begins with the first that is exhausted, and not again with the next', () => {
    const first = exhaust(null, id('a'), 100);
    expect(first).toEqual(cycle(100, 'a'));
    const second = exhaust(first, id('b'), 200);
    expect(second).toEqual(cycle(100, 'a', 'b'));
    expect(exhaust(second, id('a'), 300)).toBe(second);
  });

  type Row = [string, Cycle, CyclePeer[], number, 'goes on' | 'is over'];
  const rows: Row[] = [
    ['while another can be used', cycle(0, 'a'), [peer('a'), peer('b')], 10, 'goes on'],
    ['while another is merely in use, which is no block', cycle(0, 'a'), [peer('b')], 10, 'goes on'],
    ['when all are exhausted', cycle(0, 'a', 'b'), [peer('a'), peer('b')], 10, 'is over'],
    ['when those that are not exhausted are gone or disabled', cycle(0, 'a'), [peer('a')], 10, 'is over'],
    ['when the others are blocked for long', cycle(0, 'a'), [peer('b', 10 + 90_001)], 10, 'is over'],
    ['when the others are blocked for good', cycle(0, 'a'), [peer('b', Number.POSITIVE_INFINITY)], 10, 'is over'],
    [
      'while one of the others is back within the guard',
      cycle(0, 'a'),
      [peer('b', 10 + 90_000), peer('c', DAY)],
      10,
      'goes on',
    ],
    [
      'although who is exhausted is back within the guard',
      cycle(0, 'a'),
      [peer('a', 20), peer('b', DAY)],
      10,
      'is over',
    ],
    ['just before it has lasted its time', cycle(0, 'a'), [peer('b')], 7 * DAY - 1, 'goes on'],
    ['when it has lasted its time', cycle(0, 'a'), [peer('b')], 7 * DAY, 'is over'],
    ['when nobody is exhausted any more', cycle(0), [peer('b')], 10, 'is over'],
  ];
  test.each(rows)('%s', (_, before, peers, now, expected) => {
    expect(review(before, peers, rules, now)).toBe(expected === 'goes on' ? before : null);
  });
});

describe('who was used up', () => {
  test('sits out until the others are used up, too, though its block is over', async () => {
    const { pool, clock } = setUp(
      names(3).map((name) => credential(name)),
      { settings: sequential() },
    );
    expect(use(pool, clock)).toBe('k0');
    expect(use(pool, clock, spent)).toBe('k0');
    await clock.advance(11 * MINUTE);
    expect(verdicts(pool)).toEqual(['fair_cycle', 'chosen', 'ready']);
    expect(use(pool, clock)).toBe('k1');
    expect(use(pool, clock, spent)).toBe('k1');
    await clock.advance(11 * MINUTE);
    expect(verdicts(pool)).toEqual(['fair_cycle', 'fair_cycle', 'chosen']);
    expect(pool.explain(want())[0]?.why).toBe('used up in this cycle, the others come first');
    expect(use(pool, clock, spent)).toBe('k2');
    // All of them: another cycle, with nobody in it.
    expect(verdicts(pool)).toEqual(['chosen', 'ready', 'blocked']);
  });

  test('is so by a block of the threshold, and not by a shorter one', async () => {
    for (const [outcome, expected] of [
      [limited(5 * MINUTE), true],
      [limited(5 * MINUTE - 1), false],
      [{ kind: 'auth' }, true],
      [{ kind: 'failed' }, false],
    ] as const) {
      const { pool, clock } = setUp([credential('a'), credential('b')], { settings: sequential() });
      settle(pool, clock.now(), 'a', { kind: 'success' });
      settle(pool, clock.now(), 'a', outcome);
      await clock.advance(6 * MINUTE);
      expect(verdicts(pool)[0] === 'fair_cycle').toBe(expected);
    }
  });

  test('is so by a cap of the user’s own, and by a share of a day’s limit', async () => {
    const half = [{ ...rules, quotaThreshold: 0.5 }];
    const limits = { ...NO_LIMITS, requestsPerDay: 4 };
    for (const [settings, own] of [
      [sequential({}, { caps: [cap(2, { window: { kind: 'rolling', ms: HOUR } })] }), NO_LIMITS],
      [sequential(half[0]), limits],
    ] as const) {
      const { pool, clock } = setUp([credential('a', { limits: own }), credential('b', { limits: own })], { settings });
      expect([1, 2, 3].map(() => use(pool, clock))).toEqual(['a', 'a', 'b']);
      await clock.advance(2 * HOUR);
      expect(verdicts(pool)).toEqual(['fair_cycle', 'chosen']);
    }
  });

  test('does not matter to other models, unless they are of its group or the scope is the credential', async () => {
    const groups = [{ name: 'pro', models: ['m', 'n'].map(namePattern) }];
    for (const [settings, expected] of [
      [sequential({}, { groups }), ['fair_cycle', 'fair_cycle', 'chosen']],
      [sequential({ scope: 'credential' }), ['fair_cycle', 'fair_cycle', 'fair_cycle']],
      [sequential(), ['fair_cycle', 'chosen', 'chosen']],
    ] as const) {
      const { pool, clock } = setUp([credential('a'), credential('b')], { settings });
      settle(pool, clock.now(), 'a', spent);
      await clock.advance(11 * MINUTE);
      expect(['m', 'n', 'other'].map((model) => verdicts(pool, model)[0])).toEqual([...expected]);
    }
  });

  test('is not who was merely refused for a moment, whatever the scope', async () => {
    const { pool, clock } = setUp([credential('a'), credential('b')], {
      settings: sequential({ scope: 'credential' }),
    });
    settle(pool, clock.now(), 'a', limited(SECOND));
    await clock.advance(2 * SECOND);
    expect(verdicts(pool)).not.toContain('fair_cycle');
    settle(pool, clock.now(), 'a', { kind: 'auth' });
    await clock.advance(HOUR);
    expect(verdicts(pool)[0]).toBe('fair_cycle');
  });

  test('as a whole sits out where it has served', async () => {
    const { pool, clock } = setUp([credential('a'), credential('b')], { settings: sequential() });
    settle(pool, clock.now(), 'a', { kind: 'success' }, 'served');
    settle(pool, clock.now(), 'a', limited(HOUR, { isQuota: true, scope: 'credential' }));
    await clock.advance(2 * HOUR);
    expect(['served', 'm', 'never'].map((model) => verdicts(pool, model)[0])).toEqual([
      'fair_cycle',
      'fair_cycle',
      'chosen',
    ]);
  });

  test('waits for its own priority alone, unless cycles cross tiers', async () => {
    const keys = [credential('a', { priority: 1 }), credential('b', { priority: 1 }), credential('c', { priority: 2 })];
    for (const [isCrossTier, expected] of [
      [false, ['chosen', 'ready', 'ready']],
      [true, ['fair_cycle', 'fair_cycle', 'chosen']],
    ] as const) {
      const { pool, clock } = setUp(keys, { settings: sequential({ isCrossTier }) });
      settle(pool, clock.now(), 'a', spent);
      settle(pool, clock.now(), 'b', spent);
      await clock.advance(11 * MINUTE);
      expect(verdicts(pool)).toEqual([...expected]);
    }
  });
});

describe('the end of a cycle', () => {
  test('does not depend on what one request has left to try', async () => {
    const { pool, clock } = setUp(
      names(3).map((name) => credential(name)),
      { settings: sequential() },
    );
    settle(pool, clock.now(), 'k0', spent);
    settle(pool, clock.now(), 'k1', spent);
    await clock.advance(11 * MINUTE);
    // It has tried the only one that is left, and takes one that sits out; the cycle goes on for all others.
    expect(use(pool, clock, { kind: 'success' }, want('m', ['k2']))).toBe('k0');
    expect(verdicts(pool)).toEqual(['fair_cycle', 'fair_cycle', 'chosen']);
  });

  test('comes when nobody else can be used, and not when the end of a block is near', async () => {
    for (const [blockMs, expected] of [
      [2 * MINUTE, ['chosen', 'blocked']],
      [80 * SECOND, ['chosen', 'blocked']],
    ] as const) {
      const { pool, clock } = setUp([credential('a'), credential('b')], { settings: sequential() });
      settle(pool, clock.now(), 'a', spent);
      await clock.advance(11 * MINUTE);
      settle(pool, clock.now(), 'b', limited(blockMs));
      expect(verdicts(pool)).toEqual([...expected]);
      const deadline = clock.now() + 85 * SECOND;
      const waiting = follow(pool.acquire(want(), { deadline, blockedDeadline: deadline, signal }));
      await clock.advance(0);
      // Within the guard it is waited for; otherwise the cycle is over.
      expect(waiting.state).toBe(blockMs === 2 * MINUTE ? 'a' : 'waiting');
      await clock.advance(80 * SECOND);
      expect(waiting.state).toBe(blockMs === 2 * MINUTE ? 'a' : 'b');
    }
  });

  test('is not waited for by a request that has no time for it', async () => {
    const { pool, clock } = setUp([credential('a'), credential('b')], { settings: sequential() });
    settle(pool, clock.now(), 'a', spent);
    await clock.advance(11 * MINUTE);
    settle(pool, clock.now(), 'b', limited(80 * SECOND));
    expect(pool.explain(want())[0]).toMatchObject({
      verdict: 'chosen',
      why: 'used up in this cycle, but nobody else can serve',
    });
    const deadline = clock.now() + 10 * SECOND;
    const waiting = follow(pool.acquire(want(), { deadline, blockedDeadline: deadline, signal }));
    await clock.advance(0);
    expect(waiting.state).toBe('a');
  });

  test('comes at a deadline, when who was waited for is busy with others', async () => {
    const keys = [credential('a'), credential('b', { limits: { ...NO_LIMITS, concurrency: 1 } })];
    const { pool, clock } = setUp(keys, { settings: sequential() });
    settle(pool, clock.now(), 'a', spent);
    await clock.advance(11 * MINUTE);
    leased(pool.lease({ ...want(), only: credentialId('b') }, clock.now()));
    const deadline = clock.now() + 10 * SECOND;
    const waiting = follow(pool.acquire(want(), { deadline, blockedDeadline: deadline, signal }));
    await clock.advance(10 * SECOND - 1);
    expect(waiting.state).toBe('waiting');
    await clock.advance(1);
    expect(waiting.state).toBe('a');
  });

  test('comes with its time, again and again', async () => {
    const { pool, clock } = setUp([credential('a'), credential('b')], { settings: sequential({ durationMs: HOUR }) });
    for (let cycle = 0; cycle < 3; cycle++) {
      settle(pool, clock.now(), 'a', spent);
      await clock.advance(HOUR - 1);
      expect(verdicts(pool)[0]).toBe('fair_cycle');
      await clock.advance(1);
      expect(verdicts(pool)[0]).not.toBe('fair_cycle');
    }
  });

  test('comes by the operator, and for one alone', async () => {
    const { pool, clock } = setUp(
      names(3).map((name) => credential(name)),
      { settings: sequential() },
    );
    settle(pool, clock.now(), 'k0', spent);
    settle(pool, clock.now(), 'k1', spent);
    pool.reset(credentialId('k0'));
    expect(verdicts(pool)).toEqual(['chosen', 'blocked', 'ready']);
    await clock.advance(11 * MINUTE);
    expect(verdicts(pool)[1]).toBe('fair_cycle');
    pool.reset();
    expect(verdicts(pool)).not.toContain('fair_cycle');
  });
});

describe('a cycle survives', () => {
  const reload = (pool: Pool, credentials: readonly PoolCredential[], settings = sequential()) =>
    pool.update(credentials, settings);

  test('a restart, whatever caps still rest from an earlier one', async () => {
    const keys = ['a', 'b', 'c'].map((name) => credential(name));
    const caps = [cap(1, { models: ['capped'] })];
    const settings = sequential({ scope: 'credential', durationMs: HOUR }, { caps });
    const { pool, clock } = setUp(keys, { settings });
    settle(pool, clock.now(), 'a', { kind: 'success' }, 'capped');
    await clock.advance(HOUR);
    settle(pool, clock.now(), 'b', spent);
    expect(verdicts(pool, 'free')).toEqual(['chosen', 'fair_cycle', 'ready']);
    const restore: unknown = JSON.parse(JSON.stringify(pool.snapshot()));
    const next = createPool({ provider: 'acme', credentials: keys, settings, clock, random: middle, restore });
    expect(verdicts(next, 'free')).toEqual(['chosen', 'fair_cycle', 'ready']);
    expect(next.snapshot()).toMatchObject({ fairCycles: [{ exhausted: ['b'] }] });
  });

  test('a restart, with its beginning', async () => {
    const keys = [credential('a'), credential('b')];
    const settings = sequential({ durationMs: HOUR });
    const { pool, clock } = setUp(keys, { settings });
    settle(pool, clock.now(), 'a', spent);
    await clock.advance(30 * MINUTE);
    const restore: unknown = JSON.parse(JSON.stringify(pool.snapshot()));
    const next = createPool({ provider: 'acme', credentials: keys, settings, clock, random: middle, restore });
    expect(verdicts(next)).toEqual(['fair_cycle', 'chosen']);
    await clock.advance(30 * MINUTE);
    expect(verdicts(next)).toEqual(['chosen', 'ready']);
  });

  test('a restart with nonsense, which is left out', () => {
    const keys = [credential('a'), credential('b')];
    const { pool, clock } = setUp(keys, { settings: sequential() });
    const stored = pool.snapshot() as object;
    for (const fairCycles of [
      3,
      [null],
      [{ tier: 10, scope: 4 }],
      [{ tier: 'x', scope: 'model:m', startedAt: 0, exhausted: ['a'] }],
      [{ tier: 10, scope: 'model:m', startedAt: clock.now(), exhausted: ['gone', 7] }],
    ]) {
      const restore = { ...stored, fairCycles };
      const next = createPool({
        provider: 'acme',
        credentials: keys,
        settings: sequential(),
        clock,
        random: middle,
        restore,
      });
      expect(verdicts(next)).toEqual(['chosen', 'ready']);
    }
  });

  test('a reload: who is gone does not hold it up, and it ends with the mode', async () => {
    const keys = names(3).map((name) => credential(name));
    const { pool, clock } = setUp(keys, { settings: sequential() });
    settle(pool, clock.now(), 'k0', spent);
    settle(pool, clock.now(), 'k1', spent);
    await clock.advance(11 * MINUTE);
    reload(pool, [...keys].reverse());
    expect(verdicts(pool)).toEqual(['chosen', 'fair_cycle', 'fair_cycle']);
    reload(pool, keys.slice(0, 2));
    expect(verdicts(pool)).toEqual(['chosen', 'ready']);
    settle(pool, clock.now(), 'k0', spent);
    reload(pool, keys, sequential({}, { fairCycle: null }));
    await clock.advance(11 * MINUTE);
    expect(verdicts(pool)).not.toContain('fair_cycle');
  });
});
