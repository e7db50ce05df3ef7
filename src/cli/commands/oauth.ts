import type { Command } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { AccountView } from '../../oauth/refresh/accounts.ts';
import { chooseAccount } from '../account-choice.ts';
import { accountShape } from '../account-json.ts';
import { labelTrouble, writeLabel } from '../account-label.ts';
import type { Context, Start } from '../context.ts';
import { accountsText } from '../ui/accounts-text.ts';
import { plainText } from '../ui/plain-text.ts';
import { untilInterrupted } from '../until-interrupted.ts';
import { defineOAuthExport } from './oauth-export.ts';
import { defineOAuthImport } from './oauth-import.ts';
import { defineOAuthLogin } from './oauth-login.ts';

export function addOAuth(program: Command, start: Start): void {
  const oauth = program
    .command('oauth')
    .description('log in with accounts, and see after them')
    .addHelpText(
      'after',
      `
An ID may be shortened to any unique beginning, or be a label.

Examples:
  $ rotator oauth login codex
  $ rotator oauth list`,
    );
  defineOAuthLogin(oauth, start);
  oauth
    .command('list')
    .description('list every account with its state')
    .addHelpText('after', '\nExamples:\n  $ rotator oauth list\n  $ rotator oauth list --json')
    .action((_: unknown, command: Command) => list(start(command)));
  oauth
    .command('logout')
    .description('forget an account; its file is removed')
    .argument('<id>', 'id, its beginning, or label')
    .addHelpText('after', '\nExample:\n  $ rotator oauth logout codex-1')
    .action((id: string, _: unknown, command: Command) => logout(start(command), id));
  oauth
    .command('label')
    .description('give an account a name for people')
    .argument('<id>', 'id, its beginning, or label')
    .argument('<name>', 'the new label; empty takes it away')
    .addHelpText('after', '\nExample:\n  $ rotator oauth label codex-1 work')
    .action((id: string, name: string, _: unknown, command: Command) => label(start(command), id, name));
  oauth
    .command('refresh')
    .description('renew the token of an account now; of all of them without an id')
    .argument('[id]', 'id, its beginning, or label')
    .addHelpText(
      'after',
      '\nExit code 4 when one needs a new login or is blocked.\n\nExamples:\n  $ rotator oauth refresh\n  $ rotator oauth refresh codex-1 --json',
    )
    .action((id: string | undefined, _: unknown, command: Command) => refresh(start(command), id));
  defineOAuthImport(oauth, start);
  defineOAuthExport(oauth, start);
}

async function list(context: Context): Promise<void> {
  const { output, globals } = context;
  const { withOAuth } = await import('../oauth-place.ts');
  await withOAuth(context, async (place) => {
    const accounts = await place.accounts();
    for (const { path, problem } of accounts.problems()) output.warn(`${path}: ${problem}`);
    await show(context, accounts.list());
    if (accounts.list().length === 0 && !globals.json) output.note('no accounts yet: rotator oauth login PROVIDER');
  });
}

async function show({ output, globals }: Context, accounts: readonly AccountView[]): Promise<void> {
  if (globals.json) return await output.json(accounts.map(accountShape));
  if (accounts.length === 0) return;
  const view = { paint: output.paint, maxColumns: output.maxColumns, now: Date.now() };
  await output.data(accountsText(accounts, view));
}

async function logout(context: Context, written: string): Promise<void> {
  const { output, globals } = context;
  const { withOAuth } = await import('../oauth-place.ts');
  await withOAuth(context, async (place) => {
    const account = ownFile(chooseAccount(written, (await place.accounts()).list()), 'removed');
    place.mustBeWritable();
    // Another process may be about to write the account's new tokens: it finishes first.
    const lock = await place.directory.lock(account.id);
    try {
      await place.directory.remove(account.id);
    } finally {
      await lock?.release();
    }
    if (globals.json) await output.json({ removed: account.id });
    else output.note(`forgot ${account.id}; at the vendor it stays logged in until you end the session there`);
  });
}

async function label(context: Context, written: string, name: string): Promise<void> {
  const { output, globals } = context;
  const { withOAuth } = await import('../oauth-place.ts');
  await withOAuth(context, async (place) => {
    const accounts = await place.accounts();
    const chosen = ownFile(chooseAccount(written, accounts.list()), 'labelled');
    const wanted = name.trim() === '' ? null : plainText(name.trim());
    const trouble = wanted === null ? null : labelTrouble(wanted, chosen.id, accounts.list());
    if (trouble !== null) throw new CliError(ExitCode.failed, 'duplicate', trouble, 'choose another');
    place.mustBeWritable();
    await writeLabel(place.directory, chosen.id, wanted);
    await accounts.rescan();
    if (globals.json) await output.json(accountShape(chooseAccount(chosen.id, accounts.list())));
    else output.note(wanted === null ? `${chosen.id} has no label now` : `${chosen.id} is called ${wanted}`);
  });
}

async function refresh(context: Context, written: string | undefined): Promise<void> {
  const { io, output, globals } = context;
  const { withOAuth } = await import('../oauth-place.ts');
  await withOAuth(context, async (place) => {
    const accounts = await place.accounts();
    const all = accounts.list();
    const wanted = written === undefined ? all : [chooseAccount(written, all)];
    if (wanted.length === 0 && !globals.json) return output.note('no accounts yet: rotator oauth login PROVIDER');
    // A new token that cannot be kept may be the only one that the service still takes.
    if (wanted.some(({ source }) => source === 'file')) place.mustBeWritable();
    const results = await untilInterrupted(io, (signal) =>
      Promise.all(wanted.map(async ({ id }) => ({ id, ...(await accounts.refresh(id, signal)) }))),
    );
    const ids = new Set(wanted.map(({ id }) => id));
    await show(
      context,
      accounts.list().filter(({ id }) => ids.has(id)),
    );
    const ended = results.filter(({ state }) => state.kind === 'needs_login' || state.kind === 'blocked').length;
    if (ended > 0) {
      const message = `${ended} of ${results.length} accounts cannot be renewed`;
      throw new CliError(ExitCode.rejected, 'account_ended', message, 'the list says what each of them needs');
    }
    const failed = results.filter(({ failure }) => failure !== null);
    if (failed.length > 0) {
      const message = failed.map(({ id, failure }) => `${id} could not be renewed now: ${failure}`).join('; ');
      throw new CliError(ExitCode.failed, 'refresh_failed', message, 'try again later');
    }
  });
}

/** An account of the environment is changed where it stands. */
function ownFile(account: AccountView, what: string): AccountView {
  if (account.source === 'file') return account;
  const message = `${account.id} comes from the environment and cannot be ${what} here`;
  throw new CliError(ExitCode.usage, 'from_environment', message, 'change the variables it is made of');
}
