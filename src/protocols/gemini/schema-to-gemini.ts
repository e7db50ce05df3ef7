import { isObject, numberOr, textOr } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/**
 * JSON Schema → the subset of OpenAPI that Gemini takes: `type format title description nullable enum items properties
 * required minimum maximum anyOf propertyOrdering`, each type one name. Anything else in it is a 400 for the whole request.
 *
 * The walk is structural: what stands under `properties` are names, so that a property called `type`, `const` or `$ref`
 * is one. What the subset cannot say is told to the model in words, behind the description.
 */
export type CleanSchema = { readonly schema: JsonRecord; readonly warnings: readonly string[] };

const MAX_DEPTH = 32;
// References repeat what they name: a small text can stand for a tree of any size.
const MAX_NODES = 5000;
const MAX_HINT = 200;

export function toGeminiSchema(schema: JsonRecord, options: { readonly isOrdered: boolean }): CleanSchema {
  const walk = new Walk(schema, options.isOrdered);
  const cleaned = walk.clean(schema, 0, []);
  return { schema: cleaned ?? { type: 'OBJECT' }, warnings: [...walk.warnings] };
}

/**
 * Parameters of a function: an object with properties, or null, as Gemini wants functions without parameters. Alternatives
 * at the root are merged, since the root can be nothing but an object.
 */
export function toGeminiParameters(schema: JsonRecord): CleanSchema | null {
  const { schema: cleaned, warnings } = toGeminiSchema(schema, { isOrdered: false });
  const root = Array.isArray(cleaned.anyOf) ? mergedAlternatives(cleaned.anyOf.filter(isObject)) : cleaned;
  if (root.type !== 'OBJECT' || !isObject(root.properties)) return null;
  return { schema: omit(root, ['nullable']), warnings };
}

function mergedAlternatives(branches: readonly JsonRecord[]): JsonRecord {
  const objects = branches.filter((branch) => isObject(branch.properties));
  // Spread and not assigned, which would lose a property called `__proto__`.
  let properties: JsonRecord = {};
  for (const branch of objects) properties = { ...properties, ...record(branch.properties) };
  const required = namesIn(objects[0]?.required).filter((name) =>
    objects.every((branch) => namesIn(branch.required).includes(name)),
  );
  const shapes = objects.map((branch) => Object.keys(isObject(branch.properties) ? branch.properties : {}).join(', '));
  return {
    type: 'OBJECT',
    description: withHints(textOr(objects[0]?.description), [`accepts: ${shapes.join(' | ')}`]),
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
  };
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'STRING',
  str: 'STRING',
  number: 'NUMBER',
  float: 'NUMBER',
  double: 'NUMBER',
  integer: 'INTEGER',
  int: 'INTEGER',
  boolean: 'BOOLEAN',
  bool: 'BOOLEAN',
  array: 'ARRAY',
  list: 'ARRAY',
  object: 'OBJECT',
  dict: 'OBJECT',
};

/** https://ai.google.dev/api/caching#Schema; for texts everything but these two is refused. */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  STRING: ['date-time', 'enum'],
  NUMBER: ['float', 'double'],
  INTEGER: ['int32', 'int64'],
};

/** Told in words, since the subset has no field for them. */
const HINTED = [
  'const',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'default',
  'example',
  'examples',
  'not',
] as const;

/** Every word of JSON Schema and OpenAPI: in a map without `properties`, whatever is none of these is a property. */
const KEYWORDS: ReadonlySet<string> = new Set([
  ...HINTED,
  ...['$schema', '$id', 'id', '$ref', '$defs', 'definitions', '$anchor', '$comment', '$vocabulary', '$dynamicRef'],
  ...['$dynamicAnchor', '$recursiveRef', '$recursiveAnchor', 'type', 'format', 'title', 'description', 'nullable'],
  ...['enum', 'items', 'prefixItems', 'additionalItems', 'unevaluatedItems', 'contains', 'minContains', 'maxContains'],
  ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames', 'propertyOrdering'],
  ...['unevaluatedProperties', 'dependencies', 'dependentRequired', 'dependentSchemas', 'minimum', 'maximum'],
  ...['anyOf', 'oneOf', 'allOf', 'if', 'then', 'else', 'contentEncoding', 'contentMediaType', 'contentSchema'],
  ...['deprecated', 'readOnly', 'writeOnly', 'strict', 'discriminator', 'xml', 'externalDocs'],
]);

