import { describe, expect, test } from 'bun:test';
import { type CatalogueDeps, createCatalogue } from '../../src/models/catalogue.ts';
import type { ModelFacts } from '../../src/models/model-facts.ts';
import { namePattern } from '../../src/shared/wildcard.ts';

const at = Date.UTC(2026, 10, 1);
const used = { inputTokens: 1_000_000, outputTokens: 0 };

async function catalogueWith(more: Partial<CatalogueDeps> = {}) {
  const catalogue = createCatalogue({
    overrides: () => [],
    listed: () => null,
    isVendor: (provider) => provider !== 'mine',
    publicFacts: () => null,
    log: { warn: () => {} },
    ...more,
  });
  await catalogue.load();
  return catalogue;
}

const only = (provider: string, model: string, facts: ModelFacts) => (p: string, m: string) =>
  p === provider && m === model ? facts : null;

describe('a price', () => {
  test('is the packaged one, and says so', async () => {
    const catalogue = await catalogueWith();
    expect(catalogue.costOf('openai', 'gpt-4o', used, at)).toEqual({ usd: 2.5, source: 'packaged' });
    expect(catalogue.costOf('anthropic', 'claude-opus-4-8-20260401', used, at).source).toBe('packaged-normalised');
  });

  test('that both packages know under a dated name is no guess', async () => {
    const catalogue = await catalogueWith();
    expect(catalogue.costOf('anthropic', 'claude-haiku-4-5-20251001', used, at)).toEqual({
      usd: 1,
      source: 'packaged',
    });
  });

  test('that only the snapshot knows is a packaged one too', async () => {
    const catalogue = await catalogueWith();
    const { price, source } = catalogue.priceOf('openai', 'gpt-6.1-sol', at);
    expect(source).toBe('packaged');
    expect(price?.input).toBeDefined();
  });

  test('of an unknown model is not known, and no 0', async () => {
    const catalogue = await catalogueWith();
    expect(catalogue.costOf('openai', 'gpt-99', used, at)).toEqual({ usd: null, source: 'unknown' });
  });

  test('is not known of a server of the user’s own, whatever its models are called', async () => {
    const catalogue = await catalogueWith();
    expect(catalogue.costOf('mine', 'gpt-4o', used, at)).toEqual({ usd: null, source: 'unknown' });
    expect(catalogue.factsOf('mine', 'gpt-4o')).toBeNull();
  });

  test('of the user’s config goes before all others, for any provider, with - and _ alike', async () => {
    const catalogue = await catalogueWith({
      overrides: () => [
        { pattern: namePattern('my-server/*'), price: { input: 7, output: 7 } },
        { pattern: namePattern('OPENAI/gpt-4*'), price: { input: 9, output: 9 } },
      ],
      listed: () => ({ price: { input: 5, output: 5 } }),
    });
    expect(catalogue.costOf('openai', 'gpt-4o', used, at)).toEqual({ usd: 9, source: 'override' });
    expect(catalogue.costOf('my_server', 'some/model', used, at)).toEqual({ usd: 7, source: 'override' });
    expect(catalogue.costOf('openai', 'o3', used, at)).toEqual({ usd: 5, source: 'provider' });
  });

  test('of the first override that fits counts', async () => {
    const override = (pattern: string, usd: number) => ({
      pattern: namePattern(pattern),
      price: { input: usd, output: usd },
    });
    const catalogue = await catalogueWith({ overrides: () => [override('mine/big*', 3), override('mine/*', 0)] });
    expect(catalogue.costOf('mine', 'big-1', used, at).usd).toBe(3);
    expect(catalogue.costOf('mine', 'small', used, at).usd).toBe(0);
  });

  test('of a public catalogue replaces a packaged one that differs, and not the richer one that it agrees with', async () => {
    const catalogue = await catalogueWith({
      publicFacts: (_, model) =>
        model === 'gpt-4o'
          ? { price: { input: 1, output: 4 } }
          : model === 'claude-sonnet-4-5'
            ? { price: { input: 3, output: 15 } }
            : null,
    });
    expect(catalogue.costOf('openai', 'gpt-4o', used, at)).toEqual({ usd: 1, source: 'public' });
    const { price, source } = catalogue.priceOf('anthropic', 'claude-sonnet-4-5', at);
    expect([source, price?.cacheWrite1h !== undefined]).toEqual(['packaged', true]);
  });

  test('is not that of a public catalogue where a subscription pays', async () => {
    const catalogue = await catalogueWith({ publicFacts: () => ({ price: { input: 1, output: 1 } }) });
    expect(catalogue.costOf('gemini_cli', 'gemini-2.5-pro', used, at).usd).toBeNull();
  });
});

test('what a provider says that it charged is the cost', async () => {
  const catalogue = await catalogueWith();
  expect(catalogue.costOf('openrouter', 'anything', { ...used, costUsd: 0.125 }, at)).toEqual({
    usd: 0.125,
    source: 'provider',
  });
  expect(catalogue.costOf('openai', 'gpt-4o', { ...used, costUsd: 0 }, at).usd).toBe(0);
});

describe('facts', () => {
  test('come field by field from the list, the public catalogue and the package, in this order', async () => {
    const catalogue = await catalogueWith({
      listed: only('openai', 'gpt-4o', { contextLength: 1000 }),
      publicFacts: only('openai', 'gpt-4o', { contextLength: 2000, hasStructuredOutput: true }),
    });
    expect(catalogue.factsOf('openai', 'gpt-4o')).toMatchObject({
      contextLength: 1000,
      hasStructuredOutput: true,
      maxOutputTokens: 16_384,
      takesTools: true,
      source: 'provider',
      sources: ['provider', 'public', 'packaged'],
    });
  });

  test('under a name without its date say so', async () => {
    const catalogue = await catalogueWith();
    expect(catalogue.factsOf('anthropic', 'claude-opus-4-8-20260401')?.source).toBe('packaged-normalised');
  });

  test('tell what a request has to be fitted to', async () => {
    const catalogue = await catalogueWith();
    expect(catalogue.traitsOf('openai', 'gpt-4o')).toEqual({
      reasoning: { kind: 'none' },
      maxOutputTokens: 16_384,
      hasStructuredOutput: null,
    });
    expect(catalogue.traitsOf('mine', 'something')).toEqual({
      reasoning: { kind: 'unknown' },
      maxOutputTokens: null,
      hasStructuredOutput: null,
    });
  });
});

test('before the package is loaded only what needs none of it is known', () => {
  const catalogue = createCatalogue({
    overrides: () => [{ pattern: namePattern('mine/*'), price: { input: 1, output: 1 } }],
    listed: () => null,
    isVendor: () => true,
    publicFacts: () => null,
    log: { warn: () => {} },
  });
  expect(catalogue.isLoaded).toBeFalse();
  expect(catalogue.costOf('openai', 'gpt-4o', used, at).usd).toBeNull();
  expect(catalogue.costOf('mine', 'm', used, at).usd).toBe(1);
});
