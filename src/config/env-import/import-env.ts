/** Reads a `.env` of LLM-API-Key-Proxy with what lies beside it, and writes a config out of it. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { readConfigFile, shownPath } from '../config-file.ts';
import { parseDocument } from '../document.ts';
import { nameInFile } from '../edit.ts';
import type { Env } from '../environment.ts';
import { readConfig } from '../load.ts';
import { ConfigError, type Problem } from '../problems.ts';
import { changeFile, type Replacement } from '../replace-file.ts';
import { EditRefusal } from '../yaml-text.ts';
import { otherConfig } from './other-config.ts';
import { type ImportFile, type ImportPlan, type ImportSources, type ImportTarget, planImport } from './plan.ts';

export type { Entry, ImportPlan, Result } from './plan.ts';
export type { AccountSource } from './outcome.ts';

export type ReadSources = ImportSources & {
  /** Absolute: what relative paths in the files begin at. */
  readonly directory: string;
  /** The directory of accounts beside the file; null: there is none. */
  readonly accounts: string | null;
};

const COUNTERS = 'rotator counts anew; the file holds keys in clear text, so remove it when it is no longer needed';

/**
 * `file`: absolute, or its directory. With a `.env` come all `*.env` beside it, as the project reads them; any other file
 * is read alone. Throws `CliError` 2 (`unreadable_file`).
 */
export function readSources(file: string, cwd: string): ReadSources {
  const main = isDirectory(file) ? path.join(file, '.env') : file;
  const directory = path.dirname(main);
  const shown = (name: string) => shownPath(path.join(directory, name), cwd);
  const names = namesIn(directory);
  const others: { name: string; reason: string }[] = [];
  const beside = (name: string): ImportFile | null => {
    if (!names.includes(name)) return null;
    const read = readText(path.join(directory, name), shown(name));
    if (typeof read === 'string') return { name: shown(name), text: read };
    others.push({ name: shown(name), reason: read.reason });
    return null;
  };
  const text = readText(main, shownPath(main, cwd));
  if (typeof text !== 'string') {
    throw new CliError(ExitCode.usage, 'unreadable_file', text.reason, 'name the .env file of LLM-API-Key-Proxy');
  }
  const other = otherConfig(main, text);
  if (other !== null)
    throw new CliError(
      ExitCode.usage,
      'no_env_file',
      `${shownPath(main, cwd)} is ${other}; only a .env of LLM-API-Key-Proxy can be imported`,
      'keys go in with rotator keys add; what else goes where: docs/migrating.md',
    );
  const siblings =
    path.basename(main) === '.env' ? names.filter((name) => name.endsWith('.env') && name !== '.env') : [];
  const dotenvs = [{ name: shownPath(main, cwd), text }, ...siblings.map(beside).filter((one) => one !== null)];
  const launcher = beside('launcher_config.json');
  const viewer = beside('quota_viewer_config.json');
  const counters = [
    ...names.filter((name) => /^(key_usage|usage_.+)\.json$/.test(name)),
    ...namesIn(path.join(directory, 'usage'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => path.join('usage', name)),
  ];
  for (const name of counters) others.push({ name: shown(name), reason: COUNTERS });
  const accounts = path.join(directory, 'oauth_creds');
  return { dotenvs, launcher, viewer, others, directory, accounts: isDirectory(accounts) ? accounts : null };
}

export type WrittenImport = ImportPlan & { readonly replacement: Replacement | null };

/**
 * Writes what is to be written. Throws `CliError`: 1 for a file that is there already (`config_exists`) unless
 * `isMerge`, or that cannot be edited or written, 2 for one that is no valid config.
 */
export async function writeImport(
  file: string,
  sources: ImportSources,
  { env, isMerge }: { readonly env: Env; readonly isMerge: boolean },
): Promise<WrittenImport> {
  const planned: ImportPlan[] = [];
  const change = (old: string | null): string => {
    if (old !== null && !isMerge) throw alreadyThere(file);
    const mark = old?.startsWith('\ufeff') ? '\ufeff' : '';
    const plan = editing(file, () => planImport(sources, targetOf(file, old?.slice(mark.length) ?? null, env)));
    planned.push(plan);
    if (plan.text === null) throw new NothingToWrite();
    return mark + plan.text;
  };
  const replacement = await changeFile(file, change).catch((error: unknown) => {
    if (error instanceof NothingToWrite) return null;
    throw error;
  });
  const [plan] = planned;
  if (plan === undefined) throw new Error('a change that was not made has no plan');
  return { ...plan, replacement };
}

/** Keeps a file from being written, or made, for nothing. */
class NothingToWrite extends Error {}

export const alreadyThere = (file: string) =>
  new CliError(
    ExitCode.failed,
    'config_exists',
    `${file} exists already`,
    '--merge adds what it lacks and keeps the rest',
  );

function targetOf(file: string, old: string | null, env: Env): ImportTarget {
  // What the environment says about a server is no part of the file.
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ROTATOR_')));
  const problemsOf = (text: string): readonly Problem[] => {
    try {
      readConfig({ text, shown: file, path: file, isFound: false }, { env: own });
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
  };
  if (old !== null && old.trim() !== '') {
    const problems = problemsOf(old);
    if (problems.length > 0) throw new ConfigError(file, problems, 'nothing is merged into a config with problems');
  }
  const tree = old === null ? undefined : parseDocument(old, own).tree;
  return {
    existing: old === null ? null : { text: old, tree },
    problemsOf,
    providerInFile: (id) => nameInFile(tree, id),
    env,
  };
}

function editing<T>(file: string, edit: () => T): T {
  try {
    return edit();
  } catch (error) {
    if (!(error instanceof EditRefusal)) throw error;
    throw new CliError(ExitCode.failed, 'not_editable', `${file}: ${error.message}`, 'change the file by hand', error);
  }
}

/** Text, or why there is none; an empty file is a file. */
function readText(file: string, shown: string): string | { readonly reason: string } {
  try {
    if (statSync(file).size === 0) return '';
    return readConfigFile(file, shown);
  } catch (error) {
    if (error instanceof ConfigError) return { reason: error.message };
    return { reason: `${shown} does not exist` };
  }
}

function isDirectory(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

function namesIn(directory: string): readonly string[] {
  return isDirectory(directory) ? readdirSync(directory).sort() : [];
}
