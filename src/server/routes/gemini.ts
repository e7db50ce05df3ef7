import { codecOf } from '../../protocols/index.ts';
import { JsonIndex } from '../../shared/json-bytes.ts';
import { jsonResponse } from '../json-response.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import { countFor } from './count-call.ts';
import { callModel } from './model-call.ts';
import type { Exchange, Route } from './route.ts';

const METHODS = ['generateContent', 'streamGenerateContent', 'countTokens'] as const;

/**
 * Gemini's methods stand behind the last `:` of the path. Newer SDKs call `/v1/models/…`, older ones and the command line
 * client `/v1beta/models/…`. The AI SDK leaves `models/` out before a name with a slash in it, as ours are.
 */
export const geminiRoutes: readonly Route[] = [
  ...['/v1beta/models/{id}', '/v1/models/{id}'].map(
    (path): Route => ({ method: 'POST', path, access: 'client', answer: callMethod }),
  ),
  ...METHODS.map(
    (method): Route => ({
      method: 'POST',
      path: `/v1beta/{id}:${method}`,
      access: 'client',
      answer: (exchange) => callMethod({ ...exchange, id: `${exchange.id}:${method}` }),
    }),
  ),
];

function callMethod(exchange: Exchange): Promise<Response | Refusal> | Refusal {
  const { model, method } = splitMethod(exchange.id);
  switch (method) {
    case 'generateContent':
      return callModel(exchange, codecOf('gemini'), { path: { model, isStream: false } });
    case 'streamGenerateContent': {
      const isEvents = new URLSearchParams(exchange.query).get('alt') === 'sse';
      return callModel(exchange, codecOf('gemini'), {
        path: { model, isStream: true },
        framing: isEvents ? 'events' : 'json-array',
      });
    }
    case 'countTokens':
      return countMethod(exchange, model);
    case 'embedContent':
    case 'batchEmbedContents':
      return callModel(exchange, codecOf('gemini'), {
        path: { model, isStream: false },
        endpoint: { kind: 'gemini-embeddings', method },
      });
    default:
      return refuse({
        kind: 'route-not-found',
        status: 404,
        message:
          method === null ? `"${exchange.id}" names no method: write model:generateContent` : unknownMethod(method),
      });
  }
}

const unknownMethod = (method: string) =>
  `the method "${method}" is not known here; generateContent, streamGenerateContent, countTokens, embedContent and batchEmbedContents are`;

async function countMethod(exchange: Exchange, model: string): Promise<Response | Refusal> {
  // The whole request may stand inside, or only its contents.
  const whole = JsonIndex.of(exchange.body)?.slice('generateContentRequest');
  const counted = await countFor(exchange, codecOf('gemini'), {
    path: { model, isStream: false },
    ...(whole && { body: whole }),
  });
  return isRefusal(counted) ? counted : jsonResponse({ totalTokens: counted.tokens });
}

/** At the last `:`: models have colons in their names too. A `models/` that clients write twice is dropped. */
function splitMethod(id: string): { readonly model: string; readonly method: string | null } {
  const colon = id.lastIndexOf(':');
  const model = (colon < 0 ? id : id.slice(0, colon)).replace(/^models\//, '');
  return { model, method: colon < 0 ? null : id.slice(colon + 1) };
}
