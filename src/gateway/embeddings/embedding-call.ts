import type { ProtocolId } from '../../protocols/codec.ts';
import type { EmbeddingInput, EmbeddingReply, EmbeddingRequest } from '../../protocols/embeddings/embeddings.ts';
import { type GeminiEmbedding, patchedGemini, writeGeminiReply } from '../../protocols/embeddings/gemini.ts';
import {
  type OpenAiEmbedding,
  patchedRequest,
  seenVectors,
  writeEmbeddingReply,
} from '../../protocols/embeddings/openai.ts';
import type { JsonRecord } from '../../protocols/ir.ts';
import { estimateInput } from '../token-estimate.ts';

/** One of a call's inputs. */
export type EmbeddingItem = {
  /** Null: it has no neutral form. */
  readonly input: EmbeddingInput | null;
  /** As its client wrote it, where that is an object of its own; else null. */
  readonly raw: JsonRecord | null;
  /** A guess at its tokens. */
  readonly tokens: number;
};

/** What a client wants embedded, in the words of the surface that was called. */
export type EmbeddingCall = {
  readonly protocol: ProtocolId;
  readonly items: readonly EmbeddingItem[];
  /** What besides the inputs is asked; null: it has no neutral form. */
  readonly settings: Omit<EmbeddingRequest, 'inputs'> | null;
  /** What calls must have in common to share an upstream call, besides their client and their targets; null: none may. */
  readonly key: string | null;
  /** The client's own words for an upstream of the same form. `items`: others in place of its own; null: as they came. */
  bodyFor(model: string, items: readonly EmbeddingItem[] | null): Uint8Array;
  /** A reply in the words of the surface, from an upstream of the same form: is it whole, and as the client wants it? */
  isAsWanted(reply: Uint8Array): boolean;
  write(reply: EmbeddingReply): Uint8Array;
};

/** `key`: null when the call must go alone. */
export function openAiCall(request: OpenAiEmbedding, key: string | null): EmbeddingCall {
  return {
    protocol: 'openai-chat',
    items: request.inputs.map((input) => ({ input, raw: null, tokens: tokensOf(input) })),
    settings: request,
    key,
    bodyFor: (model, items) =>
      patchedRequest(request, model, items && items.flatMap(({ input }) => (input === null ? [] : [input]))).bytes,
    isAsWanted: (reply) => {
      const { format, count } = seenVectors(reply);
      return format === request.format && count === request.inputs.length;
    },
    write: (reply) => writeEmbeddingReply(reply, request.format),
  };
}

export function geminiCall(request: GeminiEmbedding): EmbeddingCall {
  return {
    protocol: 'gemini',
    items: request.items.map(({ raw, text }) => ({
      input: text,
      raw,
      tokens: text === null ? estimateInput(encoder.encode(JSON.stringify(raw))) : tokensOf(text),
    })),
    settings: request.settings,
    key: null,
    bodyFor: (model, items) =>
      patchedGemini(request, model, items && items.flatMap(({ raw }) => (raw === null ? [] : [raw]))),
    isAsWanted: () => true,
    write: ({ vectors }) => writeGeminiReply(request.method, vectors),
  };
}

const encoder = new TextEncoder();

/** An empty text is a token for those who count. */
const tokensOf = (input: EmbeddingInput): number =>
  typeof input === 'string' ? Math.max(1, estimateInput(encoder.encode(input))) : input.length;
