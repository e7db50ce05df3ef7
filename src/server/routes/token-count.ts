import { codecOf } from '../../protocols/index.ts';
import { jsonResponse } from '../json-response.ts';
import { isRefusal } from '../refusal.ts';
import { countFor } from './count-call.ts';
import type { Route } from './route.ts';

/** `{model, messages, tools?}` as in a chat call → how many tokens that is. Nothing is sent to a model. */
export const tokenCountRoute: Route = {
  method: 'POST',
  path: '/v1/token-count',
  access: 'client',
  answer: async (exchange) => {
    const counted = await countFor(exchange, codecOf('openai-chat'));
    return isRefusal(counted) ? counted : jsonResponse({ token_count: counted.tokens, source: counted.source });
  },
};
