/** Guards for JSON that somebody else wrote: `unknown` until looked at. */

export const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The objects of a list; nothing when it is no list. */
export const objectsIn = (value: unknown): readonly { readonly [key: string]: unknown }[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

/** A text, else null. The empty text is one. */
export const textOr = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** A finite number, else null. */
export const numberOr = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

/** A count of tokens or the like: whole and not negative, else null. */
export const countOr = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.trunc(value) : null;

export const booleanOr = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);

/** The value of a JSON text; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
