import { describe, expect, test } from 'bun:test';
import { type Lease, type Pool, type Refusal, type Want } from '../../src/pool/pool.ts';
import type { ManualClock } from '../support/manual-clock.ts';
import {
  credential,
  credentialId,
  follow,
  HOUR,
  leased,
  limited,
  MINUTE,
  names,
  refused,
  SECOND,
  setUp,
  settled,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

const one = withSettings({ concurrency: { maxPerKey: 1 } });
const success = settled({ kind: 'success' });

function acquire(
  pool: Pool,
  clock: ManualClock,
  change: { want?: Want; forMs?: number; blockedForMs?: number; signal?: AbortSignal } = {},
) {
  const forMs = change.forMs ?? 30 * SECOND;
  const promise: Promise<Lease | Refusal> = pool.acquire(change.want ?? want(), {
    deadline: clock.now() + forMs,
    blockedDeadline: clock.now() + (change.blockedForMs ?? forMs),
    signal: change.signal ?? new AbortController().signal,
  });
  return follow(promise);
}

/** Lets promises settle. */
const settle = (clock: ManualClock) => clock.advance(0);

describe('waiting for a busy credential', () => {
  test('ends with the release', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    const lease = leased(pool.lease(want(), clock.now()));
    const waiting = acquire(pool, clock);
    await settle(clock);
    expect(waiting.state).toBe('waiting');
    expect(pool.status().waiting).toBe(1);
    pool.settle(lease, success);
    await settle(clock);
    expect(waiting.state).toBe('a');
    expect(pool.status()).toMatchObject({ waiting: 0, credentials: [{ inFlight: 1 }] });
  });

  test('is first come, first served', async () => {
    const { pool, clock } = setUp(
      names(2).map((name) => credential(name)),
      { settings: one },
    );
    const flight = [1, 2].map(() => leased(pool.lease(want(), clock.now())));
    const line = Array.from({ length: 10 }, () => acquire(pool, clock));
    const order: number[] = [];
    for (let step = 0; step < 10; step++) {
      const lease = flight.shift();
      if (lease) pool.settle(lease, success);
      await settle(clock);
      const next = line.findIndex((waiter, index) => waiter.state !== 'waiting' && !order.includes(index));
      order.push(next);
      flight.push(line[next]?.lease ?? leased(pool.lease(want(), clock.now())));
    }
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('a newcomer does not overtake, neither by leasing nor by acquiring', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    const lease = leased(pool.lease(want(), clock.now()));
    const older = acquire(pool, clock);
    pool.settle(lease, success);
    // The older one has it, though its promise has not been looked at yet.
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
    const newer = acquire(pool, clock);
    await settle(clock);
    expect([older.state, newer.state]).toEqual(['a', 'waiting']);
    pool.settle(older.lease, success);
    await settle(clock);
    expect(newer.state).toBe('a');
  });

  test('a newcomer takes what is of no use to those who wait', async () => {
    const { pool, clock } = setUp(
      names(2).map((name) => credential(name)),
      { settings: one },
    );
    leased(pool.lease(want('m', ['k1']), clock.now()));
    const picky = acquire(pool, clock, { want: want('m', ['k1']) });
    expect(leased(pool.lease(want(), clock.now())).credentialId).toBe(credentialId('k1'));
    await settle(clock);
    expect(picky.state).toBe('waiting');
  });

  test('a waiter for a blocked model never starves another', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    use(pool, clock, limited(20 * SECOND), want('blocked'));
    const lease = leased(pool.lease(want('free'), clock.now()));
    const first = acquire(pool, clock, { want: want('blocked') });
    const second = acquire(pool, clock, { want: want('free') });
    pool.settle(lease, success);
    await settle(clock);
    expect([first.state, second.state]).toEqual(['waiting', 'a']);
    pool.settle(second.lease, success);
    await clock.advance(20 * SECOND);
    expect(first.state).toBe('a');
  });

  test('for one credential only does not hold up those behind', async () => {
    const { pool, clock } = setUp(
      names(2).map((name) => credential(name)),
      { settings: one },
    );
    const flight = names(2).map(() => leased(pool.lease(want(), clock.now())));
    const particular = acquire(pool, clock, { want: { ...want(), only: credentialId('k0') } });
    const second = acquire(pool, clock);
    const release = (name: string) => {
      const lease = flight.find((held) => held.credentialId === name);
      if (lease) pool.settle(lease, success);
    };
    release('k1');
    await settle(clock);
    expect([particular.state, second.state]).toEqual(['waiting', 'k1']);
    release('k0');
    await settle(clock);
    expect(particular.state).toBe('k0');
  });

  test('is refused at the deadline, to the millisecond, and leaves no timer', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    leased(pool.lease(want(), clock.now()));
    const waiting = acquire(pool, clock, { forMs: 5000 });
    expect(clock.pending).toBe(1);
    await clock.advance(4999);
    expect(waiting.state).toBe('waiting');
    await clock.advance(1);
    expect(waiting.refusal).toMatchObject({ cause: 'busy', retryAt: null });
    expect(clock.pending).toBe(0);
    expect(pool.status().waiting).toBe(0);
  });

  test('a deadline that has passed is no wait at all', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    leased(pool.lease(want(), clock.now()));
    const waiting = acquire(pool, clock, { forMs: 0 });
    await settle(clock);
    expect(waiting.state).toBe('busy');
  });
});

