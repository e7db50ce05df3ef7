import { type ModelCard, modeOf } from '../../models/card.ts';
import { jsonResponse } from '../json-response.ts';
import { refuse } from '../refusal.ts';
import type { Route } from './route.ts';

const PAGE = 50;
const MAX_PAGE = 1000;

/** Model lists as Gemini's clients read them. */
export const geminiModelRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1beta/models',
    access: 'client',
    answer: async ({ deps, client, query }) => jsonResponse(page(await deps.models.list(client), query)),
  },
  {
    method: 'GET',
    path: '/v1beta/models/{id}',
    access: 'client',
    answer: async ({ deps, client, id }) => {
      const name = id.replace(/^models\//, '');
      const card = (await deps.models.list(client)).find((candidate) => candidate.id === name);
      if (card) return jsonResponse(geminiModel(card));
      return refuse({ kind: 'model-not-found', status: 404, message: `there is no model "${name}"` });
    },
  },
];

function page(cards: readonly ModelCard[], query: string): object {
  const wanted = new URLSearchParams(query);
  const size = Math.min(MAX_PAGE, Math.max(1, Number(wanted.get('pageSize')) || PAGE));
  const start = Math.max(0, Math.floor(Number(wanted.get('pageToken')) || 0));
  const end = start + size;
  return {
    models: cards.slice(start, end).map(geminiModel),
    ...(end < cards.length && { nextPageToken: String(end) }),
  };
}

function geminiModel(card: ModelCard): object {
  return {
    name: `models/${card.id}`,
    displayName: card.id,
    ...(card.contextLength !== undefined && { inputTokenLimit: card.contextLength }),
    ...(card.maxOutputTokens !== undefined && { outputTokenLimit: card.maxOutputTokens }),
    supportedGenerationMethods: methodsOf(card),
  };
}

const methodsOf = ({ id, facts }: ModelCard): readonly string[] =>
  modeOf(id, facts) === 'embedding'
    ? ['embedContent', 'batchEmbedContents']
    : ['generateContent', 'streamGenerateContent', 'countTokens'];
