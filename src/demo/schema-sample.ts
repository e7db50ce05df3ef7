import { isObject } from '../shared/json-shape.ts';

// A schema may refer to itself; deeper than this an optional branch is left out.
const MAX_DEPTH = 8;

/**
 * The plainest value a JSON Schema allows: every property, the first choice, the shortest array. `text` fills strings,
 * so that an answer or a tool call visibly comes from the prompt. Understands what tool and answer schemas use in
 * practice; what it does not know (`pattern`, `not`…) it ignores.
 */
export function sampleOf(schema: unknown, text: string): unknown {
  return sample(schema, text, schema, 0);
}

function sample(schema: unknown, text: string, root: unknown, depth: number): unknown {
  if (!isObject(schema) || depth > MAX_DEPTH) return null;
  if ('const' in schema) return schema.const;
  if ('default' in schema) return schema.default;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (typeof schema.$ref === 'string') return sample(resolveRef(schema.$ref, root), text, root, depth + 1);
  const [first] = [schema.anyOf, schema.oneOf].flat().filter((choice) => choice !== undefined);
  if (first !== undefined) return sample(first, text, root, depth + 1);
  if (Array.isArray(schema.allOf)) {
    const parts = schema.allOf.map((part) => sample(part, text, root, depth + 1));
    return parts.every(isObject) ? Object.assign({}, ...parts) : parts[0];
  }
  switch (typeOf(schema)) {
    case 'object':
      return sampleObject(schema, text, root, depth);
    case 'array': {
      const count = typeof schema.minItems === 'number' ? Math.min(schema.minItems, 100) : 1;
      return Array.from({ length: count }, () => sample(schema.items, text, root, depth + 1));
    }
    case 'string':
      return sampleString(schema, text);
    case 'integer':
    case 'number':
      return typeof schema.minimum === 'number' ? schema.minimum : 1;
    case 'boolean':
      return true;
    default:
      return null;
  }
}

function sampleObject(schema: Record<string, unknown>, text: string, root: unknown, depth: number): unknown {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  const names = Object.keys(properties).filter((name) => depth < MAX_DEPTH / 2 || required.includes(name));
  return Object.fromEntries(names.map((name) => [name, sample(properties[name], text, root, depth + 1)]));
}

function sampleString(schema: Record<string, unknown>, text: string): string {
  const dated: Record<string, string> = {
    'date-time': '2026-01-01T00:00:00Z',
    date: '2026-01-01',
    time: '00:00:00Z',
    email: 'someone@example.com',
    uri: 'https://example.com/',
    uuid: '00000000-0000-4000-8000-000000000000',
  };
  const format = schema.format;
  const value = (typeof format === 'string' ? dated[format] : undefined) ?? text;
  const longest = typeof schema.maxLength === 'number' ? schema.maxLength : value.length;
  const shortest = typeof schema.minLength === 'number' ? schema.minLength : 0;
  return value.slice(0, longest).padEnd(Math.min(shortest, 10_000), '.');
}

function typeOf(schema: Record<string, unknown>): unknown {
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type !== undefined) return type;
  if (isObject(schema.properties)) return 'object';
  return 'items' in schema ? 'array' : 'string';
}

/** Follows `#/$defs/Name`; anything else is outside the document. */
function resolveRef(ref: string, root: unknown): unknown {
  if (!ref.startsWith('#/')) return undefined;
  let found: unknown = root;
  for (const step of ref.slice(2).split('/')) {
    found = isObject(found) ? found[step.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  return found;
}
