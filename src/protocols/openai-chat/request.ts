import { isObject } from '../../shared/json-shape.ts';
import type { JsonIndex } from '../../shared/json-bytes.ts';
import { type Envelope, isProblem, type RequestLayout } from '../codec.ts';
import type { JsonRecord } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { isRepeated, missingList, readModel, readObject, readStream } from '../request-bytes.ts';

export const layout: RequestLayout = {
  conversation: 'messages',
  instructions: null,
  maxOutputTokens(index: JsonIndex) {
    const max = index.get('max_completion_tokens') ?? index.get('max_tokens');
    return typeof max === 'number' && max >= 0 ? max : null;
  },
};

/** Reads what routing needs of a chat request. A problem names the field that is missing or wrong. */
export function readRequest(bytes: Uint8Array): Envelope | Problem {
  const index = readObject(bytes);
  if (isProblem(index)) return index;
  const model = readModel(index);
  if (typeof model !== 'string') return model;
  const missing = missingList(index, 'messages');
  if (missing) return missing;
  const isStream = readStream(index);
  if (typeof isStream !== 'boolean') return isStream;
  return { index, model, isStream, wantsUsage: isStream && includesUsage(index.get('stream_options')) };
}

export function patch(envelope: Envelope, wish: { readonly model: string; readonly asksUsage: boolean }): JsonRecord {
  const set: Record<string, unknown> = {};
  const { index } = envelope;
  if (wish.model !== envelope.model || isRepeated(index, 'model')) set.model = wish.model;
  // A repeated field is written alike everywhere: the upstream may read another one of them than we did.
  if (isRepeated(index, 'stream')) set.stream = envelope.isStream;
  if (wish.asksUsage && !envelope.wantsUsage) {
    const own = index.get('stream_options');
    set.stream_options = { ...(isObject(own) && own), include_usage: true };
  }
  return set;
}

function includesUsage(options: unknown): boolean {
  return isObject(options) && options.include_usage === true;
}
