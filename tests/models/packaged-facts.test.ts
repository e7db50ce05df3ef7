import { describe, expect, test } from 'bun:test';
import { isSameBase } from '../../src/models/model-price.ts';
import { loadPackagedFacts } from '../../src/models/packaged-facts.ts';
import { loadPackagedPrices } from '../../src/models/packaged-prices.ts';
import snapshot from '../../src/models/packaged-models.json';

const facts = await loadPackagedFacts();
const prices = await loadPackagedPrices();

describe('the snapshot', () => {
  test('says where it is from', () => {
    expect(facts.source.name).toBe('@earendil-works/pi-ai');
    expect(facts.source.version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test('knows windows, kinds and prices', () => {
    expect(facts.find('openai', 'gpt-4o')).toEqual({
      isExact: true,
      facts: {
        contextLength: 128_000,
        maxOutputTokens: 16_384,
        inputModalities: ['text', 'image'],
        outputModalities: ['text'],
        takesTools: true,
        reasons: false,
        price: { input: 2.5, output: 10, cacheRead: 1.25 },
      },
    });
    expect(facts.find('gemini', 'models/gemini-2.5-pro')?.facts).toMatchObject({
      contextLength: 1_048_576,
      reasons: true,
    });
  });

  test('of a dated name knows the undated one’s window, and not its price', () => {
    const found = facts.find('anthropic', 'claude-opus-4-8-20260401');
    expect(found?.isExact).toBeFalse();
    expect(found?.facts.contextLength).toBe(facts.find('anthropic', 'claude-opus-4-8')?.facts.contextLength);
    expect(found?.facts.price).toBeUndefined();
  });

  test.each([
    ['openai', 'gpt-nothing'],
    ['my-openai', 'gpt-4o'],
    ['openai', 'constructor'],
    ['constructor', 'name'],
    ['openai', ''],
  ])('knows nothing of %s/%s', (provider, model) => {
    expect(facts.find(provider, model)).toBeNull();
  });
});

describe('the prices of two independent sources', () => {
  const at = Date.UTC(2026, 10, 24);
  test.each([
    ['anthropic', 'anthropic', 12],
    ['openai', 'openai', 30],
    ['gemini', 'google', 10],
  ] as const)('agree for %s', (provider, name, least) => {
    const compared = Object.keys(snapshot.providers[name]).flatMap((model) => {
      const ours = facts.find(provider, model)?.facts.price;
      const theirs = prices.find(provider, model, at)?.price;
      return ours && theirs ? [{ model, ours, theirs }] : [];
    });
    expect(compared.length).toBeGreaterThanOrEqual(least);
    expect(compared.filter(({ ours, theirs }) => !isSameBase(ours, theirs))).toEqual([]);
  });
});
