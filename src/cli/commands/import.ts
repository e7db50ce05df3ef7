import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { AccountSource, Entry, ReadSources } from '../../config/env-import/import-env.ts';
import type { ImportReport } from '../../oauth/accounts/import-accounts.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Context, Start } from '../context.ts';
import { importText, type ImportView } from '../ui/import-text.ts';
import { plainText } from '../ui/plain-text.ts';

export function addImport(program: Command, start: Start): void {
  program
    .command('import')
    .description('turn a .env of LLM-API-Key-Proxy into a rotator.yaml')
    .argument('<file>', 'the .env file, or the directory it is in')
    .option('--merge', 'add to a config that is there what it lacks; what it says stays')
    .addHelpText(
      'after',
      `
With a .env comes what lies beside it: every other *.env, launcher_config.json and the accounts in oauth_creds/. The
report names every variable with its place in the config, or with the reason why it has none.

Examples:
  $ rotator import ~/LLM-API-Key-Proxy/.env
  $ rotator import .env --merge --config ./rotator.yaml`,
    )
    .action((file: string, options: { merge?: true }, command: Command) => importFile(start(command), file, options));
}

async function importFile(context: Context, written: string, { merge }: { merge?: true }): Promise<void> {
  const { io, globals, output } = context;
  const [{ alreadyThere, readSources, writeImport }, { configPath, expandHome, newConfigPath }] = await Promise.all([
    import('../../config/env-import/import-env.ts'),
    import('../../config/places.ts'),
  ]);
  const around = { path: globals.config, env: io.env, cwd: io.cwd };
  const found = configPath(around);
  const target = found?.path ?? newConfigPath(around);
  const isMerge = merge === true;
  // A config in the current directory would go before the new one at home.
  if (found?.source === 'found' && !isMerge) throw alreadyThere(target);
  const sources = readSources(resolve(io.cwd, expandHome(written, io.env)), io.cwd);
  const { entries, notes, replacement } = await writeImport(target, sources, { env: io.env, isMerge });
  const accounts = await takeAccounts(context, entries, sources);
  const view: ImportView = {
    config: target,
    created: replacement?.isNew === true,
    changed: replacement !== null,
    entries: entries.map((entry) => settled(entry, entries, accounts.bySource)),
    accounts: accounts.report,
    notes,
  };
  if (replacement?.backup)
    output.note(`${target} could only be written in place; the old text is in ${replacement.backup}`);
  if (globals.json) await output.json(shape(view));
  else await output.data(importText(view, output.paint));
  const isUseless = view.entries.every(({ result }) => result.kind === 'not-carried') && !view.accounts.imported.length;
  if (isUseless)
    throw new CliError(
      ExitCode.failed,
      'nothing_imported',
      `nothing in ${plainText(written)} has a place in rotator.yaml`,
    );
}

type TakenAccounts = {
  readonly report: ImportReport;
  /** The ids that came of it, or why none did. */
  readonly bySource: ReadonlyMap<AccountSource, readonly string[] | string>;
};

/** Takes over what `oauth_creds/` holds and what variables name. */
async function takeAccounts(
  context: Context,
  entries: readonly Entry[],
  { accounts: directory, directory: base }: ReadSources,
): Promise<TakenAccounts> {
  const wanted = entries.flatMap(({ result, file }) =>
    result.kind === 'account' ? [{ source: result.source, file }] : [],
  );
  const bySource = new Map<AccountSource, readonly string[] | string>();
  const report: { imported: ImportReport['imported'][number][]; skipped: ImportReport['skipped'][number][] } = {
    imported: [],
    skipped: [],
  };
  if (wanted.length === 0 && directory === null) return { report, bySource };
  const [{ withOAuth }, { importAccounts, takeAccount }, { environmentAccounts }, { profiles }, { expandHome }] =
    await Promise.all([
      import('../oauth-place.ts'),
      import('../../oauth/accounts/import-accounts.ts'),
      import('../../oauth/accounts/environment-accounts.ts'),
      import('../../oauth/profiles/index.ts'),
      import('../../config/places.ts'),
    ]);
  await withOAuth(context, async (place) => {
    place.mustBeWritable();
    const takeFrom = async (from: string): Promise<readonly string[] | string> => {
      const { imported, skipped } = await importAccounts(place.directory, from, place.home);
      report.imported.push(...imported);
      report.skipped.push(...skipped);
      return imported.length > 0
        ? imported.map(({ account }) => account.id)
        : (skipped[0]?.reason ?? 'nothing is in it');
    };
    if (directory !== null) await takeFrom(directory);
    for (const { source, file } of wanted) {
      if (source.kind === 'file') {
        bySource.set(source, await takeFrom(resolve(base, expandHome(source.path, context.io.env))));
        continue;
      }
      const env = Object.fromEntries([...source.values].map(([name, value]) => [name, value.reveal()]));
      const [account] = environmentAccounts(env, profiles);
      if (account === undefined) {
        bySource.set(source, 'the variables make no account');
        continue;
      }
      const taken = { path: file, ...(await takeAccount(place.directory, account)), isShared: false };
      report.imported.push(taken);
      bySource.set(source, [taken.account.id]);
    }
  });
  return { report, bySource };
}

/** An entry whose end is known: what was an account or a part of something is one no more. */
function settled(
  entry: Entry,
  entries: readonly Entry[],
  bySource: TakenAccounts['bySource'],
): ImportView['entries'][number] {
  const { result, ...where } = entry;
  if (result.kind === 'account') {
    const taken = bySource.get(result.source) ?? 'nothing is in it';
    return typeof taken === 'string'
      ? { ...where, result: { kind: 'not-carried', reason: taken } }
      : { ...where, result: { kind: 'imported', to: `account ${taken.join(', ')}`, isThere: false } };
  }
  if (result.kind !== 'part') return { ...where, result };
  const owner = entries.find(({ name, result: other }) => name === result.of && other.kind !== 'part');
  const end = owner && settled(owner, [], bySource).result;
  return end === undefined || end.kind === 'not-carried'
    ? { ...where, result: { kind: 'not-carried', reason: `it belongs to ${result.of}, which is not carried` } }
    : { ...where, result: { kind: 'imported', to: `part of ${result.of}`, isThere: false } };
}

function shape({ config, created, changed, entries, accounts, notes }: ImportView) {
  const imported: object[] = [];
  const translated: object[] = [];
  const kept: object[] = [];
  const notCarried: object[] = [];
  for (const { name: variable, file, line, result } of entries) {
    const where = { variable, file, line };
    switch (result.kind) {
      case 'imported':
        imported.push({ ...where, to: result.to, already: result.isThere });
        break;
      case 'translated':
        translated.push({ ...where, to: result.to, change: result.change });
        break;
      case 'kept':
        kept.push({ ...where, at: result.at });
        break;
      case 'not-carried':
        notCarried.push({ ...where, reason: result.reason });
        break;
      default:
        result satisfies never;
    }
  }
  return {
    config,
    created,
    changed,
    imported,
    translated,
    conflicts: kept,
    not_carried: notCarried,
    accounts: {
      imported: accounts.imported.map(({ path, account, action, isShared }) => ({
        id: account.id,
        provider: account.provider,
        path,
        action,
        shared: isShared,
      })),
      skipped: accounts.skipped,
    },
    notes,
  };
}
