import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { AFFINITY_TTL_MS, AffinityMap } from '../../src/pool/affinity.ts';
import type { CredentialId } from '../../src/pool/credential.ts';

const id = (name: string) => name as CredentialId;
const A = id('p-a');
const B = id('p-b');
const NOW = Date.UTC(2026, 0, 1);

describe('a conversation', () => {
  test('goes to the credential that served it', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW);
    map.bind('two', B, NOW);
    expect(map.find('one', NOW)).toBe(A);
    expect(map.find('two', NOW)).toBe(B);
    expect(map.find('three', NOW)).toBeNull();
  });

  test('moves to the one that served it last', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW);
    map.bind('one', B, NOW);
    expect(map.find('one', NOW)).toBe(B);
    expect(map.size).toBe(1);
  });

  test('is over after an hour of silence, and any use begins the hour again', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW);
    expect(map.find('one', NOW + AFFINITY_TTL_MS - 1)).toBe(A);
    expect(map.find('one', NOW + 2 * AFFINITY_TTL_MS - 2)).toBe(A);
    expect(map.find('one', NOW + 3 * AFFINITY_TTL_MS)).toBeNull();
    expect(map.size).toBe(0);
  });

  test('is not kept alive by a look', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW);
    expect(map.peek('one', NOW + AFFINITY_TTL_MS - 1)).toBe(A);
    expect(map.peek('one', NOW + AFFINITY_TTL_MS)).toBeNull();
  });

  test('does not outlive its hour when the clock was set back meanwhile', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW + 5 * AFFINITY_TTL_MS);
    expect(map.find('one', NOW)).toBe(A);
    expect(map.find('one', NOW + AFFINITY_TTL_MS)).toBeNull();
  });
});

describe('releasing', () => {
  test('one credential frees its conversations and no others', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW);
    map.bind('two', A, NOW);
    map.bind('three', B, NOW);
    map.release(A);
    expect([map.find('one', NOW), map.find('two', NOW), map.find('three', NOW)]).toEqual([null, null, B]);
  });

  test('does not touch what is bound to it afterwards', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW);
    map.bind('two', A, NOW);
    map.release(A);
    map.bind('one', A, NOW);
    expect([map.find('one', NOW), map.find('two', NOW)]).toEqual([A, null]);
  });

  test('without a name frees all', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW);
    map.bind('two', B, NOW);
    map.release();
    expect([map.find('one', NOW), map.find('two', NOW), map.size]).toEqual([null, null, 0]);
    map.bind('one', A, NOW);
    expect(map.find('one', NOW)).toBe(A);
  });

  test('of one conversation leaves its credential to the others', () => {
    const map = new AffinityMap();
    map.bind('one', A, NOW);
    map.bind('two', A, NOW);
    map.unbind('one');
    expect([map.find('one', NOW), map.find('two', NOW)]).toEqual([null, A]);
  });
});

describe('memory', () => {
  test('the least recently used is forgotten first', () => {
    const map = new AffinityMap(3);
    for (const key of ['one', 'two', 'three']) map.bind(key, A, NOW);
    map.find('one', NOW);
    map.bind('four', B, NOW);
    expect(['one', 'two', 'three', 'four'].map((key) => map.peek(key, NOW))).toEqual([A, null, A, B]);
  });

  test('a restart keeps what is not over, in order, of credentials that are still there', () => {
    const before = new AffinityMap();
    before.bind('old', A, NOW - AFFINITY_TTL_MS);
    before.bind('one', A, NOW - 2);
    before.bind('gone', B, NOW - 1);
    before.bind('two', A, NOW);
    const stored: unknown = JSON.parse(JSON.stringify(before.snapshot(NOW)));
    const after = new AffinityMap();
    after.restore(stored, (name) => (name === A ? A : undefined), NOW);
    expect(after.snapshot(NOW)).toEqual([
      ['one', A, NOW - 2],
      ['two', A, NOW],
    ]);
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['a text', 'x'],
    ['an object', { one: 1 }],
    ['entries of other shapes', [1, null, [], ['k'], ['k', A], ['k', A, 'soon'], ['k', A, null], [1, A, NOW]]],
  ])('a stored value that is %s gives nothing', (_, stored) => {
    const map = new AffinityMap();
    map.restore(stored, id, NOW);
    expect(map.size).toBe(0);
  });
});

type Step =
  | { readonly do: 'bind' | 'find'; readonly key: string; readonly id: CredentialId; readonly ms: number }
  | { readonly do: 'release'; readonly id: CredentialId; readonly ms: number };

test('it behaves as a plain list would', () => {
  const ids = fc.constantFrom(A, B, id('p-c'));
  const keys = fc.constantFrom('1', '2', '3', '4', '5', '6');
  const ms = fc.integer({ min: 0, max: AFFINITY_TTL_MS / 2 });
  const steps: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constantFrom('bind' as const, 'find' as const), key: keys, id: ids, ms }),
    fc.record({ do: fc.constant('release' as const), id: ids, ms }),
  );
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60 }), (all) => {
      const map = new AffinityMap(100);
      let list: { key: string; id: CredentialId; at: number }[] = [];
      let now = NOW;
      for (const step of all) {
        now += step.ms;
        list = list.filter(({ at }) => now - at < AFFINITY_TTL_MS);
        if (step.do === 'release') {
          map.release(step.id);
          list = list.filter((other) => other.id !== step.id);
        } else if (step.do === 'bind') {
          map.bind(step.key, step.id, now);
          list = [...list.filter(({ key }) => key !== step.key), { key: step.key, id: step.id, at: now }];
        } else {
          const known = list.find(({ key }) => key === step.key);
          expect(map.find(step.key, now)).toBe(known?.id ?? null);
          if (known) list = [...list.filter((other) => other !== known), { ...known, at: now }];
        }
        expect(map.snapshot(now)).toEqual(list.map((entry) => [entry.key, entry.id, entry.at]));
      }
    }),
  );
});
