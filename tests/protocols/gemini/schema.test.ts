import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { fromGeminiSchema } from '../../../src/protocols/gemini/schema-from-gemini.ts';
import { toGeminiParameters, toGeminiSchema } from '../../../src/protocols/gemini/schema-to-gemini.ts';
import type { JsonRecord } from '../../../src/protocols/ir.ts';
import { isObject } from '../../../src/shared/json-shape.ts';

/** The schema of one property after cleaning. */
function cleaned(property: unknown, definitions: JsonRecord = {}): unknown {
  const whole = toGeminiParameters({ type: 'object', properties: { p: property, other: {} }, $defs: definitions });
  return isObject(whole?.schema.properties) ? whole.schema.properties.p : undefined;
}

const TAKEN = [
  ...['type', 'format', 'title', 'description', 'nullable', 'enum', 'items', 'properties', 'required'],
  ...['minimum', 'maximum', 'anyOf', 'propertyOrdering'],
];
const KINDS = ['STRING', 'NUMBER', 'INTEGER', 'BOOLEAN', 'ARRAY', 'OBJECT'];

/** Everything that Gemini would refuse in a schema, as sentences. */
function refusals(schema: unknown, at = '#'): readonly string[] {
  if (!isObject(schema)) return [`${at} is no object`];
  const found = Object.keys(schema).flatMap((key) => (TAKEN.includes(key) ? [] : [`${at} has ${key}`]));
  if (schema.anyOf !== undefined) {
    if (Object.keys(schema).length > 1) found.push(`${at} has more than anyOf`);
    const branches = Array.isArray(schema.anyOf) ? schema.anyOf : [];
    return [...found, ...branches.flatMap((branch, place) => refusals(branch, `${at}/anyOf/${place}`))];
  }
  if (!KINDS.includes(String(schema.type))) found.push(`${at} has the type ${schema.type}`);
  if (schema.type === 'ARRAY' && !isObject(schema.items)) found.push(`${at} has no items`);
  if (schema.enum !== undefined) {
    const isFine =
      Array.isArray(schema.enum) && schema.enum.every((value) => typeof value === 'string' && value !== '');
    if (!isFine || schema.type !== 'STRING') found.push(`${at} has an enum of other things than texts`);
  }
  const properties = isObject(schema.properties) ? schema.properties : {};
  for (const name of Array.isArray(schema.required) ? schema.required : []) {
    if (!Object.hasOwn(properties, name)) found.push(`${at} requires ${name}, which it has not`);
  }
  return [
    ...found,
    ...Object.entries(properties).flatMap(([name, value]) => refusals(value, `${at}/${name}`)),
    ...(schema.items === undefined ? [] : refusals(schema.items, `${at}/items`)),
  ];
}

