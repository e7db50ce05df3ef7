import { objectsIn } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import { countOf } from './count-of.ts';
import { OPENAI_ONLY } from './openai-only.ts';
import { modelRows, readRows } from './model-list.ts';

/** The router in front of many inference providers; a model id may end in `:provider`, `:fastest` or `:cheapest`. */
export const huggingface = compatible({
  id: 'huggingface',
  title: 'Hugging Face',
  baseUrl: 'https://router.huggingface.co/v1',
  keyEnv: ['HF_TOKEN', 'HUGGINGFACE_API_KEY'],
  key: 'required',
  tier: null,
  keyUrl: 'https://huggingface.co/settings/tokens',
  // What is behind the router is strict or not, as it happens.
  bodyRules: { drop: OPENAI_ONLY },
  readModels: (page) => ({
    models: readRows(modelRows(page), (row) => {
      // Each provider behind the router has its own window; the router can reach the largest.
      const windows = objectsIn(row.providers).flatMap((provider) => countOf(provider.context_length) ?? []);
      return windows.length > 0 ? { contextLength: Math.max(...windows) } : {};
    }),
  }),
});
