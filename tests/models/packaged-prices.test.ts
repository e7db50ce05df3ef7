import { describe, expect, test } from 'bun:test';
import { rateAt } from '../../src/models/model-price.ts';
import { loadPackagedPrices, matchOf } from '../../src/models/packaged-prices.ts';

const prices = await loadPackagedPrices();
const at = Date.UTC(2026, 10, 1);
const found = (provider: string, model: string, time = at) => prices.find(provider, model, time);

describe('a price is found', () => {
  test.each([
    ['openai', 'gpt-4o', 'exact', 2.5],
    ['openai', 'GPT-4o', 'exact', 2.5],
    ['openai', 'gpt-4o-2024-08-06', 'exact', 2.5],
    ['anthropic', 'claude-sonnet-4-5', 'exact', 3],
    ['anthropic', 'claude-sonnet-4-5-20250929', 'normalised', 3],
    ['gemini', 'gemini-2.5-pro', 'exact', 1.25],
    ['gemini', 'models/gemini-2.5-pro', 'exact', 1.25],
    ['gemini', 'gemini-2.5-pro-preview-05-06', 'normalised', 1.25],
    ['bedrock', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'normalised', 3.3],
    ['moonshot', 'kimi-k2-0905-preview', 'exact', 0.6],
  ] as const)('%s/%s: %s', (provider, model, match, input) => {
    const price = found(provider, model);
    expect(price?.match).toBe(match);
    expect(rateAt(price?.price.input ?? Number.NaN, 0)).toBe(input);
  });
});

describe('no price is guessed', () => {
  test.each([
    ['openai', 'gpt-4.1-turbo-ultra'],
    ['openai', 'gpt-9'],
    ['anthropic', 'claude-opus-5-7'],
    ['anthropic', 'claude-sonnet-4-5-mini'],
    ['gemini', 'gemini-2.5-pro-ultra'],
    ['gemini', 'gemini-2.5-flash-preview-native-audio-dialog'],
    // Its package knows a provider whose name stands in these.
    ['my-google', 'gemini-2.5-pro'],
    ['openai-proxy', 'gpt-4o'],
    // Paid by subscription.
    ['gemini_cli', 'gemini-2.5-pro'],
    ['codex', 'gpt-5'],
    // Paid by the second.
    ['groq', 'whisper-large-v3'],
    ['nobody', 'nothing'],
  ])('%s/%s', (provider, model) => {
    expect(found(provider, model)).toBeNull();
  });
});

test('steps, caches and both ways to write one are there', () => {
  expect(found('anthropic', 'claude-sonnet-4-5')?.price).toEqual({
    input: { base: 3, steps: [{ above: 200_000, usd: 6 }] },
    output: { base: 15, steps: [{ above: 200_000, usd: 22.5 }] },
    cacheRead: { base: 0.3, steps: [{ above: 200_000, usd: 0.6 }] },
    cacheWrite: { base: 3.75, steps: [{ above: 200_000, usd: 7.5 }] },
    cacheWrite1h: { base: 6, steps: [{ above: 200_000, usd: 12 }] },
  });
});

test('a price that begins on a day holds from that day', () => {
  const before = found('openai', 'o3', Date.UTC(2025, 5, 1));
  const after = found('openai', 'o3', Date.UTC(2025, 6, 1));
  expect([before, after].map((price) => rateAt(price?.price.input ?? Number.NaN, 0))).toEqual([10, 2]);
});

describe('a name that fits a rule', () => {
  test.each([
    ['claude-x', 'claude-x-20250929', 'normalised'],
    ['claude-x', 'claude-x@20250929', 'normalised'],
    ['claude-x', 'claude-x-2025-09-29', 'normalised'],
    ['claude-x', 'anthropic/claude-x', 'normalised'],
    ['claude-x', 'claude-x-latest', 'normalised'],
    ['claude-x', 'claude-x-001', 'normalised'],
    ['claude-x', 'claude-x-5', null],
    ['claude-x', 'claude-x-mini', null],
    ['claude-x', 'not-claude-x', null],
    ['claude-x', 'claude-xy', null],
    ['claude-x', 'claude-x-20250929-fast', null],
  ] as const)('%s: %s is %p', (text, name, match) => {
    expect(matchOf('other', { starts_with: text }, name)).toBe(match);
  });
});
