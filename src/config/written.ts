/**
 * A scalar as it stands in the file, after interpolation and before its field gives it a type. It is encoded in a string
 * because the schema tells scalars from lists and mappings by their JavaScript type; the first letter says how it stood.
 */
export type Written = string & { readonly brand: 'Written' };

/** A mapping, list or scalar of the file. Undefined: skipped, as if it were not there. */
export type Tree = Written | Tree[] | TreeFields | undefined;
export type TreeFields = { [field: string]: Tree };

/**
 * `text`: quoted and not interpolated, so it is text and never a number or a truth value. `environment`: holds what a
 * variable held, which may be a secret.
 */
type Origin = 'plain' | 'text' | 'environment';

const LETTERS: Readonly<Record<Origin, string>> = { plain: 'P', text: 'T', environment: 'E' };

export const written = (value: string | number | boolean, origin: Origin = 'plain'): Written =>
  `${LETTERS[origin]}${value}` as Written; // The one place that makes them.

export const textOf = (value: Written): string => value.slice(1);

export const isText = (value: Written): boolean => value.startsWith(LETTERS.text);

export const isFromEnvironment = (value: Written): boolean => value.startsWith(LETTERS.environment);

export const isWritten = (value: unknown): value is Written => typeof value === 'string';

export const isFields = (value: unknown): value is TreeFields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isList = (value: Tree): value is Tree[] => Array.isArray(value);

/** The scalar's text at a path; undefined when there is none, or when it is a list or a mapping. */
export function textAt(tree: Tree, ...path: readonly (string | number)[]): string | undefined {
  const found = treeAt(tree, path);
  return isWritten(found) ? textOf(found) : undefined;
}

export function treeAt(tree: Tree, path: readonly (string | number)[]): Tree {
  let at: Tree = tree;
  for (const step of path) {
    if (isList(at)) at = at[Number(step)];
    else if (isFields(at) && Object.hasOwn(at, step)) at = at[step];
    else return undefined;
  }
  return at;
}
