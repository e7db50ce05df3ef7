import { codecOf } from '../../protocols/index.ts';
import { callModel } from './model-call.ts';
import type { Route } from './route.ts';

export const chatCompletionsRoute: Route = {
  method: 'POST',
  path: '/v1/chat/completions',
  access: 'client',
  answer: (exchange) => callModel(exchange, codecOf('openai-chat')),
};