describe('a schema cleaned for Gemini', () => {
  test.each<[string, unknown, unknown]>([
    ['an enumeration of texts is kept', { enum: ['a', 'b'] }, { type: 'STRING', enum: ['a', 'b'] }],
    [
      'an enumeration of numbers is told, so that numbers come back',
      { type: 'integer', enum: [1, 2], description: 'How many' },
      { type: 'INTEGER', description: 'How many (allowed: 1, 2)' },
    ],
    ['a mixed enumeration becomes one of texts', { enum: ['a', 1] }, { type: 'STRING', enum: ['a', '1'] }],
    ['null among the values is nullable', { enum: ['a', null] }, { type: 'STRING', enum: ['a'], nullable: true }],
    ['a constant is an enumeration', { const: 'a' }, { type: 'STRING', enum: ['a'] }],
    ['the constant null', { const: null }, { type: 'STRING', nullable: true, description: '(always null)' }],
    ['a value or null', { anyOf: [{ type: 'string' }, { type: 'null' }] }, { type: 'STRING', nullable: true }],
    ['a list of types with null', { type: ['string', 'null'] }, { type: 'STRING', nullable: true }],
    ['a list of real types', { type: ['string', 'number'] }, { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }] }],
    [
      'alternatives that are constants, with what is said of each',
      { oneOf: [{ const: 'x', description: 'the first' }, { const: 'y' }] },
      { type: 'STRING', enum: ['x', 'y'], description: '(x: the first)' },
    ],
    [
      'real alternatives stand alone, the description in each of them',
      { description: 'D', anyOf: [{ type: 'string' }, { type: 'object', properties: { z: { type: 'number' } } }] },
      {
        anyOf: [
          { type: 'STRING', description: 'D' },
          { type: 'OBJECT', properties: { z: { type: 'NUMBER' } }, description: 'D' },
        ],
      },
    ],
    [
      'allOf is one object',
      {
        allOf: [{ properties: { q: { type: 'string' } }, required: ['q'] }, { properties: { r: { type: 'integer' } } }],
      },
      { type: 'OBJECT', properties: { r: { type: 'INTEGER' }, q: { type: 'STRING' } }, required: ['q'] },
    ],
    ['an empty object', { type: 'object', properties: {} }, { type: 'OBJECT' }],
    ['an array without items', { type: 'array' }, { type: 'ARRAY', items: { type: 'STRING' } }],
    [
      'a tuple',
      { type: 'array', items: [{ type: 'string' }, { type: 'number' }] },
      {
        type: 'ARRAY',
        items: { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }] },
        description: '(items in this order: string, number)',
      },
    ],
    ['the schema true', true, { type: 'STRING', description: 'any value' }],
    ['the schema false leaves the property out', false, undefined],
    ['extensions are dropped', { type: 'string', 'x-order': 1, $comment: 'c', deprecated: true }, { type: 'STRING' }],
    [
      'limits without a field are told',
      { type: 'string', minLength: 3, pattern: '^a', format: 'uri', default: 'abc' },
      { type: 'STRING', description: '(format: uri; minLength: 3; pattern: ^a; default: abc)' },
    ],
    [
      'limits of numbers are kept',
      { type: 'number', minimum: 0, maximum: 1, exclusiveMinimum: 0 },
      { type: 'NUMBER', minimum: 0, maximum: 1, description: '(exclusiveMinimum: 0)' },
    ],
    ['a date keeps its format', { type: 'string', format: 'date-time' }, { type: 'STRING', format: 'date-time' }],
    [
      'a map says what its values are',
      { type: 'object', additionalProperties: { type: 'string' } },
      { type: 'OBJECT', description: '(further properties: {"type":"string"})' },
    ],
    [
      'a required property that is none is not required',
      { type: 'object', properties: { a: { type: 'string' } }, required: ['a', 'gone'] },
      { type: 'OBJECT', properties: { a: { type: 'STRING' } }, required: ['a'] },
    ],
    [
      'a property that says itself that it is required',
      { type: 'object', properties: { a: { type: 'string', required: true }, b: { type: 'string' } } },
      { type: 'OBJECT', properties: { a: { type: 'STRING' }, b: { type: 'STRING' } }, required: ['a'] },
    ],
    [
      'properties that nobody put under `properties`',
      { city: { type: 'string' }, type: { type: 'string' } },
      { type: 'OBJECT', properties: { city: { type: 'STRING' }, type: { type: 'STRING' } } },
    ],
    [
      'both branches of a condition are there, and neither is a must',
      {
        type: 'object',
        properties: { k: { type: 'string' } },
        if: { properties: { k: { const: 'x' } } },
        // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema.
        then: { properties: { m: { type: 'number' } }, required: ['m'] },
      },
      { type: 'OBJECT', properties: { m: { type: 'NUMBER' }, k: { type: 'STRING' } } },
    ],
    [
      'what goes together is told beside the properties',
      { type: 'object', properties: { a: {}, b: {} }, anyOf: [{ required: ['a'] }, { required: ['b'] }] },
      { type: 'OBJECT', properties: { a: { type: 'STRING' }, b: { type: 'STRING' } }, description: '(needs: a | b)' },
    ],
  ])('%s', (_, schema, expected) => {
    expect(cleaned(schema)).toEqual(expected);
  });

  test('keeps properties that are called like words of JSON Schema', () => {
    const names = ['type', 'const', '$ref', 'title', 'pattern', 'default', 'required', 'properties', 'items', '$defs'];
    const properties = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
    const whole = toGeminiParameters({ type: 'object', properties, required: names });
    expect(whole?.schema).toEqual({
      type: 'OBJECT',
      properties: Object.fromEntries(names.map((name) => [name, { type: 'STRING' }])),
      required: names,
    });
  });

  test('follows references, and stops where one leads back to itself', () => {
    const node = { type: 'object', properties: { value: { type: 'integer' }, next: { $ref: '#/$defs/Node' } } };
    expect(cleaned({ $ref: '#/$defs/Node' }, { Node: node })).toEqual({
      type: 'OBJECT',
      properties: { value: { type: 'INTEGER' }, next: { type: 'OBJECT', description: '(again as Node)' } },
    });
    expect(cleaned({ anyOf: [{ $ref: '#/$defs/Node' }, { type: 'null' }] }, { Node: node })).toEqual({
      type: 'OBJECT',
      properties: { value: { type: 'INTEGER' }, next: { type: 'OBJECT', description: '(again as Node)' } },
      nullable: true,
    });
    expect(cleaned({ $ref: '#' })).toMatchObject({ type: 'OBJECT' });
    expect(cleaned({ $ref: 'https://example.com/city.json' })).toEqual({
      type: 'STRING',
      description: '(see: city.json)',
    });
  });

  test('keeps thirty levels, and cuts what goes on for ever with a warning', () => {
    const nested = (levels: number): JsonRecord =>
      levels === 0 ? { type: 'string', title: 'bottom' } : { type: 'object', properties: { p: nested(levels - 1) } };
    const thirty = toGeminiParameters(nested(30));
    expect(JSON.stringify(thirty?.schema)).toContain('bottom');
    expect(thirty?.warnings).toEqual([]);
    expect(toGeminiParameters(nested(60))?.warnings).toEqual(['the deepest levels of a schema removed']);
  });

  test('is bounded however much references repeat what they name', () => {
    const twice = (at: number) => ({
      type: 'object',
      properties: { a: { $ref: `#/$defs/L${at + 1}` }, b: { $ref: `#/$defs/L${at + 1}` } },
    });
    const $defs = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`L${at}`, twice(at)]));
    const { schema, warnings } = toGeminiSchema({ $ref: '#/$defs/L0', $defs }, { isOrdered: false });
    expect(JSON.stringify(schema).length).toBeLessThan(1_000_000);
    expect(warnings.length).toBe(1);
  });

  test('is bounded where parts of a schema are references to the whole of it', () => {
    const loop = { allOf: [{ $ref: '#/$defs/X' }, { $ref: '#' }], anyOf: [{ $ref: '#' }, { $ref: '#/$defs/X' }] };
    const { schema } = toGeminiSchema({ ...loop, $defs: { X: loop } }, { isOrdered: false });
    expect(JSON.stringify(schema).length).toBeLessThan(10_000);
  });

  test('describes an optional reference in the words of the place where it stands', () => {
    const City = { type: 'object', description: 'a city', properties: { name: { type: 'string' } } };
    expect(
      cleaned({ description: 'where from', anyOf: [{ $ref: '#/$defs/City' }, { type: 'null' }] }, { City }),
    ).toEqual({
      type: 'OBJECT',
      description: 'where from',
      properties: { name: { type: 'STRING' } },
      nullable: true,
    });
  });

  test.each<[string, JsonRecord]>([
    ['without properties', { type: 'object' }],
    ['that say nothing', {}],
    ['that are no object', { type: 'string' }],
  ])('parameters %s are left out', (_, schema) => {
    expect(toGeminiParameters(schema)).toBeNull();
  });

  test('alternatives at the root become one object', () => {
    const both = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } }, required: ['a', 'b'] };
    const one = { type: 'object', properties: { b: { type: 'string' } }, required: ['b'] };
    expect(toGeminiParameters({ anyOf: [both, one] })?.schema).toEqual({
      type: 'OBJECT',
      description: '(accepts: a, b | b)',
      properties: { a: { type: 'STRING' }, b: { type: 'STRING' } },
      required: ['b'],
    });
  });

  test('ends where alternatives beside properties lead back to it, however often', () => {
    const root = {
      type: 'object',
      properties: { a: { type: 'string' } },
      anyOf: [{ $ref: '#' }, { $ref: '#' }, { required: ['a'] }],
    };
    const cleaned = toGeminiParameters(root);
    expect(cleaned?.schema).toMatchObject({ type: 'OBJECT', properties: { a: { type: 'STRING' } } });
    expect(JSON.stringify(cleaned).length).toBeLessThan(1000);
  });

  test('keeps the order of properties in words only where it is asked to', () => {
    const schema = { type: 'object', properties: { b: {}, a: {} } };
    expect(toGeminiSchema(schema, { isOrdered: true }).schema.propertyOrdering).toEqual(['b', 'a']);
    expect(toGeminiSchema(schema, { isOrdered: false }).schema.propertyOrdering).toBeUndefined();
  });

  test('is one that Gemini takes, whatever it was', () => {
    const word = fc.constantFrom('string', 'number', 'integer', 'boolean', 'object', 'array', 'null', 'any');
    const { schema } = fc.letrec<{ schema: unknown }>((tie) => ({
      schema: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.boolean(),
        fc.record({ type: fc.oneof(word, fc.array(word, { maxLength: 3 })) }),
        fc.record({ enum: fc.array(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), { maxLength: 3 }) }),
        fc.record({ const: fc.jsonValue({ maxDepth: 1 }) }),
        fc.record({ $ref: fc.constantFrom('#', '#/properties/a', '#/$defs/X', 'y') }),
        fc.record(
          {
            type: word,
            properties: fc.dictionary(fc.constantFrom('a', 'type', 'const', '__proto__', '$ref'), tie('schema')),
            required: fc.oneof(fc.array(fc.constantFrom('a', 'type', 'gone')), fc.boolean()),
            items: fc.oneof(tie('schema'), fc.array(tie('schema'), { maxLength: 2 })),
            anyOf: fc.array(tie('schema'), { maxLength: 3 }),
            oneOf: fc.array(tie('schema'), { maxLength: 2 }),
            allOf: fc.array(tie('schema'), { maxLength: 2 }),
            not: tie('schema'),
            if: tie('schema'),
            additionalProperties: tie('schema'),
            format: fc.string(),
            minimum: fc.jsonValue({ maxDepth: 0 }),
            nullable: fc.boolean(),
            description: fc.string(),
          },
          { requiredKeys: [] },
        ),
      ),
    }));
    fc.assert(
      fc.property(schema, schema, (one, other) => {
        const root = { ...(isObject(one) ? one : {}), $defs: { X: other } };
        expect(refusals(toGeminiSchema(root, { isOrdered: true }).schema)).toEqual([]);
        const parameters = toGeminiParameters(root);
        if (parameters) expect(refusals(parameters.schema)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

test('alternatives that are merged keep a property with the name of the prototype', () => {
  const alternatives = '{"oneOf":[true,{"properties":{"__proto__":{"required":true},"a":true}}]}';
  const parameters = toGeminiParameters(JSON.parse(alternatives) as JsonRecord);
  expect(JSON.parse(JSON.stringify(parameters?.schema.properties))).toHaveProperty(['a']);
  expect(JSON.stringify(parameters?.schema.properties)).toContain('"__proto__":');
  expect(parameters?.schema.required).toEqual(['__proto__']);
});

describe('a schema of Gemini’s', () => {
  test.each<[string, JsonRecord, JsonRecord]>([
    [
      'has its types in lower case',
      { type: 'OBJECT', properties: { a: { type: 'STRING' } } },
      { type: 'object', properties: { a: { type: 'string' } } },
    ],
    ['has null as a type', { type: 'STRING', nullable: true }, { type: ['string', 'null'] }],
    [
      'has null among its values',
      { type: 'STRING', format: 'enum', enum: ['a'], nullable: true },
      { type: ['string', 'null'], enum: ['a', null] },
    ],
    [
      'has null among its alternatives',
      { anyOf: [{ type: 'STRING' }], nullable: true },
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
    ],
    [
      'has counts that are numbers',
      { type: 'ARRAY', items: { type: 'INTEGER' }, minItems: '2' },
      { type: 'array', items: { type: 'integer' }, minItems: 2 },
    ],
    [
      'has its properties in the order that it names',
      { properties: { a: {}, b: {} }, propertyOrdering: ['b', 'a'] },
      { properties: { b: {}, a: {} } },
    ],
    [
      'keeps words of JSON Schema',
      { type: 'object', additionalProperties: false },
      { type: 'object', additionalProperties: false },
    ],
    [
      'is read in snake case',
      { any_of: [{ type: 'STRING', max_length: '3' }] },
      { anyOf: [{ type: 'string', maxLength: 3 }] },
    ],
    [
      'keeps properties that are called like its words',
      { type: 'OBJECT', properties: { type: { type: 'STRING' }, nullable: { type: 'BOOLEAN' } } },
      { type: 'object', properties: { type: { type: 'string' }, nullable: { type: 'boolean' } } },
    ],
  ])('%s', (_, schema, expected) => {
    expect(fromGeminiSchema(schema)).toEqual(expected);
    expect(JSON.stringify(fromGeminiSchema(schema))).toBe(JSON.stringify(expected));
  });

  test('comes home as it was', () => {
    const schema = {
      type: 'OBJECT',
      properties: {
        city: { type: 'STRING', description: 'Where', nullable: true },
        unit: { type: 'STRING', enum: ['c', 'f'] },
        days: { type: 'ARRAY', items: { type: 'INTEGER', minimum: 1 } },
      },
      required: ['city'],
    };
    expect(toGeminiParameters(fromGeminiSchema(schema))?.schema).toEqual(schema);
  });
});
