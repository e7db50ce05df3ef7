import { isObject } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';
import { parseRelaxed } from './relaxed-json.ts';

/**
 * The object that a call's arguments are; null when nobody can tell. Models and clients write none at all, `null`, JSON
 * inside of a JSON text, and values that are no object.
 */
export function argumentsObject(text: string): JsonRecord | null {
  if (text.trim() === '') return {};
  let value = parseRelaxed(text);
  for (let level = 0; level < 2 && typeof value === 'string'; level++) {
    const inner = value.trim() === '' ? {} : parseRelaxed(value);
    if (inner === undefined) break;
    value = inner;
  }
  if (value === undefined) return null;
  if (value === null) return {};
  return isObject(value) ? value : { value };
}
