import { expect, test } from 'bun:test';
import type { Timeouts } from '../../src/gateway/gateway.ts';
import { Leash } from '../../src/gateway/leash.ts';
import { ManualClock } from '../support/manual-clock.ts';

const timeouts: Timeouts = {
  acquireMs: 0,
  connectMs: 0,
  firstByteMs: 100,
  totalMs: 200,
  idleMs: 50,
  requestMs: 0,
};

function bench({ isStream = false, leftMs = 1000, isGone = false } = {}) {
  const clock = new ManualClock();
  const client = new AbortController();
  if (isGone) client.abort();
  const leash = new Leash(client.signal, { timeouts, isStream, deadline: clock.now() + leftMs }, clock);
  return { clock, client, leash };
}

test.each([
  ['a whole reply, by its own limit', { leftMs: 1000 }, 200, 'total'],
  ['a whole reply, by the request’s', { leftMs: 150 }, 150, 'deadline'],
  ['a stream that says nothing', { isStream: true }, 100, 'first-byte'],
  ['a stream, by the request’s limit', { isStream: true, leftMs: 60 }, 60, 'deadline'],
] as const)('ends %s', async (_, options, ms, cause) => {
  const { clock, leash } = bench(options);
  await clock.advance(ms - 1);
  expect(leash.cause).toBeNull();
  await clock.advance(1);
  expect(leash.cause).toBe(cause);
});

test.each([true, false])('ends when the client is gone, also when it was before: %p', (isGone) => {
  const { client, leash } = bench({ isGone });
  client.abort();
  expect(leash.cause).toBe('client-gone');
  expect(leash.signal.aborted).toBe(true);
});

test('of an answer that has begun only silence ends it', async () => {
  const { clock, leash } = bench({ isStream: true, leftMs: 150 });
  for (let i = 0; i < 10; i++) {
    await clock.advance(40);
    leash.touch();
    if (i === 0) leash.commit();
  }
  expect(leash.cause).toBeNull();
  await clock.advance(50);
  expect(leash.cause).toBe('idle');
});

test('of a stream the limit of a whole reply is not asked for', async () => {
  const { clock, leash } = bench({ isStream: true });
  for (let i = 0; i < 10; i++) {
    await clock.advance(40);
    leash.touch();
  }
  expect(leash.cause).toBeNull();
});

test('time in which the client does not read is no silence', async () => {
  const { clock, leash } = bench({ isStream: true });
  leash.touch();
  leash.commit();
  leash.hold();
  await clock.advance(500);
  leash.unhold();
  await clock.advance(49);
  expect(leash.cause).toBeNull();
  await clock.advance(1);
  expect(leash.cause).toBe('idle');
});

test('let go, it ends nothing and leaves nothing behind', async () => {
  for (const isStream of [true, false]) {
    const { clock, client, leash } = bench({ isStream });
    leash.release(true);
    expect(clock.pending).toBe(0);
    client.abort();
    await clock.advance(10_000);
    expect(leash.signal.aborted).toBe(false);
  }
});

test('let go before its call is over, it ends the call', () => {
  const { leash } = bench();
  leash.release(false);
  expect(leash.signal.aborted).toBe(true);
});
