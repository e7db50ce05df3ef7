import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../src/shared/duration.ts';

describe('durations', () => {
  test.each([
    ['0', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5s', 1500],
    [' 30s ', 30_000],
    ['15', null],
    ['', null],
    ['-1s', null],
    ['1 s', null],
    ['1w', null],
    ['s', null],
    ['1m30s', null],
    ['1e3s', null],
    ['99999999999999999d', null],
  ])('%p is %p ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test('what is shown reads back as the same time', () => {
    fc.assert(fc.property(fc.nat(1e12), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});
