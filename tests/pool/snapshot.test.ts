import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { PoolCredential } from '../../src/pool/credential.ts';
import { createPool } from '../../src/pool/create-pool.ts';
import type { PoolEvent } from '../../src/pool/pool.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  credential,
  credentialId,
  DAY,
  HOUR,
  leased,
  limited,
  MINUTE,
  middle,
  NO_LIMITS,
  names,
  refused,
  SECOND,
  settings,
  setUp,
  settled,
  use,
  want,
} from './pool-fixture.ts';

function restart(credentials: readonly PoolCredential[], restore: unknown, at: number) {
  const clock = new ManualClock(at);
  const pool = createPool({ provider: 'acme', credentials, settings, clock, random: middle, restore });
  return { pool, clock };
}

const written = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('a restart', () => {
  test('keeps blocks over a minute with their reasons, and forgets shorter ones', () => {
    const keys = names(3).map((name) => credential(name));
    const { pool, clock } = setUp(keys);
    use(pool, clock, limited(HOUR), want('m', ['k1', 'k2']));
    use(pool, clock, { kind: 'billing' }, want('m', ['k0', 'k2']));
    use(pool, clock, limited(5000), want('m', ['k0', 'k1']));
    const next = restart(keys, written(pool.snapshot()), clock.now() + SECOND);
    const blocks = next.pool.status().credentials.map((one) => one.blocks);
    expect(blocks).toEqual([
      pool.status().credentials[0]?.blocks ?? [],
      pool.status().credentials[1]?.blocks ?? [],
      [],
    ]);
    expect([1, 2].map(() => use(next.pool, next.clock))).toEqual(['k2', 'k2']);
  });

  test('drops what is past, with a probe where one is due', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(HOUR));
    const next = restart([credential('a')], written(pool.snapshot()), clock.now() + 2 * HOUR);
    leased(next.pool.lease(want(), next.clock.now()));
    expect(refused(next.pool.lease(want(), next.clock.now())).cause).toBe('busy');
  });

  test('goes on with the rejections of a key where they were', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, { kind: 'auth' });
    const next = restart([credential('a')], written(pool.snapshot()), clock.now() + 5 * MINUTE);
    use(next.pool, next.clock, { kind: 'auth' });
    expect(next.pool.status().credentials[0]?.blocks).toMatchObject([{ until: next.clock.now() + 30 * MINUTE }]);
  });

  test('keeps windows, ceilings and totals', () => {
    const keys = [credential('a', { limits: { ...NO_LIMITS, requestsPerDay: 3 } })];
    const { pool, clock } = setUp(keys);
    for (let i = 0; i < 2; i++) use(pool, clock);
    const lease = leased(pool.lease(want('told'), clock.now()));
    pool.settle(lease, {
      ...settled({ kind: 'failed' }),
      learned: { requestsPerMinute: { limit: 9, remaining: 0, resetMs: 50_000 } },
    });
    const next = restart(keys, written(pool.snapshot()), clock.now() + SECOND);
    expect(next.pool.status().credentials[0]).toMatchObject({
      windows: [
        { name: 'rpd', used: 3, remaining: 0 },
        { scope: 'model:told', name: 'rpm', remaining: 0 },
      ],
      usage: { requests: 3, failures: 1 },
    });
    expect(refused(next.pool.lease(want(), next.clock.now())).cause).toBe('over-limit');
  });

  test('a daily reset while it was away is made up for', () => {
    const keys = [credential('a', { limits: { ...NO_LIMITS, requestsPerDay: 1 } })];
    const { pool, clock } = setUp(keys);
    use(pool, clock, { kind: 'forbidden', scope: 'model' });
    const next = restart(keys, written(pool.snapshot()), clock.now() + DAY);
    expect(use(next.pool, next.clock)).toBe('a');
  });

  test('keeps conversations', () => {
    const keys = names(5).map((name) => credential(name));
    const talk = { ...want(), affinity: { key: 'x', isExplicit: true, isHonoured: true } };
    const { pool, clock } = setUp(keys);
    use(pool, clock, { kind: 'success' }, want('m', ['k3', 'k4']));
    const lease = leased(pool.lease({ ...talk, only: credentialId('k3') }, clock.now()));
    pool.settle(lease, settled({ kind: 'success' }));
    const next = restart(keys, written(pool.snapshot()), clock.now() + SECOND);
    for (let i = 0; i < 3; i++) expect(use(next.pool, next.clock, { kind: 'success' }, talk)).toBe('k3');
  });

  test('unknown credentials, other versions and garbage are ignored', () => {
    const { pool, clock } = setUp([credential('gone')]);
    use(pool, clock, { kind: 'billing' });
    const stored = written(pool.snapshot());
    for (const restore of [stored, { ...Object(stored), version: 99 }, null, 'x', [], { version: 1 }]) {
      const next = restart([credential('a')], restore, clock.now());
      expect(use(next.pool, next.clock)).toBe('a');
    }
  });

  test('nothing that can be read makes it fall over', () => {
    const { pool, clock } = setUp([credential('a'), credential('b', { limits: { ...NO_LIMITS, tokensPerMinute: 9 } })]);
    use(pool, clock, limited(HOUR), want('m', ['b']));
    use(pool, clock, { kind: 'success' }, want('m', ['a']));
    const stored = JSON.stringify(pool.snapshot());
    fc.assert(
      fc.property(
        fc.nat(stored.length),
        fc.nat(12),
        fc.constantFrom('', 'null', '-1', '"x"', '[]', '1e999'),
        (at, cut, put) => {
          let broken: unknown;
          try {
            broken = JSON.parse(stored.slice(0, at) + put + stored.slice(at + cut));
          } catch {
            return;
          }
          const next = restart([credential('a'), credential('b')], broken, clock.now());
          next.pool.explain(want());
          expect(() => JSON.stringify(next.pool.snapshot())).not.toThrow();
        },
      ),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const parts = {
          version: 1,
          at: clock.now(),
          dayEndsAt: clock.now(),
          credentials: value,
          models: value,
          affinity: value,
        };
        restart([credential('a')], parts, clock.now()).pool.status();
        restart(
          [credential('a')],
          { ...parts, credentials: [{ id: 'a', key: value, groups: value, models: [['m', value]], limits: value }] },
          clock.now(),
        );
      }),
    );
  });
});

describe('a clock that is set back', () => {
  test('makes no block longer, and no wait', async () => {
    const { pool, clock } = setUp([credential('a')]);
    let offset = 0;
    const now = clock.now.bind(clock);
    clock.now = () => now() + offset;
    use(pool, clock, limited(30 * SECOND));
    offset = -5 * HOUR;
    expect(refused(pool.lease(want(), clock.now())).retryAt).toBe(clock.now() + 30 * SECOND);
  });
});

test('events are plain data and tell of blocks and of leases', async () => {
  const events: PoolEvent[] = [];
  const clock = new ManualClock();
  const pool = createPool({
    provider: 'acme',
    credentials: [credential('a')],
    settings,
    clock,
    random: middle,
    onEvent: (event) => events.push(event),
  });
  use(pool, clock, limited(5000));
  await clock.advance(5000);
  pool.status();
  expect(events).toEqual(written(events) as PoolEvent[]);
  expect(events.map((event) => event.kind)).toEqual(['credential-blocked', 'lease-settled', 'credential-unblocked']);
  expect(events[1]).toMatchObject({ provider: 'acme', model: 'm', outcome: 'rate-limited' });
});
