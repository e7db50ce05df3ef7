/** Changes that commands make to the config. Comments, order and formatting of everything else stay. */
import { Scalar } from 'yaml';
import { findProvider, normalizeProviderId } from '../providers/index.ts';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { credentialId } from './credentials.ts';
import { type ParsedDocument, parseDocument } from './document.ts';
import type { Env } from './environment.ts';
import { problemsOf } from './load.ts';
import { ConfigError } from './problems.ts';
import { exampleYaml, schemaLine } from './reference.ts';
import { changeFile, createFile, type Rename, type Replacement } from './replace-file.ts';
import { isFields, isList, isWritten, type Tree, textAt, textOf, treeAt } from './written.ts';
import { APPEND, EditRefusal, insert, removeItem } from './yaml-text.ts';

/** Where the new key is: a variable of the environment, the file itself, or nowhere because the server takes none. */
export type KeySource =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'none' };

export type NewKey = {
  /** A known provider, or a name of the user's own together with `baseUrl`. */
  readonly provider: string;
  readonly key: KeySource;
  readonly label?: string | null;
  readonly priority?: number | null;
  readonly baseUrl?: string | null;
  readonly protocol?: string | null;
  /** What the provider's URL needs, too. */
  readonly fields?: readonly NewField[];
};

/** `path`: below the provider. */
export type NewField = { readonly path: readonly string[]; readonly value: string };

export type KeyEdit = Replacement & {
  /** The provider's name in the file. */
  readonly provider: string;
  /** Null: the key is in a variable that is not set. */
  readonly credential: string | null;
};

/** A new config with every field and its default, 0600. False when the file exists. */
export async function createConfig(file: string): Promise<boolean> {
  return await createFile(file, exampleYaml());
}

/**
 * Adds a key, and the file or the provider where they are missing. Throws `CliError`: 1 for a key that is there already
 * (`duplicate_key`) or a file that cannot be edited or written, 2 when the result would be no valid config.
 * `env`: where `${NAME}` is looked up, to recognise a key that is there already.
 */
export async function addKey(file: string, addition: NewKey, env: Env = {}, move?: Rename): Promise<KeyEdit> {
  let provider = addition.provider;
  const replacement = await changeFile(
    file,
    (old) => {
      const [mark, text] = splitMark(old ?? `${schemaLine('rotator.schema.json')}\n`);
      const before = readEditable(file, text, env);
      provider = nameInFile(before.tree, addition.provider);
      refuseDuplicate(before, provider, addition.key, env);
      const after = editing(file, () => withKey(text, before.tree, provider, addition));
      refuseNewProblems(file, text, after, env);
      return mark + after;
    },
    move,
  );
  const value = keyValue(addition.key, env);
  return { ...replacement, provider, credential: value === null ? null : idOf(provider, value) };
}

/**
 * Removes the key with this id, wherever it stands in the file. Throws `CliError` 2 (`unknown_key`) when no key of the
 * file has it.
 */
export async function removeKey(file: string, id: string, env: Env = {}, move?: Rename): Promise<KeyEdit> {
  let provider: string | null = null;
  const replacement = await changeFile(
    file,
    (old) => {
      const [mark, original] = splitMark(old ?? '');
      let text = original;
      for (;;) {
        const place = findKey(readEditable(file, text, env).tree, id);
        if (!place) break;
        provider = place.provider;
        text = editing(file, () => removeItem(text, ['providers', place.provider, 'keys'], place.index));
      }
      if (provider === null) {
        throw new CliError(
          ExitCode.usage,
          'unknown_key',
          `no key in ${file} has the id ${id}`,
          'see: rotator keys list',
        );
      }
      return mark + text;
    },
    move,
  );
  return { ...replacement, provider: provider ?? '', credential: id };
}

export type NewRules = {
  /** A known provider, or one that the file names. */
  readonly provider: string;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
};

export type RulesEdit = Replacement & {
  /** Patterns that were not there yet, as `providers.X.models.deny: PATTERN`. */
  readonly added: readonly string[];
};

