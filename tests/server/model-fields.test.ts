import { describe, expect, test } from 'bun:test';
import { modelCard } from '../../src/models/card.ts';
import type { SourcedFacts } from '../../src/models/model-facts.ts';
import { modelFields } from '../../src/server/routes/model-fields.ts';

const facts: SourcedFacts = {
  contextLength: 128_000,
  maxOutputTokens: 16_384,
  inputModalities: ['text', 'image'],
  outputModalities: ['text'],
  takesTools: true,
  reasons: false,
  source: 'packaged',
  sources: ['packaged'],
};
const price = {
  price: { input: { base: 2.5, steps: [{ above: 1000, usd: 5 }] }, output: 10, cacheRead: 1.25, cacheWrite: 3.125 },
  source: 'packaged',
} as const;

describe('an enriched card', () => {
  test('has every field that is known, prices in USD per token', () => {
    expect(modelFields(modelCard('openai', { id: 'gpt-4o', created: 7 }, { facts, price }), true)).toEqual({
      id: 'openai/gpt-4o',
      object: 'model',
      created: 7,
      owned_by: 'openai',
      architecture: { input_modalities: ['text', 'image'], output_modalities: ['text'] },
      capabilities: {
        tool_choice: true,
        function_calling: true,
        reasoning: false,
        vision: true,
        system_messages: true,
        prompt_caching: true,
        assistant_prefill: false,
        structured_output: null,
        temperature: true,
        attachments: true,
        interleaved: false,
      },
      mode: 'chat',
      supported_modalities: ['text', 'image'],
      supported_output_modalities: ['text'],
      context_length: 128_000,
      context_window: 128_000,
      max_input_tokens: 128_000,
      max_completion_tokens: 16_384,
      max_output_tokens: 16_384,
      pricing: { prompt: 0.0000025, completion: 0.00001, cached_input: 0.00000125, cache_write: 0.000003125 },
      input_cost_per_token: 0.0000025,
      output_cost_per_token: 0.00001,
      cache_read_input_token_cost: 0.00000125,
      cache_creation_input_token_cost: 0.000003125,
      _price_source: 'packaged',
      _sources: ['packaged'],
      _match_type: 'exact',
    });
  });

  test('of a model of which a list says only how large it is claims no abilities', () => {
    const known = { facts: { contextLength: 8192, source: 'provider', sources: ['provider'] }, price } as const;
    const fields = modelFields(modelCard('groq', { id: 'm' }, known), true);
    expect(fields).not.toHaveProperty('capabilities');
    expect(fields).toMatchObject({ context_length: 8192, _sources: ['provider'] });
  });

  test('of a model that nobody knows has four fields', () => {
    const known = { facts: null, price: { price: null, source: 'unknown' } } as const;
    expect(Object.keys(modelFields(modelCard('mine', { id: 'm' }, known), true))).toEqual([
      'id',
      'object',
      'created',
      'owned_by',
    ]);
  });

  test.each([
    ['text-embedding-3-small', ['text'], 'embedding'],
    ['gpt-4o', ['text'], 'chat'],
    ['gpt-image-1', ['image'], 'image'],
    ['gemini-flash-image', ['text', 'image'], 'chat'],
    ['tts-1', ['audio'], 'audio'],
  ])('of %s with %j is for %s', (id, outputModalities, mode) => {
    const known = { facts: { ...facts, outputModalities }, price };
    expect(modelFields(modelCard('openai', { id }, known), true)).toMatchObject({ mode });
  });

  test.each([
    ['gemini', 'packaged', 'alias'],
    ['openai', 'public', 'exact'],
    ['openai', 'packaged-normalised', 'fuzzy'],
  ] as const)('of %s from %s is matched %s', (provider, source, match) => {
    const known = { facts: { ...facts, source, sources: [source] }, price };
    expect(modelFields(modelCard(provider, { id: 'm' }, known), true)).toMatchObject({ _match_type: match });
  });
});
