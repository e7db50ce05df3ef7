import { isObject } from '../shared/json-shape.ts';
import { JsonIndex } from '../shared/json-bytes.ts';
import type { SseFrame } from '../shared/sse.ts';
import type { FrameFacts, ReplyFacts, StreamEnd, StreamReader, Usage } from './codec.ts';
import { NOT_JSON, NOTHING } from './frame-facts.ts';
import { chunkReader, errorIn } from './openai-chat/stream.ts';
import { type AnswerReader, usageOf } from './plain-json.ts';

/** Readers for what passes through unread otherwise: is it an answer, is it whole, and what did it use? */

/** Text completions: chunks with `text`, ended as chats are. */
export const textCompletionReader: AnswerReader = {
  id: 'openai-chat',
  isPlain: true,
  readReply: (bytes) => readPlain(bytes, (index) => index.slice('choices')?.[0] === OPEN_BRACKET),
  collect: () => null,
  streamReader: () => chunkReader(({ text }) => typeof text === 'string' && text !== ''),
  endFrame: () => 'data: [DONE]\n\n',
};

/** Pictures, sound, rankings: any JSON that is no error, or named events whose last is `….done` or `….completed`. */
export const endpointReader: AnswerReader = {
  id: 'openai-chat',
  isPlain: true,
  readReply: (bytes) => readPlain(bytes, (index) => (index.get('error') ?? null) === null),
  collect: () => null,
  streamReader: namedEventReader,
  endFrame: () => '',
};

const OPEN_BRACKET = 91;

function readPlain(bytes: Uint8Array, isAnswer: (index: JsonIndex) => boolean): ReplyFacts {
  // Replies may hold pictures: only the fields that are asked for are parsed.
  const index = JsonIndex.of(bytes);
  if (!index) return { state: 'unreadable', reason: 'the reply is no JSON object' };
  if (isAnswer(index)) return { state: 'answer', usage: usageOf(index.get('usage')) };
  const error = errorIn({ error: index.get('error'), code: index.get('code'), message: index.get('message') }, null);
  return error === undefined
    ? { state: 'unreadable', reason: 'the reply is not what was asked for' }
    : { state: 'error', error };
}

function namedEventReader(): StreamReader {
  let usage: Usage | null = null;
  let lastType: string | null = null;
  let isEndSeen = false;
  return {
    push({ data, event }: SseFrame): FrameFacts {
      if (data === null || data === '' || event === 'ping') return NOTHING;
      if (data.trim() === '[DONE]') {
        isEndSeen = true;
        return { ...NOTHING, isEnd: true };
      }
      let json: unknown;
      try {
        json = JSON.parse(data);
      } catch {
        return NOT_JSON;
      }
      const error = errorIn(json, event);
      if (error !== undefined) return { ...NOTHING, error, json };
      if (!isObject(json)) return { ...NOTHING, json };
      lastType = typeof json.type === 'string' ? json.type : event;
      usage = usageOf(json.usage) ?? usage;
      return { ...NOTHING, isContent: true, json };
    },
    end(): StreamEnd {
      const isComplete = isEndSeen || /\.(?:done|completed)$/.test(lastType ?? '');
      return isComplete
        ? { state: 'complete', isEndSeen }
        : { state: 'broken', reason: 'the stream ended without its last event' };
    },
    get usage() {
      return usage;
    },
    finishReason: null,
  };
}
