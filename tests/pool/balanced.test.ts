import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { balancedWeights, chooseBalanced, likeliestBalanced } from '../../src/pool/select/balanced.ts';
import { gather } from '../../src/pool/select/sample.ts';
import { SlotSet } from '../../src/pool/slot-set.ts';
import { seededRandom } from '../../src/shared/random.ts';
import { credential, names, setUp, use, want, withSettings } from './pool-fixture.ts';

const even = (count: number) => Array.from({ length: count }, () => 1);

function shares(uses: readonly number[], weights: readonly number[], tolerance: number, draws = 20_000): number[] {
  const random = seededRandom(7);
  const counts = uses.map(() => 0);
  for (let i = 0; i < draws; i++) {
    const index = chooseBalanced(uses, weights, tolerance, random);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts.map((count) => count / draws);
}

describe('weights', () => {
  const rows: [string, number[], number[], number, number[]][] = [
    ['the documented example', [0, 4, 10], [1, 1, 1], 3, [14, 10, 4]],
    ['equal use is equal weight', [5, 5], [1, 1], 3, [4, 4]],
    ['unused is equal weight', [0, 0, 0], [1, 1, 1], 0, [1, 1, 1]],
    ['a key of weight 2 counts its use by half', [8, 4], [2, 1], 3, [8, 4]],
    ['one alone', [17], [1], 3, [4]],
    ['nobody', [], [], 3, []],
    ['tolerance 0 leaves it to the least used alone', [3, 1, 2], [1, 1, 1], 0, [0, 1, 0]],
    ['the least used by share, each with its own weight', [4, 2, 3], [2, 1, 1], 0, [2, 1, 0]],
  ];
  test.each(rows)('%s', (_, uses, weights, tolerance, expected) => {
    expect(balancedWeights(uses, weights, tolerance)).toEqual(expected);
  });
});

describe('choice', () => {
  test('the documented example comes to 50, 35.7 and 14.3 per cent', () => {
    const [a = 0, b = 0, c = 0] = shares([0, 4, 10], even(3), 3);
    expect(a).toBeCloseTo(0.5, 1);
    expect(Math.abs(b - 0.357)).toBeLessThan(0.015);
    expect(Math.abs(c - 0.143)).toBeLessThan(0.015);
  });

  test('tolerance 0 takes the least used, always', () => {
    expect(shares([3, 1, 2], even(3), 0)).toEqual([0, 1, 0]);
  });

  test('tolerance 0 draws among equals', () => {
    const [a = 0, b = 0, c = 0] = shares([1, 2, 1], even(3), 0);
    expect(Math.abs(a - 0.5)).toBeLessThan(0.02);
    expect(b).toBe(0);
    expect(Math.abs(c - 0.5)).toBeLessThan(0.02);
  });

  test('a larger tolerance is more random', () => {
    const spread = (tolerance: number) => Math.max(...shares([0, 10], even(2), tolerance));
    expect(spread(0)).toBeGreaterThan(spread(3));
    expect(spread(3)).toBeGreaterThan(spread(50));
    expect(spread(1000)).toBeLessThan(0.53);
  });

  test('in the long run a key of weight 2 serves twice as much', () => {
    const random = seededRandom(3);
    for (const tolerance of [0, 3]) {
      const uses = [0, 0, 0];
      const weights = [2, 1, 1];
      for (let i = 0; i < 4000; i++) {
        const index = chooseBalanced(uses, weights, tolerance, random);
        uses[index] = (uses[index] ?? 0) + 1;
      }
      expect(Math.abs((uses[0] ?? 0) - 2000)).toBeLessThan(30);
      expect(Math.abs((uses[1] ?? 0) - 1000)).toBeLessThan(30);
    }
  });

  test('the same seed chooses the same', () => {
    const run = () => {
      const random = seededRandom(11);
      return Array.from({ length: 50 }, () => chooseBalanced([0, 4, 10, 2], even(4), 3, random));
    };
    expect(run()).toEqual(run());
  });

  test('it is always one of them, and the likeliest is one that can be chosen', () => {
    const member = fc.record({ use: fc.nat(1e6), weight: fc.double({ min: 0.01, max: 100, noNaN: true }) });
    fc.assert(
      fc.property(
        fc.array(member),
        fc.double({ min: 0, max: 1e4, noNaN: true }),
        fc.integer(),
        (members, tolerance, seed) => {
          const uses = members.map((one) => one.use);
          const weights = members.map((one) => one.weight);
          for (const index of [
            chooseBalanced(uses, weights, tolerance, seededRandom(seed)),
            chooseBalanced(uses, weights, tolerance, () => 0.9999999999999999),
            likeliestBalanced(uses, weights, tolerance),
          ]) {
            if (members.length === 0) expect(index).toBe(-1);
            else expect(index >= 0 && index < members.length).toBe(true);
          }
        },
      ),
    );
  });
});

describe('the choice of a pool', () => {
  const keyWeights = [1, 3, 2, 1, 5];
  const keys = names(keyWeights.length);

  /** Draws, each among other candidates; of every key how often it came and how often it should have. */
  function drawn(tolerance: number, draws: number) {
    const random = seededRandom(23);
    const { pool, clock } = setUp(
      keys.map((name, i) => credential(name, { weight: keyWeights[i] ?? 1 })),
      { settings: withSettings({ tolerance, concurrency: { optimalPerKey: 0 } }), random },
    );
    const uses = keys.map(() => 0);
    const expected = keys.map(() => 0);
    let impossible = 0;
    for (let draw = 0; draw < draws; draw++) {
      const left = keys.map((_, i) => i).filter(() => random() < 0.6);
      if (left.length === 0) continue;
      const weights = balancedWeights(
        left.map((i) => uses[i] ?? 0),
        left.map((i) => keyWeights[i] ?? 1),
        tolerance,
      );
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (const [at, i] of left.entries()) expected[i] = (expected[i] ?? 0) + (weights[at] ?? 0) / total;
      const excluded = keys.filter((_, i) => !left.includes(i));
      const chosen = keys.indexOf(use(pool, clock, { kind: 'success' }, want('m', excluded)));
      if (!(weights[left.indexOf(chosen)] ?? 0)) impossible++;
      uses[chosen] = (uses[chosen] ?? 0) + 1;
    }
    return { uses, expected, impossible };
  }

  test.each([0, 1, 3, 50])('with tolerance %d is the one that the weights foretell', (tolerance) => {
    const draws = 10_000;
    const { uses, expected, impossible } = drawn(tolerance, draws);
    expect(impossible).toBe(0);
    for (const [i, count] of uses.entries()) {
      // Four standard deviations, were each draw a fair coin.
      expect(Math.abs(count - (expected[i] ?? 0)), `key ${i}`).toBeLessThan(4 * Math.sqrt(draws / 4));
    }
  });
});

describe('sampling a large rank', () => {
  const setOf = (capacity: number, slots: Iterable<number>) => {
    const set = new SlotSet(capacity);
    for (const slot of slots) set.add(slot);
    return set;
  };
  const range = (count: number) => Array.from({ length: count }, (_, index) => index);
  const all = () => true;

  test('up to 64 everybody is looked at and nothing is drawn', () => {
    const never = () => {
      throw new Error('drawn');
    };
    expect(gather(setOf(64, range(64)), undefined, all, never)).toHaveLength(64);
  });

  test('above, a few are drawn, no one twice, all of them fit', () => {
    const random = seededRandom(5);
    for (let i = 0; i < 200; i++) {
      const found = gather(setOf(5000, range(5000)), undefined, (slot) => slot % 3 === 0, random);
      expect(found.length).toBeGreaterThan(0);
      expect(found.length).toBeLessThanOrEqual(8);
      expect(new Set(found).size).toBe(found.length);
      expect(found.every((slot) => slot % 3 === 0)).toBe(true);
    }
  });

  test('the one that fits among 5,000 is found', () => {
    const random = seededRandom(5);
    expect(gather(setOf(5000, range(5000)), undefined, (slot) => slot === 4321, random)).toEqual([4321]);
    expect(gather(setOf(5000, range(5000)), setOf(5000, [17]), all, random)).toEqual([17]);
    expect(gather(setOf(5000, range(2500)), setOf(5000, range(5000).slice(2499)), all, random)).toEqual([2499]);
    expect(gather(setOf(5000, range(2500)), setOf(5000, range(5000).slice(2500)), all, random)).toEqual([]);
  });

  test('everybody has the same chance', () => {
    const random = seededRandom(9);
    const set = setOf(100, range(100));
    const seen = range(100).map(() => 0);
    for (let i = 0; i < 5000; i++)
      for (const slot of gather(set, undefined, all, random)) seen[slot] = (seen[slot] ?? 0) + 1;
    expect(Math.min(...seen)).toBeGreaterThan(300);
    expect(Math.max(...seen)).toBeLessThan(500);
  });
});
