import type { JsonRecord } from '../ir.ts';

/**
 * The REST API takes every field in camel case and in snake case. Which one a client writes is a matter of its language,
 * so that reading by one name alone would lose what the other half of the clients say.
 */
export function field(record: JsonRecord, name: string): unknown {
  return record[name] ?? record[snake(name)];
}

/** Both spellings of a field. */
export const spellings = (name: string): readonly string[] => [...new Set([name, snake(name)])];

/** The fields that none of the names mean, as they came. */
export function rest(record: JsonRecord, names: readonly string[]): JsonRecord {
  const known = new Set(names.flatMap(spellings));
  return Object.fromEntries(Object.entries(record).filter(([key, value]) => !known.has(key) && value !== undefined));
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
