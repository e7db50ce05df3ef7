/** Finds, reads, interpolates and checks the config. Everything that is wrong is one `ConfigError` with all problems. */
import path from 'node:path';
import { CliError } from '../shared/cli-error.ts';
import { sha256Hex } from './client-keys.ts';
import { isReadableByOthers, readConfigFile, shownPath } from './config-file.ts';
import { credentialsOf, optimalPerKey } from './credentials.ts';
import { type ParsedDocument, parseDocument } from './document.ts';
import type { Env } from './environment.ts';
import { configPath, expandHome, type Surroundings } from './places.ts';
import { otherTool } from './other-tools.ts';
import { ConfigError, formatPath, formatProblem, type Path, type Problem } from './problems.ts';
import { checkRules } from './rules.ts';
import type { Config } from './schema.ts';
import { checkNeeds } from './needs.ts';
import { checkTrust } from './trust.ts';
import { type Finding, validate } from './validate.ts';
import { isFields, isList, type TreeFields, textAt, treeAt, written } from './written.ts';

export type { Env } from './environment.ts';

export type LoadOptions = Surroundings & {
  /** Flags of the command line: they go before the environment, which goes before the file. */
  readonly overrides?: { readonly host?: string | undefined; readonly port?: string | number | undefined } | undefined;
};

export type LoadedConfig = {
  readonly config: Config;
  /** Absolute; null: there is no config file. */
  readonly path: string | null;
  /** A `./rotator.yaml` that was found and not named. */
  readonly isFound: boolean;
  readonly warnings: string[];
};

/** Throws `ConfigError` (exit 2, code `config`). Without any config file the defaults hold. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const place = configPath(options);
  if (!place) {
    const { config, warnings } = readConfig(null, options);
    return { config, path: null, isFound: false, warnings };
  }
  const shown = shownPath(place.path, options.cwd);
  const text = readConfigFile(place.path, shown);
  const isFound = place.source === 'found';
  const { config, warnings, hasLiteralKeys } = readConfig({ text, shown, path: place.path, isFound }, options);
  if (hasLiteralKeys && isReadableByOthers(place.path, options.platform)) {
    warnings.push(`${shown} holds keys and others on this machine can read it; chmod 600 ${shown}`);
  }
  return { config, path: place.path, isFound, warnings };
}

export type ConfigText = {
  readonly text: string;
  /** The file's name in messages. */
  readonly shown: string;
  /** Absolute: relative directories in the config start at its place. */
  readonly path: string;
  readonly isFound: boolean;
};

/** The part of loading that touches no disk. `source` null: no config file. */
export function readConfig(
  source: ConfigText | null,
  options: { readonly env: Env; readonly overrides?: LoadOptions['overrides'] },
): { readonly config: Config; readonly warnings: string[]; readonly hasLiteralKeys: boolean } {
  const shown = source?.shown ?? null;
  const document = parseDocument(source?.text ?? '', options.env);
  if (document.isBroken) throw new ConfigError(shown, document.problems);
  const tree = document.tree ?? Object.create(null);
  if (!isFields(tree)) {
    const message = 'expected a mapping of fields, such as "providers:"';
    throw new ConfigError(shown, [{ path: '', place: document.place([], 'value'), message }]);
  }

  const { findings, warnings, skipped } = checkReferences(tree, document, shown);
  const outside = applyOutside(tree, options.env, options.overrides ?? {});
  findings.push(...checkRules(tree));
  const result = validate(tree);
  if ('findings' in result) findings.push(...result.findings);
  const problems = [...document.problems, ...locate(findings, document, outside)];
  if (problems.length > 0 || !('config' in result)) {
    const tool = otherTool(tree);
    const hint =
      tool === null ? undefined : `this is a config of ${tool}: docs/migrating.md says what of it goes where`;
    throw new ConfigError(shown, withoutEchoes(problems), hint);
  }

  const config = finishConfig(withoutSkipped(result.config, skipped), source, options.env);
  const unplaced = checkNeeds(config, options.env);
  if (unplaced.length > 0) throw new ConfigError(shown, locate(unplaced, document, outside));
  if (source?.isFound) {
    const discovered = credentialsOf(config, options.env, []).found.map(({ provider }) => provider);
    const untrusted = checkTrust(config, discovered, document);
    if (untrusted.length > 0) {
      const hint = `if this file is yours, name it: --config ${source.shown}`;
      throw new ConfigError(shown, locate(untrusted, document, outside), hint);
    }
  }
  return { config, warnings, hasLiteralKeys: hasLiteralKeys(tree, document) };
}

