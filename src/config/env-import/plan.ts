/**
 * A `.env` of LLM-API-Key-Proxy and what lies beside it → the text of a rotator.yaml and a report in which every variable
 * is named. Reads and writes nothing.
 */
import type { Env } from '../environment.ts';
import { formatPath, type Path, type Problem } from '../problems.ts';
import { isFields, type Tree, treeAt } from '../written.ts';
import { type Binding, parseDotenv, resolveReferences } from './dotenv.ts';
import { type DraftFields, place, type Standing } from './draft.ts';
import { launcherSettings, viewerSettings } from './launcher-settings.ts';
import type { AccountSource, Outcome } from './outcome.ts';
import { translate } from './translate.ts';
import { mergedConfig, newConfig } from './write-draft.ts';

export type ImportFile = {
  /** As shown to people. */
  readonly name: string;
  readonly text: string;
};

export type ImportSources = {
  /** In the order in which the project reads them: the first that sets a variable is the one that counts. */
  readonly dotenvs: readonly ImportFile[];
  readonly launcher: ImportFile | null;
  readonly viewer: ImportFile | null;
  /** Files that hold nothing for a config, with the reason. */
  readonly others: readonly { readonly name: string; readonly reason: string }[];
};

export type ImportTarget = {
  /** The config that is there; null: a new one is made. */
  readonly existing: { readonly text: string; readonly tree: Tree } | null;
  /** What is wrong with a config of this text, apart from what is wrong with `existing`. */
  readonly problemsOf: (text: string) => readonly Problem[];
  /** A provider's name in the file that is there. */
  readonly providerInFile: (id: string) => string;
  /** For `${NAME}` in the files. */
  readonly env: Env;
};

/** What one variable became, or a part of it. */
export type Entry = {
  readonly name: string;
  readonly file: string;
  /** Null: the file has settings instead of lines. */
  readonly line: number | null;
  readonly result: Result;
};

export type Result =
  /** Has its part in what became of another variable. */
  | { readonly kind: 'part'; readonly of: string }
  | { readonly kind: 'imported'; readonly to: string; readonly isThere: boolean }
  | { readonly kind: 'translated'; readonly to: string; readonly change: string }
  /** The file says something else, and keeps it. */
  | { readonly kind: 'kept'; readonly at: string }
  | { readonly kind: 'account'; readonly source: AccountSource }
  | { readonly kind: 'not-carried'; readonly reason: string };

export type ImportPlan = {
  /** Null: there is nothing to write. */
  readonly text: string | null;
  readonly entries: readonly Entry[];
  readonly notes: readonly string[];
};

type Item = Omit<Entry, 'result'> & { readonly outcome: Outcome };

export function planImport(sources: ImportSources, target: ImportTarget): ImportPlan {
  const { items, variables } = itemsOf(sources, target.env);
  const inFile = items.map((item) => ({ ...item, outcome: withNames(item.outcome, target.providerInFile) }));
  const refused = new Map<Item, string>();
  const origin = sources.dotenvs.map(({ name }) => name).join(' ');
  for (;;) {
    const { draft, standings } = fold(inFile, refused, target.existing?.tree);
    const isChange = [...standings.values()].some(({ kind }) => kind === 'new');
    const text = target.existing
      ? mergedConfig(target.existing.text, target.existing.tree, draft)
      : newConfig(draft, origin);
    const problems = isChange ? target.problemsOf(text) : [];
    if (problems.length === 0) {
      const entries = inFile.map(({ outcome, ...where }, i) => {
        const item = inFile[i];
        const reason = item && refused.get(item);
        return { ...where, result: resultOf(outcome, standings.get(i), reason) };
      });
      return { text: isChange ? text : null, entries, notes: notesOf(variables, standings, target) };
    }
    for (const [item, reason] of refusals(problems, inFile, standings)) refused.set(item, reason);
  }
}

function itemsOf(
  { dotenvs, launcher, viewer, others }: ImportSources,
  env: Env,
): { items: readonly Item[]; variables: ReadonlyMap<string, string> } {
  const notRead: Item[] = [];
  const read: { binding: Binding; file: string }[] = [];
  const first = new Map<string, string>();
  const skipped = (name: string, file: string, line: number | null, reason: string) =>
    notRead.push({ name, file, line, outcome: { kind: 'skip', reason } });
  for (const { name: file, text } of dotenvs) {
    const { bindings, unreadable } = parseDotenv(text);
    for (const { name, line, lastLine } of unreadable) {
      const lines = lastLine > line ? `lines ${line} to ${lastLine} are` : 'the line is';
      skipped(name ?? `line ${line}`, file, line, `${lines} not written as NAME=value`);
    }
    const earlier = new Map(read.map(({ binding }) => [binding.name, binding.value ?? undefined]));
    const resolved = resolveReferences(bindings, { ...Object.fromEntries(earlier), ...env });
    const last = new Map(resolved.map((binding) => [binding.name, binding]));
    for (const binding of resolved) {
      const { name, line } = binding;
      const before = first.get(name);
      if (before !== undefined && before !== file) skipped(name, file, line, `${before} sets it before this file does`);
      else if (last.get(name) !== binding) skipped(name, file, line, `it is set again in line ${last.get(name)?.line}`);
      else read.push({ binding, file });
    }
    for (const { name, value } of last.values()) if (value !== null && !first.has(name)) first.set(name, file);
  }
  const variables = new Map(read.map(({ binding }) => [binding.name, binding.value?.trim() ?? '']));
  const fromVariables = read.flatMap(({ binding: { name, value, line }, file }) =>
    translate(name, value?.trim() ?? null, variables).map((outcome): Item => ({ name, file, line, outcome })),
  );
  const fromSettings = [
    ...(launcher ? launcherSettings(launcher.text).map((setting) => ({ ...setting, file: launcher.name })) : []),
    ...(viewer ? viewerSettings(viewer.text).map((setting) => ({ ...setting, file: viewer.name })) : []),
    ...others.map(({ name, reason }) => ({ name, file: name, outcome: { kind: 'skip', reason } as const })),
  ].map((setting): Item => ({ ...setting, line: null }));
  return { items: [...fromVariables, ...fromSettings, ...notRead], variables };
}