describe('waiting for a block to end', () => {
  test('wakes when it ends', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(5000));
    const waiting = acquire(pool, clock);
    await clock.advance(4999);
    expect(waiting.state).toBe('waiting');
    await clock.advance(1);
    expect(waiting.state).toBe('a');
  });

  test('a whole line wakes, in order, as far as it can be served', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: withSettings({ concurrency: { maxPerKey: 2 } }) });
    use(pool, clock, limited(5000));
    const line = [1, 2, 3].map(() => acquire(pool, clock));
    await clock.advance(5000);
    expect(line.map((waiter) => waiter.state)).toEqual(['a', 'a', 'waiting']);
  });

  test('is refused at once when that is too late, and says when', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(20 * SECOND));
    const waiting = acquire(pool, clock, { forMs: 10 * SECOND });
    await settle(clock);
    expect(waiting.refusal).toMatchObject({ cause: 'blocked', retryAt: clock.now() + 20 * SECOND });
  });

  test('has a deadline of its own, apart from that for busy ones', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(20 * SECOND));
    const refusedOne = acquire(pool, clock, { forMs: 30 * SECOND, blockedForMs: 10 * SECOND });
    const patient = acquire(pool, clock, { forMs: 30 * SECOND, blockedForMs: 20 * SECOND });
    await settle(clock);
    expect([refusedOne.state, patient.state]).toEqual(['blocked', 'waiting']);
  });

  test('does not wait for what has no end', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, { kind: 'billing' });
    const waiting = acquire(pool, clock, { forMs: 1000 * HOUR });
    await settle(clock);
    expect(waiting.refusal).toMatchObject({ cause: 'blocked', retryAt: null });
  });

  test('ends when the one that was waited for gets blocked for too long', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    const lease = leased(pool.lease(want(), clock.now()));
    const waiting = acquire(pool, clock);
    pool.settle(lease, settled(limited(HOUR)));
    await settle(clock);
    expect(waiting.refusal).toMatchObject({ cause: 'blocked', retryAt: clock.now() + HOUR });
    expect(clock.pending).toBe(0);
  });

  test('a success elsewhere ends a provider’s block for those who wait', async () => {
    const { pool, clock } = setUp([credential('a')]);
    const stream = leased(pool.lease(want(), clock.now()));
    use(pool, clock, { kind: 'overloaded', waitMs: null });
    const waiting = acquire(pool, clock, { forMs: MINUTE });
    pool.settle(stream, success);
    await settle(clock);
    expect(waiting.state).toBe('a');
  });

  test('behind a probe the others wait until it has settled', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(6 * MINUTE));
    const line = [1, 2].map(() => acquire(pool, clock, { forMs: 10 * MINUTE }));
    await clock.advance(6 * MINUTE);
    expect(line.map((waiter) => waiter.state)).toEqual(['a', 'waiting']);
    pool.settle(line[0]?.lease ?? leased(pool.lease(want(), clock.now())), success);
    await settle(clock);
    expect(line[1]?.state).toBe('a');
  });
});

