import { isObject } from '../../shared/json-shape.ts';
import type { SseFrame } from '../../shared/sse.ts';
import type { FrameFacts, StreamEnd, StreamReader, Usage } from '../codec.ts';
import { NOT_JSON, NOTHING } from '../frame-facts.ts';
import { usageOf } from './usage.ts';

const END: FrameFacts = { ...NOTHING, isEnd: true };

/** Reads a stream of `chat.completion.chunk` frames. */
export const streamReader = (): StreamReader =>
  chunkReader(({ delta, message }) => hasContent(delta) || hasContent(message));

/** Reads chunks of choices. Complete means: every choice that was seen has its finish reason. */
export function chunkReader(holdsContent: (choice: { readonly [key: string]: unknown }) => boolean): StreamReader {
  const finished = new Map<number, boolean>();
  let usage: Usage | null = null;
  let finishReason: string | null = null;
  let isEndSeen = false;

  function readChoices(choices: readonly unknown[]): boolean {
    let isContent = false;
    for (let position = 0; position < choices.length; position++) {
      const choice = choices[position];
      if (!isObject(choice)) continue;
      const index = typeof choice.index === 'number' ? choice.index : position;
      if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '') {
        finished.set(index, true);
        finishReason ??= choice.finish_reason;
      } else if (!finished.has(index)) finished.set(index, false);
      isContent = holdsContent(choice) || isContent;
    }
    return isContent;
  }

  return {
    push(frame: SseFrame): FrameFacts {
      // Vendors' keep-alives are comments, `event: ping` frames or empty data.
      const { data, event } = frame;
      if (data === null || data === '' || event === 'ping') return NOTHING;
      if (data === '[DONE]' || data.trim() === '[DONE]') {
        isEndSeen = true;
        return END;
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
      const choices = Array.isArray(json.choices) ? json.choices : [];
      const isContent = readChoices(choices);
      const counted = usageOf(json);
      usage = counted ?? usage;
      return {
        isContent,
        isEnd: false,
        isUsageOnly: counted !== null && choices.length === 0,
        error: undefined,
        json,
      };
    },
    end(): StreamEnd {
      if (finished.size === 0) return { state: 'broken', reason: 'the stream ended without an answer' };
      for (const isFinished of finished.values()) {
        if (!isFinished) return { state: 'broken', reason: 'the stream ended without a finish reason' };
      }
      return { state: 'complete', isEndSeen };
    },
    get usage() {
      return usage;
    },
    get finishReason() {
      return finishReason;
    },
  };
}

/** Does a delta (or a whole message) hold anything that a person or a program would use? A role alone does not. */
export function hasContent(delta: unknown): boolean {
  if (!isObject(delta)) return false;
  return (
    isFilled(delta.content) ||
    isFilled(delta.reasoning_content) ||
    isFilled(delta.reasoning) ||
    isFilled(delta.reasoning_details) ||
    isFilled(delta.tool_calls) ||
    isFilled(delta.refusal) ||
    isFilled(delta.images) ||
    isObject(delta.function_call) ||
    isObject(delta.audio)
  );
}

const isFilled = (value: unknown) => (typeof value === 'string' || Array.isArray(value)) && value.length > 0;

/** An error that travels inside a 200: as `error`, as an `error` event, or as a bare `{code, message}` or `{status, msg}`. */
export function errorIn(json: unknown, event: string | null): unknown {
  const payload = Array.isArray(json) ? json[0] : json;
  if (!isObject(payload)) return event === 'error' ? payload : undefined;
  if (payload.error !== undefined && payload.error !== null && payload.error !== false) return payload;
  if (event === 'error' || payload.type === 'error') return payload;
  if (payload.choices !== undefined) return undefined;
  const isBare =
    (payload.code !== undefined && typeof payload.message === 'string') ||
    (payload.status !== undefined && typeof payload.msg === 'string');
  return isBare ? payload : undefined;
}
