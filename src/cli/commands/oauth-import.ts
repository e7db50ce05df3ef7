import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { ImportReport } from '../../oauth/accounts/import-accounts.ts';
import type { Context, Start } from '../context.ts';
import { plainText } from '../ui/plain-text.ts';

export function defineOAuthImport(oauth: Command, start: Start): void {
  oauth
    .command('import')
    .description('take over accounts that other tools are logged in with')
    .argument('[path]', 'a file or a directory (default: where the vendors’ tools and CLIProxyAPI keep theirs)')
    .addHelpText(
      'after',
      `
Reads the files of gemini-cli, qwen, iflow and codex, of CLIProxyAPI, of LLM-API-Key-Proxy (oauth_creds/), what
rotator oauth export writes, and .env files with accounts in them.

Examples:
  $ rotator oauth import
  $ rotator oauth import ~/LLM-API-Key-Proxy/oauth_creds`,
    )
    .action((path: string | undefined, _: unknown, command: Command) => importFrom(start(command), path));
}

async function importFrom(context: Context, written: string | undefined): Promise<void> {
  const { io, output, globals } = context;
  const [{ withOAuth }, { importAccounts }, { expandHome }] = await Promise.all([
    import('../oauth-place.ts'),
    import('../../oauth/accounts/import-accounts.ts'),
    import('../../config/places.ts'),
  ]);
  await withOAuth(context, async (place) => {
    place.mustBeWritable();
    const from = written === undefined ? null : resolve(io.cwd, expandHome(written, io.env));
    const report = await importAccounts(place.directory, from, place.home);
    if (globals.json) await output.json(reportShape(report));
    else tellReport(context, report);
    if (report.imported.length > 0) return;
    if (written !== undefined) {
      const reason = report.skipped[0]?.reason ?? 'nothing is in it';
      throw new CliError(ExitCode.failed, 'nothing_imported', `no account was taken from ${written}: ${reason}`);
    }
    if (!globals.json) output.note('no other tool on this machine has an account that is known here');
  });
}

const reportShape = ({ imported, skipped }: ImportReport) => ({
  imported: imported.map(({ path, account, action, isShared }) => ({
    id: account.id,
    provider: account.provider,
    path,
    action,
    shared: isShared,
  })),
  skipped,
});

function tellReport({ output }: Context, { imported, skipped }: ImportReport): void {
  for (const { account, path, action } of imported) output.note(`${action} ${account.id} from ${plainText(path)}`);
  for (const { path, reason } of skipped) output.warn(`${path}: ${reason}`);
  for (const { account, path } of imported.filter(({ isShared }) => isShared)) {
    output.warn(
      `${account.id} and the tool that keeps ${path} now have the same refresh token, and it works once: one of them will need a new login. rotator oauth login ${account.provider} gives rotator one of its own`,
    );
  }
}