class Walk {
  readonly warnings = new Set<string>();
  readonly #root: JsonRecord;
  readonly #isOrdered: boolean;
  #nodes = 0;

  constructor(root: JsonRecord, isOrdered: boolean) {
    this.#root = root;
    this.#isOrdered = isOrdered;
  }

  /** `open`: the references being followed. Null: a schema that nothing satisfies. */
  clean(schema: unknown, depth: number, open: readonly string[]): JsonRecord | null {
    if (schema === false) return null;
    if (!isObject(schema)) return { type: 'STRING', description: 'any value' };
    if (depth > MAX_DEPTH || !this.#mayGoOn()) {
      this.warnings.add('the deepest levels of a schema removed');
      return {
        type: 'OBJECT',
        description: withHints(textOr(schema.description), ['its inner structure is left out']),
      };
    }
    if (typeof schema.$ref === 'string') return this.#followed(schema, schema.$ref, depth, open);
    const flat = this.#flattened(repaired(schema), open);
    const types = typesOf(flat);
    const isNullable = flat.nullable === true || types.isNullable;
    const branches = [...listOf(flat.anyOf), ...listOf(flat.oneOf)];
    if (branches.length > 0) return this.#alternatives(flat, branches, isNullable, depth, open);
    if (types.names.length > 1) {
      const each = types.names.map((type) => ({ ...flat, type, nullable: isNullable }));
      return this.#alternatives({}, each, isNullable, depth, open);
    }
    return this.#single(flat, types.names[0] ?? null, isNullable, depth, open);
  }

  #followed(schema: JsonRecord, ref: string, depth: number, open: readonly string[]): JsonRecord | null {
    const own = omit(schema, ['$ref']);
    const name = ref.split('/').at(-1) || 'the root';
    const hinted = (hint: string) => ({ ...own, description: withHints(textOr(own.description), [hint]) });
    if (open.includes(ref)) return this.clean({ type: 'object', ...hinted(`again as ${name}`) }, depth + 1, open);
    const found = resolved(this.#root, ref);
    if (found === undefined) return this.clean(hinted(`see: ${name}`), depth + 1, open);
    if (!isObject(found)) return this.clean(found, depth + 1, open);
    return this.clean({ ...found, ...own }, depth + 1, [...open, ref]);
  }

