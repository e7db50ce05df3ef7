import { calcPrice, waitForUpdate } from '@pydantic/genai-prices';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { costIn, isSameBase, type ModelPrice, type PricedUsage, rateAt } from '../../src/models/model-price.ts';
import { loadPackagedPrices } from '../../src/models/packaged-prices.ts';

const price: ModelPrice = { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75, cacheWrite1h: 6 };
const used = (more: Partial<PricedUsage>): PricedUsage => ({ inputTokens: 0, outputTokens: 0, ...more });

describe('a cost', () => {
  test.each<[string, ModelPrice, Partial<PricedUsage>, number | null]>([
    ['is tokens by price', price, { inputTokens: 1000, outputTokens: 100 }, 0.0045],
    ['takes cached tokens out of the prompt', price, { inputTokens: 1000, cachedTokens: 1000 }, 0.0003],
    ['takes written tokens out of it too', price, { inputTokens: 1000, cacheWriteTokens: 400 }, 0.0033],
    [
      'knows what is written for an hour',
      price,
      { inputTokens: 1000, cacheWriteTokens: 1000, cacheWrite1hTokens: 500 },
      0.004875,
    ],
    ['pays no token twice, whatever a vendor says', price, { inputTokens: 100, cachedTokens: 5000 }, 0.00003],
    [
      'takes a cache without a price for prompt',
      { input: 3, output: 15 },
      { inputTokens: 1000, cachedTokens: 900 },
      0.003,
    ],
    ['takes reasoning without a price for answer', price, { outputTokens: 100, reasoningTokens: 90 }, 0.0015],
    [
      'takes reasoning at its own price',
      { ...price, reasoning: 30 },
      { outputTokens: 100, reasoningTokens: 50 },
      0.00225,
    ],
    [
      'takes sound at its own price',
      { input: 1, output: 2, audioInput: 40, audioOutput: 80 },
      { inputTokens: 100, audioInputTokens: 50, outputTokens: 100, audioOutputTokens: 10 },
      0.00303,
    ],
    ['counts the request itself', { input: 1, output: 1, perRequest: 0.005 }, { inputTokens: 1000 }, 0.006],
    ['is 0 where everything is free', { input: 0, output: 0 }, { inputTokens: 1000, outputTokens: 10 }, 0],
    ['of free tokens needs no count', { input: 0, output: 0 }, { inputTokens: null, outputTokens: null }, 0],
    ['is not known of an uncounted prompt', price, { inputTokens: null, outputTokens: 10 }, null],
    ['is not known of an uncounted answer', price, { inputTokens: 10, outputTokens: null }, null],
    ['is not known of an answer without a price', { input: 1 }, { inputTokens: 10, outputTokens: 1 }, null],
    ['of an embedding is its input', { input: 1 }, { inputTokens: 1000, outputTokens: null }, 0.001],
    ['is not known when nothing was counted', { input: 1 }, { inputTokens: null, outputTokens: null }, null],
    [
      'has no noise of binary fractions',
      { input: 0.1, output: 0.2 },
      { inputTokens: 1_000_000, outputTokens: 1_000_000 },
      0.3,
    ],
  ])('%s', (_, rates, usage, cost) => {
    expect(costIn(rates, used(usage))).toBe(cost);
  });

  test('of a long prompt has the step’s price for all of its tokens', () => {
    const stepped: ModelPrice = {
      input: { base: 1, steps: [{ above: 200_000, usd: 2 }] },
      output: { base: 10, steps: [{ above: 200_000, usd: 15 }] },
    };
    expect(costIn(stepped, used({ inputTokens: 200_000, outputTokens: 1_000_000 }))).toBe(10.2);
    expect(costIn(stepped, used({ inputTokens: 200_001, outputTokens: 1_000_000 }))).toBe(15.400002);
  });
});

test('the step is the last one that the prompt is above', () => {
  const rate = {
    base: 1,
    steps: [
      { above: 10, usd: 2 },
      { above: 20, usd: 3 },
    ],
  };
  expect([0, 10, 11, 20, 21].map((tokens) => rateAt(rate, tokens))).toEqual([1, 1, 2, 2, 3]);
});

test('prices are the same when what both know is', () => {
  expect(isSameBase({ input: 1, output: 2 }, { input: 1, output: 2, cacheRead: 0.1 })).toBeTrue();
  expect(isSameBase({ input: { base: 1, steps: [] }, output: 2 }, { input: 1, output: 2 })).toBeTrue();
  expect(isSameBase({ input: 1, output: 2 }, { input: 1, output: 2.01 })).toBeFalse();
});

describe('against the price package’s own arithmetic', async () => {
  const prices = await loadPackagedPrices();
  const providers = (await waitForUpdate()) ?? [];
  const at = Date.UTC(2026, 10, 1, 12);
  const models = providers.flatMap((provider) =>
    provider.models.flatMap((model) => {
      const found = prices.find(provider.id, model.id, at);
      return found?.match === 'exact' ? [{ provider: provider.id, model: model.id, price: found.price }] : [];
    }),
  );
  // Units that no answer of a chat or an embedding has.
  const KEYS =
    /^(input|output|cache_read|cache_write|cache_write_1h|output_reasoning)_mtok$|^(web|storage)_searches_kcount$/;
  const comparable = models.filter(({ provider, model }) => {
    const result = calcPrice({ input_tokens: 0 }, model, { providerId: provider, timestamp: new Date(at) });
    return result !== null && Object.keys(result.model_price).every((key) => KEYS.test(key));
  });

  test('there is much to compare', () => {
    expect(comparable.length).toBeGreaterThan(1000);
  });

  test('every model costs the same', () => {
    const tokens = fc.integer({ min: 0, max: 400_000 });
    const share = fc.double({ min: 0, max: 0.5, noNaN: true });
    fc.assert(
      fc.property(
        fc.constantFrom(...comparable),
        tokens,
        tokens,
        share,
        share,
        (subject, input, output, read, written) => {
          const cachedTokens = Math.floor(input * read);
          const cacheWriteTokens = Math.floor(input * written);
          const theirs = calcPrice(
            {
              input_tokens: input,
              output_tokens: output,
              cache_read_tokens: cachedTokens,
              cache_write_tokens: cacheWriteTokens,
            },
            subject.model,
            { providerId: subject.provider, timestamp: new Date(at) },
          );
          const ours = costIn(
            subject.price,
            used({ inputTokens: input, outputTokens: output, cachedTokens, cacheWriteTokens }),
          );
          // Theirs is 0 for an answer without a price; ours is not known.
          if (ours === null) return subject.price.output === undefined || subject.price.input === undefined;
          return Math.abs(ours - (theirs?.total_price ?? Number.NaN)) <= 1e-9 + ours * 1e-9;
        },
      ),
      { numRuns: 2000 },
    );
  });
});
