import { openAiEmbeddings, withoutInputType } from './embeddings.ts';
import { endpointsAt } from './endpoints.ts';
import { together } from './field-edits.ts';
import { editForReasoning } from './openai-reasoning.ts';
import type { Provider } from './provider.ts';
import { requestLargerThanMinute } from './request-too-large.ts';

/** Models that answer `/responses` and nothing else. https://platform.openai.com/docs/models, 2026-11. */
const RESPONSES_ONLY = /^(o\d+-pro|gpt-\d+(\.\d+)?-pro|.*codex|.*deep-research|computer-use)/;

const ENDPOINTS = endpointsAt(
  'completions',
  'image-generations',
  'image-edits',
  'image-variations',
  'speech',
  'transcriptions',
  'translations',
  'moderations',
);

/** The protocols' own author: nothing to adapt but what its models that think refuse. */
export const openai = {
  id: 'openai',
  title: 'OpenAI',
  protocol: 'openai-chat',
  speaks: (model) => (RESPONSES_ONLY.test(model) ? ['openai-responses'] : ['openai-chat', 'openai-responses']),
  baseUrl: 'https://api.openai.com/v1',
  keyEnv: ['OPENAI_API_KEY'],
  key: 'required',
  tier: 1,
  keyUrl: 'https://platform.openai.com/api-keys',
  embeddings: {
    ...openAiEmbeddings,
    edit: (index, model) => {
      // The models before them have one size of vectors, and the field is an error there.
      const isRefused = index.has('dimensions') && !model.includes('text-embedding-3');
      return together(
        withoutInputType(index),
        isRefused ? { remove: ['dimensions'], changes: ['dimensions removed'] } : undefined,
      );
    },
  },
  endpoints: ENDPOINTS,
  editFields: editForReasoning,
  classify: requestLargerThanMinute,
} satisfies Provider;
