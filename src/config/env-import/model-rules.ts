/** Which models there are, what they are called, what they cost and how they are asked. */
import { isObject, parseJson } from '../../shared/json-shape.ts';
import {
  add,
  type Found,
  isTrue,
  listOf,
  type Outcome,
  readNumber,
  type Rule,
  set,
  setSeconds,
  skip,
  type Value,
} from './outcome.ts';
import { providerOf, splitProvider } from './provider-name.ts';

export const modelRules: readonly Rule[] = [
  {
    pattern: /^IGNORE_MODELS_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) =>
      listOf(value).map((pattern) => add(['providers', providerOf(prefix), 'models', 'deny'], pattern, ON_CALLS)),
  },
  { pattern: /^WHITELIST_MODELS_(.+)$/, translate: allowed },
  { pattern: /^(.+)_MODELS$/, translate: definitions },
  { pattern: /^MODEL_PRICE_(.+)_(INPUT|OUTPUT|CACHE_READ|CACHE_WRITE|REASONING)$/, translate: price },
  { pattern: /^MODEL_INFO_REFRESH_INTERVAL$/, translate: ({ value }) => [setSeconds(['pricing', 'refresh'], value)] },
  { pattern: /^OVERRIDE_TEMPERATURE_ZERO$/, translate: ({ value }) => [zeroRule(value)] },
];

const ON_CALLS = 'it hides models from lists and refuses calls, too';

function allowed({ value, variables, parts: [prefix = ''] }: Found): readonly Outcome[] {
  // Alone it restricted nothing, and `allow` alone is a restriction.
  if ((variables.get(`IGNORE_MODELS_${prefix}`) ?? '') === '') {
    return [skip(`without IGNORE_MODELS_${prefix} it had no effect; as models.allow it would hide all others`)];
  }
  return listOf(value).map((pattern) => add(['providers', providerOf(prefix), 'models', 'allow'], pattern));
}

function definitions({ value, parts: [prefix = ''] }: Found): readonly Outcome[] {
  const json = parseJson(value);
  const path = ['providers', providerOf(prefix), 'models', 'define'];
  const entries: readonly (readonly [string, unknown])[] | null = Array.isArray(json)
    ? json.map((item) => (typeof item === 'string' ? [item, {}] : ['', null]))
    : isObject(json)
      ? Object.entries(json)
      : null;
  if (entries === null) return [skip('expected a JSON list of names or an object of models')];
  if (entries.length === 0) return [skip('it names no model')];
  return entries.map(([name, model]) => definition(path, name.trim(), model));
}

function definition(path: readonly string[], name: string, model: unknown): Outcome {
  if (name === '' || !isObject(model)) return skip('an entry is neither a name nor an object with id and options');
  const { id, options, ...unknown } = model;
  const left = Object.keys(unknown);
  const changes = [
    ...(left.length > 0 ? [`${left.join(', ')} of "${name}" has no place`] : []),
    ...(isObject(options) && 'reasoning_effort' in options ? ['a client’s own reasoning_effort goes first'] : []),
  ];
  const given = isObject(options) ? asValue(options) : undefined;
  return set(
    [...path, name],
    {
      ...(typeof id === 'string' && id !== name && { id }),
      ...(given !== undefined && { options: given }),
    },
    changes.length > 0 ? changes.join('; ') : null,
  );
}

/** JSON without its nulls: a field that is null is left out. */
function asValue(json: unknown): Value | undefined {
  if (typeof json === 'string' || typeof json === 'number' || typeof json === 'boolean') return json;
  if (Array.isArray(json)) return json.map(asValue).filter((item) => item !== undefined);
  if (!isObject(json)) return undefined;
  return Object.fromEntries(
    Object.entries(json).flatMap(([name, item]) => {
      const value = asValue(item);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function price({ value, variables, parts: [name = '', kind = ''] }: Found): readonly Outcome[] {
  const split = splitProvider(name, variables);
  const perToken = readNumber(value);
  if (split === null) return [skip('expected a provider and a model in its name')];
  if (perToken === null) return [skip('expected a number of USD per token')];
  const pattern = `${split.provider}/${wildcards(split.rest)}`;
  const perMillion = Number((perToken * 1e6).toPrecision(12));
  return [
    set(
      ['pricing', 'overrides', pattern, kind.toLowerCase()],
      perMillion,
      `USD per million tokens${pattern.includes('?') ? '; "?" stands for what the name had to leave out' : ''}`,
    ),
  ];
}

/** A variable’s name has no dots, dashes or slashes: where one may have been, any character fits. */
export const wildcards = (part: string): string => part.toLowerCase().replaceAll('_', '?');

function zeroRule(value: string): Outcome {
  const path = ['temperature_zero'];
  if (value.toLowerCase() === 'remove') return set(path, 'remove', 'for every endpoint');
  if (value.toLowerCase() === 'set' || isTrue(value)) return set(path, 1, 'for every endpoint');
  if (['false', '0', 'no', 'off'].includes(value.toLowerCase())) return set(path, 'keep');
  return skip('expected false, remove or set');
}
