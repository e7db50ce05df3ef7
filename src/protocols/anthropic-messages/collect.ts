import { isObject, parseJson, textOr } from '../../shared/json-shape.ts';
import { framesOf } from '../frames-of.ts';
import type { JsonRecord } from '../ir.ts';
import { streamReader } from './stream-reader.ts';

type Growing = { block: Record<string, unknown>; json: string };

/**
 * The whole message of a stream, for an upstream that streams although nobody asked it to; fields that nobody here knows
 * are kept. Null when the stream is no whole answer.
 */
export function collect(stream: Uint8Array): Uint8Array | null {
  const reader = streamReader();
  const blocks = new Map<number, Growing>();
  let message: Record<string, unknown> | null = null;
  for (const frame of framesOf(new TextDecoder().decode(stream))) {
    const { json, error, isEnd } = reader.push(frame);
    if (error !== undefined) return null;
    if (isEnd) break;
    if (!isObject(json)) continue;
    if (json.type === 'message_start' && isObject(json.message)) message ??= { ...json.message };
    else if (json.type === 'content_block_start' || json.type === 'content_block_delta') grow(blocks, json);
    else if (json.type === 'message_delta' && message) end(message, json);
  }
  if (!message || reader.end().state === 'broken') return null;
  const content = [...blocks].sort(([a], [b]) => a - b).map(([, { block, json }]) => withInput(block, json));
  return new TextEncoder().encode(JSON.stringify({ ...message, content }));
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
export function withInput(block: JsonRecord, json: string): JsonRecord {
  if (json === '') return block;
  const input = parseJson(json);
  return { ...block, input: isObject(input) ? input : {} };
}

function end(message: Record<string, unknown>, { delta, usage }: JsonRecord): void {
  if (isObject(delta)) Object.assign(message, delta);
  if (!isObject(usage)) return;
  const known = isObject(message.usage) ? message.usage : {};
  // A zero behind a count is a field that was filled in, not a count that fell.
  const said = Object.entries(usage).filter(([name, value]) => value !== null && !(value === 0 && known[name]));
  message.usage = { ...known, ...Object.fromEntries(said) };
}
