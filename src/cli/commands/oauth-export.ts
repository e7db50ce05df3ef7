import { type Command, Option } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Account } from '../../oauth/accounts/account.ts';
import { chooseAccount } from '../account-choice.ts';
import type { Context, Start } from '../context.ts';

type Options = { readonly all?: true; readonly provider?: string; readonly format: string };

export function defineOAuthExport(oauth: Command, start: Start): void {
  oauth
    .command('export')
    .description('print accounts, secrets included, for another machine')
    .argument('[id]', 'id, its beginning, or label')
    .addOption(new Option('--all', 'every account').conflicts('provider'))
    .option('--provider <name>', 'every account of one provider')
    .addOption(new Option('--format <format>', 'variables, or files as JSON').choices(['env', 'json']).default('env'))
    .addHelpText(
      'after',
      `
A rotator that finds the variables in its environment uses the accounts without writing anything. Where refresh tokens
are good for one use, an account can live in one place only: log it out here then.

Examples:
  $ rotator oauth export codex-1 > codex.env
  $ rotator oauth export --all --format json`,
    )
    .action((id: string | undefined, options: Options, command: Command) =>
      exportAccounts(start(command), id, options),
    );
}

async function exportAccounts(context: Context, written: string | undefined, options: Options): Promise<void> {
  const { output } = context;
  const [{ withOAuth, chooseProfile }, { environmentLines }, { accountJson }, { findProfile }] = await Promise.all([
    import('../oauth-place.ts'),
    import('../../oauth/accounts/environment-accounts.ts'),
    import('../../oauth/accounts/account-json.ts'),
    import('../../oauth/profiles/index.ts'),
  ]);
  if (written !== undefined && (options.all || options.provider !== undefined)) {
    throw new CliError(ExitCode.usage, 'usage', 'an id goes with neither --all nor --provider');
  }
  if (written === undefined && !options.all && options.provider === undefined) {
    const hint = 'rotator oauth export ID, or --all, or --provider NAME';
    throw new CliError(ExitCode.usage, 'usage', 'no account was named', hint);
  }
  await withOAuth(context, async (place) => {
    const { accounts } = await place.directory.scan();
    const provider = options.provider === undefined ? null : chooseProfile(options.provider).id;
    const chosen: readonly Account[] =
      written === undefined
        ? accounts.filter((account) => provider === null || account.provider === provider)
        : [chooseAccount(written, accounts)];
    if (chosen.length === 0) throw new CliError(ExitCode.failed, 'no_accounts', 'there is no such account to export');
    // `--json` asks for machine output, which the variables are not.
    if (options.format === 'json' || context.globals.json) {
      const [only] = chosen;
      return await output.json(written !== undefined && only ? accountJson(only) : chosen.map(accountJson));
    }
    const counts = new Map<string, number>();
    for (const account of chosen) {
      const profile = findProfile(account.provider);
      if (!profile) continue;
      const n = (counts.get(profile.id) ?? 0) + 1;
      counts.set(profile.id, n);
      await output.data(`# ${account.id}\n${environmentLines(account, profile, n).join('\n')}\n`);
    }
  });
}
