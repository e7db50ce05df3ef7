import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { shareUsage, shareWhole } from '../../../src/gateway/embeddings/share-usage.ts';
import { usageFor } from '../../../src/protocols/plain-json.ts';

test('tokens are shared by weight, and what is left over goes to the largest remainders', () => {
  expect(shareWhole(10, [1, 1, 1])).toEqual([4, 3, 3]);
  expect(shareWhole(7, [1, 3])).toEqual([2, 5]);
  expect(shareWhole(5, [0, 0])).toEqual([3, 2]);
});

test('a count that nobody told stays untold', () => {
  expect(shareWhole(null, [1, 2])).toEqual([null, null]);
  expect(shareUsage(usageFor(4, 0), [1, 1]).map(({ costUsd }) => costUsd)).toEqual([null, null]);
});

test('shares add up to the whole, and no share is more than one off its due', () => {
  const total = fc.integer({ min: 0, max: 1_000_000 });
  const weights = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(total, weights, (tokens, each) => {
      const shares = shareWhole(tokens, each).map((share) => share ?? Number.NaN);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(tokens);
      const all = each.reduce((sum, weight) => sum + weight, 0);
      for (const [i, share] of shares.entries()) {
        const due = all > 0 ? (tokens * (each[i] ?? 0)) / all : tokens / each.length;
        expect(Math.abs(share - due)).toBeLessThan(1 + 1e-6);
      }
    }),
  );
});

test('costs are shared as tokens are', () => {
  const shares = shareUsage({ ...usageFor(4, 0), costUsd: 0.4 }, [1, 3]);
  expect(shares.map(({ costUsd }) => Number(costUsd?.toFixed(6)))).toEqual([0.1, 0.3]);
});