/** `nvidia` is what the variables mean, and `nvidia_nim` may be what the file calls it. */
function withNames(outcome: Outcome, providerInFile: (id: string) => string): Outcome {
  if ((outcome.kind !== 'set' && outcome.kind !== 'add') || outcome.path[0] !== 'providers') return outcome;
  const [section, id = '', ...rest] = outcome.path;
  return { ...outcome, path: [section, providerInFile(id), ...rest] };
}

function fold(items: readonly Item[], refused: ReadonlyMap<Item, string>, existing: Tree) {
  const draft: DraftFields = new Map();
  const standings = new Map<number, Standing>();
  for (const [i, item] of items.entries()) {
    const { outcome, name } = item;
    if ((outcome.kind !== 'set' && outcome.kind !== 'add') || refused.has(item)) continue;
    standings.set(i, place(draft, existing, outcome, name));
  }
  return { draft, standings };
}

/** For each problem what caused it: what stands there or around it, else everything below. */
function refusals(
  problems: readonly Problem[],
  items: readonly Item[],
  standings: ReadonlyMap<number, Standing>,
): readonly (readonly [Item, string])[] {
  const written = [...standings].flatMap(([i, standing]) => {
    const item = items[i];
    return standing.kind === 'new' && item ? [{ item, at: formatPath(standing.at) }] : [];
  });
  const found = problems.flatMap((problem) => {
    const reason = reasonOf(problem);
    const around = written.filter(({ at }) => isWithin(problem.path, at));
    const nearest = Math.max(...around.map(({ at }) => at.length));
    const causes =
      around.length > 0
        ? around.filter(({ at }) => at.length === nearest)
        : written.filter(({ at }) => isWithin(at, problem.path));
    return causes.map(({ item }) => [item, reason] as const);
  });
  if (found.length > 0) return found;
  // A problem of no field: nothing of the draft can be held to be good.
  const [problem] = problems;
  return written.map(({ item }) => [item, problem ? reasonOf(problem) : ''] as const);
}

const isWithin = (path: string, around: string): boolean =>
  around === '' || path === around || path.startsWith(`${around}.`) || path.startsWith(`${around}[`);

const reasonOf = ({ path, message, likely }: Problem): string =>
  `${path && `${path}: `}${message}${likely === undefined ? '' : `; did you mean "${likely}"?`}`;

function resultOf(outcome: Outcome, standing: Standing | undefined, refusal: string | undefined): Result {
  switch (outcome.kind) {
    case 'account':
      return { kind: 'account', source: outcome.source };
    case 'part':
      return { kind: 'part', of: outcome.of };
    case 'skip':
      return { kind: 'not-carried', reason: outcome.reason };
    default:
  }
  if (refusal !== undefined || standing === undefined) return { kind: 'not-carried', reason: refusal ?? '' };
  const at = formatPath(standing.at);
  switch (standing.kind) {
    case 'kept':
      return { kind: 'kept', at };
    case 'taken':
      return { kind: 'not-carried', reason: `${standing.by} says something else for ${at}` };
    case 'there':
      return { kind: 'imported', to: at, isThere: true };
    case 'new':
      return outcome.change === null
        ? { kind: 'imported', to: at, isThere: false }
        : { kind: 'translated', to: at, change: outcome.change };
  }
}

/** What changes although no variable says so. */
function notesOf(
  variables: ReadonlyMap<string, string>,
  standings: ReadonlyMap<number, Standing>,
  { existing }: ImportTarget,
): readonly string[] {
  const isNew = (test: (at: Path) => boolean) =>
    [...standings.values()].some((one) => one.kind === 'new' && test(one.at));
  const notes: string[] = [];
  const hasKeys = isNew(([section, , field]) => section === 'providers' && field === 'keys');
  if (hasKeys && ![...variables.keys()].some((name) => name.startsWith('ROTATION_MODE_'))) {
    notes.push('keys take turns here; the project stayed with one until it was exhausted: rotation.mode: sequential');
  }
  if (hasKeys && !existing && !variables.has('PROXY_API_KEY')) {
    notes.push('there is no PROXY_API_KEY: rotator makes a client key of its own, in <state>/client-key');
  }
  const hadClientKeys = isFields(existing?.tree) && treeAt(existing.tree, ['server', 'client_keys']) !== undefined;
  if (existing && !hadClientKeys && isNew(([section, field]) => section === 'server' && field === 'client_keys')) {
    notes.push('the key in <state>/client-key is no longer taken, because the config names client keys now');
  }
  return notes;
}
