import { isObject, parseJson } from '../shared/json-shape.ts';
import type { SseFrame } from '../shared/sse.ts';
import type { JsonObject } from './provider.ts';

const encoder = new TextEncoder();

/** An event of a rewritten stream, as a frame with bytes of its own. */
export function eventFrame(json: JsonObject): SseFrame {
  const data = JSON.stringify(json);
  return { bytes: encoder.encode(`data: ${data}\n\n`), event: null, data };
}

/** The JSON object that a frame holds; null for comments, end marks and everything else. */
export function eventOf({ data }: SseFrame): JsonObject | null {
  if (data === null || data[0] !== '{') return null;
  const json = parseJson(data);
  return isObject(json) ? json : null;
}
