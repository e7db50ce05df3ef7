import { jsonResponse } from '../json-response.ts';
import { refuse } from '../refusal.ts';
import { modelFields } from './model-fields.ts';
import { anthropicModel, anthropicPage } from './anthropic-models.ts';
import type { Route } from './route.ts';

export const modelRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/models',
    access: 'client',
    answer: async ({ deps, client, query, request }) => {
      const cards = await deps.models.list(client);
      if (isAnthropic(request)) return jsonResponse(anthropicPage(cards, query));
      return jsonResponse({ object: 'list', data: cards.map((card) => modelFields(card, wantsMore(query))) });
    },
  },
  {
    method: 'GET',
    path: '/v1/models/{id}',
    access: 'client',
    answer: async ({ deps, client, id, query, request }) => {
      const cards = await deps.models.list(client);
      const card =
        cards.find((candidate) => candidate.id === id) ?? cards.find((candidate) => sameModel(candidate.id, id));
      // A model that this client may not use does not exist for it.
      if (!card) return refuse({ kind: 'model-not-found', status: 404, message: `there is no model "${id}"` });
      if (isAnthropic(request)) return jsonResponse(anthropicModel(card));
      return jsonResponse(modelFields(card, wantsMore(query)));
    },
  },
];

const isAnthropic = ({ headers }: Request) => headers.has('anthropic-version');

/** `-` and `_` are the same in provider names. */
function sameModel(a: string, b: string): boolean {
  const [slashA, slashB] = [a.indexOf('/'), b.indexOf('/')];
  const provider = (name: string, slash: number) => name.slice(0, slash).toLowerCase().replaceAll('-', '_');
  return slashA > 0 && provider(a, slashA) === provider(b, slashB) && a.slice(slashA) === b.slice(slashB);
}

const wantsMore = (query: string) => new URLSearchParams(query).get('enriched') !== 'false';
