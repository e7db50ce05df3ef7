import { isDeepStrictEqual } from 'node:util';
import { assign, readYaml, remove } from '../../config/yaml-text.ts';
import { assertNever } from '../../shared/assert-never.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { editEnv, readEnv } from './env-text.ts';
import { editJson, readJson } from './json-text.ts';
import { type Change, type FileFormat, resolvePath, valueAt } from './setting.ts';
import { editToml, readToml } from './toml-text.ts';

/** A client's file as a value. Throws a `CliError` that names the file when it cannot be read as its format. */
export function readClientText(format: FileFormat, text: string, shown: string): unknown {
  const read = readAs(format, text);
  if (read) return read.tree;
  throw new CliError(
    ExitCode.failed,
    'not_readable',
    `${shown} cannot be read as ${format.toUpperCase()}, so nothing was changed`,
    'mend the file, or move it away',
  );
}

/**
 * The text with these changes and everything else as it was. Throws a `CliError` when the result would not say what it
 * should: then the file is written in a way that only its owner can change.
 */
export function changeClientText(format: FileFormat, text: string, changes: readonly Change[], shown: string): string {
  let after = text;
  for (const { path, value } of changes) {
    const tree = readClientText(format, after, shown);
    const at = resolvePath(tree, path);
    const old = valueAt(tree, at);
    if (isDeepStrictEqual(old, value)) continue;
    const next = attempt(() => edit(format, after, at, value));
    const read = next === null ? null : readAs(format, next);
    if (next === null || !read || !isDeepStrictEqual(valueAt(read.tree, resolvePath(read.tree, path)), value))
      throw new CliError(
        ExitCode.failed,
        'not_editable',
        `${shown} is written in a way that cannot be edited without risk, so nothing was changed`,
        'set what rotator setup prints by hand',
      );
    after = next;
  }
  return after;
}

function readAs(format: FileFormat, text: string): { readonly tree: unknown } | null {
  switch (format) {
    case 'json':
      return readJson(text);
    case 'toml':
      return readToml(text);
    case 'yaml':
      return readYaml(text);
    case 'env':
      return readEnv(text);
    default:
      return assertNever(format);
  }
}

type Place = ReturnType<typeof resolvePath>;

function edit(format: FileFormat, text: string, at: Place, value: Change['value']): string {
  switch (format) {
    case 'json':
      return editJson(text, at, value);
    case 'toml':
      return editToml(text, at, value);
    case 'yaml':
      return value === undefined ? remove(text, at) : assign(text, at, value);
    case 'env':
      return editEnv(text, String(at[0]), value === undefined ? undefined : String(value));
    default:
      return assertNever(format);
  }
}

function attempt(change: () => string): string | null {
  try {
    return change();
  } catch {
    // What stands in the way is said by the caller, who knows the file.
    return null;
  }
}
