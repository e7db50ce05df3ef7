import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { chain } from '../../src/gateway/chain.ts';

/** Of the system that this one comes after: what was promised there. */
const TIERS: Readonly<Record<string, number>> = {
  openai: 1,
  anthropic: 1,
  groq: 2,
  openrouter: 2,
  cerebras: 2,
  gemini: 3,
  gemini_cli: 3,
  mistral: 3,
  cohere: 3,
  nvidia_nim: 3,
  agentrouter: 3,
  g4f: 4,
  qwen_code: 5,
  iflow: 5,
  antigravity: 5,
  chutes: 5,
};
const AVAILABLE = ['openai', 'anthropic', 'groq', 'gemini', 'g4f', 'mystery', 'antigravity', 'g4f_groq'];
const tiersOf = (tiers: Readonly<Record<string, number>>) => new Map(Object.entries(tiers));

describe('the chain of providers', () => {
  test.each([
    ['openai', 'openai, anthropic, groq, gemini, g4f, antigravity'],
    ['groq', 'groq, gemini, g4f, antigravity'],
    ['gemini', 'gemini, g4f, antigravity'],
    ['g4f', 'g4f, antigravity'],
    ['antigravity', 'antigravity'],
    ['mystery', 'mystery'],
    ['deepseek', 'anthropic, openai, groq, gemini, g4f, antigravity'],
    ['g4f_groq', 'g4f_groq'],
    ['g4f_nvidia', 'anthropic, openai, groq, gemini, g4f, antigravity'],
    ['OpenAI', 'openai, anthropic, groq, gemini, g4f, antigravity'],
  ])('of %s is %s', (requested, expected) => {
    expect(chain(requested, AVAILABLE, tiersOf(TIERS)).join(', ')).toBe(expected);
  });

  test.each([
    ['antigravity', 'antigravity, gemini_cli, anthropic, gemini, groq, openai, g4f'],
    ['g4f', 'g4f'],
  ])('goes by the user’s own tiers: %s', (requested, expected) => {
    const own = { antigravity: 1, gemini_cli: 1, openai: 3, anthropic: 3, groq: 3, gemini: 3, g4f: 5 };
    const available = ['openai', 'anthropic', 'groq', 'gemini', 'g4f', 'antigravity', 'gemini_cli'];
    expect(chain(requested, available, tiersOf(own)).join(', ')).toBe(expected);
  });

  test('of two is those two, and of the lower one itself', () => {
    const available = ['openai', 'g4f', 'unused'];
    expect(chain('openai', available, tiersOf(TIERS))).toEqual(['openai', 'g4f']);
    expect(chain('g4f', available, tiersOf(TIERS))).toEqual(['g4f']);
  });

  test('is never cut, repeats nobody, never goes up, and leaves out who has no tier', () => {
    const name = fc.constantFrom(...Array.from({ length: 30 }, (_, i) => `p${i}`));
    const tiers = fc.dictionary(name, fc.integer({ min: 1, max: 6 }), { maxKeys: 30 });
    fc.assert(
      fc.property(name, fc.array(name), tiers, (requested, available, written) => {
        const found = chain(requested, available, tiersOf(written));
        expect(new Set(found).size).toBe(found.length);
        const own = available.includes(requested) ? written[requested] : 0;
        const expected = [...new Set(available)].filter((other) => {
          const tier = written[other];
          return other !== requested && tier !== undefined && own !== undefined && tier >= own;
        });
        expect(new Set(found.filter((other) => other !== requested))).toEqual(new Set(expected));
        expect(found.includes(requested)).toBe(available.includes(requested));
        if (available.includes(requested)) expect(found[0]).toBe(requested);
        const order = found.filter((other) => other !== requested).map((other) => written[other] ?? 0);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }),
    );
  });
});
