import { JsonIndex } from '../shared/json-bytes.ts';
import type { Problem } from './problem.ts';

/**
 * Up to this size every byte of a body is looked at, so that a client's mistake costs no upstream call. Above it that
 * would hold up others: there balanced brackets and strings must do, and the upstream judges the rest.
 */
const VALIDATED_BYTES = 64 * 1024;

/** The index of a body that is one JSON object. */
export function readObject(bytes: Uint8Array): JsonIndex | Problem {
  if (bytes.length === 0) return wrong('the request body is empty; a JSON object is expected');
  const index = bytes.length > VALIDATED_BYTES ? JsonIndex.of(bytes) : JsonIndex.strict(bytes);
  return index ?? wrong('the request body is not a valid JSON object');
}

/** The model's name in the body. */
export function readModel(index: JsonIndex): string | Problem {
  const model = index.get('model');
  if (typeof model === 'string' && model.trim() !== '') return model;
  return wrong(model === undefined ? 'model is missing' : 'model must be a non-empty string', 'model');
}

/** `stream`, false when it is absent. */
export function readStream(index: JsonIndex): boolean | Problem {
  const stream = index.get('stream') ?? false;
  return typeof stream === 'boolean' ? stream : wrong('stream must be true or false', 'stream');
}

/** A field that must be there and be a list, looked at without a parse: it is the bulk of the body. */
export function missingList(index: JsonIndex, name: string): Problem | null {
  if (index.firstByte(name) === 91) return null;
  return wrong(index.has(name) ? `${name} must be an array` : `${name} is missing`, name);
}

export function wrong(message: string, param: string | null = null): Problem {
  return { kind: 'bad-request', status: 400, message, param };
}

/** Stands this field more than once in the body? */
export function isRepeated(index: JsonIndex, key: string): boolean {
  let count = 0;
  for (const entry of index.entries) if (entry.key === key) count++;
  return count > 1;
}
