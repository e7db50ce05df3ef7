/** One field of the config, given a value or taken away; what it changes is known before anything is written. */
import { isScalar, type Node, parseDocument as parseYaml, Scalar } from 'yaml';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { Secret } from '../shared/secret.ts';
import { editing, nameInFile, readEditable, refuseNewProblems, splitMark } from './edit.ts';
import type { Env } from './environment.ts';
import { type DifferenceLine, lineDifference } from './line-difference.ts';
import type { Path } from './problems.ts';
import { schemaLine } from './reference.ts';
import { changeFile, type Rename, type Replacement } from './replace-file.ts';
import { configSchema } from './schema.ts';
import { type Shape, shapeAt, shapeOf } from './shape.ts';
import { isWritten, type Tree, treeAt } from './written.ts';
import { assign, readYaml, remove, type ValuePath } from './yaml-text.ts';

/** The field's new value as a person writes it: a scalar's text, or a list or a mapping in YAML. Null takes it away. */
export type FieldEdit = { readonly path: Path; readonly value: string | null };

export type EditPreview = {
  /** The whole file with the edit. */
  readonly text: string;
  /** What would change, secrets masked; empty: nothing. */
  readonly difference: readonly DifferenceLine[];
};

/**
 * What the edit makes of a file's text; null: there is no file yet. Throws a `CliError`: 2 when the result would be no
 * valid config, 1 when the file is written in a way that cannot be edited.
 */
export function previewEdit(file: string, old: string | null, edit: FieldEdit, env: Env): EditPreview {
  const [mark, text] = splitMark(old ?? (edit.value === null ? '' : `${schemaLine('rotator.schema.json')}\n`));
  const { tree } = readEditable(file, text, env);
  const path = pathInFile(tree, edit.path);
  const after = editing(file, () =>
    edit.value === null ? remove(text, path) : withValue(text, tree, path, edit.value),
  );
  refuseNewProblems(file, text, after, env);
  // A misspelt field is not in the file either, and must not pass for one that has its default.
  if (edit.value === null && after === text && !shapeAt(path))
    refuseNewProblems(
      file,
      text,
      editing(file, () => withValue(text, tree, path, '')),
      env,
    );
  const secrets = [...secretsOf(text), ...secretsOf(after)];
  const difference = lineDifference(old ?? '', after).map((line) => ({ ...line, text: masked(line.text, secrets) }));
  return { text: mark + after, difference };
}

/** Writes it. Throws as `previewEdit` does; what another command has changed meanwhile stays. */
export async function editField(file: string, edit: FieldEdit, env: Env, move?: Rename): Promise<Replacement> {
  return await changeFile(file, (old) => previewEdit(file, old, edit, env).text, move);
}

/** Changes of these have an effect at the next start only. */
export const needsRestart = ([section, field]: Path): boolean =>
  section === 'storage' || (section === 'server' && (field === 'host' || field === 'port' || field === undefined));

/** A provider is called what the file calls it. */
function pathInFile(tree: Tree, path: Path): ValuePath {
  const [section, name, ...rest] = path;
  if (section !== 'providers' || typeof name !== 'string') return path;
  return [section, nameInFile(tree, name), ...rest];
}

function withValue(text: string, tree: Tree, path: ValuePath, value: string): string {
  const node = valueNode(path, value);
  const around = path.slice(0, -1);
  const [section, , keys] = path;
  const isOfShortKey =
    section === 'providers' && keys === 'keys' && path.length === 5 && isWritten(treeAt(tree, around));
  if (!isOfShortKey) return assign(text, path, node);
  // The short form of a key becomes the long one when there is more to say of it.
  const old: unknown = parseYaml(text).getIn(around, true);
  const key = isScalar(old) ? old.clone() : old;
  // A comment stays where it is, behind the line.
  if (isScalar(key)) key.comment = null;
  return assign(text, around, { key, [String(path.at(-1))]: node });
}

/** A scalar where the field holds one, so that a text needs no quotes of YAML beside those of the shell. */
function valueNode(path: ValuePath, value: string): Node | number | boolean {
  const isCollection = /^\s*[[{]/.test(value);
  const takes = formsOf(shapeAt(path));
  return takes.scalar && !(takes.collection && isCollection) ? scalarNode(value) : collectionNode(value);
}

function formsOf(shape: Shape | undefined): { readonly scalar: boolean; readonly collection: boolean } {
  // An unknown field is refused by its name, whatever the value.
  if (!shape) return { scalar: true, collection: false };
  if (shape.kind === 'either') {
    const options = shape.options.map(formsOf);
    return { scalar: options.some(({ scalar }) => scalar), collection: options.some(({ collection }) => collection) };
  }
  if (shape.kind !== 'leaf') return { scalar: false, collection: true };
  return { scalar: true, collection: shape.info.kind === 'any value' };
}

function scalarNode(value: string): Node | number | boolean {
  const { contents, errors } = parseYaml(value);
  const isPlain = errors.length === 0 && isScalar(contents) && contents.type === 'PLAIN' && contents.source === value;
  if (isPlain && typeof contents.value === 'string') return new Scalar(value);
  const plain = isPlain ? contents.value : undefined;
  if ((typeof plain === 'number' || typeof plain === 'boolean') && String(plain) === value) return plain;
  const quoted = new Scalar(value);
  quoted.type = 'QUOTE_DOUBLE';
  return quoted;
}

function collectionNode(value: string): Node {
  const { contents, errors } = parseYaml(value);
  if (contents && errors.length === 0) return contents;
  throw new CliError(
    ExitCode.usage,
    'usage',
    'the value cannot be read as YAML',
    "a list is written '[a, b]', a mapping '{ name: value }'",
  );
}

/** What must not be shown: keys, headers and proxies that stand in the file themselves. */
function secretsOf(text: string): readonly string[] {
  const tree = readYaml(text)?.tree;
  const found: string[] = [];
  collectSecrets(tree, shapeOf(configSchema), found);
  // A whole reference says where a secret is, not what it is.
  return found.filter((secret) => secret.length > 0 && !/^\$\{[A-Za-z_]\w*\}$/.test(secret));
}

const SECRET_KINDS: ReadonlySet<string> = new Set(['key', 'header', 'proxy URL']);

function collectSecrets(value: unknown, shape: Shape, found: string[]): void {
  if (Array.isArray(value)) {
    const list = alternatives(shape).find(({ kind }) => kind === 'list');
    if (list?.kind === 'list') for (const item of value) collectSecrets(item, shapeOf(list.item), found);
    return;
  }
  if (typeof value === 'object' && value !== null) {
    for (const [name, child] of Object.entries(value)) {
      const inner = alternatives(shape).flatMap((option) => childShape(option, name));
      if (inner[0]) collectSecrets(child, inner[0], found);
    }
    return;
  }
  const isSecret = alternatives(shape).some((option) => option.kind === 'leaf' && SECRET_KINDS.has(option.info.kind));
  if (isSecret) found.push(String(value));
}

const alternatives = (shape: Shape): readonly Shape[] =>
  shape.kind === 'either' ? shape.options.flatMap(alternatives) : [shape];

function childShape(shape: Shape, name: string): readonly Shape[] {
  if (shape.kind === 'record') return [shapeOf(shape.value)];
  const field = shape.kind === 'fields' ? shape.fields[name] : undefined;
  return field ? [shapeOf(field)] : [];
}

const masked = (line: string, secrets: readonly string[]): string =>
  secrets
    .toSorted((a, b) => b.length - a.length)
    .reduce((text, secret) => text.replaceAll(secret, new Secret(secret).masked()), line);
