import type { JsonIndex } from '../../shared/json-bytes.ts';
import { countOr } from '../../shared/json-shape.ts';
import { type Envelope, isProblem, type RequestLayout } from '../codec.ts';
import type { JsonRecord } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { isRepeated, missingList, readModel, readObject, readStream } from '../request-bytes.ts';

export const layout: RequestLayout = {
  conversation: 'messages',
  instructions: 'system',
  maxOutputTokens: (index: JsonIndex) => countOr(index.get('max_tokens')),
};

/**
 * Reads what routing needs of a request for a message. A missing `max_tokens` is the upstream's to refuse: counting tokens
 * needs none, and other protocols have a default.
 */
export function readRequest(bytes: Uint8Array): Envelope | Problem {
  const index = readObject(bytes);
  if (isProblem(index)) return index;
  const model = readModel(index);
  if (typeof model !== 'string') return model;
  const missing = missingList(index, 'messages');
  if (missing) return missing;
  const isStream = readStream(index);
  if (typeof isStream !== 'boolean') return isStream;
  // Usage stands in events that every stream has.
  return { index, model, isStream, wantsUsage: true };
}

export function patch(envelope: Envelope, wish: { readonly model: string }): JsonRecord {
  const set: Record<string, unknown> = {};
  const { index } = envelope;
  if (wish.model !== envelope.model || isRepeated(index, 'model')) set.model = wish.model;
  // A repeated field is written alike everywhere: the upstream may read another one of them than we did.
  if (isRepeated(index, 'stream')) set.stream = envelope.isStream;
  return set;
}
