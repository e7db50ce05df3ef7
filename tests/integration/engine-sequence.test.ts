// Sequential mode: one key until it is exhausted.
import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { after, answer, gate, refusal, startUpstream } from '../support/scripted-upstream.ts';
import { type Rotator, startRotator } from '../support/server.ts';

const sequential = { mode: 'sequential' };
const keys = ['a', 'b', 'c'];
const limited = (seconds: number) => refusal(429, { message: 'Rate limit reached' }, { 'retry-after': `${seconds}` });

async function serve(rotator: Rotator, times: number): Promise<void> {
  for (let i = 0; i < times; i++) expect((await rotator.chat()).status).toBe(200);
}

describe('sequential mode', () => {
  test('stays with one key, also for requests at the same time', async () => {
    const held = gate();
    await using upstream = await startUpstream({ answer: () => after(held, answer('ok')) });
    await using rotator = await startRotator({ upstream, keys, rotation: sequential });
    const all = Array.from({ length: 10 }, () => rotator.chat());
    await eventually('all are there', () => upstream.calls.length === 10);
    held.open();
    await Promise.all(all);
    expect(new Set(upstream.keysUsed)).toEqual(new Set(['a']));
  });

  test('goes to the next when a key is exhausted, and stays there when the first is back', async () => {
    await using upstream = await startUpstream({
      keys: { a: [answer('1'), answer('2'), limited(30), answer('back')], b: answer('b'), c: answer('c') },
    });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, keys, clock, rotation: sequential });
    await serve(rotator, 4);
    clock.leap(31_000);
    await serve(rotator, 3);
    expect(upstream.keysUsed).toEqual(['a', 'a', 'a', 'b', 'b', 'b', 'b', 'b']);
  });

  test('is exhausted by a limit of its own too', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const limits = { rpm: 2 };
    await using rotator = await startRotator({
      upstream,
      clock: new LeapingClock(),
      keys: keys.map((key) => ({ key, limits })),
      rotation: sequential,
    });
    await serve(rotator, 6);
    expect(upstream.keysUsed).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
  });

  test('never prefers a failing key, however much it was used', async () => {
    const failing = refusal(418, { message: 'I am a teapot' });
    await using upstream = await startUpstream({ keys: { a: failing, b: answer('b') } });
    const clock = new LeapingClock();
    await using rotator = await startRotator({
      upstream,
      keys: ['a', 'b'],
      clock,
      rotation: { ...sequential, cooldowns: { ladder: ['1s'] } },
    });
    for (let i = 0; i < 5; i++) {
      await serve(rotator, 1);
      clock.leap(2_000);
    }
    expect(upstream.keysUsed).toEqual(['a', 'b', 'b', 'b', 'b', 'b']);
  });

  test('never comes back to a key that is rejected, nor to one with a bare 429, while they rest', async () => {
    await using upstream = await startUpstream({
      keys: { a: refusal(401), b: refusal(429), c: answer('c') },
    });
    await using rotator = await startRotator({ upstream, keys, rotation: sequential });
    await serve(rotator, 5);
    expect(upstream.keysUsed).toEqual(['a', 'b', 'c', 'c', 'c', 'c', 'c']);
  });

  test('is kept for each model apart', async () => {
    await using upstream = await startUpstream({
      answer: ({ key, text }) => (key === 'a' && text.includes('"busy"') ? limited(600) : answer('ok')),
    });
    await using rotator = await startRotator({ upstream, keys, rotation: sequential });
    for (const model of ['m', 'busy', 'busy', 'm']) await rotator.chat({ model: `mock/${model}` });
    expect(upstream.keysUsed).toEqual(['a', 'a', 'b', 'b', 'a']);
  });

  test('spreads conversations over equal keys, and keeps each of them', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    await using rotator = await startRotator({ upstream, keys, rotation: sequential });
    const held = Array.from({ length: 12 }, (_, i) => rotator.chat({}, { headers: { 'x-session-id': `s${i}` } }));
    await Promise.all(held);
    expect(new Set(upstream.keysUsed).size).toBeGreaterThan(1);
    const before = upstream.calls.length;
    for (let i = 0; i < 3; i++) await rotator.chat({}, { headers: { 'x-session-id': 's5' } });
    expect(new Set(upstream.keysUsed.slice(before)).size).toBe(1);
  });
});
