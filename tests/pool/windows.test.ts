import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { DayWindow, MINUTE_MS, MinuteWindow } from '../../src/pool/windows.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const SECOND = 1_000;
const HOUR = 60 * MINUTE_MS;
const MIDNIGHT = { hour: 0, minute: 0, timezone: 'UTC' };

describe('the last minute', () => {
  test('an amount counts for sixty seconds from its moment', () => {
    const window = new MinuteWindow();
    window.add(3, NOW);
    window.add(2, NOW + 10 * SECOND);
    expect(window.used(NOW + 10 * SECOND)).toBe(5);
    expect(window.used(NOW + MINUTE_MS - 1)).toBe(5);
    expect(window.used(NOW + MINUTE_MS)).toBe(2);
    expect(window.used(NOW + MINUTE_MS + 10 * SECOND)).toBe(0);
  });

  test('it tells when it will be down to an amount', () => {
    const window = new MinuteWindow();
    window.add(3, NOW);
    window.add(2, NOW + 10 * SECOND);
    window.add(4, NOW + 20 * SECOND);
    const now = NOW + 30 * SECOND;
    expect(window.downTo(9, now)).toBe(now);
    expect(window.downTo(8, now)).toBe(NOW + MINUTE_MS);
    expect(window.downTo(6, now)).toBe(NOW + MINUTE_MS);
    expect(window.downTo(5, now)).toBe(NOW + 10 * SECOND + MINUTE_MS);
    expect(window.downTo(0, now)).toBe(NOW + 20 * SECOND + MINUTE_MS);
    expect(window.downTo(-1, now)).toBe(Number.POSITIVE_INFINITY);
  });

  test('what is given back is free at once, and only as long as it counts', () => {
    const window = new MinuteWindow();
    const first = window.add(10, NOW);
    const second = window.add(5, NOW + SECOND);
    window.take(first, 4);
    expect(window.used(NOW + SECOND)).toBe(11);
    window.take(first, 100);
    expect(window.used(NOW + SECOND)).toBe(5);
    expect(window.used(NOW + MINUTE_MS)).toBe(5);
    window.take(first, 5);
    expect(window.used(NOW + MINUTE_MS)).toBe(5);
    window.take(second, 5);
    expect(window.used(NOW + MINUTE_MS)).toBe(0);
  });

  test('nothing is no entry, and giving it back changes nothing', () => {
    const window = new MinuteWindow();
    const none = window.add(0, NOW);
    window.add(7, NOW);
    window.take(none, 7);
    expect(window.used(NOW)).toBe(7);
  });

  test('a clock that is set back frees nothing, and holds nothing longer than a minute from there', () => {
    const window = new MinuteWindow();
    window.add(3, NOW);
    window.add(2, NOW + 10 * SECOND);
    const back = NOW - 24 * HOUR;
    expect(window.used(back)).toBe(5);
    expect(window.downTo(2, back)).toBe(back - 10 * SECOND + MINUTE_MS);
    expect(window.used(back - 10 * SECOND + MINUTE_MS)).toBe(2);
    expect(window.used(back + MINUTE_MS)).toBe(0);
  });

  test('a restart keeps what still counts', () => {
    const before = new MinuteWindow();
    before.add(3, NOW);
    before.add(2, NOW + 10 * SECOND);
    const stored: unknown = JSON.parse(JSON.stringify(before.snapshot(NOW + 20 * SECOND)));
    const after = new MinuteWindow();
    after.restore(stored, NOW + MINUTE_MS);
    expect(after.used(NOW + MINUTE_MS)).toBe(2);
    expect(after.downTo(0, NOW + MINUTE_MS)).toBe(NOW + 10 * SECOND + MINUTE_MS);
  });

  test('a restart under a clock that was set back holds for a minute', () => {
    const after = new MinuteWindow();
    after.restore([NOW + HOUR, 3], NOW);
    expect(after.downTo(0, NOW)).toBe(NOW + MINUTE_MS);
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['an object', {}],
    ['of other shapes', ['x', 1, NOW, 'y', NOW, null, -1, NOW]],
    ['cut off', [NOW]],
  ])('a stored window that is %s is empty', (_, stored) => {
    const window = new MinuteWindow();
    window.restore(stored, NOW);
    expect(window.used(NOW)).toBe(0);
  });

  const arrivals = (maxGapMs: number, maxLength: number) =>
    fc.array(fc.record({ ms: fc.integer({ min: 0, max: maxGapMs }), amount: fc.integer({ min: 1, max: 50 }) }), {
      maxLength,
    });

  test('with few entries it is exact', () => {
    fc.assert(
      fc.property(arrivals(20_000, 60), (all) => {
        const window = new MinuteWindow();
        const list: { at: number; amount: number }[] = [];
        let now = NOW;
        for (const { ms, amount } of all) {
          now += ms;
          window.add(amount, now);
          list.push({ at: now, amount });
          const live = list.filter(({ at }) => at + MINUTE_MS > now);
          expect(window.used(now)).toBe(live.reduce((sum, entry) => sum + entry.amount, 0));
          expect(window.snapshot(now).length / 2).toBe(new Set(live.map(({ at }) => at)).size);
        }
      }),
    );
  });

  test('with many it counts no less than the truth, no longer than a second more, in bounded memory', () => {
    fc.assert(
      fc.property(arrivals(300, 900), (all) => {
        const window = new MinuteWindow();
        const list: { at: number; amount: number }[] = [];
        let now = NOW;
        const truth = (since: number) => list.reduce((sum, { at, amount }) => (at > since ? sum + amount : sum), 0);
        for (const { ms, amount } of all) {
          now += ms;
          window.add(amount, now);
          list.push({ at: now, amount });
          const used = window.used(now);
          expect(used).toBeGreaterThanOrEqual(truth(now - MINUTE_MS));
          expect(used).toBeLessThanOrEqual(truth(now - MINUTE_MS - SECOND));
          expect(window.snapshot(now).length / 2).toBeLessThanOrEqual(128);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('whatever the clock does, what is used is never negative, and is gone a minute after the last', () => {
    const steps = fc.array(
      fc.record({
        ms: fc.oneof(fc.integer({ min: -HOUR, max: HOUR }), fc.integer({ min: 0, max: 500 })),
        amount: fc.integer({ min: 0, max: 9 }),
        back: fc.nat({ max: 20 }),
      }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const window = new MinuteWindow();
        const entries: number[] = [];
        let now = NOW;
        for (const { ms, amount, back } of all) {
          now += ms;
          entries.push(window.add(amount, now));
          window.take(entries[Math.max(0, entries.length - 1 - back)] ?? -1, amount);
          const used = window.used(now);
          expect(used).toBeGreaterThanOrEqual(0);
          expect(window.downTo(0, now)).toBeLessThanOrEqual(now + MINUTE_MS);
          expect(window.used(window.downTo(0, now))).toBe(0);
        }
      }),
    );
  });
});

describe('a day', () => {
  test('counts until the reset', () => {
    const window = new DayWindow(MIDNIGHT);
    window.add(3, NOW);
    expect(window.resetAt(NOW)).toBe(NOW + 12 * HOUR);
    expect(window.used(NOW + 12 * HOUR - 1)).toBe(3);
    expect(window.used(NOW + 12 * HOUR)).toBe(0);
    expect(window.resetAt(NOW + 12 * HOUR)).toBe(NOW + 36 * HOUR);
  });

  test('it tells when it will be down to an amount', () => {
    const window = new DayWindow(MIDNIGHT);
    window.add(3, NOW);
    expect(window.downTo(3, NOW)).toBe(NOW);
    expect(window.downTo(2, NOW)).toBe(NOW + 12 * HOUR);
  });

  test('takes back what was counted the same day, not from the next', () => {
    const window = new DayWindow(MIDNIGHT);
    const day = window.add(5, NOW);
    window.take(day, 2);
    expect(window.used(NOW)).toBe(3);
    const tomorrow = NOW + 24 * HOUR;
    window.add(4, tomorrow);
    window.take(day, 3);
    expect(window.used(tomorrow)).toBe(4);
  });

  test('a clock that is set back over a reset keeps the new day', () => {
    const window = new DayWindow(MIDNIGHT);
    window.add(5, NOW + 12 * HOUR + 1);
    expect(window.used(NOW + 11 * HOUR)).toBe(5);
    expect(window.used(NOW + 13 * HOUR)).toBe(5);
    expect(window.used(NOW + 36 * HOUR)).toBe(0);
  });

  test('a clock that was years ahead does not hold the day for years', () => {
    const window = new DayWindow(MIDNIGHT);
    window.add(5, NOW + 10 * 365 * 24 * HOUR);
    expect(window.used(NOW)).toBe(5);
    expect(window.resetAt(NOW)).toBe(NOW + 12 * HOUR);
    expect(window.used(NOW + 12 * HOUR)).toBe(0);
  });

  test('another reset time keeps what was used until the new day ends', () => {
    const window = new DayWindow(MIDNIGHT);
    window.add(5, NOW);
    window.move({ hour: 6, minute: 0, timezone: 'UTC' }, NOW);
    expect(window.used(NOW + 12 * HOUR)).toBe(5);
    expect(window.used(NOW + 18 * HOUR)).toBe(0);
  });

  test('a restart keeps the same day', () => {
    const before = new DayWindow(MIDNIGHT);
    before.add(5, NOW);
    const stored: unknown = JSON.parse(JSON.stringify(before.snapshot(NOW)));
    const soon = new DayWindow(MIDNIGHT);
    soon.restore(stored, NOW + HOUR);
    expect([soon.used(NOW + HOUR), soon.resetAt(NOW + HOUR)]).toEqual([5, NOW + 12 * HOUR]);
    const later = new DayWindow(MIDNIGHT);
    later.restore(stored, NOW + 12 * HOUR);
    expect(later.used(NOW + 12 * HOUR)).toBe(0);
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['a number', 5],
    ['without a reset', { used: 5 }],
    ['of other types', { used: '5', resetAt: 'tomorrow' }],
    ['negative', { used: -5, resetAt: NOW + HOUR }],
  ])('a stored day that is %s is empty', (_, stored) => {
    const window = new DayWindow(MIDNIGHT);
    window.restore(stored, NOW);
    expect(window.used(NOW)).toBe(0);
  });
});
