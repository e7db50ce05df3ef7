import { isObject } from '../shared/json-shape.ts';
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
  // Thinking is a switch there, by a name of its own.
  editFields: (index) => {
    const thinking = index.get('thinking');
    if (!isObject(thinking)) return undefined;
    return {
      set: { think: thinking.type !== 'disabled' },
      remove: ['thinking'],
      changes: ['thinking → think'],
    };
  },
  embeddings: textEmbeddings,
  endpoints: endpointsAt('completions'),
});