  /** `allOf` and `if` put into the schema that they stand in. */
  #flattened(schema: JsonRecord, open: readonly string[]): JsonRecord {
    const { allOf, if: condition, then, else: otherwise, ...base } = schema;
    if (allOf === undefined && condition === undefined && then === undefined && otherwise === undefined) return schema;
    const inner = (part: JsonRecord): JsonRecord => {
      if (!this.#mayGoOn()) return {};
      const isReference = typeof part.$ref === 'string';
      const whole = repaired(this.#dereferenced(part, open));
      return this.#flattened(whole, isReference ? [...open, String(part.$ref)] : open);
    };
    let merged: JsonRecord = base;
    for (const part of listOf(allOf)) merged = joined(merged, inner(part), { withRequired: true });
    // Which branch holds depends on the values: both may be given, and nothing of them is a must.
    for (const part of [condition, then, otherwise].filter(isObject)) {
      merged = joined(merged, inner(part), { withRequired: false });
    }
    return merged;
  }

  #mayGoOn(): boolean {
    if (++this.#nodes <= MAX_NODES) return true;
    this.warnings.add('the deepest levels of a schema removed');
    return false;
  }

  #dereferenced(schema: JsonRecord, open: readonly string[]): JsonRecord {
    if (typeof schema.$ref !== 'string') return schema;
    const own = omit(schema, ['$ref']);
    const found = open.includes(schema.$ref) ? undefined : resolved(this.#root, schema.$ref);
    return isObject(found) ? { ...found, ...own } : own;
  }

  #alternatives(
    base: JsonRecord,
    branches: readonly JsonRecord[],
    isBaseNullable: boolean,
    depth: number,
    open: readonly string[],
  ): JsonRecord | null {
    const rest = omit(base, ['anyOf', 'oneOf', 'nullable']);
    const real = branches.filter((branch) => !isNull(branch));
    const isNullable = isBaseNullable || real.length < branches.length;
    const only = real[0];
    if (!only) return this.clean({ ...rest, nullable: isNullable }, depth + 1, open);
    if (real.length === 1) {
      const whole = joined(rest, this.#dereferenced(only, open), { withRequired: true });
      const ref = typeof only.$ref === 'string' ? [...open, only.$ref] : open;
      const isCycle = typeof only.$ref === 'string' && open.includes(only.$ref);
      if (isCycle) return this.clean({ ...rest, ...only, nullable: isNullable }, depth + 1, open);
      return this.clean({ ...whole, ...(isNullable && { nullable: true }) }, depth + 1, ref);
    }
    const values = real.map(allowedValues);
    if (values.every((list) => list !== null)) {
      const described = real.flatMap((branch, at) =>
        typeof branch.description === 'string' ? [`${(values[at] ?? []).join(', ')}: ${branch.description}`] : [],
      );
      const description = withHints(textOr(rest.description), described);
      const enumeration = { ...rest, ...(description && { description }), enum: values.flat(), nullable: isNullable };
      return this.clean(enumeration, depth + 1, open);
    }
    // Beside an object's own properties, alternatives only say which of them go together.
    if (isObject(rest.properties)) return this.#loosened(rest, real, isNullable, depth, open);
    const cleaned = real.flatMap((branch) => {
      const shared = { ...withoutShape(rest), ...branch };
      const description = textOr(branch.description) ?? textOr(rest.description);
      const one = this.clean({ ...shared, ...(description !== null && { description }) }, depth + 1, open);
      return one === null ? [] : [isNullable ? nullable(one) : one];
    });
    // Gemini refuses any field beside `anyOf`.
    const flat = cleaned.flatMap((one) => (Array.isArray(one.anyOf) ? one.anyOf.filter(isObject) : [one]));
    const distinct = [...new Map(flat.map((one) => [JSON.stringify(one), one])).values()];
    return distinct.length > 1 ? { anyOf: distinct } : (distinct[0] ?? null);
  }

  #loosened(
    base: JsonRecord,
    branches: readonly JsonRecord[],
    isNullable: boolean,
    depth: number,
    open: readonly string[],
  ) {
    let merged = base;
    const refs = branches.flatMap(({ $ref }) => (typeof $ref === 'string' ? [$ref] : []));
    for (const branch of branches) {
      // Branches bring branches of their own, and a reference back to here would double them at every level.
      if (!this.#mayGoOn()) break;
      merged = joined(merged, repaired(this.#dereferenced(branch, open)), { withRequired: false });
    }
    const sets = branches.map((branch) => namesIn(branch.required).join(', ')).filter((names) => names !== '');
    const description = withHints(textOr(base.description), sets.length > 1 ? [`needs: ${sets.join(' | ')}`] : []);
    return this.clean({ ...merged, nullable: isNullable, ...(description && { description }) }, depth + 1, [
      ...open,
      ...refs,
    ]);
  }

  #single(
    schema: JsonRecord,
    declared: string | null,
    isNullable: boolean,
    depth: number,
    open: readonly string[],
  ): JsonRecord {
    const hints: string[] = [];
    const out: Record<string, unknown> = {};
    const values = allowedValues(schema)?.filter((value) => value !== null);
    const type = declared ?? (values && values.length > 0 ? valueType(values) : inferredType(schema));
    out.type = type;
    const title = textOr(schema.title);
    if (title) out.title = title;
    if (values && values.length > 0) {
      const texts = values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
      // Values of other types would have to become texts, and come back as texts: they are named to the model instead.
      if (type !== 'STRING' || texts.includes(''))
        hints.push(`allowed: ${texts.map((text) => text || '""').join(', ')}`);
      else out.enum = [...new Set(texts)];
    }
    if (isNull(schema)) hints.push('always null');
    const format = textOr(schema.format);
    if (format && FORMATS[type]?.includes(format)) out.format = format;
    else if (format) hints.push(`format: ${format}`);
    if (type === 'NUMBER' || type === 'INTEGER') {
      for (const name of ['minimum', 'maximum'] as const) {
        const limit = numberOr(schema[name]);
        if (limit !== null) out[name] = limit;
      }
    }
    for (const name of HINTED) {
      if (name !== 'const' && schema[name] !== undefined) hints.push(`${name}: ${short(schema[name])}`);
    }
    if (type === 'OBJECT') this.#object(schema, out, hints, depth, open);
    if (type === 'ARRAY') out.items = this.#items(schema, hints, depth, open);
    if (isNullable) out.nullable = true;
    const description = withHints(textOr(schema.description), hints);
    return description ? { ...out, description } : out;
  }

  #object(
    schema: JsonRecord,
    out: Record<string, unknown>,
    hints: string[],
    depth: number,
    open: readonly string[],
  ): void {
    const properties: Record<string, unknown> = {};
    const must = new Set(namesIn(schema.required));
    for (const [name, value] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
      const cleaned = this.clean(value, depth + 1, open);
      if (!cleaned) continue;
      set(properties, name, cleaned);
      // An old habit: the property itself says that it is required.
      if (isObject(value) && value.required === true) must.add(name);
    }
    const names = Object.keys(properties);
    if (names.length > 0) out.properties = properties;
    const required = [...must].filter((name) => Object.hasOwn(properties, name));
    if (required.length > 0) out.required = required;
    const ordering = namesIn(schema.propertyOrdering).filter((name) => Object.hasOwn(properties, name));
    if (ordering.length === names.length && names.length > 0) out.propertyOrdering = ordering;
    else if (this.#isOrdered && names.length > 1) out.propertyOrdering = names;
    // `false` needs no words: of itself the model writes none but the declared ones.
    const { additionalProperties: more, patternProperties: patterns } = schema;
    if (isObject(more) && Object.keys(more).length > 0) hints.push(`further properties: ${short(more)}`);
    else if (more === true || (isObject(more) && names.length === 0)) hints.push('further properties allowed');
    if (isObject(patterns)) hints.push(`properties by pattern: ${short(patterns)}`);
    if (isObject(schema.dependentRequired)) hints.push(`dependentRequired: ${short(schema.dependentRequired)}`);
  }

  #items(schema: JsonRecord, hints: string[], depth: number, open: readonly string[]): JsonRecord {
    const tuple: unknown = Array.isArray(schema.prefixItems) ? schema.prefixItems : schema.items;
    if (!Array.isArray(tuple))
      return this.clean(schema.items ?? { type: 'string' }, depth + 1, open) ?? { type: 'STRING' };
    const cleaned = tuple
      .map((item): JsonRecord | null => this.clean(item, depth + 1, open))
      .filter((item) => item !== null);
    const names = cleaned.map((item) => textOr(item.type)?.toLowerCase() ?? 'one of several');
    if (names.length > 0) hints.push(`items in this order: ${names.join(', ')}`);
    const flat = cleaned.flatMap((item) => (Array.isArray(item.anyOf) ? item.anyOf.filter(isObject) : [item]));
    const distinct = [...new Map(flat.map((item) => [JSON.stringify(item), item])).values()];
    return distinct.length > 1 ? { anyOf: distinct } : (distinct[0] ?? { type: 'STRING' });
  }
}

/** A map of properties that somebody forgot to put under `properties`. */
function repaired(schema: JsonRecord): JsonRecord {
  const type = typeof schema.type === 'string' ? schema.type.toLowerCase() : null;
  if (schema.properties !== undefined || (type !== null && type !== 'object')) return schema;
  const isBare = ([key, value]: readonly [string, unknown]) =>
    isObject(value) &&
    !key.startsWith('x-') &&
    (!KEYWORDS.has(key) || NEVER_OBJECTS.has(key)) &&
    looksLikeSchema(value);
  const bare = Object.entries(schema).filter(isBare);
  if (bare.length === 0) return schema;
  const own = Object.fromEntries(Object.entries(schema).filter((entry) => !isBare(entry)));
  return { ...own, type: 'object', properties: Object.fromEntries(bare) };
}

/** Words whose own value is never an object: with one, they are names of properties. */
const NEVER_OBJECTS: ReadonlySet<string> = new Set([
  'type',
  'format',
  'title',
  'description',
  'pattern',
  'required',
  'id',
]);

const looksLikeSchema = (value: JsonRecord): boolean =>
  typeof value.type === 'string' ||
  Array.isArray(value.type) ||
  ['$ref', 'properties', 'anyOf', 'oneOf', 'allOf', 'enum', 'items'].some((key) => value[key] !== undefined);

/** A local reference: a JSON pointer into the root. Undefined: there is nothing. */
function resolved(root: JsonRecord, ref: string): unknown {
  if (ref === '#') return root;
  if (!ref.startsWith('#/')) return undefined;
  let found: unknown = root;
  for (const step of ref.slice(2).split('/')) {
    const key = unescaped(step);
    if (Array.isArray(found)) found = found[Number(key)];
    else if (isObject(found) && Object.hasOwn(found, key)) found = found[key];
    else return undefined;
  }
  return found;
}

function unescaped(step: string): string {
  const plain = step.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

/** Both at once: all properties, and what both say otherwise as the first says it. */
function joined(one: JsonRecord, other: JsonRecord, { withRequired }: { readonly withRequired: boolean }): JsonRecord {
  const merged: Record<string, unknown> = { ...other, ...one };
  if (isObject(one.properties) || isObject(other.properties)) {
    merged.properties = { ...record(other.properties), ...record(one.properties) };
  }
  const required = [...namesIn(one.required), ...(withRequired ? namesIn(other.required) : [])];
  if (required.length > 0) merged.required = [...new Set(required)];
  else delete merged.required;
  const branches = [...listOf(one.anyOf), ...listOf(other.anyOf)];
  if (branches.length > 0) merged.anyOf = branches;
  return merged;
}

/** What a schema says of itself, beside what its alternatives say of its shape. */
const withoutShape = (schema: JsonRecord): JsonRecord =>
  omit(schema, ['title', 'default', 'examples', 'enum', 'const', '$defs', 'definitions']);

const omit = (record: JsonRecord, names: readonly string[]): JsonRecord =>
  Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));

