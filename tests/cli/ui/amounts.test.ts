import { describe, expect, test } from 'bun:test';
import { compact, counted, dollars, percent } from '../../../src/cli/ui/amounts.ts';

describe('numbers for people', () => {
  test.each([
    [0, '0'],
    [999, '999'],
    [1000, '1k'],
    [1234, '1.2k'],
    [99_940, '99.9k'],
    [99_999, '100k'],
    [250_000, '250k'],
    [999_499, '999k'],
    [999_500, '1M'],
    [1_234_567, '1.2M'],
    [5e9, '5G'],
    [1.5e12, '1.5T'],
  ])('%d is %s', (count, text) => expect(compact(count)).toBe(text));

  test.each([
    [null, '–'],
    [0, '$0.00'],
    [0.00001, '$0.0001'],
    [0.00123, '$0.0012'],
    [0.25, '$0.25'],
    [0.999, '$1.00'],
    [1234.5, '$1,234.50'],
  ])('a cost of %p is %s', (cost, text) => expect(dollars(cost, '–')).toBe(text));

  test.each([
    [7, 10, '70 %'],
    [1, 250, '<1 %'],
    [0, 10, '0 %'],
    [10, 10, '100 %'],
    [249, 250, '99 %'],
    [0, 0, '0 %'],
  ])('%d of %d are %s', (part, whole, text) => expect(percent(part, whole)).toBe(text));

  test('one is singular', () => {
    expect([0, 1, 1204].map((count) => counted(count, 'key'))).toEqual(['0 keys', '1 key', '1,204 keys']);
  });
});
