import { isObject, textOr } from '../../shared/json-shape.ts';
import { framesOf } from '../frames-of.ts';
import type { JsonRecord } from '../ir.ts';
import { streamReader } from './stream-reader.ts';
import { toolInput } from './tool-input.ts';

type Growing = { block: Record<string, unknown>; json: string };

/**
 * The whole message of a stream, for an upstream that streams although nobody asked it to; fields that nobody here knows
 * are kept. Null when the stream is no whole answer.
 */
export function collect(stream: Uint8Array): Uint8Array | null {
  const reader = streamReader();
  const events: JsonRecord[] = [];
  for (const frame of framesOf(new TextDecoder().decode(stream))) {
    const { json, error, isEnd } = reader.push(frame);
    if (error !== undefined) return null;
    if (isEnd) break;
    if (isObject(json)) events.push(json);
  }
  const message = reader.end().state === 'complete' ? messageOf(events) : null;
  return message && new TextEncoder().encode(JSON.stringify(message));
}

/** The message that a stream's events make; null when it never began. */
export function messageOf(events: Iterable<JsonRecord>): JsonRecord | null {
  const blocks = new Map<number, Growing>();
  let message: Record<string, unknown> | null = null;
  for (const event of events) {
    if (event.type === 'message_start' && isObject(event.message)) message ??= { ...event.message };
    else if (event.type === 'content_block_start' || event.type === 'content_block_delta') grow(blocks, event);
    else if (event.type === 'message_delta' && message) end(message, event);
  }
  if (!message) return null;
  const content = [...blocks].sort(([a], [b]) => a - b).map(([, { block, json }]) => withInput(block, json));
  return { ...message, content };
}

function grow(blocks: Map<number, Growing>, event: JsonRecord): void {
  const index = typeof event.index === 'number' ? event.index : Math.max(0, blocks.size - 1);
  if (isObject(event.content_block)) blocks.set(index, { block: { ...event.content_block }, json: '' });
  const { delta } = event;
  const growing = blocks.get(index);
  if (!growing || !isObject(delta)) return;
  if (delta.type === 'input_json_delta') growing.json += textOr(delta.partial_json) ?? '';
  else extend(growing.block, delta);
}

/** What a delta adds to its block. The only one whose pieces mean nothing alone, `input_json_delta`, is not its affair. */
export function extend(block: Record<string, unknown>, delta: JsonRecord): void {
  const { type, citation, ...fields } = delta;
  if (type === 'citations_delta') {
    block.citations = [...(Array.isArray(block.citations) ? block.citations : []), citation];
    return;
  }
  for (const [name, value] of Object.entries(fields)) {
    const known = block[name];
    const isPiece = type === 'text_delta' || type === 'thinking_delta';
    block[name] = isPiece && typeof known === 'string' && typeof value === 'string' ? known + value : value;
  }
}

/** A call that was cut off in the middle of its input keeps none of it: half a JSON text is no object. */
export const withInput = (block: JsonRecord, json: string): JsonRecord =>
  json === '' ? block : { ...block, input: toolInput(json) ?? {} };

function end(message: Record<string, unknown>, { delta, usage }: JsonRecord): void {
  if (isObject(delta)) Object.assign(message, delta);
  if (!isObject(usage)) return;
  const known = isObject(message.usage) ? message.usage : {};
  // A zero behind a count is a field that was filled in, not a count that fell.
  const said = Object.entries(usage).filter(([name, value]) => value !== null && !(value === 0 && known[name]));
  message.usage = { ...known, ...Object.fromEntries(said) };
}
