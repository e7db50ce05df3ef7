import { countOr, isObject, parseJson } from '../shared/json-shape.ts';
import type { ReplyFacts, Usage, WireCodec } from './codec.ts';

/** What reads an upstream's answer: a whole one, or a stream. */
export type AnswerReader = Pick<WireCodec, 'id' | 'readReply' | 'collect' | 'streamReader' | 'endFrame'> & {
  /** No chat: how a vendor writes its chats, and what those carry, does not concern it. */
  readonly isPlain?: true;
};

const decoder = new TextDecoder();

/** Reads replies that are plain JSON objects and no chat: counts, embeddings, lists. `isAnswer` knows what must be in one. */
export function plainReader(
  codec: WireCodec,
  isAnswer: (reply: { readonly [key: string]: unknown }) => boolean,
): AnswerReader {
  return {
    id: codec.id,
    isPlain: true,
    readReply(bytes): ReplyFacts {
      const reply = parseJson(decoder.decode(bytes));
      if (!isObject(reply)) return { state: 'unreadable', reason: 'the reply is no JSON object' };
      if (isAnswer(reply)) return { state: 'answer', usage: usageOf(reply.usage) };
      if (reply.error !== undefined && reply.error !== null) return { state: 'error', error: reply };
      return { state: 'unreadable', reason: 'the reply is not what was asked for' };
    },
    collect: () => null,
    streamReader: () => codec.streamReader(),
    endFrame: () => '',
  };
}

/** `prompt_tokens` as embeddings count; null where nothing is said. */
export function usageOf(value: unknown): Usage | null {
  if (!isObject(value)) return null;
  const inputTokens = countOr(value.prompt_tokens) ?? countOr(value.input_tokens) ?? countOr(value.total_tokens);
  if (inputTokens === null) return null;
  return usageFor(inputTokens, countOr(value.completion_tokens) ?? countOr(value.output_tokens) ?? 0);
}

export function usageFor(inputTokens: number, outputTokens: number): Usage {
  return {
    inputTokens,
    outputTokens,
    cachedTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    audioInputTokens: null,
    audioOutputTokens: null,
    costUsd: null,
  };
}