/** What one file of a config would bring: its problems as text, nothing when it is fine. For checks after an edit. */
export function problemsOf(source: ConfigText, env: Env): readonly string[] {
  try {
    readConfig(source, { env });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => formatProblem(null, problem));
    if (error instanceof CliError) return [error.message];
    throw error;
  }
}

function finishConfig(config: Config, source: ConfigText | null, env: Env): Config {
  const { dir } = config.storage;
  const base = source ? path.dirname(source.path) : '.';
  for (const provider of Object.values(config.providers)) {
    provider.concurrency.optimal_per_key = optimalPerKey(config, provider);
  }
  return {
    ...config,
    storage: { ...config.storage, dir: dir === null ? null : path.resolve(base, expandHome(dir, env)) },
    // Without a config file nothing is named, so `auto` means everything that is found.
    discover_env: source === null && config.discover_env === 'auto' ? 'all' : config.discover_env,
  };
}

/** Place of a key that is skipped: the provider's name in the file and the key's index. */
type SkippedKey = { readonly provider: string; readonly index: number };

/** Passes for a key while its neighbours are checked. Never leaves `readConfig`. */
const STAND_IN = written('skipped');

/** Variables that are not set: a key is skipped with a warning, anything else is a problem. */
function checkReferences(
  tree: TreeFields,
  document: ParsedDocument,
  shown: string | null,
): { findings: Finding[]; warnings: string[]; skipped: readonly SkippedKey[] } {
  const findings: Finding[] = [];
  const warnings: string[] = [];
  const skipped: SkippedKey[] = [];
  const skip = (provider: string, index: number, why: string) => {
    if (skipped.some((other) => other.provider === provider && other.index === index)) return;
    skipped.push({ provider, index });
    const at = ['providers', provider, 'keys', index];
    const keys = treeAt(tree, at.slice(0, -1));
    // The rest of the key is still checked: a mistake must not wait for the variable to be set.
    if (isList(keys)) keys[index] = isFields(keys[index]) ? { ...keys[index], key: STAND_IN } : STAND_IN;
    const place = document.place(at, 'value');
    warnings.push(formatProblem(shown, { path: formatPath(at), place, message: `skipped, because ${why}` }));
  };
  for (const { path: at, name } of document.unset) {
    const [section, provider, field, index] = at;
    if (section === 'providers' && field === 'keys' && typeof index === 'number') {
      skip(String(provider), index, `${name} is not set`);
    } else {
      findings.push({ path: at, part: 'value', message: `the environment variable ${name} is not set` });
    }
  }
  const configured = treeAt(tree, ['providers']);
  for (const name of isFields(configured) ? Object.keys(configured) : []) {
    const keys = treeAt(tree, ['providers', name, 'keys']);
    for (const [i, item] of isList(keys) ? keys.entries() : []) {
      const at = ['providers', name, 'keys', i];
      const keyAt = isFields(item) ? [...at, 'key'] : at;
      if (treeAt(tree, keyAt) === undefined && document.isReference(keyAt)) skip(name, i, 'it is empty');
    }
  }
  return { findings, warnings, skipped };
}

function withoutSkipped(config: Config, skipped: readonly SkippedKey[]): Config {
  for (const name of new Set(skipped.map(({ provider }) => provider))) {
    const settings = config.providers[name];
    if (!settings || !Array.isArray(settings.keys)) continue;
    const gone = new Set(skipped.filter(({ provider }) => provider === name).map(({ index }) => index));
    settings.keys = settings.keys.filter((_, i) => !gone.has(i));
  }
  return config;
}

