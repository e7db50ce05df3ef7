import { isObject, parseJson } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/**
 * The object that a call's arguments mean; null when they mean none. Some models quote the object once more; some say
 * `null`, or nothing.
 */
export function toolInput(text: string): JsonRecord | null {
  const value = text.trim() === '' ? null : parseJson(text);
  if (value === null) return {};
  const inner = typeof value === 'string' ? parseJson(value) : value;
  return isObject(inner) ? inner : null;
}
