/** The schema's structure without its wrappers, for everything that walks it: near-miss names, `show`, the reference. */
import * as z from 'zod';
import { type LeafInfo, leafInfo } from './leaf.ts';
import { configSchema } from './schema.ts';

export type Schema = z.core.$ZodType;

export type Shape =
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, Schema>> }
  | { readonly kind: 'record'; readonly value: Schema }
  | { readonly kind: 'list'; readonly item: Schema }
  | { readonly kind: 'either'; readonly options: readonly Shape[] }
  | { readonly kind: 'leaf'; readonly info: LeafInfo };

export function shapeOf(schema: Schema): Shape {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return shapeOf(schema.def.innerType);
  }
  if (schema instanceof z.ZodObject) return { kind: 'fields', fields: schema.shape };
  if (schema instanceof z.ZodRecord) return { kind: 'record', value: schema.valueType };
  if (schema instanceof z.ZodArray) return { kind: 'list', item: schema.element };
  if (schema instanceof z.ZodUnion) return { kind: 'either', options: schema.options.map(shapeOf) };
  if (schema instanceof z.ZodPipe) {
    const info = leafInfo.get(schema);
    return info ? { kind: 'leaf', info } : shapeOf(schema.in);
  }
  throw new Error(`the config schema uses a kind of schema that nothing here can walk: ${schema._zod.def.type}`);
}

/** Names of the fields that can stand in the mapping at a path. */
export function fieldNamesAt(path: readonly PropertyKey[]): readonly string[] {
  const shape = shapeAt(path);
  return shape ? namesOf(shape) : [];
}

/** What may stand at a path; undefined: no such field. */
export function shapeAt(path: readonly PropertyKey[]): Shape | undefined {
  return path.reduce<Shape | undefined>((at, step) => (at ? stepInto(at, step) : undefined), shapeOf(configSchema));
}

function stepInto(shape: Shape, step: PropertyKey): Shape | undefined {
  switch (shape.kind) {
    case 'fields': {
      const field = typeof step === 'string' ? shape.fields[step] : undefined;
      return field && shapeOf(field);
    }
    case 'record':
      return shapeOf(shape.value);
    case 'list':
      return shapeOf(shape.item);
    case 'either':
      return shape.options.map((option) => stepInto(option, step)).find((found) => found !== undefined);
    default:
      return undefined;
  }
}

function namesOf(shape: Shape): readonly string[] {
  if (shape.kind === 'fields') return Object.keys(shape.fields);
  return shape.kind === 'either' ? shape.options.flatMap(namesOf) : [];
}
