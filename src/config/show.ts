/** The effective config as YAML for people: units as one would write them, secrets masked, empty fields left out. */
import { stringify } from 'yaml';
import type { Config } from './schema.ts';
import { configSchema } from './schema.ts';
import { type Shape, shapeOf } from './shape.ts';

export function showConfig(config: Config): string {
  return stringify(effectiveConfig(config), { lineWidth: 0 });
}

/** The same as a value: only text, numbers, truth values, lists and mappings. */
export function effectiveConfig(config: Config): unknown {
  return plain(config, shapeOf(configSchema), '');
}

const SENSITIVE_HEADER = /auth|key|token|secret|cookie|password|credential/i;

function plain(value: unknown, shape: Shape, name: string): unknown {
  if (value === null || value === undefined) return undefined;
  switch (shape.kind) {
    case 'leaf':
      return SENSITIVE_HEADER.test(name) && shape.info.kind === 'header' ? '***' : shape.info.format(value);
    case 'list':
      return Array.isArray(value) ? orAbsent(value.map((item) => plain(item, shapeOf(shape.item), name))) : undefined;
    case 'record':
      return orAbsentFields(value, () => shapeOf(shape.value));
    case 'fields':
      return orAbsentFields(value, (field) => {
        const schema = shape.fields[field];
        return schema && shapeOf(schema);
      });
    case 'either': {
      const form = Array.isArray(value) ? 'list' : isMapping(value) ? 'fields' : 'leaf';
      const option = shape.options.find(({ kind }) => kind === form);
      return option && plain(value, option, name);
    }
  }
}

/** A `Secret` is an object, too, but no mapping. */
const isMapping = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

const orAbsent = (list: readonly unknown[]) => (list.length === 0 ? undefined : list);

function orAbsentFields(value: unknown, shapeOfField: (name: string) => Shape | undefined): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value).flatMap(([name, field]) => {
    const shape = shapeOfField(name);
    const shown = shape && plain(field, shape, name);
    return shown === undefined ? [] : [[name, shown] as const];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