/**
 * Adds patterns to `models.allow` and `models.deny` of providers. Throws `CliError` as `addKey` does. What is there
 * already is not written twice.
 */
export async function addModelRules(
  file: string,
  rules: readonly NewRules[],
  env: Env = {},
  move?: Rename,
): Promise<RulesEdit> {
  let added: string[] = [];
  const replacement = await changeFile(
    file,
    (old) => {
      added = [];
      const [mark, original] = splitMark(old ?? '');
      let text = original;
      for (const { provider, ...lists } of rules) {
        for (const kind of ['allow', 'deny'] as const) {
          for (const pattern of lists[kind]) {
            const { tree } = readEditable(file, text, env);
            const at = ['providers', nameInFile(tree, provider), 'models', kind];
            const there = treeAt(tree, at);
            if (isList(there) && there.some((item) => isWritten(item) && textOf(item) === pattern)) continue;
            const before = text;
            const quoted = new Scalar(escapeReferences(pattern));
            quoted.type = 'QUOTE_DOUBLE';
            text = editing(file, () =>
              there === undefined ? insert(before, at, [quoted]) : insert(before, [...at, APPEND], quoted),
            );
            added.push(`${at.join('.')}: ${pattern}`);
          }
        }
      }
      refuseNewProblems(file, original, text, env);
      return mark + text;
    },
    move,
  );
  return { ...replacement, added };
}

function withKey(text: string, before: Tree, provider: string, addition: NewKey): string {
  const { key, baseUrl = null, protocol = null } = addition;
  const further = (addition.fields ?? []).map(({ path, value }) => ({ path, value: quoted(value) }));
  const entry = treeAt(before, ['providers', provider]);
  const oldKeys = treeAt(entry, ['keys']);
  if (key.kind === 'none' ? oldKeys !== undefined : isWritten(oldKeys)) {
    const message = `providers.${provider} already says ${isWritten(oldKeys) ? `keys: ${textOf(oldKeys)}` : 'which keys it has'}`;
    throw new EditRefusal(message);
  }
  const oldUrl = textAt(entry, 'base_url');
  if (baseUrl !== null && oldUrl !== undefined && trimUrl(oldUrl) !== trimUrl(baseUrl)) {
    throw new EditRefusal(`providers.${provider} already has another base_url`);
  }
  const fields = {
    ...(baseUrl !== null && oldUrl === undefined && { base_url: baseUrl }),
    ...(protocol !== null && textAt(entry, 'protocol') === undefined && { protocol }),
  };
  const item = key.kind === 'none' ? 'none' : keyNode(key, addition);
  const at = ['providers', provider];
  const all = [...Object.entries(fields).map(([name, value]) => ({ path: [name], value })), ...further];
  if (entry === undefined) return insert(text, at, { ...nested(all), keys: key.kind === 'none' ? item : [item] });
  const withFields = all.reduce((out, { path, value }) => insert(out, [...at, ...path], value), text);
  return insert(withFields, key.kind === 'none' ? [...at, 'keys'] : [...at, 'keys', APPEND], item);
}

/** An account of digits alone stays text, and `${` is none of the environment's. */
function quoted(value: string): Scalar {
  const node = new Scalar(escapeReferences(value));
  node.type = 'QUOTE_DOUBLE';
  return node;
}

/** Paths of one step or two, as the mappings that they stand in. */
function nested(fields: readonly { readonly path: readonly string[]; readonly value: unknown }[]) {
  const out: Record<string, unknown> = {};
  for (const { path, value } of fields) {
    const [name = '', part] = path;
    const there = out[name];
    const inner = typeof there === 'object' && there !== null ? there : {};
    out[name] = part === undefined ? value : { ...inner, [part]: value };
  }
  return out;
}

/** Short form, or long form when there is more to say. A literal is quoted, whatever it looks like. */
function keyNode(key: Exclude<KeySource, { kind: 'none' }>, { label = null, priority = null }: NewKey): unknown {
  const node = new Scalar(key.kind === 'variable' ? `\${${key.name}}` : escapeReferences(key.value));
  if (key.kind === 'literal') node.type = 'QUOTE_DOUBLE';
  if (label === null && priority === null) return node;
  return { key: node, ...(label !== null && { label }), ...(priority !== null && { priority }) };
}