/** Null: anything of its type. */
function allowedValues(schema: JsonRecord): readonly unknown[] | null {
  if (Array.isArray(schema.enum)) return schema.enum;
  return schema.const === undefined || isObject(schema.const) ? null : [schema.const];
}

function valueType(values: readonly unknown[]): string {
  if (values.every((value) => typeof value === 'boolean')) return 'BOOLEAN';
  if (values.every((value) => typeof value === 'number')) return values.every(Number.isInteger) ? 'INTEGER' : 'NUMBER';
  return 'STRING';
}

function typesOf(schema: JsonRecord): { readonly names: readonly string[]; readonly isNullable: boolean } {
  const written = Array.isArray(schema.type) ? schema.type : [schema.type];
  const lower = written.filter((name) => typeof name === 'string').map((name) => name.toLowerCase());
  const isNullable = lower.includes('null') || (allowedValues(schema)?.includes(null) ?? false);
  const names = lower.flatMap((name) => (Object.hasOwn(TYPES, name) ? [TYPES[name] ?? ''] : []));
  return { names: [...new Set(names)], isNullable };
}

/** What a schema without a type can only mean. */
function inferredType(schema: JsonRecord): string {
  if (isObject(schema.properties) || schema.additionalProperties !== undefined) return 'OBJECT';
  if (schema.items !== undefined || schema.prefixItems !== undefined) return 'ARRAY';
  if (typeof schema.minimum === 'number' || typeof schema.maximum === 'number') return 'NUMBER';
  return 'STRING';
}

const isNull = (schema: JsonRecord): boolean =>
  schema.const === null ||
  (typeof schema.type === 'string' && schema.type.toLowerCase() === 'null') ||
  (Array.isArray(schema.enum) && schema.enum.length > 0 && schema.enum.every((value) => value === null));

const nullable = (schema: JsonRecord): JsonRecord =>
  Array.isArray(schema.anyOf)
    ? { anyOf: schema.anyOf.filter(isObject).map((branch) => ({ ...branch, nullable: true })) }
    : { ...schema, nullable: true };

const record = (value: unknown): JsonRecord => (isObject(value) ? value : {});

/** Branches; `true` is one that says nothing. */
const listOf = (value: unknown): readonly JsonRecord[] =>
  Array.isArray(value) ? value.flatMap((one) => (isObject(one) ? [one] : one === true ? [{}] : [])) : [];

const namesIn = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [];

/** `__proto__` is a name like any other. */
function set(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

function short(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > MAX_HINT ? `${text.slice(0, MAX_HINT)}…` : text;
}

function withHints(description: string | null, hints: readonly string[]): string {
  if (hints.length === 0) return description ?? '';
  return `${description ? `${description} ` : ''}(${hints.join('; ')})`;
}
