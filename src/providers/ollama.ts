import { compatible } from './compatible.ts';
import { textEmbeddings } from './embeddings.ts';
import { endpointsAt } from './endpoints.ts';

export const ollama = compatible({
  id: 'ollama',
  title: 'Ollama',
  baseUrl: 'http://localhost:11434/v1',
  keyEnv: ['OLLAMA_API_KEY'],
  key: 'optional',
  isLocal: true,
  tier: null,
  embeddings: textEmbeddings,
  endpoints: endpointsAt('completions'),
});
