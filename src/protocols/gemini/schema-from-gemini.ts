import { isObject } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/**
 * Gemini's schema → JSON Schema, for a Gemini client's request. Types are lower case, `nullable` is a type, numbers that
 * the wire writes as texts are numbers. Words that Gemini does not know are kept: many clients write JSON Schema here.
 */
export function fromGeminiSchema(schema: JsonRecord): JsonRecord {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    const known = CAMEL[key] ?? key;
    if (DROPPED.has(known) || value === null || value === undefined) continue;
    if (known === 'type') out.type = typeof value === 'string' ? value.toLowerCase() : value;
    else if (COUNTS.has(known)) out[known] = typeof value === 'string' && value !== '' ? Number(value) : value;
    else if (known === 'items') out.items = isObject(value) ? fromGeminiSchema(value) : value;
    else if (known === 'anyOf') {
      out.anyOf = Array.isArray(value) ? value.map((one) => (isObject(one) ? fromGeminiSchema(one) : one)) : value;
    } else if (known === 'properties' && isObject(value)) out.properties = propertiesOf(value, orderIn(schema));
    else if (known === 'example') out.examples = [value];
    else out[known] = value;
  }
  // It marks an enumeration, which `enum` does already.
  if (out.format === 'enum') delete out.format;
  if (out.type === 'type_unspecified') delete out.type;
  return schema.nullable === true ? nullable(out) : out;
}

const COUNTS: ReadonlySet<string> = new Set([
  ...['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties', 'minimum', 'maximum'],
]);

const CAMEL: Readonly<Record<string, string>> = {
  any_of: 'anyOf',
  min_items: 'minItems',
  max_items: 'maxItems',
  min_length: 'minLength',
  max_length: 'maxLength',
  min_properties: 'minProperties',
  max_properties: 'maxProperties',
  property_ordering: 'propertyOrdering',
};

/** `propertyOrdering` is told by the order of the properties. */
const DROPPED: ReadonlySet<string> = new Set(['nullable', 'propertyOrdering']);

function orderIn(schema: JsonRecord): readonly string[] {
  const order = schema.propertyOrdering ?? schema.property_ordering;
  return Array.isArray(order) ? order.filter((name) => typeof name === 'string') : [];
}

function propertiesOf(properties: JsonRecord, order: readonly string[]): JsonRecord {
  const names = [...new Set([...order.filter((name) => Object.hasOwn(properties, name)), ...Object.keys(properties)])];
  return Object.fromEntries(
    names.map((name) => {
      const value = properties[name];
      return [name, isObject(value) ? fromGeminiSchema(value) : value];
    }),
  );
}

function nullable(schema: JsonRecord): JsonRecord {
  const { type, enum: values, anyOf } = schema;
  return {
    ...schema,
    ...(typeof type === 'string' && type !== 'null' && { type: [type, 'null'] }),
    ...(Array.isArray(values) && !values.includes(null) && { enum: [...values, null] }),
    ...(Array.isArray(anyOf) && { anyOf: [...anyOf, { type: 'null' }] }),
  };
}
