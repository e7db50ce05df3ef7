import { describe, expect, test } from 'bun:test';
import type { Cap } from '../../src/pool/cap.ts';
import { createPool } from '../../src/pool/create-pool.ts';
import type { PoolEvent } from '../../src/pool/pool.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  cap,
  credential,
  DAY,
  follow,
  HOUR,
  leased,
  middle,
  MINUTE,
  NO_LIMITS,
  refused,
  setUp,
  settled,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

const signal = new AbortController().signal;
const withCaps = (caps: readonly Cap[], groups: Readonly<Record<string, readonly string[]>> = {}) =>
  withSettings({
    caps,
    groups: Object.entries(groups).map(([name, models]) => ({ name, models: models.map(namePattern) })),
    concurrency: { optimalPerKey: 0 },
  });
const hour = { window: { kind: 'rolling', ms: HOUR } } as const;

describe('a cap', () => {
  test('is not passed by requests that are in flight together', () => {
    const { pool, clock } = setUp([credential('a')], { settings: withCaps([cap(3, hour)]) });
    for (let i = 0; i < 3; i++) leased(pool.lease(want(), clock.now()));
    const refusal = refused(pool.lease(want(), clock.now()));
    expect(refusal).toMatchObject({ cause: 'blocked', retryAt: clock.now() + HOUR });
    expect(refusal.blocks).toEqual([
      {
        scope: 'key',
        kind: 'custom_cap',
        until: clock.now() + HOUR,
        reason: 'custom cap: 3 of 3 requests of the window 1h are used',
        source: 'config',
      },
    ]);
  });

  test('counts per credential: the next one takes over, and status shows both', () => {
    const { pool, clock } = setUp([credential('a', { priority: 1 }), credential('b', { priority: 2 })], {
      settings: withCaps([cap(2, hour)]),
    });
    expect([1, 2, 3, 4].map(() => use(pool, clock))).toEqual(['a', 'a', 'b', 'b']);
    const [a, b] = pool.status().credentials;
    expect([a?.state, b?.state]).toEqual(['blocked', 'blocked']);
    expect(a?.caps).toMatchObject([{ scope: 'key', used: 2, limit: 2, remaining: 0, restsUntil: clock.now() + HOUR }]);
  });

  test('counts the models that it names together, and no others', () => {
    const { pool, clock } = setUp([credential('a')], {
      settings: withCaps([cap(2, { ...hour, models: ['x', 'acme/y*'] })]),
    });
    for (const model of ['x', 'z', 'Y1', 'z']) use(pool, clock, { kind: 'success' }, want(model));
    for (const model of ['x', 'y1', 'y-that-nobody-asked-for']) {
      expect(refused(pool.lease(want(model), clock.now())).blocks).toMatchObject([{ scope: 'models:x,y*' }]);
      expect(pool.explain(want(model))).toMatchObject([{ verdict: 'blocked', why: 'custom_cap for 60 min (config)' }]);
    }
    expect(use(pool, clock, { kind: 'success' }, want('z'))).toBe('a');
    expect(pool.status().credentials[0]?.state).toBe('ready');
  });

  test('on one model of a quota group, or on the group’s name, is one of the group', () => {
    const groups = { pro: ['big', 'bigger-*'] };
    for (const models of [['big'], ['bigger-1'], ['pro'], ['acme/big']]) {
      const { pool, clock } = setUp([credential('a')], { settings: withCaps([cap(2, { ...hour, models })], groups) });
      use(pool, clock, { kind: 'success' }, want('big'));
      use(pool, clock, { kind: 'success' }, want('bigger-2'));
      for (const model of ['big', 'bigger-3']) {
        expect(refused(pool.lease(want(model), clock.now())).blocks).toMatchObject([{ scope: 'group:pro' }]);
      }
      expect(use(pool, clock, { kind: 'success' }, want('small'))).toBe('a');
    }
  });

  test('of a tier is for the keys of that tier, one without for all', () => {
    const keys = [credential('a', { tierName: 'free' }), credential('b', { tierName: 'paid' }), credential('c')];
    const { pool } = setUp(keys, { settings: withCaps([cap(1, { tierName: 'free' }), cap(5)]) });
    expect(pool.status().credentials.map(({ caps }) => caps.map(({ limit }) => limit))).toEqual([[1, 5], [5], [5]]);
  });

  test('lets who waits through at its exact end, in order', async () => {
    const { pool, clock } = setUp([credential('a')], {
      settings: withCaps([cap(1, { window: { kind: 'rolling', ms: MINUTE } })]),
    });
    use(pool, clock);
    const limits = { deadline: clock.now() + 5 * MINUTE, blockedDeadline: clock.now() + 5 * MINUTE, signal };
    const first = follow(pool.acquire(want(), limits));
    const second = follow(pool.acquire(want(), limits));
    await clock.advance(MINUTE - 1);
    expect([first.state, second.state]).toEqual(['waiting', 'waiting']);
    await clock.advance(1);
    expect([first.state, second.state]).toEqual(['a', 'waiting']);
    await clock.advance(MINUTE);
    expect(second.state).toBe('a');
  });

  test('that a newcomer reaches ends the waiting of those who now wait in vain', async () => {
    const caps = [cap(1, { ...hour, models: ['x'] }), cap(2)];
    const { pool, clock } = setUp([credential('a')], { settings: withCaps(caps) });
    use(pool, clock, { kind: 'success' }, want('x'));
    const deadline = clock.now() + 2 * HOUR;
    const waiting = follow(pool.acquire(want('x'), { deadline, blockedDeadline: deadline, signal }));
    await clock.advance(0);
    expect(waiting.state).toBe('waiting');
    // The last of the day.
    leased(pool.lease(want('y'), clock.now()));
    await clock.advance(0);
    expect(waiting.state).toBe('blocked');
  });

  test('does not count what was never sent', () => {
    const { pool, clock } = setUp([credential('a')], { settings: withCaps([cap(1)]) });
    const lease = leased(pool.lease(want(), clock.now()));
    expect(pool.status().credentials[0]?.blocks).toHaveLength(1);
    pool.settle(lease, settled({ kind: 'unreachable' }));
    expect(pool.status().credentials[0]?.blocks).toEqual([]);
    expect(pool.status().credentials[0]?.caps).toMatchObject([{ used: 0 }]);
  });

  test('goes by the key’s own limits, and by what headers told of its models', () => {
    const half = { amount: { kind: 'share', share: 0.5 } } as const;
    const { pool, clock } = setUp(
      [credential('a', { limits: { ...NO_LIMITS, requestsPerDay: 10 } }), credential('b')],
      {
        settings: withCaps([
          { ...cap(1), ...half },
          { ...cap(1, { models: ['m'] }), ...half },
        ]),
      },
    );
    const limitsOf = () => pool.status().credentials.map(({ caps }) => caps.map(({ limit }) => limit));
    expect(limitsOf()).toEqual([
      [5, 5],
      [null, null],
    ]);
    const tell = (model: string, limit: number) => {
      const lease = leased(pool.lease(want(model, ['a']), clock.now()));
      const learned = { requestsPerDay: { limit, remaining: limit - 1, resetMs: 5 * HOUR } };
      pool.settle(lease, { ...settled({ kind: 'success' }), learned });
    };
    tell('other', 8);
    expect(limitsOf()[1]).toEqual([4, null]);
    tell('m', 6);
    expect(limitsOf()[1]).toEqual([3, 3]);
  });

  test('tells when it is reached and when it is over', async () => {
    const events: PoolEvent[] = [];
    const clock = new ManualClock();
    const settings = withCaps([cap(1, { window: { kind: 'rolling', ms: MINUTE } })]);
    const onEvent = (event: PoolEvent) => events.push(event);
    const pool = createPool({
      provider: 'acme',
      credentials: [credential('a')],
      settings,
      clock,
      random: middle,
      onEvent,
    });
    use(pool, clock);
    expect(events.map(({ kind }) => kind)).toEqual(['credential-blocked', 'lease-settled']);
    await clock.advance(MINUTE);
    pool.status();
    expect(events.at(-1)).toMatchObject({ kind: 'credential-unblocked', credential: 'a', scope: 'key' });
  });

  test('is lifted by the operator, and then counts from zero', () => {
    const { pool, clock } = setUp([credential('a')], { settings: withCaps([cap(2)]) });
    use(pool, clock);
    use(pool, clock);
    pool.reset();
    expect(pool.status().credentials[0]).toMatchObject({ state: 'ready', caps: [{ used: 0 }] });
    use(pool, clock);
    expect(pool.status().credentials[0]?.state).toBe('ready');
  });

  test('survives a restart and a reload, and a larger one is open at once', () => {
    const { pool, clock } = setUp([credential('a')], { settings: withCaps([cap(2, { models: ['m'] })]) });
    use(pool, clock);
    use(pool, clock);
    const restore: unknown = JSON.parse(JSON.stringify(pool.snapshot()));
    const credentials = [credential('a')];
    const settings = withCaps([cap(2, { models: ['m'] })]);
    const next = createPool({ provider: 'acme', credentials, settings, clock, random: middle, restore });
    expect(refused(next.lease(want(), clock.now())).blocks).toMatchObject([{ kind: 'custom_cap', scope: 'model:m' }]);
    next.update(credentials, withCaps([cap(3, { models: ['m'] })]));
    use(next, clock);
    expect(refused(next.lease(want(), clock.now())).blocks).toHaveLength(1);
    next.update(credentials, withCaps([]));
    use(next, clock);
    expect(next.status().credentials[0]).toMatchObject({ blocks: [], caps: [] });
  });

  test('is given nothing back by a request of the day before', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: withCaps([cap(2)]) });
    const old = leased(pool.lease(want(), clock.now()));
    await clock.advance(DAY);
    use(pool, clock);
    pool.settle(old, settled({ kind: 'unreachable' }));
    await clock.advance(MINUTE);
    use(pool, clock);
    expect(refused(pool.lease(want(), clock.now())).blocks).toMatchObject([{ kind: 'custom_cap' }]);
  });
});
