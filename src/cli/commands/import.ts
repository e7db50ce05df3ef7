import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Context, Start } from '../context.ts';
import { settled, takeAccounts } from '../taken-accounts.ts';
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
  const accounts = await takeAccounts(existsSync(target) ? context : withoutConfig(context), entries, sources);
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
  if (accounts.failure) throw accounts.failure;
  const isUseless = view.entries.every(({ result }) => result.kind === 'not-carried') && !view.accounts.imported.length;
  if (isUseless)
    throw new CliError(
      ExitCode.failed,
      'nothing_imported',
      `nothing in ${plainText(written)} has a place in rotator.yaml`,
    );
}

/** A file that was named and had to hold nothing was not made; the accounts go where they go without one. */
function withoutConfig({ io, globals, output }: Context): Context {
  const { config: _file, ...others } = globals;
  const { ROTATOR_CONFIG: _named, ...env } = io.env;
  return { io: { ...io, env }, globals: others, output };
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
