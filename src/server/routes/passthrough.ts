import { codecOf } from '../../protocols/index.ts';
import { ENDPOINT_PATHS, type EndpointName } from '../../providers/endpoints.ts';
import { callModel } from './model-call.ts';
import type { Route } from './route.ts';

/** What passes through wherever a provider has it. */
export const passthroughRoutes: readonly Route[] = [
  route('completions'),
  route('image-generations'),
  route('image-edits'),
  route('image-variations'),
  route('speech'),
  route('transcriptions'),
  route('translations'),
  route('rerank'),
  route('moderations'),
];

function route(name: EndpointName): Route {
  return {
    method: 'POST',
    path: `/v1${ENDPOINT_PATHS[name]}`,
    access: 'client',
    answer: (exchange) => callModel(exchange, codecOf('openai-chat'), { endpoint: { kind: 'passthrough', name } }),
  };
}
