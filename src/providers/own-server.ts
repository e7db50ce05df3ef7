import type { ProtocolId } from '../protocols/codec.ts';
import { geminiEmbeddings, openAiEmbeddings } from './embeddings.ts';
import { ENDPOINT_PATHS } from './endpoints.ts';
import { readCommonModels } from './model-list.ts';
import type { Provider } from './provider.ts';

/** Where each protocol's own servers look for the key, if not in `Authorization`. */
const AUTHORIZE: Readonly<Partial<Record<ProtocolId, Pick<Provider, 'authorize'>>>> = {
  'anthropic-messages': { authorize: (headers, key) => headers.set('x-api-key', key.reveal()) },
  gemini: { authorize: (headers, key) => headers.set('x-goog-api-key', key.reveal()) },
};

/** Whatever may stand behind it: what it lacks it says itself. */
const OFFERS: Readonly<Partial<Record<ProtocolId, Pick<Provider, 'embeddings' | 'endpoints'>>>> = {
  'openai-chat': { embeddings: openAiEmbeddings, endpoints: ENDPOINT_PATHS },
  gemini: { embeddings: geminiEmbeddings },
};

/**
 * A server of the user's own: vLLM, llama.cpp, LiteLLM, a colleague's gateway. A base URL and maybe a key. Nothing of a
 * request is changed for it: nobody here knows its dialect, and its owner decides what is sent to it. `id` as written.
 */
export function ownProvider(id: string, protocol: ProtocolId): Provider {
  return {
    id,
    title: id,
    protocol,
    baseUrl: null,
    keyEnv: [`${id.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}_API_KEY`],
    key: 'optional',
    ...AUTHORIZE[protocol],
    tier: null,
    ...OFFERS[protocol],
    readModels: readCommonModels,
  };
}
