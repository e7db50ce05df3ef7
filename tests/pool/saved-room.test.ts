import { describe, expect, test } from 'bun:test';
import type { KeyLimits } from '../../src/pool/credential.ts';
import { isRefusal, type Pool, type Want } from '../../src/pool/pool.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import type { ManualClock } from '../support/manual-clock.ts';
import {
  credential,
  credentialId,
  follow,
  leased,
  limited,
  MINUTE,
  NO_LIMITS,
  names,
  refused,
  SECOND,
  setUp,
  settled,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

/** Under `tpm` 100 small requests find room all the time, and what one of 90 needs comes together only if it is saved. */
const key = (name: string, limits: Partial<KeyLimits> = { tokensPerMinute: 100 }) =>
  credential(name, { limits: { ...NO_LIMITS, ...limits } });
const sized = (tokens: number, model = 'm', exclude: readonly string[] = []): Want => ({
  ...want(model, exclude),
  tokens,
});
const success = settled({ kind: 'success' });
const stacked = withSettings({ concurrency: { optimalPerKey: 0 } });

function acquire(
  pool: Pool,
  clock: ManualClock,
  wanted: Want,
  forMs = 5 * MINUTE,
  signal = new AbortController().signal,
) {
  return follow(pool.acquire(wanted, { deadline: clock.now() + forMs, blockedDeadline: clock.now() + forMs, signal }));
}

/** One small request every two seconds, each over at once. Gives the keys that served them. */
async function traffic(pool: Pool, clock: ManualClock, forMs: number, wanted = sized(10)): Promise<string[]> {
  const served: string[] = [];
  for (const end = clock.now() + forMs; clock.now() < end; await clock.advance(2 * SECOND)) {
    const result = pool.lease(wanted, clock.now());
    if (isRefusal(result)) continue;
    pool.settle(result, success);
    served.push(result.credentialId);
  }
  return served;
}

describe.each(['balanced', 'sequential'] as const)('in mode %s a large request', (mode) => {
  const settings = withSettings({ mode, concurrency: { optimalPerKey: 0 } });

  test('is served when it was said to be, whatever small ones come later', async () => {
    const { pool, clock } = setUp([key('a')], { settings });
    await traffic(pool, clock, 10 * SECOND);
    const { retryAt } = refused(pool.lease(sized(90), clock.now()));
    const large = acquire(pool, clock, sized(90));
    const served = await traffic(pool, clock, (retryAt ?? 0) - clock.now());
    expect([large.state, served.length]).toEqual(['a', 0]);
    // Then there is room for the others again.
    expect(await traffic(pool, clock, 4 * SECOND)).toEqual(['a']);
  });

  test('is not overtaken by small ones that wait, too', async () => {
    const { pool, clock } = setUp([key('a')], { settings });
    await traffic(pool, clock, 10 * SECOND);
    const large = acquire(pool, clock, sized(90));
    const small = acquire(pool, clock, sized(10));
    await clock.advance(56 * SECOND - 1);
    expect([large.state, small.state]).toEqual(['waiting', 'waiting']);
    await clock.advance(1);
    expect([large.state, small.state]).toEqual(['a', 'waiting']);
    await clock.advance(2 * SECOND);
    expect(small.state).toBe('a');
  });

  test('keeps one key to itself, and the others go on', async () => {
    const { pool, clock } = setUp(
      names(3).map((name) => key(name)),
      { settings },
    );
    const before = await traffic(pool, clock, 50 * SECOND);
    expect(new Set(before).size).toBe(3);
    const large = acquire(pool, clock, sized(100));
    const served = await traffic(pool, clock, 60 * SECOND);
    expect(large.state).not.toBe('waiting');
    expect(served.length).toBeGreaterThan(15);
    expect(served).not.toContain(large.state);
  });

  test('larger than the whole limit gets the empty window', async () => {
    const { pool, clock } = setUp([key('a')], { settings });
    await traffic(pool, clock, 10 * SECOND);
    const large = acquire(pool, clock, sized(5000));
    expect(await traffic(pool, clock, 58 * SECOND)).toEqual([]);
    expect(large.state).toBe('a');
  });

  test('is not overtaken by requests for another model: the key’s limits are for all of them', async () => {
    const { pool, clock } = setUp([key('a')], { settings });
    await traffic(pool, clock, 10 * SECOND);
    const large = acquire(pool, clock, sized(90));
    expect(await traffic(pool, clock, 56 * SECOND, sized(10, 'other'))).toEqual([]);
    expect(large.state).toBe('a');
  });

  test('that waits for tokens finds the requests of that minute saved as well', async () => {
    const { pool, clock } = setUp([key('a', { tokensPerMinute: 100, requestsPerMinute: 6 })], { settings });
    await traffic(pool, clock, 10 * SECOND);
    const large = acquire(pool, clock, sized(90));
    // Not a token is known of these, but each is a request.
    expect(await traffic(pool, clock, 58 * SECOND, sized(0))).toEqual([]);
    expect(large.state).toBe('a');
  });
});

describe('whoever is turned away by it', () => {
  test('is told when there is room for both', async () => {
    const { pool, clock } = setUp([key('a')], { settings: stacked });
    const start = clock.now();
    await traffic(pool, clock, 10 * SECOND);
    acquire(pool, clock, sized(80));
    // When the third of the five is a minute old there is room for the large one, and with the fourth for both.
    const two = refused(pool.lease(sized(10), clock.now()));
    expect(two).toMatchObject({ cause: 'over-limit', blocks: [], retryAt: start + 6 * SECOND + MINUTE });
    // What does not fit beside it comes a minute after it.
    const next = refused(pool.lease(sized(30), clock.now()));
    expect(next.retryAt).toBe(start + 4 * SECOND + 2 * MINUTE);
  });

  test('waits in line, and is refused at once when its turn comes too late', async () => {
    const { pool, clock } = setUp([key('a')], { settings: stacked });
    use(pool, clock, { kind: 'success' }, sized(20));
    const large = acquire(pool, clock, sized(90));
    const patient = acquire(pool, clock, sized(10), MINUTE);
    const hasty = acquire(pool, clock, sized(10), 59 * SECOND);
    await clock.advance(0);
    expect([large.state, patient.state, hasty.state]).toEqual(['waiting', 'waiting', 'over-limit']);
    await clock.advance(MINUTE);
    expect([large.state, patient.state]).toEqual(['a', 'a']);
  });

  test('is told why', async () => {
    const { pool, clock } = setUp([key('a')], { settings: stacked });
    use(pool, clock, { kind: 'success' }, sized(20));
    acquire(pool, clock, sized(90));
    expect(pool.explain(sized(10))).toMatchObject([
      { verdict: 'over_limit', why: 'its room is kept for a request that waits, room in 60 s' },
    ]);
    expect(pool.isReadyFor(sized(10))).toBe(false);
  });

  test('is not somebody who came before', async () => {
    const settings = withSettings({ concurrency: { maxPerKey: 1 } });
    const { pool, clock } = setUp([key('a')], { settings });
    const lease = leased(pool.lease(sized(20), clock.now()));
    const older = acquire(pool, clock, sized(10));
    const large = acquire(pool, clock, sized(90));
    const younger = acquire(pool, clock, sized(10));
    pool.settle(lease, success);
    await clock.advance(0);
    expect([older.state, large.state, younger.state]).toEqual(['a', 'waiting', 'waiting']);
    pool.settle(older.lease, success);
    await clock.advance(0);
    expect([large.state, younger.state]).toEqual(['waiting', 'waiting']);
    await clock.advance(MINUTE);
    expect([large.state, younger.state]).toEqual(['a', 'waiting']);
  });

  test('is not a request for another model, where only a ceiling of the model is in the way', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: stacked });
    const tell = { tokensPerMinute: { limit: 100, remaining: 20, resetMs: 40_000 } };
    pool.settle(leased(pool.lease(sized(10), clock.now())), { ...success, learned: tell });
    const large = acquire(pool, clock, sized(90));
    expect(refused(pool.lease(sized(10), clock.now())).cause).toBe('over-limit');
    expect(use(pool, clock, { kind: 'success' }, sized(10, 'other'))).toBe('a');
    await clock.advance(40_000);
    expect(large.state).toBe('a');
  });
});

