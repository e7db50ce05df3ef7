import { describe, expect, test } from 'bun:test';
import { readModelsDev } from '../../src/models/models-dev.ts';

// As models.dev writes it, cut to what matters.
const page = {
  google: {
    id: 'google',
    env: ['GEMINI_API_KEY'],
    models: {
      'gemini-2.5-pro': {
        id: 'gemini-2.5-pro',
        name: 'Gemini 2.5 Pro',
        family: 'gemini-pro',
        attachment: true,
        reasoning: true,
        tool_call: true,
        structured_output: true,
        temperature: true,
        knowledge: '2025-01',
        release_date: '2025-06-17',
        last_updated: '2025-06-17',
        modalities: { input: ['text', 'image', 'audio', 'video', 'pdf'], output: ['text'] },
        open_weights: false,
        cost: {
          input: 1.25,
          output: 10,
          cache_read: 0.31,
          context_over_200k: { input: 2.5, output: 15, cache_read: 0.625 },
        },
        limit: { context: 1_048_576, output: 65_536 },
      },
      'gemma-trial': { id: 'gemma-trial', cost: { input: 0, output: 0 }, limit: { context: 8192, output: 0 } },
      'half-priced': { id: 'half-priced', cost: { input: 1 } },
    },
  },
  openrouter: { models: { 'meta/llama:free': { cost: { input: 0, output: 0 } } } },
  openai: { models: { 'gpt-9': { cost: { input: 1, output: 1 } } } },
};

describe('models.dev', () => {
  const facts = readModelsDev(page, ['gemini', 'openrouter', 'nobody']);

  test('is read of the providers that are wanted, under their names here', () => {
    expect(Object.keys(facts)).toEqual(['gemini', 'openrouter']);
  });

  test('tells of a model what it is and what it costs', () => {
    expect(facts.gemini?.['gemini-2.5-pro']).toEqual({
      contextLength: 1_048_576,
      maxOutputTokens: 65_536,
      inputModalities: ['text', 'image', 'audio', 'video', 'pdf'],
      outputModalities: ['text'],
      takesTools: true,
      reasons: true,
      hasStructuredOutput: true,
      takesTemperature: true,
      family: 'gemini-pro',
      knowledgeCutoff: '2025-01',
      releaseDate: '2025-06-17',
      hasOpenWeights: false,
      price: {
        input: { base: 1.25, steps: [{ above: 200_000, usd: 2.5 }] },
        output: { base: 10, steps: [{ above: 200_000, usd: 15 }] },
        cacheRead: { base: 0.31, steps: [{ above: 200_000, usd: 0.625 }] },
      },
    });
  });

  test('takes 0 for a price only where the name says free', () => {
    expect(facts.gemini?.['gemma-trial']).toEqual({ contextLength: 8192 });
    expect(facts.openrouter?.['meta/llama:free']).toEqual({ price: { input: 0, output: 0 } });
  });

  test('takes half a price for none', () => {
    expect(facts.gemini?.['half-priced']).toEqual({});
  });

  test.each([
    [null],
    ['text'],
    [[]],
    [{ google: null }],
    [{ google: { models: [] } }],
    [{ google: { models: { a: 1 } } }],
  ])('passes over %j', (json) => {
    expect(() => readModelsDev(json, ['gemini'])).not.toThrow();
  });
});
