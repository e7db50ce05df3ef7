import { countOr, isObject, parseJson } from '../../shared/json-shape.ts';
import type { SseFrame } from '../../shared/sse.ts';
import type { FrameFacts, StreamEnd, StreamReader } from '../codec.ts';
import { NOT_JSON, NOTHING } from '../frame-facts.ts';
import type { JsonRecord, Usage } from '../ir.ts';
import { hasContent } from './event-content.ts';
import { errorIn, finishOf, isEnd } from './terminal-events.ts';
import { readUsage } from './usage.ts';

/** Reads a stream of Responses events. Complete means: an event that ends the response was seen. */
export function streamReader(): StreamReader {
  let announced: JsonRecord | null = null;
  let nextSequence = 0;
  let final: JsonRecord | null = null;
  let usage: Usage | null = null;
  // Some servers leave `output` of the last event empty, although they sent every item.
  const items = new Map<number, JsonRecord>();

  function read(event: JsonRecord): void {
    const sequence = countOr(event.sequence_number);
    nextSequence = Math.max(nextSequence, (sequence ?? nextSequence) + 1);
    const { response } = event;
    if (isObject(response)) announced ??= response;
    if (event.type === 'response.output_item.done' && isObject(event.item)) {
      items.set(countOr(event.output_index) ?? items.size, event.item);
    }
    if (!isEnd(event)) return;
    const whole = isObject(response) ? response : {};
    final = withOutput(whole, items);
    usage = readUsage(whole.usage) ?? usage;
  }

  return {
    push(frame: SseFrame): FrameFacts {
      if (frame.data === null || frame.data === '' || frame.event === 'ping' || frame.event === 'keepalive')
        return NOTHING;
      // No part of this protocol, but of servers that grew out of the chat one.
      if (frame.data.trim() === '[DONE]') return { ...NOTHING, isEnd: true };
      const json = parseJson(frame.data);
      if (json === undefined) return NOT_JSON;
      const error = errorIn(json, frame.event);
      if (isObject(json)) read(json);
      if (error !== undefined) return { ...NOTHING, error, json };
      if (!isObject(json)) return { ...NOTHING, json };
      return { ...NOTHING, isContent: hasContent(json), isEnd: isEnd(json), json };
    },
    end(): StreamEnd {
      if (final) return { state: 'complete', isEndSeen: true };
      return { state: 'broken', reason: 'the stream ended before the response was complete' };
    },
    get usage() {
      return usage;
    },
    get finishReason() {
      return final && finishOf(final);
    },
    get progress() {
      return { announced, nextSequence, final };
    },
  };
}

/** The response with the items of the stream where it repeats none of them. */
function withOutput(response: JsonRecord, items: ReadonlyMap<number, JsonRecord>): JsonRecord {
  if (items.size === 0 || (Array.isArray(response.output) && response.output.length > 0)) return response;
  return { ...response, output: [...items].sort(([a], [b]) => a - b).map(([, item]) => item) };
}