test('where a ceiling of a quota group is in the way, all models of the group keep back, also new ones', async () => {
  const settings = withSettings({
    concurrency: { optimalPerKey: 0 },
    groups: [{ name: 'pro', models: [namePattern('pro-*')] }],
  });
  const { pool, clock } = setUp([credential('a')], { settings });
  const tell = { tokensPerMinute: { limit: 100, remaining: 20, resetMs: 40_000 } };
  pool.settle(leased(pool.lease(sized(10, 'pro-1'), clock.now())), { ...success, learned: tell });
  const large = acquire(pool, clock, sized(90, 'pro-1'));
  expect(refused(pool.lease(sized(10, 'pro-2'), clock.now())).cause).toBe('over-limit');
  expect(use(pool, clock, { kind: 'success' }, sized(10, 'other'))).toBe('a');
  await clock.advance(40_000);
  expect(large.state).toBe('a');
  expect(use(pool, clock, { kind: 'success' }, sized(10, 'pro-2'))).toBe('a');
});

test('a key that has the room by now and is merely busy does not stop the saving on another', async () => {
  const { pool, clock } = setUp([key('a', { tokensPerMinute: 100, concurrency: 1 }), key('b')], { settings: stacked });
  const stream = leased(pool.lease(sized(20, 'm', ['b']), clock.now()));
  await traffic(pool, clock, 10 * SECOND, sized(10, 'm', ['a']));
  const large = acquire(pool, clock, sized(90));
  // It has room on `a` after a minute, but the stream goes on.
  await traffic(pool, clock, 51 * SECOND, sized(10, 'm', ['a']));
  expect(await traffic(pool, clock, 14 * SECOND, sized(10, 'm', ['a']))).toEqual([]);
  expect(large.state).toBe('b');
  pool.settle(stream, success);
});

