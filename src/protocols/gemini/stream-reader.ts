import { isObject, parseJson } from '../../shared/json-shape.ts';
import type { SseFrame } from '../../shared/sse.ts';
import type { FrameFacts, StreamEnd, StreamReader, Usage } from '../codec.ts';
import { NOT_JSON, NOTHING } from '../frame-facts.ts';
import { blockReasonIn, candidatesIn, errorIn, hasContent } from './candidates.ts';
import { readUsage } from './usage.ts';
import { field } from './wire-field.ts';

/**
 * Reads a stream of `generateContent` chunks. Complete means: every candidate that was seen has its finish reason, or the
 * prompt was refused. There is no end mark; `[DONE]` comes from servers that speak other protocols too.
 */
export function streamReader(): StreamReader {
  const finished = new Map<number, boolean>();
  let usage: Usage | null = null;
  let finishReason: string | null = null;
  let blockReason: string | null = null;
  let isEndSeen = false;

  return {
    push(frame: SseFrame): FrameFacts {
      if (frame.data === null || frame.data === '' || frame.event === 'ping') return NOTHING;
      if (frame.data.trim() === '[DONE]') {
        isEndSeen = true;
        return { ...NOTHING, isEnd: true };
      }
      const json = parseJson(frame.data);
      if (json === undefined) return NOT_JSON;
      const error = errorIn(json, frame.event);
      if (error !== undefined) return { ...NOTHING, error, json };
      if (!isObject(json)) return { ...NOTHING, json };
      let isContent = false;
      for (const candidate of candidatesIn(json)) {
        if (candidate.finishReason !== null) {
          finished.set(candidate.index, true);
          finishReason ??= candidate.finishReason;
        } else if (!finished.has(candidate.index)) finished.set(candidate.index, false);
        isContent = isContent || candidate.parts.some(hasContent);
      }
      blockReason ??= blockReasonIn(json);
      usage = readUsage(field(json, 'usageMetadata')) ?? usage;
      return { isContent, isEnd: false, isUsageOnly: false, error: undefined, json };
    },
    end(): StreamEnd {
      if (finished.size === 0 && blockReason === null) {
        return { state: 'broken', reason: 'the stream ended without an answer' };
      }
      for (const isFinished of finished.values()) {
        if (!isFinished) return { state: 'broken', reason: 'the stream ended without a finish reason' };
      }
      return { state: 'complete', isEndSeen };
    },
    get usage() {
      return usage;
    },
    get finishReason() {
      return finishReason ?? blockReason;
    },
  };
}
