/** Outcomes → the fields that are to be written, and what stands in the way of each that is not. */
import { formatPath, type Path } from '../problems.ts';
import { Secret } from '../../shared/secret.ts';
import { isFields, isList, isWritten, type Tree, textAt, textOf, treeAt } from '../written.ts';
import type { Outcome, Value } from './outcome.ts';

/** A mapping under construction; its order is that of the variables. */
export type DraftFields = Map<string, DraftValue>;
export type DraftValue = DraftFields | DraftList | Leaf;
export type DraftList = { readonly kind: 'list'; readonly items: { readonly value: Value; readonly by: string }[] };
export type Leaf = { readonly kind: 'leaf'; readonly value: Value; readonly by: string };

export type Standing =
  /** To be written here. */
  | { readonly kind: 'new'; readonly at: Path }
  /** The file says so already, or another variable did. */
  | { readonly kind: 'there'; readonly at: Path }
  /** The file says something else, which stays. */
  | { readonly kind: 'kept'; readonly at: Path }
  /** Another variable says something else for the same field. */
  | { readonly kind: 'taken'; readonly at: Path; readonly by: string };

export type Placeable = Extract<Outcome, { kind: 'set' | 'add' }>;

/** Puts a value into the draft, unless `existing` (the file) or the draft has one in its place. `by`: the variable. */
export function place(draft: DraftFields, existing: Tree, outcome: Placeable, by: string): Standing {
  const { path, value } = outcome;
  const blocking = path.findIndex((_, i) => isScalarAt(existing, path.slice(0, i + 1)));
  const isScalarInTheWay = blocking >= 0 && (outcome.kind === 'add' || blocking < path.length - 1);
  if (isScalarInTheWay) return { kind: 'kept', at: path.slice(0, blocking + 1) };
  return outcome.kind === 'add' ? append(draft, existing, path, value, by) : put(draft, existing, path, value, by);
}

const isScalarAt = (tree: Tree, path: readonly string[]): boolean => isWritten(treeAt(tree, path));

function put(draft: DraftFields, existing: Tree, path: readonly string[], value: Value, by: string): Standing {
  const there = treeAt(existing, path);
  if (there !== undefined) return { kind: isSame(there, value) ? 'there' : 'kept', at: path };
  const parent = parentOf(draft, path);
  const name = path.at(-1) ?? '';
  const other = parent === null ? null : parent.get(name);
  if (parent === null || other === null) return { kind: 'taken', at: path, by: ownerOf(draft, path) };
  if (other === undefined) {
    parent.set(name, { kind: 'leaf', value, by });
    return { kind: 'new', at: path };
  }
  if (!(other instanceof Map) && other.kind === 'leaf' && Bun.deepEquals(plain(other.value), plain(value))) {
    return { kind: 'there', at: path };
  }
  return { kind: 'taken', at: path, by: ownerOf(draft, path) };
}

function append(draft: DraftFields, existing: Tree, path: readonly string[], value: Value, by: string): Standing {
  const there = treeAt(existing, path);
  if (isFields(there)) return { kind: 'kept', at: path };
  const old = isList(there) ? there : [];
  const oldAt = old.findIndex((item) => isSame(item, value));
  if (oldAt >= 0) return { kind: 'there', at: [...path, oldAt] };
  const parent = parentOf(draft, path);
  const name = path.at(-1) ?? '';
  const list = parent?.get(name);
  if (parent === null || list instanceof Map || list?.kind === 'leaf') {
    return { kind: 'taken', at: path, by: ownerOf(draft, path) };
  }
  const items = list?.items ?? [];
  const twin = items.findIndex((item) => isSameKey(item.value, value));
  if (twin >= 0) return { kind: 'there', at: [...path, old.length + twin] };
  if (list === undefined) parent.set(name, { kind: 'list', items });
  items.push({ value, by });
  return { kind: 'new', at: [...path, old.length + items.length - 1] };
}

/** The mapping that holds the last step of a path, made where it is missing; null where something else stands. */
function parentOf(draft: DraftFields, path: readonly string[]): DraftFields | null {
  let at = draft;
  for (const step of path.slice(0, -1)) {
    const next = at.get(step);
    if (next !== undefined && !(next instanceof Map)) return null;
    const made = next ?? new Map();
    at.set(step, made);
    at = made;
  }
  return at;
}

/** The variable that said what stands at a path, or around it. */
function ownerOf(draft: DraftFields, path: readonly string[]): string {
  let at: DraftValue | undefined = draft;
  for (const step of path) {
    if (!(at instanceof Map)) break;
    at = at.get(step);
  }
  for (;;) {
    if (at === undefined) return formatPath(path);
    if (!(at instanceof Map)) return at.kind === 'leaf' ? at.by : (at.items[0]?.by ?? formatPath(path));
    at = at.values().next().value;
  }
}

/** A key is the same whatever its label. */
function isSameKey(a: Value, b: Value): boolean {
  const [one, other] = [keyIn(a), keyIn(b)];
  return one !== null || other !== null ? one === other : Bun.deepEquals(plain(a), plain(b));
}

function keyIn(value: Value): string | null {
  if (value instanceof Secret) return value.reveal();
  return isMapping(value) && value.key instanceof Secret ? value.key.reveal() : null;
}

/** Does the file say this already? */
function isSame(there: Tree, value: Value): boolean {
  const key = keyIn(value);
  if (key !== null) return (isWritten(there) ? textOf(there) : textAt(there, 'key'))?.trim() === key;
  if (Array.isArray(value)) {
    return isList(there) && there.length === value.length && value.every((item, i) => isSame(there[i], item));
  }
  if (!isMapping(value)) return isWritten(there) && textOf(there) === String(value);
  const names = Object.keys(value);
  if (there === undefined) return names.length === 0;
  return (
    isFields(there) &&
    Object.keys(there).length === names.length &&
    Object.entries(value).every(([name, item]) => isSame(there[name], item))
  );
}

export const isMapping = (value: Value): value is { readonly [name: string]: Value } =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Secret);

/** For comparing: two secrets are otherwise never the same. */
function plain(value: Value): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(plain);
  return isMapping(value)
    ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]))
    : value;
}