describe('the room is free again for those behind', () => {
  const waiting = () => {
    const { pool, clock } = setUp([key('a')], { settings: stacked });
    use(pool, clock, { kind: 'success' }, sized(20));
    return { pool, clock };
  };

  test('when the client leaves', async () => {
    const { pool, clock } = waiting();
    const gone = new AbortController();
    const large = acquire(pool, clock, sized(90), 5 * MINUTE, gone.signal);
    const small = acquire(pool, clock, sized(10));
    await clock.advance(SECOND);
    expect(small.state).toBe('waiting');
    gone.abort();
    await clock.advance(0);
    expect([large.state, small.state]).toEqual(['aborted', 'a']);
    expect(pool.status().credentials[0]?.state).toBe('ready');
    expect(clock.pending).toBe(0);
  });

  test('when the wait has become vain: somebody under way used more than was thought', async () => {
    const { pool, clock } = waiting();
    const lease = leased(pool.lease(sized(10), clock.now()));
    const large = acquire(pool, clock, sized(90), MINUTE);
    const small = acquire(pool, clock, sized(10), MINUTE);
    await clock.advance(SECOND);
    pool.settle(lease, { ...success, usage: { inputTokens: 30, outputTokens: 10 } });
    await clock.advance(0);
    expect([large.state, small.state]).toEqual(['over-limit', 'a']);
  });

  test('at the deadline', async () => {
    const settings = withSettings({ concurrency: { maxPerKey: 1 } });
    const { pool, clock } = setUp([key('a')], { settings });
    const stream = leased(pool.lease(sized(20), clock.now()));
    const large = acquire(pool, clock, sized(90), 2 * MINUTE);
    await clock.advance(2 * MINUTE);
    expect(large.state).toBe('busy');
    pool.settle(stream, success);
    expect(use(pool, clock, { kind: 'success' }, sized(10))).toBe('a');
  });

  test('when another key has served it', async () => {
    const { pool, clock } = setUp([key('a'), key('b')], { settings: stacked });
    use(pool, clock, { kind: 'success' }, sized(20, 'm', ['b']));
    await clock.advance(SECOND);
    const other = leased(pool.lease(sized(90, 'm', ['a']), clock.now()));
    const large = acquire(pool, clock, sized(90));
    expect(refused(pool.lease(sized(10, 'm', ['b']), clock.now())).cause).toBe('over-limit');
    pool.settle(other, { ...success, usage: { inputTokens: 1, outputTokens: 1 } });
    await clock.advance(0);
    expect(large.state).toBe('b');
    expect(use(pool, clock, { kind: 'success' }, sized(10, 'm', ['b']))).toBe('a');
  });

  test('when the limit is gone from the config, and the large one goes', async () => {
    const { pool, clock } = waiting();
    const large = acquire(pool, clock, sized(90));
    pool.update([credential('a')], stacked);
    await clock.advance(0);
    expect(large.state).toBe('a');
    expect(use(pool, clock, { kind: 'success' }, sized(10))).toBe('a');
  });
});