describe('the line', () => {
  test('one timer, for the soonest of all ends and deadlines, and none when nobody waits', async () => {
    const { pool, clock } = setUp(names(3).map((name) => credential(name)));
    for (const [index, name] of names(3).entries()) {
      use(
        pool,
        clock,
        limited((index + 1) * 5000),
        want(
          'm',
          names(3).filter((other) => other !== name),
        ),
      );
    }
    expect(clock.pending).toBe(0);
    const line = Array.from({ length: 50 }, (_, index) => acquire(pool, clock, { forMs: 20_000 + index }));
    expect(clock.pending).toBe(1);
    await clock.advance(5000);
    expect(line.every((waiter) => waiter.state === 'k0')).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test('is bounded in number', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: { ...one, maxWaiting: 2 } });
    leased(pool.lease(want(), clock.now()));
    const line = [1, 2, 3].map(() => acquire(pool, clock));
    await settle(clock);
    expect(line.map((waiter) => waiter.state)).toEqual(['waiting', 'waiting', 'queue-full']);
  });

  test('is bounded in bytes: 256 MB of bodies', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    const lease = leased(pool.lease(want(), clock.now()));
    const mebibyte = 1024 * 1024;
    const line = [200, 57, 56].map((size) => acquire(pool, clock, { want: want('m', [], size * mebibyte) }));
    await settle(clock);
    expect(line.map((waiter) => waiter.state)).toEqual(['waiting', 'queue-full', 'waiting']);
    pool.settle(lease, success);
    const later = acquire(pool, clock, { want: want('m', [], 200 * mebibyte) });
    await settle(clock);
    expect([line[0]?.state, later.state]).toEqual(['a', 'waiting']);
  });

  test('an abort leaves it at once and keeps the order of the others', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    const lease = leased(pool.lease(want(), clock.now()));
    const gone = new AbortController();
    const first = acquire(pool, clock, { signal: gone.signal });
    const second = acquire(pool, clock);
    gone.abort();
    await settle(clock);
    expect([first.state, second.state]).toEqual(['aborted', 'waiting']);
    pool.settle(lease, success);
    await settle(clock);
    expect(second.state).toBe('a');
    expect(clock.pending).toBe(0);
  });

  test('an abort after the lease was given changes nothing: it is the caller’s to settle', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    const lease = leased(pool.lease(want(), clock.now()));
    const gone = new AbortController();
    const waiting = acquire(pool, clock, { signal: gone.signal });
    pool.settle(lease, success);
    gone.abort();
    await settle(clock);
    expect(waiting.state).toBe('a');
  });

  test('who is gone already does not join', async () => {
    const { pool, clock } = setUp([credential('a')]);
    const waiting = acquire(pool, clock, { signal: AbortSignal.abort() });
    await settle(clock);
    expect(waiting.state).toBe('aborted');
    expect(pool.status().credentials[0]?.inFlight).toBe(0);
  });

  test('looks again after a reset and after a new config', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(20 * SECOND));
    const first = acquire(pool, clock);
    pool.reset(credentialId('a'));
    await settle(clock);
    expect(first.state).toBe('a');
    pool.settle(first.lease, settled(limited(20 * SECOND)));
    const second = acquire(pool, clock);
    pool.update([credential('a'), credential('b')], one);
    await settle(clock);
    expect(second.state).toBe('b');
  });

  test('a waiter whose last credential is removed is refused', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    leased(pool.lease(want(), clock.now()));
    const waiting = acquire(pool, clock);
    pool.update([credential('a', { isEnabled: false })], one);
    await settle(clock);
    expect(waiting.state).toBe('none');
  });

  test('closing refuses everybody and leaves no timer', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    const lease = leased(pool.lease(want(), clock.now()));
    const line = [1, 2, 3].map(() => acquire(pool, clock));
    pool.close();
    await settle(clock);
    expect(line.map((waiter) => waiter.state)).toEqual(['none', 'none', 'none']);
    expect(clock.pending).toBe(0);
    pool.settle(lease, success);
  });

  test('a timer that fires early is set again', async () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(5000));
    const schedule = clock.schedule.bind(clock);
    clock.schedule = (ms, run) => schedule(ms > 1 ? ms - 1 : ms, run);
    const waiting = acquire(pool, clock);
    await clock.advance(4999);
    expect(waiting.state).toBe('waiting');
    await clock.advance(1);
    expect(waiting.state).toBe('a');
  });

  test('time that passed unnoticed is caught up before a newcomer is looked at', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: one });
    use(pool, clock, limited(5000));
    const older = acquire(pool, clock);
    // The newcomer's clock is ahead of the timer.
    expect(refused(pool.lease(want(), clock.now() + 5000)).cause).toBe('busy');
    await settle(clock);
    expect(older.state).toBe('a');
  });
});
