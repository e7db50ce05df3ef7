import { isObject, objectsIn, parseJson } from '../shared/json-shape.ts';

/** JSON of vendors and of files that others wrote: read loosely, trusted in nothing. */

export type JsonObject = { readonly [name: string]: unknown };

/** The object a text holds; null for everything else. */
export function parseObject(text: string): JsonObject | null {
  const value = parseJson(text);
  return isObject(value) ? value : null;
}

/** A text of at least one character; null for everything else. */
export function textOf(object: JsonObject, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = object[name];
    if (typeof value === 'string' && value.trim() !== '') return value.trim();
  }
  return null;
}

/** A number, written as one or as text. */
export function numberOf(object: JsonObject, name: string): number | null {
  const value = object[name];
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}

export function objectOf(object: JsonObject, name: string): JsonObject | null {
  const value = object[name];
  return isObject(value) ? value : null;
}

/** The objects of a list; what is none of them is passed over. */
export const objectsOf = (object: JsonObject, name: string): readonly JsonObject[] => objectsIn(object[name]);
