import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readConfig } from '../../src/config/load.ts';
import { configJsonSchema, configurationDoc, exampleYaml } from '../../src/config/reference.ts';
import { effectiveConfig } from '../../src/config/show.ts';

const root = path.join(import.meta.dir, '../..');
const env = {
  GEMINI_API_KEY: 'a-key-of-gemini',
  GEMINI_API_KEY_2: 'another-key-of-gemini',
  LAPTOP_CLIENT_KEY: 'k',
  AZURE_CLIENT_SECRET: 's',
};

const load = (text: string) => readConfig({ text, shown: 'example', path: '/example', isFound: false }, { env });

/** Takes the # from the lines that are YAML: prose has one space after it. */
const uncommented = (text: string) => text.replace(/^(\s*)#(?! \S|$)/gm, '$1');

describe('the example file', () => {
  test('loads without problem or warning, and says the defaults', () => {
    const { config, warnings } = load(exampleYaml());
    expect(warnings).toEqual([]);
    const plain = load('providers: { gemini: { keys: ["${GEMINI_API_KEY}"] } }').config;
    expect(effectiveConfig(config)).toEqual(effectiveConfig(plain));
  });

  test('loads with every commented line taken in, and then has every field', () => {
    const { config } = load(uncommented(exampleYaml()));
    const shown = new Set(leaves(effectiveConfig(config)));
    // The overrides of a provider have the names of the sections at the top; one of each stands for them.
    const isOverride = (field: string) => /^providers\.\*\.(timeouts|rotation)\./.test(field);
    const missing = fieldsOf(configJsonSchema()).filter((field) => !isOverride(field) && !shown.has(field));
    expect(missing).toEqual([]);
  });

  test('starts with the line that editors look for', () => {
    expect(exampleYaml('x.json').split('\n')[0]).toBe('# yaml-language-server: $schema=x.json');
  });
});

describe('the JSON Schema', () => {
  const schema = configJsonSchema();

  test('describes every field and knows no other', () => {
    expect(undescribed(schema, '')).toEqual([]);
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
  });

  test('gives defaults as one would write them', () => {
    expect(schema).toMatchObject({
      properties: {
        server: { properties: { port: { default: 8000 }, hold: { default: '15s' }, client_keys: { default: null } } },
        providers: { additionalProperties: { properties: { stream_usage: { default: true } } } },
      },
    });
  });
});

describe('what is written to disk', () => {
  test('is what the program says', () => {
    expect(readFileSync(path.join(root, 'rotator.example.yaml'), 'utf8')).toBe(exampleYaml());
    expect(readFileSync(path.join(root, 'docs/configuration.md'), 'utf8')).toBe(configurationDoc());
  });

  test('names every field on the reference page', () => {
    const page = configurationDoc();
    const names = fieldsOf(configJsonSchema()).map((field) => field.split('.').at(-1) ?? '');
    expect(names.filter((name) => name !== '*' && !page.includes(name))).toEqual([]);
  });
});

type JsonSchema = {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly description?: string;
};

/** Paths of all fields below a schema; `*` for any name or any place in a list. */
function fieldsOf(schema: unknown, at = ''): string[] {
  const { properties = {}, additionalProperties, items, anyOf = [] } = schema as JsonSchema; // Just generated.
  const under = (name: string) => (at === '' ? name : `${at}.${name}`);
  const below = [
    ...Object.entries(properties).flatMap(([name, inner]) => fieldsOf(inner, under(name))),
    ...(typeof additionalProperties === 'object' ? fieldsOf(additionalProperties, under('*')) : []),
    ...(items ? fieldsOf(items, under('*')) : []),
    ...anyOf.filter(isCollection).flatMap((inner) => fieldsOf(inner, at)),
  ];
  return below.length > 0 ? [...new Set(below)] : [at];
}

const isCollection = ({ properties, items, additionalProperties }: JsonSchema): boolean =>
  properties !== undefined || items !== undefined || typeof additionalProperties === 'object';

/** Paths of a value with the parts that stand for any name or place replaced by `*`, in every combination that fits. */
function leaves(value: unknown, at: readonly string[] = []): string[] {
  const entries =
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([name, inner]) => leaves(inner, [...at, name]))
      : [];
  return [...entries, ...starred(at)];
}

function starred(at: readonly string[]): string[] {
  const [first, ...rest] = at;
  if (first === undefined) return [''];
  const tails = starred(rest);
  return [first, '*'].flatMap((step) => tails.map((tail) => (tail === '' ? step : `${step}.${tail}`)));
}

function undescribed(schema: unknown, at: string): string[] {
  const { properties = {}, additionalProperties, items, anyOf = [] } = schema as JsonSchema; // Just generated.
  return [
    ...Object.entries(properties).flatMap(([name, inner]) => [
      ...(inner.description ? [] : [`${at}.${name}`]),
      ...undescribed(inner, `${at}.${name}`),
    ]),
    ...(typeof additionalProperties === 'object' ? undescribed(additionalProperties, `${at}.*`) : []),
    ...(items ? undescribed(items, `${at}[]`) : []),
    ...anyOf.flatMap((inner) => undescribed(inner, at)),
  ];
}