/** Environment and flags, written over the file's values. Returns who is to blame for a value that does not stand in the file. */
function applyOutside(
  tree: TreeFields,
  env: Env,
  flags: NonNullable<LoadOptions['overrides']>,
): ReadonlyMap<string, string> {
  const outside = new Map<string, string>();
  const set = (section: string, field: string, from: string, value: string | number | undefined) => {
    if (value === undefined || value === '') return;
    const fields = sectionOf(tree, section);
    if (!fields) return;
    fields[field] = written(value);
    outside.set(formatPath([section, field]), from);
  };
  set('server', 'host', 'ROTATOR_HOST', env.ROTATOR_HOST);
  set('server', 'port', 'ROTATOR_PORT', env.ROTATOR_PORT);
  set('server', 'host', '--host', flags.host);
  set('server', 'port', '--port', flags.port);
  set('logging', 'level', 'ROTATOR_LOG_LEVEL', env.ROTATOR_LOG_LEVEL);
  if (env.ROTATOR_CLIENT_KEY) addClientKey(tree, env.ROTATOR_CLIENT_KEY, outside);
  return outside;
}

/** Made when it is not there. Null for one of the wrong form, which is reported as such. */
function sectionOf(tree: TreeFields, name: string): TreeFields | null {
  const section = tree[name] ?? Object.create(null);
  tree[name] = section;
  return isFields(section) ? section : null;
}

/**
 * The environment's client key is accepted beside those of a list (it may be one of them, with its allow-list) and
 * closes a server that the file leaves open.
 */
function addClientKey(tree: TreeFields, value: string, outside: Map<string, string>): void {
  const server = sectionOf(tree, 'server');
  if (!server) return;
  const ownKey: TreeFields = Object.assign(Object.create(null), { name: written('default'), key: written(value) });
  const list = server.client_keys;
  if (list !== undefined && !isList(list) && textAt(tree, 'server', 'client_keys') !== 'none') return;
  const others = isList(list) ? list : [];
  const digest = `sha256:${sha256Hex(value)}`;
  const isListed = others.some((item) => [value, digest].includes(textAt(item, 'key') ?? ''));
  if (isListed) return;
  if (others.some((item) => textAt(item, 'name') === 'default')) delete ownKey.name;
  server.client_keys = [...others, ownKey];
  outside.set(formatPath(['server', 'client_keys', others.length]), 'ROTATOR_CLIENT_KEY');
}

function locate(
  findings: readonly Finding[],
  document: ParsedDocument,
  outside: ReadonlyMap<string, string>,
): Problem[] {
  return findings.map(({ path: at, part, message, likely }) => {
    for (let length = at.length; length > 0; length--) {
      const from = outside.get(formatPath(at.slice(0, length)));
      if (from !== undefined) return { path: from, place: null, message, likely };
    }
    return { path: formatPath(at), place: document.place(at, part), message, likely };
  });
}

/** Of several problems of one field the first is the cause: a variable that is not set also leaves the field empty. */
function withoutEchoes(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter(({ path: at }) => {
    if (at !== '' && seen.has(at)) return false;
    seen.add(at);
    return true;
  });
}

function hasLiteralKeys(tree: TreeFields, document: ParsedDocument): boolean {
  const isLiteral = (at: Path) => {
    const value = textAt(tree, ...at);
    return value !== undefined && !document.isReference(at) && !value.toLowerCase().startsWith('sha256:');
  };
  const clientKeys = treeAt(tree, ['server', 'client_keys']);
  if (isList(clientKeys) && clientKeys.some((_, i) => isLiteral(['server', 'client_keys', i, 'key']))) return true;
  const configured = treeAt(tree, ['providers']);
  return Object.keys(isFields(configured) ? configured : {}).some((name) => {
    const keys = treeAt(tree, ['providers', name, 'keys']);
    const at = ['providers', name, 'keys'];
    return isList(keys) && keys.some((_, i) => isLiteral([...at, i]) || isLiteral([...at, i, 'key']));
  });
}
