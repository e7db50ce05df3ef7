import { codecOf } from '../../protocols/index.ts';
import { jsonResponse } from '../json-response.ts';
import { isRefusal } from '../refusal.ts';
import { countFor } from './count-call.ts';
import { callModel } from './model-call.ts';
import type { Route } from './route.ts';

export const messagesRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/messages',
    access: 'client',
    answer: (exchange) => callModel(exchange, codecOf('anthropic-messages')),
  },
  {
    method: 'POST',
    path: '/v1/messages/count_tokens',
    access: 'client',
    answer: async (exchange) => {
      const counted = await countFor(exchange, codecOf('anthropic-messages'));
      return isRefusal(counted) ? counted : jsonResponse({ input_tokens: counted.tokens });
    },
  },
];
