import { isObject } from '../shared/json-shape.ts';
import type { JsonObject } from './provider.ts';

/** The guards of `shared/json-shape.ts` for JSON that is ours alone, and is mended in place before it goes on. */

export const isEditable = (value: unknown): value is JsonObject => isObject(value);

/** The objects of a list; nothing when it is no list. */
export const editablesIn = (value: unknown): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter(isEditable) : [];
