import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createEquivalents } from '../../src/models/equivalents.ts';
import { modelIdentity } from '../../src/models/model-identity.ts';
import { packagedPublishers } from '../../src/models/packaged-publishers.ts';

const equivalents = createEquivalents(packagedPublishers);

/** `provider model`: a model may hold slashes. */
const split = (text: string) => {
  const [provider = '', model = ''] = text.split(' ');
  return { provider, model };
};

describe('one model under two names', () => {
  test.each([
    ['groq llama-3.3-70b-versatile', 'openrouter meta-llama/llama-3.3-70b-instruct'],
    ['groq llama-3.3-70b-versatile', 'nvidia meta/llama-3.3-70b-instruct'],
    ['groq llama-3.3-70b-versatile', 'huggingface meta-llama/Llama-3.3-70B-Instruct'],
    ['groq llama-3.3-70b-versatile', 'together meta-llama/Llama-3.3-70B-Instruct-Turbo'],
    ['groq llama-3.1-8b-instant', 'cerebras llama3.1-8b'],
    ['groq llama-3.3-70b-versatile', 'g4f llama-3.3-70b'],
    ['openai gpt-4o-mini', 'g4f gpt-4o-mini'],
    ['groq openai/gpt-oss-120b', 'cerebras gpt-oss-120b'],
    ['groq openai/gpt-oss-120b', 'openrouter openai/gpt-oss-120b:free'],
    ['openai gpt-4o', 'openrouter openai/gpt-4o'],
    ['openai gpt-4o', 'openai gpt-4o-2024-08-06'],
    ['anthropic claude-sonnet-4-5-20250929', 'openrouter anthropic/claude-sonnet-4.5'],
    ['anthropic claude-sonnet-4-5', 'anthropic claude-sonnet-4-5-20250929'],
    ['gemini gemini-2.5-pro', 'openrouter google/gemini-2.5-pro'],
    ['gemini models/gemini-2.5-flash', 'gemini_cli gemini-2.5-flash'],
    ['chutes deepseek-ai/DeepSeek-V3.2-TEE', 'openrouter deepseek/deepseek-v3.2'],
    ['iflow deepseek-v3.2', 'huggingface deepseek-ai/DeepSeek-V3.2'],
    ['iflow kimi-k2-0905', 'nvidia moonshotai/kimi-k2-instruct-0905'],
    ['moonshot kimi-k2.6', 'openrouter moonshotai/kimi-k2.6'],
    ['chutes zai-org/GLM-5.2-TEE', 'nvidia z-ai/glm-5.2'],
    ['fireworks accounts/fireworks/models/kimi-k2p6', 'moonshot kimi-k2.6'],
    ['cerebras qwen-3-32b', 'huggingface Qwen/Qwen3-32B'],
    ['mistral open-mixtral-8x22b', 'nvidia mistralai/mixtral-8x22b-instruct'],
    ['openrouter meta-llama/llama-4-scout', 'deepinfra meta-llama/Llama-4-Scout-17B-16E-Instruct'],
    ['my-vllm house-model', 'my-other house-model'],
  ])('%s is %s', (a, b) => {
    expect(equivalents.isSame(split(a), split(b))).toBe(true);
    expect(equivalents.isSame(split(b), split(a))).toBe(true);
  });
});

