/** The accounts of an imported `.env`, and how their variables ended. */
import { resolve } from 'node:path';
import type { AccountSource, Entry, ReadSources } from '../config/env-import/import-env.ts';
import type { ImportReport } from '../oauth/accounts/import-accounts.ts';
import { CliError } from '../shared/cli-error.ts';
import type { Context } from './context.ts';
import type { ImportView } from './ui/import-text.ts';

export type TakenAccounts = {
  /** What kept accounts from being taken at all. The config is written by then, so the report goes first. */
  readonly failure: CliError | null;
  readonly report: ImportReport;
  /** The ids that came of it, or why none did. */
  readonly bySource: ReadonlyMap<AccountSource, readonly string[] | string>;
};

/** Takes over what `oauth_creds/` holds and what variables name. Throws nothing that has a message for people. */
export async function takeAccounts(
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
  if (wanted.length === 0 && directory === null) return { failure: null, report, bySource };
  const [{ withOAuth }, { importAccounts, takeAccount }, { environmentAccounts }, { profiles }, { expandHome }] =
    await Promise.all([
      import('./oauth-place.ts'),
      import('../oauth/accounts/import-accounts.ts'),
      import('../oauth/accounts/environment-accounts.ts'),
      import('../oauth/profiles/index.ts'),
      import('../config/places.ts'),
    ]);
  const taking = withOAuth(context, async (place) => {
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
  const failure = await taking.then(
    () => null,
    (error: unknown) => {
      if (error instanceof CliError) return error;
      throw error;
    },
  );
  return { failure, report, bySource };
}

/** An entry whose end is known: what was an account or a part of something is one no more. */
export function settled(
  entry: Entry,
  entries: readonly Entry[],
  bySource: TakenAccounts['bySource'],
): ImportView['entries'][number] {
  const { result, ...where } = entry;
  if (result.kind === 'account') {
    const taken = bySource.get(result.source) ?? 'its account could not be written';
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
