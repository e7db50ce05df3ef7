import type { Problem } from '../protocols/problem.ts';
import { assertNever } from '../shared/assert-never.ts';
import type { EmbeddingBatcher } from './embeddings/embedding-batcher.ts';
import { embeddingWork, geminiEmbeddingWork } from './embeddings/embedding-work.ts';
import type { GatewayCall } from './gateway.ts';
import type { ChatTools } from './job.ts';
import { passthroughWork } from './passthrough/passthrough-work.ts';
import { chatWork, type Work } from './work.ts';

export type WorkTools = { readonly chat: ChatTools; readonly batcher: EmbeddingBatcher };

/** What a surface was asked to do. A problem names what is wrong with its request. */
export function readWork(call: GatewayCall, tools: WorkTools): Work | Problem {
  const { endpoint } = call;
  if (!endpoint) return chatWork(call, tools.chat);
  switch (endpoint.kind) {
    case 'embeddings':
      return embeddingWork(call, tools.batcher);
    case 'gemini-embeddings':
      return geminiEmbeddingWork(call, endpoint.method, tools.batcher);
    case 'passthrough':
      return passthroughWork(call, endpoint.name);
    default:
      return assertNever(endpoint);
  }
}
