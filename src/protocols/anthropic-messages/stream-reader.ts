import { isObject, parseJson, textOr } from '../../shared/json-shape.ts';
import type { SseFrame } from '../../shared/sse.ts';
import type { FrameFacts, StreamEnd, StreamReader } from '../codec.ts';
import { NOT_JSON, NOTHING } from '../frame-facts.ts';
import type { JsonRecord } from '../ir.ts';
import { errorIn } from './errors.ts';
import { counted, NOTHING_COUNTED, usageOf } from './usage.ts';

/**
 * Reads a stream of message events. Complete means `message_stop`, or a stop reason and a clean end: some compatible
 * servers stop there.
 */
export function streamReader(): StreamReader {
  let counts = NOTHING_COUNTED;
  let stopReason: string | null = null;
  let hasContent = false;
  let isStopSeen = false;

  function read(json: JsonRecord): FrameFacts {
    switch (json.type) {
      case 'message_start': {
        const message = isObject(json.message) ? json.message : {};
        counts = counted(counts, message.usage);
        stopReason = textOr(message.stop_reason) ?? stopReason;
        return { ...NOTHING, json };
      }
      case 'message_delta': {
        counts = counted(counts, json.usage);
        stopReason = (isObject(json.delta) ? textOr(json.delta.stop_reason) : null) ?? stopReason;
        return { ...NOTHING, json };
      }
      case 'message_stop':
        isStopSeen = true;
        return { ...NOTHING, isEnd: true, json };
      case 'content_block_start':
      case 'content_block_delta': {
        const isContent = json.type === 'content_block_start' ? opensWithContent(json) : bringsContent(json);
        hasContent ||= isContent;
        return { ...NOTHING, isContent, json };
      }
      default:
        return { ...NOTHING, json };
    }
  }

  return {
    push(frame: SseFrame): FrameFacts {
      // `[DONE]` is no event of this protocol; compatible servers send it behind the end.
      if (frame.data === null || frame.data.trim() === '' || frame.data.trim() === '[DONE]') return NOTHING;
      const json = parseJson(frame.data);
      if (json === undefined) {
        if (frame.event === 'ping') return NOTHING;
        return NOT_JSON;
      }
      const error = errorIn(json, frame.event);
      if (error !== undefined) return { ...NOTHING, error, json };
      return isObject(json) ? read(json) : { ...NOTHING, json };
    },
    end(): StreamEnd {
      if (stopReason === null && !(isStopSeen && hasContent)) {
        const reason = hasContent ? 'the stream ended without a stop reason' : 'the stream ended without an answer';
        return { state: 'broken', reason };
      }
      return { state: 'complete', isEndSeen: isStopSeen };
    },
    get usage() {
      return usageOf(counts);
    },
    get finishReason() {
      return stopReason;
    },
  };
}

/** A block that opens empty says nothing yet, unless that it is there is news: a tool call, a search, hidden thinking. */
function opensWithContent({ content_block: block }: JsonRecord): boolean {
  if (!isObject(block)) return false;
  switch (block.type) {
    case 'text':
      return isFilled(block.text);
    case 'thinking':
      return isFilled(block.thinking);
    default:
      return true;
  }
}

function bringsContent({ delta }: JsonRecord): boolean {
  if (!isObject(delta)) return false;
  switch (delta.type) {
    case 'text_delta':
      return isFilled(delta.text);
    case 'thinking_delta':
      return isFilled(delta.thinking);
    case 'signature_delta':
      return false;
    default:
      return true;
  }
}

const isFilled = (value: unknown) => typeof value === 'string' && value !== '';
