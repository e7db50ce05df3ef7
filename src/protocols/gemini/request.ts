import type { JsonIndex } from '../../shared/json-bytes.ts';
import { countOr, isObject } from '../../shared/json-shape.ts';
import { type Envelope, isProblem, type RequestLayout, type RequestPath } from '../codec.ts';
import type { JsonRecord } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { missingList, readObject, wrong } from '../request-bytes.ts';
import { field, spellings } from './wire-field.ts';

export const layout: RequestLayout = {
  conversation: 'contents',
  instructions: 'systemInstruction',
  maxOutputTokens(index: JsonIndex) {
    const config = topField(index, 'generationConfig');
    return isObject(config) ? countOr(field(config, 'maxOutputTokens')) : null;
  },
};

/** The model and the wish for a stream stand in the URL; the body is only looked at for being a request at all. */
export function readRequest(bytes: Uint8Array, path: RequestPath | null): Envelope | Problem {
  const index = readObject(bytes);
  if (isProblem(index)) return index;
  const model = path?.model.trim() ?? '';
  if (!path || model === '') return wrong('the path names no model: …/models/{model}:generateContent', 'model');
  const missing = missingList(index, 'contents');
  if (missing) return missing;
  return { index, model, isStream: path.isStream, wantsUsage: true };
}

/** Neither the model nor a wish for usage is uttered in the body. */
export const patch = (): JsonRecord => ({});

/** A top-level field in either of its spellings. */
export function topField(index: JsonIndex, name: string): unknown {
  const spelling = spellings(name).find((key) => index.has(key));
  return spelling === undefined ? undefined : index.get(spelling);
}
