/** Changes that commands make to the client keys of the config. Comments, order and formatting of everything else stay. */
import { Scalar } from 'yaml';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { nearest } from '../shared/near-miss.ts';
import type { ParsedDocument } from './document.ts';
import { editing, readEditable, refuseNewProblems, splitMark } from './edit.ts';
import type { Env } from './environment.ts';
import { schemaLine } from './reference.ts';
import { changeFile, type Rename, type Replacement } from './replace-file.ts';
import { isList, isWritten, type Tree, textAt, treeAt } from './written.ts';
import { APPEND, EditRefusal, insert, removeItem, replaceScalar } from './yaml-text.ts';

export type NewClient = {
  readonly name: string;
  /** As the file is to hold it: `sha256:` and the digest, or `${NAME}`. */
  readonly key: string;
  readonly models: readonly string[];
  /** Field → value, as the user wrote them. */
  readonly limits: readonly (readonly [field: string, value: string])[];
};

/** `isFirst`: until now the config named no client key. */
export type ClientEdit = Replacement & { readonly isFirst: boolean };

const LIST = ['server', 'client_keys'];

/**
 * Adds a client key, and the file where it is missing. Throws `CliError`: 1 for a name that is there already
 * (`duplicate_client`) or a file that cannot be edited or written, 2 when the result would be no valid config.
 */
export async function addClient(file: string, client: NewClient, env: Env = {}, move?: Rename): Promise<ClientEdit> {
  let isFirst = false;
  const replacement = await change(file, env, move, (text, { tree }) => {
    const list = treeAt(tree, LIST);
    if (isWritten(list)) {
      const message = 'server.client_keys is "none": nobody is asked for a key';
      throw new EditRefusal(`${message}; take the field out first`);
    }
    isFirst = !isList(list);
    if (namesOf(list).includes(client.name)) {
      throw new CliError(
        ExitCode.failed,
        'duplicate_client',
        `there is a client key named "${client.name}" already`,
        `a new key for it: rotator clients rotate ${client.name}`,
      );
    }
    return insert(text, [...LIST, APPEND], entryOf(client));
  });
  return { ...replacement, isFirst };
}

/** Throws `CliError` 2 (`unknown_client`) for a name that is not there, 1 (`last_client`) for the only one. */
export async function removeClient(file: string, name: string, env: Env = {}, move?: Rename): Promise<Replacement> {
  return await change(file, env, move, (text, { tree }) => {
    const list = treeAt(tree, LIST);
    const index = indexOf(file, list, name);
    if (isList(list) && list.length === 1) {
      throw new CliError(
        ExitCode.failed,
        'last_client',
        `"${name}" is the only client key: without it nobody could call`,
        `a new key for it: rotator clients rotate ${name}`,
      );
    }
    return removeItem(text, LIST, index);
  });
}

/** Puts another key in place of a client's. Throws `CliError` 2 for a name that is not there, or a key of a variable. */
export async function rotateClient(
  file: string,
  { name, key }: Pick<NewClient, 'name' | 'key'>,
  env: Env = {},
  move?: Rename,
): Promise<Replacement> {
  return await change(file, env, move, (text, document) => {
    const index = indexOf(file, treeAt(document.tree, LIST), name);
    const path = [...LIST, index, 'key'];
    if (document.isReference(path)) {
      throw new CliError(
        ExitCode.usage,
        'key_from_environment',
        `the key of "${name}" comes from an environment variable`,
        'change the variable where it is set, and restart the server',
      );
    }
    return replaceScalar(text, path, key);
  });
}

async function change(
  file: string,
  env: Env,
  move: Rename | undefined,
  edit: (text: string, document: ParsedDocument) => string,
): Promise<Replacement> {
  return await changeFile(
    file,
    (old) => {
      const [mark, text] = splitMark(old ?? `${schemaLine('rotator.schema.json')}\n`);
      const before = readEditable(file, text, env);
      const after = editing(file, () => edit(text, before));
      refuseNewProblems(file, text, after, env);
      return mark + after;
    },
    move,
  );
}

function entryOf({ name, key, models, limits }: NewClient): unknown {
  const quoted = new Scalar(key);
  quoted.type = 'QUOTE_DOUBLE';
  return {
    name,
    key: quoted,
    ...(models.length > 0 && { models }),
    ...(limits.length > 0 && { limits: Object.fromEntries(limits.map(([field, value]) => [field, plain(value)])) }),
  };
}

/** A number as one; `200k` as it was written. */
const plain = (value: string): unknown => (/^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value);

const namesOf = (list: Tree): readonly string[] =>
  isList(list) ? list.flatMap((item) => textAt(item, 'name') ?? []) : [];

function indexOf(file: string, list: Tree, name: string): number {
  const index = isList(list) ? list.findIndex((item) => textAt(item, 'name') === name) : -1;
  if (index >= 0) return index;
  const near = nearest(name, namesOf(list));
  throw new CliError(
    ExitCode.usage,
    'unknown_client',
    `no client key in ${file} is named "${name}"`,
    near === undefined ? 'see: rotator clients list' : `did you mean "${near}"?`,
  );
}
