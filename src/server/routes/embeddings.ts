import { codecOf } from '../../protocols/index.ts';
import { callModel } from './model-call.ts';
import type { Route } from './route.ts';

export const embeddingsRoute: Route = {
  method: 'POST',
  path: '/v1/embeddings',
  access: 'client',
  answer: (exchange) => callModel(exchange, codecOf('openai-chat'), { endpoint: { kind: 'embeddings' } }),
};
