import { describe, expect, test } from 'bun:test';
import { createPool } from '../../src/pool/create-pool.ts';
import type { PolledWindow } from '../../src/pool/polled-quota.ts';
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
  refused,
  SECOND,
  setUp,
  settled,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

const a = credentialId('a');
const grouped = withSettings({ groups: [{ name: 'pro', models: ['big*'].map(namePattern) }] });
const window = (used: number, resetAt: number | null, change: Partial<PolledWindow> = {}): PolledWindow => ({
  scope: 'key',
  name: 'day',
  unit: 'requests',
  lengthMs: DAY,
  used,
  limit: 10,
  remaining: 10 - used,
  resetAt,
  ...change,
});

describe('what a provider tells of a quota', () => {
  test('stands among the windows until it is renewed', async () => {
    const { pool, clock } = setUp([credential('a')]);
    const resetAt = clock.now() + HOUR;
    pool.tellQuota(a, { askedAt: clock.now(), windows: [window(4, resetAt)] });
    const shown = { scope: 'key', name: 'day', unit: 'requests', limit: 10, resetAt, source: 'polled' } as const;
    expect(pool.status().credentials[0]?.windows).toEqual([{ ...shown, used: 4, remaining: 6, roomAt: null }]);
    pool.tellQuota(a, { askedAt: clock.now(), windows: [window(10, resetAt)] });
    expect(pool.status().credentials[0]?.windows).toEqual([{ ...shown, used: 10, remaining: 0, roomAt: resetAt }]);
    await clock.advance(HOUR);
    expect(pool.status().credentials[0]?.windows).toEqual([]);
  });

  test('blocks until the reset when nothing is left, exactly, and frees who waits for that', async () => {
    const { pool, clock } = setUp([credential('a')]);
    const until = clock.now() + 20 * MINUTE;
    pool.tellQuota(a, { askedAt: clock.now(), windows: [window(10, until)] });
    expect(refused(pool.lease(want(), clock.now()))).toMatchObject({
      retryAt: until,
      blocks: [{ scope: 'key', kind: 'quota', until, source: 'quota-poll' }],
    });
    const limits = { deadline: until + 1, blockedDeadline: until + 1, signal: new AbortController().signal };
    const waiting = follow(pool.acquire(want(), limits));
    await clock.advance(20 * MINUTE - 1);
    expect(waiting.state).toBe('waiting');
    await clock.advance(1);
    expect(waiting.state).toBe('a');
  });

  test('goes before what was believed, in both directions', () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(5 * HOUR, { isQuota: true, scope: 'credential' }));
    const until = clock.now() + HOUR;
    pool.tellQuota(a, { askedAt: clock.now() + 1, windows: [window(10, until)] });
    expect(pool.status().credentials[0]?.blocks).toMatchObject([{ until }]);
    pool.tellQuota(a, { askedAt: clock.now() + 2, windows: [window(3, until)] });
    expect(pool.status().credentials[0]?.blocks).toEqual([]);
    expect(use(pool, clock)).toBe('a');
  });

  test('wakes who waits when there is some again', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(10 * SECOND, { isQuota: true, scope: 'credential' }));
    await clock.advance(1);
    const deadline = clock.now() + MINUTE;
    const limits = { deadline, blockedDeadline: deadline, signal: new AbortController().signal };
    const waiting = follow(pool.acquire(want(), limits));
    pool.tellQuota(a, { askedAt: clock.now(), windows: [window(3, clock.now() + HOUR)] });
    await clock.advance(0);
    expect(waiting.state).toBe('a');
  });

  test('does not lift what was refused after the question, nor any block that is no quota', async () => {
    const { pool, clock } = setUp([credential('a'), credential('b')]);
    const askedAt = clock.now();
    await clock.advance(SECOND);
    const only = (outcome: Parameters<typeof settled>[0], id: string) => {
      const lease = leased(pool.lease({ ...want(), only: credentialId(id) }, clock.now()));
      pool.settle(lease, settled(outcome));
    };
    only(limited(HOUR, { isQuota: true, scope: 'credential' }), 'a');
    only({ kind: 'auth' }, 'b');
    pool.tellQuota(a, { askedAt, windows: [window(3, clock.now() + HOUR)] });
    pool.tellQuota(credentialId('b'), { askedAt: clock.now() + 1, windows: [window(3, clock.now() + HOUR)] });
    expect(pool.status().credentials.map(({ blocks }) => blocks.map(({ kind }) => kind))).toEqual([
      ['quota'],
      ['auth'],
    ]);
  });

  test('of a model is of its quota group; of a group that nobody configured, it says nothing', () => {
    const { pool, clock } = setUp([credential('a')], { settings: grouped });
    const until = clock.now() + HOUR;
    pool.tellQuota(a, {
      askedAt: clock.now(),
      windows: [
        window(10, until, { scope: 'model:big-1' }),
        window(10, until, { scope: 'model:small' }),
        window(10, until, { scope: 'group:else' }),
      ],
    });
    const scopes = pool.status().credentials[0]?.blocks.map(({ scope }) => scope);
    expect(scopes?.sort()).toEqual(['group:pro', 'model:small']);
    expect(refused(pool.lease(want('big-2'), clock.now())).blocks).toHaveLength(1);
    expect(use(pool, clock, { kind: 'success' }, want('other'))).toBe('a');
  });

  test('of several windows waits for the last that is spent', () => {
    const { pool, clock } = setUp([credential('a')]);
    const [hour, week] = [clock.now() + HOUR, clock.now() + 6 * DAY];
    pool.tellQuota(a, {
      askedAt: clock.now(),
      windows: [
        window(10, hour, { name: '5h' }),
        window(10, week, { name: 'week' }),
        window(1, null, { name: 'month' }),
      ],
    });
    expect(pool.status().credentials[0]?.blocks).toMatchObject([
      { until: week, reason: 'the provider says that nothing is left of the window 5h, week' },
    ]);
  });

  test('without a reset holds until the day ends', () => {
    const { pool, clock } = setUp([credential('a')]);
    pool.tellQuota(a, { askedAt: clock.now(), windows: [window(10, null)] });
    const [block] = pool.status().credentials[0]?.blocks ?? [];
    expect(block?.source).toBe('daily-reset');
    expect(block?.until).toBeLessThanOrEqual(clock.now() + DAY);
  });

  test('is shared by keys of one quota pool', () => {
    const keys = ['a', 'b', 'c'].map((name) => credential(name, { quotaPool: name === 'c' ? null : 'project' }));
    const { pool, clock } = setUp(keys);
    const counts = () => pool.status().credentials.map(({ blocks }) => blocks.length);
    pool.tellQuota(a, { askedAt: clock.now(), windows: [window(10, clock.now() + HOUR)] });
    expect(counts()).toEqual([1, 1, 0]);
    pool.tellQuota(a, { askedAt: clock.now() + 1, windows: [window(1, clock.now() + HOUR)] });
    expect(counts()).toEqual([0, 0, 0]);
  });

  test('is what a cap in the vendor’s own window goes by', () => {
    const own = { ...cap(1, { window: { kind: 'authoritative' } }), amount: { kind: 'share', share: 0.8 } } as const;
    const { pool, clock } = setUp([credential('a')], { settings: withSettings({ caps: [own] }) });
    const resetAt = clock.now() + HOUR;
    expect(pool.status().credentials[0]?.caps[0]?.note).toContain('not known');
    pool.tellQuota(a, { askedAt: clock.now(), windows: [window(7, resetAt)] });
    expect(pool.status().credentials[0]?.caps).toMatchObject([
      { used: 7, limit: 8, remaining: 1, resetAt, note: null },
    ]);
    use(pool, clock);
    expect(refused(pool.lease(want(), clock.now()))).toMatchObject({
      retryAt: resetAt,
      blocks: [{ kind: 'custom_cap' }],
    });
  });

  test('survives a restart', () => {
    const { pool, clock } = setUp([credential('a')]);
    pool.tellQuota(a, { askedAt: clock.now(), windows: [window(4, clock.now() + HOUR)] });
    const restore: unknown = JSON.parse(JSON.stringify(pool.snapshot()));
    const next = createPool({
      provider: 'acme',
      credentials: [credential('a')],
      settings: grouped,
      clock,
      random: middle,
      restore,
    });
    expect(next.status().credentials[0]?.windows).toEqual(pool.status().credentials[0]?.windows ?? []);
  });

  test('of nobody is nothing', () => {
    const { pool, clock } = setUp([credential('a')]);
    pool.tellQuota(credentialId('gone'), { askedAt: clock.now(), windows: [window(10, null)] });
    expect(use(pool, clock)).toBe('a');
  });
});
