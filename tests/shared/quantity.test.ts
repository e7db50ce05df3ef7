import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatSize, parseCount, parseSize } from '../../src/shared/quantity.ts';

describe('counts and sizes', () => {
  test.each([
    ['0', 0],
    ['1000', 1000],
    ['200k', 200_000],
    ['2m', 2_000_000],
    ['1.1m', 1_100_000],
    ['2K', 2000],
    ['1.0001k', null],
    ['2g', null],
    ['-1', null],
    ['', null],
    ['k', null],
  ])('%p counts %p', (text, value) => {
    expect(parseCount(text)).toBe(value);
  });

  test.each([
    ['64kb', 65_536],
    ['32mb', 33_554_432],
    ['1GB', 1_073_741_824],
    ['1.5kb', 1536],
    ['10', 10],
    ['10b', 10],
    ['32m', null],
    ['mb', null],
  ])('%p is %p bytes', (text, value) => {
    expect(parseSize(text)).toBe(value);
  });

  test('a size that is shown reads back as the same number of bytes', () => {
    fc.assert(fc.property(fc.nat(2 ** 40), (bytes) => parseSize(formatSize(bytes)) === bytes));
  });
});