describe('what is saved', () => {
  test('stays saved over a reload', async () => {
    const { pool, clock } = setUp([key('a')], { settings: stacked });
    use(pool, clock, { kind: 'success' }, sized(20));
    const large = acquire(pool, clock, sized(90));
    pool.update([key('a', { tokensPerMinute: 95 }), credential('b', { isEnabled: false })], stacked);
    expect(refused(pool.lease(sized(10), clock.now())).cause).toBe('over-limit');
    await clock.advance(MINUTE);
    expect(large.state).toBe('a');
  });

  test('is that of another key when the first is removed or disabled', async () => {
    for (const left of [[key('b')], [key('a'), key('b')].map((one, index) => ({ ...one, isEnabled: index === 1 }))]) {
      const { pool, clock } = setUp([key('a'), key('b')], { settings: stacked });
      use(pool, clock, { kind: 'success' }, sized(20, 'm', ['b']));
      await clock.advance(SECOND);
      use(pool, clock, { kind: 'success' }, sized(20, 'm', ['a']));
      const large = acquire(pool, clock, sized(90));
      expect(use(pool, clock, { kind: 'success' }, sized(10))).toBe('b');
      pool.update(left, stacked);
      expect(refused(pool.lease(sized(10), clock.now())).cause).toBe('over-limit');
      await clock.advance(MINUTE);
      expect(large.state).toBe('b');
    }
  });

  test('is that of another key when the first is blocked for too long', async () => {
    const { pool, clock } = setUp([key('a'), key('b')], { settings: stacked });
    use(pool, clock, { kind: 'success' }, sized(20, 'm', ['b']));
    const lease = leased(pool.lease(sized(20, 'm', ['b']), clock.now()));
    await clock.advance(SECOND);
    use(pool, clock, { kind: 'success' }, sized(20, 'm', ['a']));
    await clock.advance(SECOND);
    const large = acquire(pool, clock, sized(90));
    expect(use(pool, clock, { kind: 'success' }, sized(10))).toBe('b');
    pool.settle(lease, settled(limited(10 * MINUTE)));
    expect(await traffic(pool, clock, MINUTE)).toEqual([]);
    expect(large.state).toBe('b');
  });

  test('is that of one key though another becomes the sooner one: it would never come together', async () => {
    const { pool, clock } = setUp([key('a'), key('b')], { settings: stacked });
    const underWay = leased(pool.lease(sized(20, 'm', ['b']), clock.now()));
    use(pool, clock, { kind: 'success' }, sized(20, 'm', ['b']));
    await clock.advance(SECOND);
    use(pool, clock, { kind: 'success' }, sized(20, 'm', ['a']));
    acquire(pool, clock, sized(90));
    await clock.advance(SECOND);
    // Now `a` comes after `b`.
    pool.settle(underWay, { ...success, usage: { inputTokens: 20, outputTokens: 15 } });
    expect(await traffic(pool, clock, 10 * SECOND)).toEqual(['b', 'b', 'b', 'b', 'b']);
  });

  test('is not that of a key which has room too late', async () => {
    const { pool, clock } = setUp([key('a', { tokensPerDay: 100 }), key('b', { concurrency: 1 })], {
      settings: stacked,
    });
    use(pool, clock, { kind: 'success' }, sized(20, 'm', ['b']));
    const lease = leased(pool.lease(sized(10, 'm', ['a']), clock.now()));
    const large = acquire(pool, clock, sized(90));
    expect(use(pool, clock, { kind: 'success' }, sized(10))).toBe('a');
    pool.settle(lease, success);
    await clock.advance(0);
    expect(large.state).toBe('b');
  });

  test('goes to one after the other, in the order in which they came', async () => {
    const { pool, clock } = setUp([key('a')], { settings: stacked });
    use(pool, clock, { kind: 'success' }, sized(60));
    const line = [90, 80, 70].map((tokens) => acquire(pool, clock, sized(tokens)));
    const states = () => line.map((one) => one.state);
    expect(await traffic(pool, clock, MINUTE, sized(30))).toEqual([]);
    expect(states()).toEqual(['a', 'waiting', 'waiting']);
    expect(await traffic(pool, clock, MINUTE, sized(30))).toEqual([]);
    expect(states()).toEqual(['a', 'a', 'waiting']);
    expect(await traffic(pool, clock, MINUTE, sized(30))).toEqual([]);
    expect(states()).toEqual(['a', 'a', 'a']);
  });

  test('is each its own for two that wait', async () => {
    const { pool, clock } = setUp(
      names(3).map((name) => key(name)),
      { settings: stacked },
    );
    await traffic(pool, clock, 30 * SECOND);
    const line = [1, 2].map(() => acquire(pool, clock, sized(100)));
    const served = new Set(await traffic(pool, clock, MINUTE));
    expect(served.size).toBe(1);
    expect(new Set([...line.map((one) => one.state), ...served])).toEqual(new Set(names(3)));
  });

  test('is nothing where nobody waits, and nothing for who waits for a slot', async () => {
    const { pool, clock } = setUp([key('a', { tokensPerMinute: 100, concurrency: 1 })], { settings: stacked });
    const lease = leased(pool.lease(sized(10), clock.now()));
    const waiting = acquire(pool, clock, sized(10));
    expect(pool.explain(sized(10))[0]).toMatchObject({ verdict: 'busy', why: '1 of 1 requests in flight' });
    pool.settle(lease, success);
    await clock.advance(0);
    pool.settle(waiting.lease, success);
    expect(pool.status().credentials[0]?.state).toBe('ready');
    expect(credentialId(use(pool, clock, { kind: 'success' }, sized(10)))).toBe(credentialId('a'));
  });
});
