/**
 * What the config's documentation speaks of and this version cannot do. Such a field is refused by name, so that nobody
 * believes that it works. Whoever builds a feature takes its lines out of here.
 */
import type { Path } from './problems.ts';
import { isFields, isList, isWritten, type Tree, textOf } from './written.ts';

/** Paths; `*` is any one name or place in a list. */
const LATER_FIELDS = ['observe'] as const;

/** Vendors that need more than a base URL and a key. With a `base_url` such a name is a server of the user's own. */
export const LATER_PROVIDERS: ReadonlySet<string> = new Set(['antigravity', 'gemini_cli']);

export type LaterUse = {
  readonly path: Path /** The value that is not supported; null: the whole field. */;
  readonly value: string | null;
};

/** Takes every later field and value out of the tree (in place) and says which there were. */
export function removeLater(tree: Tree): LaterUse[] {
  const uses: LaterUse[] = [];
  for (const pattern of LATER_FIELDS) {
    const [path = '', value] = pattern.split('=');
    visit(tree, path.split('.'), [], value ?? null, uses);
  }
  return uses;
}

function visit(tree: Tree, pattern: readonly string[], at: Path, value: string | null, uses: LaterUse[]): void {
  const [step, ...rest] = pattern;
  if (step === undefined) return;
  if (step === '*') {
    if (isList(tree)) for (const [i, item] of tree.entries()) visit(item, rest, [...at, i], value, uses);
    else if (isFields(tree))
      for (const [name, item] of Object.entries(tree)) visit(item, rest, [...at, name], value, uses);
    return;
  }
  if (!isFields(tree) || !Object.hasOwn(tree, step)) return;
  const found = tree[step];
  if (rest.length > 0) return visit(found, rest, [...at, step], value, uses);
  if (value !== null && !(isWritten(found) && textOf(found) === value)) return;
  uses.push({ path: [...at, step], value });
  delete tree[step];
}
