import { describe, expect, test } from 'bun:test';
import { duration, elapsed, fromNow } from '../../../src/cli/ui/human-time.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

describe('a length of time for people', () => {
  test.each([
    [0, '0 ms'],
    [12.2, '13 ms'],
    [SECOND, '1 s'],
    [40 * SECOND + 1, '41 s'],
    [99 * SECOND, '99 s'],
    [100 * SECOND, '2 min'],
    [59 * MINUTE, '59 min'],
    [HOUR, '1 h'],
    [2 * HOUR + 5 * MINUTE, '2 h 5 min'],
    [24 * HOUR, '1 d'],
    [76 * HOUR, '3 d 4 h'],
  ])('%d ms is %s', (ms, text) => expect(duration(ms)).toBe(text));

  test.each([
    [0.4, '0 ms'],
    [12.6, '13 ms'],
    [999.6, '1 s'],
    [3004, '3 s'],
    [3260, '3.3 s'],
    [15_013, '15 s'],
    [61_000, '61 s'],
    [3 * MINUTE, '3 min'],
  ])('what took %d ms took %s: rounded, not up', (ms, text) => expect(elapsed(ms)).toBe(text));

  test('a moment to come is said from now, a passed one is now', () => {
    expect(fromNow(41_000, 0)).toBe('in 41 s');
    expect(fromNow(0, 41_000)).toBe('now');
  });
});
