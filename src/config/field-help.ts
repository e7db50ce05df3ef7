/** The fields of the config for those who walk through them one by one: what stands where, and what it means. */
import { effectiveConfig } from './show.ts';
import { flow, kindOf, notesOf } from './reference.ts';
import { type Config, configSchema } from './schema.ts';
import { type Schema, type Shape, shapeOf } from './shape.ts';

export type FieldHelp = {
  readonly name: string;
  /** `section`: fields below it. `names`: entries with names of the user's own. `value`: what can be set. */
  readonly form: 'section' | 'names' | 'value';
  readonly description: string;
  /** What a value looks like, in words. */
  readonly kind: string;
  /** All that it can be; null: too many. */
  readonly choices: readonly string[] | null;
  /** As one would write it; null: it has none. */
  readonly standard: string | null;
  readonly example: string | null;
};

/** The fields below a place, in the order of the reference; none for a value. Of `names` the entries are the user's. */
export function fieldsAt(path: readonly string[]): readonly FieldHelp[] {
  const schema = schemaAt(path);
  const shape = schema && shapeOf(schema);
  return shape?.kind === 'fields' ? Object.entries(shape.fields).map(([name, field]) => helpOf(name, field)) : [];
}

/** The value in effect as one would write it, secrets masked; null: there is none. */
export function currentValue(config: Config, path: readonly string[]): string | null {
  const value = path.reduce<unknown>((at, step) => (isRecord(at) ? at[step] : undefined), effectiveConfig(config));
  return value === undefined ? null : flow(value);
}

/** The names in a mapping of names. */
export function currentNames(config: Config, path: readonly string[]): readonly string[] {
  const value = path.reduce<unknown>((at, step) => (isRecord(at) ? at[step] : undefined), config);
  return isRecord(value) ? Object.keys(value) : [];
}

function helpOf(name: string, schema: Schema): FieldHelp {
  const { description, standard, example } = notesOf(schema);
  const shape = shapeOf(schema);
  const isNames = shape.kind === 'record' && shapeOf(shape.value).kind === 'fields';
  return {
    name,
    form: shape.kind === 'fields' ? 'section' : isNames ? 'names' : 'value',
    description: description ?? '',
    kind: kindOf(shape),
    choices: choicesOf(shape),
    standard: standard === undefined || standard === null ? null : flow(standard),
    example: example === undefined ? null : flow(example),
  };
}

/** Words in a kind that stand for values of a sort, not for themselves. */
const SORTS = /^(number|count|share|offset|duration|.* .*)$/;

function choicesOf(shape: Shape): readonly string[] | null {
  if (shape.kind !== 'leaf') return null;
  if (shape.info.kind === 'true or false') return ['true', 'false'];
  const parts = shape.info.kind.split(' | ');
  return parts.length > 1 && !parts.some((part) => SORTS.test(part)) ? parts : null;
}

function schemaAt(path: readonly string[]): Schema | undefined {
  return path.reduce<Schema | undefined>((at, step) => {
    const shape = at && shapeOf(at);
    if (shape?.kind === 'record') return shape.value;
    return shape?.kind === 'fields' ? shape.fields[step] : undefined;
  }, configSchema);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
