// What somebody outside the pool holds against a credential.
import { describe, expect, test } from 'bun:test';
import type { Block } from '../../src/pool/block.ts';
import {
  credential,
  follow,
  HOUR,
  limited,
  refused,
  settings,
  setUp,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

const hold = (until: number | null = null): Block => ({
  scope: 'key',
  kind: 'auth',
  until,
  reason: 'it needs a new login',
  source: 'account',
});

describe('a credential that is held', () => {
  test.each(['balanced', 'sequential'] as const)('is not taken, the others are (%s)', (mode) => {
    const credentials = [credential('a', { hold: hold(), priority: 1 }), credential('b', { priority: 2 })];
    const { pool, clock } = setUp(credentials, { settings: withSettings({ mode }) });
    expect([use(pool, clock), use(pool, clock)]).toEqual(['b', 'b']);
  });

  test('is shown as blocked, with the reason', () => {
    const { pool } = setUp([credential('a', { hold: hold() }), credential('b')]);
    expect(pool.status().credentials[0]).toMatchObject({ state: 'blocked', isEnabled: true, blocks: [hold()] });
    expect(pool.explain(want())).toMatchObject([
      { verdict: 'blocked', why: 'it needs a new login', blocks: [hold()] },
      { verdict: 'chosen' },
    ]);
  });

  test('alone is why nobody serves, and says when that ends where it is known', () => {
    const { pool, clock } = setUp([credential('a', { hold: hold() })]);
    expect(refused(pool.lease(want(), clock.now()))).toMatchObject({
      cause: 'blocked',
      blocks: [hold()],
      retryAt: null,
    });
    const until = clock.now() + HOUR;
    pool.update([credential('a', { hold: hold(until) })], settings);
    expect(refused(pool.lease(want(), clock.now()))).toMatchObject({ cause: 'blocked', retryAt: until });
  });

  test('is not freed by a reset, and serves whoever waits once it is let go', async () => {
    const { pool, clock } = setUp([credential('a', { hold: hold(HOUR) })]);
    pool.reset();
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('blocked');
    const { signal } = new AbortController();
    const deadline = clock.now() + 2 * HOUR;
    const waiter = follow(pool.acquire(want(), { deadline, blockedDeadline: deadline, signal }));
    pool.update([credential('a')], settings);
    await Promise.resolve();
    expect(waiter.state).toBe('a');
  });

  test('takes no part in a fair cycle, which ends without it', async () => {
    const rules = {
      scope: 'credential' as const,
      isCrossTier: false,
      durationMs: 24 * HOUR,
      thresholdMs: 1,
      quotaThreshold: 1,
      resetGuardMs: 0,
    };
    const fair = withSettings({ mode: 'sequential', fairCycle: rules });
    const { pool, clock } = setUp([credential('a'), credential('b', { hold: hold() })], { settings: fair });
    use(pool, clock, limited(2 * HOUR, { isQuota: true }));
    await clock.advance(2 * HOUR);
    use(pool, clock);
    expect(pool.explain(want())[0]).toMatchObject({ verdict: 'chosen', why: 'the only one ready' });
  });
});
