import { isObject } from '../../shared/json-shape.ts';

/** What a client is told: values at places of its own files. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** A step with a `name` is the list's item that has this name. */
export type Step = string | { readonly name: string };

export type Setting = { readonly path: readonly Step[]; readonly value: Json };

/** Undefined takes the place away. */
export type Change = { readonly path: readonly Step[]; readonly value: Json | undefined };

export type FileFormat = 'json' | 'toml' | 'yaml' | 'env';

export type ClientFile = {
  /** Absolute. */
  readonly path: string;
  readonly format: FileFormat;
  readonly settings: readonly Setting[];
};

export type ResolvedPath = readonly (string | number)[];

/** A named item's place in its list; behind the last where none has the name. */
export function resolvePath(tree: unknown, path: readonly Step[]): ResolvedPath {
  const resolved: (string | number)[] = [];
  let at = tree;
  for (const step of path) {
    const place = typeof step === 'string' ? step : placeOf(at, step.name);
    resolved.push(place);
    at = childOf(at, place);
  }
  return resolved;
}

export function valueAt(tree: unknown, path: ResolvedPath): unknown {
  return path.reduce<unknown>(childOf, tree);
}

function placeOf(list: unknown, name: string): number {
  if (!Array.isArray(list)) return 0;
  const index = list.findIndex((item) => isObject(item) && item.name === name);
  return index < 0 ? list.length : index;
}

function childOf(tree: unknown, step: string | number): unknown {
  if (Array.isArray(tree)) return typeof step === 'number' ? tree[step] : undefined;
  return isObject(tree) && Object.hasOwn(tree, step) ? tree[step] : undefined;
}
