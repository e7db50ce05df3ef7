import { tokenPrices } from '../../models/card.ts';
import { costIn } from '../../models/model-price.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import { jsonResponse } from '../json-response.ts';
import { readModelQuestion } from './model-question.ts';
import type { Route } from './route.ts';

/** Tokens that a client names; those of a cache come on top of the prompt's. */
const TOKEN_FIELDS = ['prompt_tokens', 'completion_tokens', 'cache_read_tokens', 'cache_creation_tokens'] as const;

export const costEstimateRoute: Route = {
  method: 'POST',
  path: '/v1/cost-estimate',
  access: 'client',
  answer: async ({ deps, client, body }) => {
    const asked = readModelQuestion(body);
    if (isRefusal(asked)) return asked;
    const tokens = readTokens(asked.fields);
    if (isRefusal(tokens)) return tokens;
    const found = await deps.models.priceOf(client, asked.model);
    if ('problem' in found) return refuse(found.problem);
    const { price, source } = found;
    const read = tokens.cache_read_tokens;
    const written = tokens.cache_creation_tokens;
    const cost =
      price &&
      costIn(price, {
        inputTokens: tokens.prompt_tokens + read + written,
        outputTokens: tokens.completion_tokens,
        cachedTokens: read,
        cacheWriteTokens: written,
      });
    return jsonResponse({
      model: asked.model,
      cost,
      currency: 'USD',
      pricing: price && tokenPrices(price),
      source,
    });
  },
};

type Tokens = { readonly [name in (typeof TOKEN_FIELDS)[number]]: number };

function readTokens(fields: Readonly<Record<string, unknown>>): Tokens | Refusal {
  const tokens = { prompt_tokens: 0, completion_tokens: 0, cache_read_tokens: 0, cache_creation_tokens: 0 };
  for (const name of TOKEN_FIELDS) {
    const value = fields[name] ?? 0;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      return refuse({
        kind: 'bad-request',
        status: 400,
        message: `"${name}" must be a whole number of tokens, 0 or more`,
        param: name,
      });
    }
    tokens[name] = value;
  }
  return tokens;
}
