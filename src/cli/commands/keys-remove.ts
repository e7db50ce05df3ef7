import type { Command } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Context, Start } from '../context.ts';
import { chooseKey } from '../key-choice.ts';
import { placeOf, readConfig } from '../place.ts';

export function defineKeysRemove(keys: Command, start: Start): void {
  keys
    .command('remove')
    .description('take a key out of the config file')
    .argument('<id>', 'id, its beginning, or label')
    .addHelpText('after', '\nExample:\n  $ rotator keys remove groq-77aa')
    .action((id: string, _: unknown, command: Command) => remove(start(command), id));
}

async function remove(context: Context, written: string): Promise<void> {
  const { io, globals, output } = context;
  const [{ credentialsOf }, { removeKey }] = await Promise.all([
    import('../../config/credentials.ts'),
    import('../../config/edit.ts'),
  ]);
  const loaded = (await readConfig(context))();
  const { providers } = credentialsOf(loaded.config, io.env, []);
  const { AccountDirectory } = await import('../../oauth/accounts/account-directory.ts');
  const { stateDir } = await placeOf(context, loaded);
  if ((await new AccountDirectory(stateDir).scan()).accounts.some(({ id }) => id === written))
    throw new CliError(
      ExitCode.usage,
      'is_account',
      `${written} is an account, not a key of the config`,
      `rotator oauth logout ${written}`,
    );
  const key = chooseKey(
    written,
    [...providers.values()].flatMap((provider) => provider.keys),
  );
  if (key.source === 'env' || loaded.path === null)
    throw new CliError(
      ExitCode.usage,
      'key_from_environment',
      `${key.id} comes from the environment variable ${key.sourceName ?? 'of its provider'} and cannot be removed here`,
      `unset the variable, or: rotator keys disable ${key.id}`,
    );
  const { backup } = await removeKey(loaded.path, key.id, io.env);
  if (globals.json) return await output.json({ id: key.id, path: loaded.path });
  output.note(`changed ${loaded.path}: removed ${key.id}`);
  if (backup !== null) output.note(`the file was written in place; what it held before is in ${backup}`);
}
