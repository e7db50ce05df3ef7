import { describe, expect, test } from 'bun:test';
import { remembered } from '../../src/shared/remembered.ts';

describe('what is remembered', () => {
  test('is made once for each key, null included', () => {
    const made: string[] = [];
    const find = remembered(10, (key: string) => {
      made.push(key);
      return key === 'nothing' ? null : { key };
    });
    expect(find('a')).toBe(find('a'));
    expect([find('nothing'), find('nothing')]).toEqual([null, null]);
    expect(made).toEqual(['a', 'nothing']);
  });

  test('begins anew beyond its bound, with right answers all the time', () => {
    let made = 0;
    const square = remembered(3, (n: number) => {
      made++;
      return n * n;
    });
    expect([1, 2, 3, 1, 2, 3, 4, 1].map(square)).toEqual([1, 4, 9, 1, 4, 9, 16, 1]);
    // 1, 2, 3, then 4 takes the place of all, and 1 comes anew.
    expect(made).toBe(5);
  });

  test('forgets nothing of what threw: it is made again', () => {
    let isBroken = true;
    const find = remembered(2, (key: string) => {
      if (isBroken) throw new Error('broken');
      return key;
    });
    expect(() => find('a')).toThrow('broken');
    isBroken = false;
    expect(find('a')).toBe('a');
  });
});
