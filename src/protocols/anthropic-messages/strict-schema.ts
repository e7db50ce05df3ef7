import { isObject, objectsIn } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/**
 * A schema as constrained decoding takes it: objects are closed, and limits that it cannot hold stand in the description,
 * where the model reads them. Null where the schema means something that a closed one cannot say (a map of any keys).
 */
export function strictSchema(schema: JsonRecord, depth = 0): JsonRecord | null {
  if (depth > MAX_DEPTH) return null;
  try {
    return strict(schema, depth);
  } catch (error) {
    if (error instanceof Inexpressible) return null;
    throw error;
  }
}

const MAX_DEPTH = 64;

class Inexpressible extends Error {}

const FORMATS = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']);
const KEPT = new Set(['title', 'enum', 'const', '$ref', 'type']);
const OPEN = new Set(['patternProperties', 'propertyNames', 'prefixItems', 'not', 'if', 'then', 'else', 'contains']);

function strict(schema: JsonRecord, depth: number): JsonRecord {
  if (depth > MAX_DEPTH) throw new Inexpressible();
  const out: Record<string, unknown> = {};
  const hints: string[] = [];
  const inner = (value: unknown): JsonRecord => {
    if (!isObject(value)) throw new Inexpressible();
    return strict(value, depth + 1);
  };
  const each = (map: unknown) =>
    Object.fromEntries(Object.entries(isObject(map) ? map : {}).map(([name, value]) => [name, inner(value)]));
  for (const [name, value] of Object.entries(schema)) {
    if (KEPT.has(name)) out[name] = value;
    else if (OPEN.has(name)) throw new Inexpressible();
    else if (name === '$defs' || name === 'definitions' || name === 'properties') out[name] = each(value);
    else if (name === 'anyOf' || name === 'oneOf') out.anyOf = objectsIn(value).map(inner);
    else if (name === 'allOf') out.allOf = objectsIn(value).map(inner);
    else if (name === 'items') out.items = inner(value);
    else if (name === 'required') out.required = value;
    else if (name === 'format' && typeof value === 'string' && FORMATS.has(value)) out.format = value;
    else if (name === 'minItems' && (value === 0 || value === 1)) out.minItems = value;
    else if (!SILENT.has(name)) hints.push(`${name}: ${JSON.stringify(value)}`);
  }
  const description = [typeof schema.description === 'string' ? schema.description : '', hints.join(', ')];
  const text = description.filter((one) => one !== '').join(' ');
  if (text !== '') out.description = text;
  return mentionsObject(schema) ? closed(schema, out) : said(out);
}

/** What has its own place, or says nothing to a model. */
const SILENT = new Set(['$schema', '$id', '$comment', 'description', 'additionalProperties']);

function mentionsObject({ type, properties }: JsonRecord): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object')) || isObject(properties);
}

function closed({ additionalProperties: more }: JsonRecord, out: Record<string, unknown>): JsonRecord {
  // An object that names none of its properties is one of any shape, and so is one that says that others may come.
  const isMap = more === true || isObject(more) || (out.properties === undefined && more !== false);
  if (isMap) throw new Inexpressible();
  return { ...out, additionalProperties: false };
}

/** A schema that allows everything has no closed form. */
function said(out: JsonRecord): JsonRecord {
  if (['type', 'enum', 'const', '$ref', 'anyOf', 'allOf'].some((name) => out[name] !== undefined)) return out;
  throw new Inexpressible();
}
