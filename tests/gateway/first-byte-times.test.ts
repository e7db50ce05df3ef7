import { describe, expect, test } from 'bun:test';
import { FirstByteTimes } from '../../src/gateway/first-byte-times.ts';

const MINUTE = 60_000;

describe('the time until an answer begins', () => {
  test('is 0 for a target that was never measured, so that it is measured first', () => {
    expect(new FirstByteTimes().of('a/m', true, 0)).toBe(0);
  });

  test('follows what was measured last', () => {
    const times = new FirstByteTimes();
    times.add('a/m', true, 1000, 0);
    expect(times.of('a/m', true, 0)).toBe(1000);
    times.add('a/m', true, 2000, 0);
    expect(times.of('a/m', true, 0)).toBe(1300);
  });

  test('sinks by half in five minutes: what was slow may be fast again', () => {
    const times = new FirstByteTimes();
    times.add('a/m', true, 1000, 0);
    expect(times.of('a/m', true, 5 * MINUTE)).toBe(500);
    expect(times.of('a/m', true, 60 * MINUTE)).toBeLessThan(1);
  });

  test('is long after a failure, and counts whole', () => {
    const times = new FirstByteTimes();
    times.add('a/m', true, 100, 0);
    times.add('a/m', true, null, 0);
    expect(times.of('a/m', true, 0)).toBe(MINUTE);
  });

  test('is told apart for streams and whole answers', () => {
    const times = new FirstByteTimes();
    times.add('a/m', false, 9000, 0);
    expect(times.of('a/m', true, 0)).toBe(0);
  });

  test('forgets the target that was measured longest ago', () => {
    const times = new FirstByteTimes(2);
    for (const [at, target] of ['a', 'b', 'a', 'c'].entries()) times.add(target, true, 100, at);
    expect(['a', 'b', 'c'].map((target) => times.of(target, true, 4) > 0)).toEqual([true, false, true]);
  });
});
