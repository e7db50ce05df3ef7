import { isProblem } from '../../protocols/codec.ts';
import { type GeminiMethod, readGeminiEmbedding } from '../../protocols/embeddings/gemini.ts';
import { type OpenAiEmbedding, readEmbeddingRequest } from '../../protocols/embeddings/openai.ts';
import type { Problem } from '../../protocols/problem.ts';
import type { GatewayCall } from '../gateway.ts';
import { NO_NEEDS } from '../needs.ts';
import type { Work } from '../work.ts';
import type { EmbeddingBatcher } from './embedding-batcher.ts';
import { type EmbeddingCall, geminiCall, openAiCall } from './embedding-call.ts';
import { EmbeddingJob } from './embedding-job.ts';

/** `POST /v1/embeddings`. */
export function embeddingWork(call: GatewayCall, batcher: EmbeddingBatcher): Work | Problem {
  const request = readEmbeddingRequest(call.body);
  if (isProblem(request)) return request;
  return workOf(request.model, openAiCall(request, sharingKey(call, request)), batcher);
}

/** Gemini's methods, whose model stands in the path. */
export function geminiEmbeddingWork(
  call: GatewayCall,
  method: GeminiMethod,
  batcher: EmbeddingBatcher,
): Work | Problem {
  const request = readGeminiEmbedding(call.body, method);
  return isProblem(request) ? request : workOf(call.path?.model ?? '', geminiCall(request), batcher);
}

function workOf(model: string, call: EmbeddingCall, batcher: EmbeddingBatcher): Work {
  return {
    operation: 'embeddings',
    model,
    isStream: false,
    // A model's window is that of one input, not of all together.
    needs: { ...NO_NEEDS, inputTokens: call.items.reduce((most, { tokens }) => Math.max(most, tokens), 0) },
    affinity: null,
    job: () => new EmbeddingJob(call, call.items),
    streamOf: () => {
      throw new Error('embeddings are never streamed');
    },
    send: (input, trace) => batcher.send(call, input, trace),
  };
}

/** All that a request says besides its inputs, as it stands there. Null: what it asks of HTTP is for it alone. */
function sharingKey(call: GatewayCall, { index }: OpenAiEmbedding): string | null {
  if (call.headers.has('idempotency-key')) return null;
  const decoder = new TextDecoder();
  const fields = index.entries
    .filter(({ key }) => key !== 'input')
    .map(({ key, start, end }) => `${JSON.stringify(key)}:${decoder.decode(index.bytes.subarray(start, end))}`);
  return JSON.stringify([call.client.id, call.client.name, call.isFallbackOff, fields.toSorted()]);
}
