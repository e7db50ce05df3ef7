import { compatible } from './compatible.ts';
import { textEmbeddings } from './embeddings.ts';
import { endpointsAt } from './endpoints.ts';

export const lmStudio = compatible({
  id: 'lm_studio',
  names: ['lmstudio'],
  title: 'LM Studio',
  baseUrl: 'http://localhost:1234/v1',
  keyEnv: ['LM_STUDIO_API_KEY', 'LMSTUDIO_API_KEY'],
  key: 'optional',
  isLocal: true,
  tier: null,
  embeddings: textEmbeddings,
  endpoints: endpointsAt('completions'),
});