export const escapeReferences = (value: string): string => value.replaceAll('${', () => '$${');

const trimUrl = (url: string): string => url.replace(/\/+$/, '');

/** A provider as the file calls it, if it is there under any of its names. */
export function nameInFile(tree: Tree, name: string): string {
  const idOfName = (other: string) => findProvider(other)?.id ?? normalizeProviderId(other);
  const providers = treeAt(tree, ['providers']);
  const names = isFields(providers) ? Object.keys(providers) : [];
  return names.find((other) => idOfName(other) === idOfName(name)) ?? findProvider(name)?.id ?? name;
}

const idOf = (provider: string, value: string): string => credentialId(findProvider(provider)?.id ?? provider, value);

function keyValue(key: KeySource, env: Env): string | null {
  if (key.kind === 'literal') return key.value;
  return key.kind === 'variable' ? env[key.name]?.trim() || null : null;
}

function refuseDuplicate({ tree, unset }: ParsedDocument, provider: string, key: KeySource, env: Env): void {
  const value = keyValue(key, env);
  const id = value === null ? null : idOf(provider, value);
  const isThere =
    (id !== null && findKey(tree, id) !== null) ||
    // A variable that is not set has no value to compare, only a name.
    (key.kind === 'variable' &&
      unset.some(({ path, name }) => name === key.name && path[1] === provider && path[2] === 'keys'));
  if (!isThere) return;
  throw new CliError(
    ExitCode.failed,
    'duplicate_key',
    `${provider} already has this key${id === null ? '' : ` (${id})`}`,
  );
}

/** The key of an item, in short or long form. */
const keyOf = (item: Tree): string | undefined => (isWritten(item) ? textOf(item) : textAt(item, 'key'))?.trim();

function findKey(tree: Tree, id: string): { provider: string; index: number } | null {
  const providers = treeAt(tree, ['providers']);
  for (const [provider, fields] of Object.entries(isFields(providers) ? providers : {})) {
    const keys = treeAt(fields, ['keys']);
    if (!isList(keys)) continue;
    const taken = new Set<string>();
    for (const [index, item] of keys.entries()) {
      const key = keyOf(item);
      if (!key) continue;
      const own = credentialId(findProvider(provider)?.id ?? provider, key, taken);
      if (own === id || idOf(provider, key) === id) return { provider, index };
      taken.add(own);
    }
  }
  return null;
}

/** What the file says now. Throws what keeps it from being read at all. */
export function readEditable(file: string, text: string, env: Env): ParsedDocument {
  const document = parseDocument(text, env);
  const isUsable = document.tree === undefined || isFields(document.tree);
  if (document.problems.length === 0 && isUsable) return document;
  if (!isUsable) throw new CliError(ExitCode.usage, 'config', `${file}: expected a mapping of fields`);
  throw new ConfigError(file, document.problems);
}

export function editing<T>(file: string, edit: () => T): T {
  try {
    return edit();
  } catch (error) {
    if (!(error instanceof EditRefusal)) throw error;
    throw new CliError(ExitCode.failed, 'not_editable', `${file}: ${error.message}`, 'change the file by hand', error);
  }
}

/** What was wrong before is not this command's business; what would be wrong after is. */
export function refuseNewProblems(file: string, before: string, after: string, env: Env): void {
  const source = { shown: file, path: file, isFound: false };
  const old = new Set(problemsOf({ ...source, text: before }, env));
  const added = problemsOf({ ...source, text: after }, env).filter((problem) => !old.has(problem));
  if (added.length > 0) throw new CliError(ExitCode.usage, 'config', added.join('; '));
}

/** A byte order mark, and the text behind it. */
export const splitMark = (text: string): readonly [string, string] =>
  text.startsWith('\ufeff') ? ['\ufeff', text.slice(1)] : ['', text];
