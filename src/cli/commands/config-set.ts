import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { FieldEdit } from '../../config/set-field.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Context, Start } from '../context.ts';
import { differenceText } from '../ui/difference-text.ts';

type Options = { readonly dryRun?: true };

export function defineConfigSet(config: Command, start: Start): void {
  config
    .command('set')
    .description('give a field of the config file a value, after showing what changes')
    .argument('<path>', 'the field: server.port, providers.groq.keys[0].label, \'aliases."gpt-4.1"\'')
    .argument('<value>', "its value; a list is written '[a, b]', a mapping '{ name: value }'")
    .option('--dry-run', 'only show what would change')
    .addHelpText(
      'after',
      `
Comments, order and formatting of everything else stay. A value that the field does not take is refused and nothing is
written. A running server applies the change by itself; server.host, server.port and storage need a restart.

Examples:
  $ rotator config set server.port 9000
  $ rotator config set rotation.timezone Europe/Berlin --dry-run
  $ rotator config set aliases.fast '{ targets: [groq/llama-3.3-70b-versatile, gemini/gemini-2.5-flash] }'
  $ rotator config set 'providers.groq.keys[0].priority' 1`,
    )
    .action((path: string, value: string, options: Options, command: Command) =>
      change(start(command), path, value, options),
    );
  config
    .command('unset')
    .description('take a field out of the config file, so that its default holds again')
    .argument('<path>', 'the field')
    .option('--dry-run', 'only show what would change')
    .addHelpText('after', '\nExamples:\n  $ rotator config unset server.port\n  $ rotator config unset aliases.fast')
    .action((path: string, options: Options, command: Command) => change(start(command), path, null, options));
}

async function change(context: Context, written: string, value: string | null, options: Options): Promise<void> {
  const { io, output, globals } = context;
  const [{ parsePath, writePath }, { editField, needsRestart, previewEdit }] = await Promise.all([
    import('../../config/field-path.ts'),
    import('../../config/set-field.ts'),
  ]);
  const file = await editedFile(context);
  const edit: FieldEdit = { path: parsePath(written), value };
  const old = existsSync(file) ? readFileSync(file, 'utf8') : null;
  const { difference } = previewEdit(file, old, edit, io.env);
  const field = writePath(edit.path);
  const isWritten = difference.length > 0 && !options.dryRun;
  if (!globals.quiet && difference.length > 0 && !globals.json)
    output.note(`${differenceText(difference, output.paintMessage)}`);
  const { backup } = isWritten ? await editField(file, edit, io.env) : { backup: null };
  if (globals.json) return await output.json({ path: file, field, changed: isWritten, difference, backup });
  if (difference.length === 0) return output.note(`${field} is so already: nothing to change in ${file}`);
  if (!isWritten) return output.note(`nothing was written; without --dry-run this changes ${file}`);
  output.note(`${old === null ? 'created' : 'changed'} ${file}`);
  if (backup !== null) output.note(`the file was written in place; what it held before is in ${backup}`);
  if (needsRestart(edit.path)) output.note(`${field} takes effect when the server is started again`);
}

/** The file in effect, else where a new one would be. */
export async function editedFile({ io, globals }: Context): Promise<string> {
  const { configPath, newConfigPath } = await import('../../config/places.ts');
  const around = { path: globals.config, env: io.env, cwd: io.cwd };
  const found = configPath(around)?.path;
  const file = found !== undefined && existsSync(found) ? found : newConfigPath(around);
  if (existsSync(file) && readFileSync(file, 'utf8').trim() === '')
    throw new CliError(ExitCode.usage, 'config', `${file} is empty`, 'remove it, or rotator config init elsewhere');
  return file;
}