describe('two models under names that look alike', () => {
  test.each([
    ['openai gpt-4o', 'openai gpt-4o-mini', 'mini is smaller'],
    ['openai gpt-4o', 'openrouter openai/gpt-4o-mini', 'mini is smaller'],
    ['openai gpt-4', 'openai gpt-4-turbo', 'turbo is OpenAI’s own model, not a way to serve one'],
    ['openai gpt-4.1', 'openai gpt-4', 'a version is no detail'],
    ['openai o1', 'openai o1-pro', 'pro thinks longer'],
    ['openai gpt-4o-2024-05-13', 'openrouter openai/gpt-4o-2024-11-20', 'two snapshots'],
    ['groq llama-3.1-8b-instant', 'openrouter meta-llama/llama-3.1-70b-instruct', '8b and 70b'],
    ['groq llama-3.3-70b-versatile', 'openrouter meta-llama/llama-3.1-70b-instruct', '3.1 and 3.3'],
    ['huggingface meta-llama/Llama-3.1-8B', 'groq llama-3.1-8b-instant', 'the base model does not chat'],
    ['gemini gemini-2.5-flash', 'gemini gemini-2.5-flash-lite', 'lite is smaller'],
    ['gemini gemini-2.5-pro', 'openrouter google/gemini-2.5-pro-preview', 'a preview is another edition'],
    ['openrouter deepseek/deepseek-r1', 'openrouter deepseek/deepseek-r1-0528', 'two editions'],
    ['openrouter deepseek/deepseek-r1', 'groq deepseek-r1-distill-llama-70b', 'a distillate'],
    ['openrouter deepseek/deepseek-chat', 'deepseek deepseek-chat', 'a name that moves on at one of them'],
    ['mistral mistral-large-latest', 'openrouter mistralai/mistral-large', 'a name that moves on at one of them'],
    ['huggingface Qwen/Qwen3-Coder-30B-A3B-Instruct', 'huggingface Qwen/Qwen3-Coder-480B-A35B-Instruct', 'sizes'],
    ['nvidia nvidia/llama-3.3-nemotron-super-49b-v1', 'groq llama-3.3-70b-versatile', 'made from it'],
    ['together pearl-ai/gemma-4-31b-it', 'nvidia google/gemma-4-31b-it', 'another maker’s copy'],
    ['my-vllm house-model', 'my-other house/house-model', 'nobody knows who made it, and it is called otherwise'],
    ['deepseek deepseek-chat', 'mistral deepseek/deepseek-chat', 'a name that moves on at one of them'],
    ['openrouter anthropic/claude-sonnet-4:thinking', 'anthropic claude-sonnet-4', 'another way to answer'],
  ])('%s is not %s: %s', (a, b) => {
    expect(equivalents.isSame(split(a), split(b))).toBe(false);
  });
});

describe('the models of another provider that are the same', () => {
  const asked = { provider: 'openai', model: 'gpt-4o-2024-08-06' };
  const find = (...ids: readonly string[]) =>
    equivalents.find(asked, { provider: 'openrouter', listed: ids.map((id) => ({ id })) });

  test('are none where none is listed', () => {
    expect(find('openai/gpt-4o-mini', 'openai/gpt-4o-2024-05-13')).toEqual([]);
  });

  test('are the very snapshot, then the undated one', () => {
    expect(find('openai/gpt-4o', 'openai/gpt-4o-2024-08-06')).toEqual(['openai/gpt-4o-2024-08-06', 'openai/gpt-4o']);
  });

  test('are those of the same name, where nobody knows the model', () => {
    const listed = [{ id: 'house/house-model' }, { id: 'house-model' }];
    const house = { provider: 'my-vllm', model: 'house-model' };
    expect(equivalents.find(house, { provider: 'my-other', listed })).toEqual(['house-model']);
  });

  test('are the free one last', () => {
    const found = equivalents.find(
      { provider: 'groq', model: 'openai/gpt-oss-20b' },
      { provider: 'openrouter', listed: [{ id: 'openai/gpt-oss-20b:free' }, { id: 'openai/gpt-oss-20b' }] },
    );
    expect(found).toEqual(['openai/gpt-oss-20b', 'openai/gpt-oss-20b:free']);
  });
});

test('no text is too odd for a name', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (provider, model) => {
      const identity = modelIdentity(provider, model, packagedPublishers);
      expect(identity === null || identity.name.length > 0).toBe(true);
    }),
    { numRuns: 500 },
  );
});
