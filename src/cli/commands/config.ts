import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Context, Start } from '../context.ts';
import { readConfig } from '../place.ts';
import { defineConfigSet } from './config-set.ts';

export function addConfig(program: Command, start: Start): void {
  const config = program
    .command('config')
    .description('check, show, create and change the config file')
    .addHelpText('after', '\nExamples:\n  $ rotator config check\n  $ $EDITOR "$(rotator config path)"');
  config
    .command('check')
    .description('read the config and list everything that is wrong with it')
    .addHelpText(
      'after',
      '\nExit code 2 when there is a problem.\n\nExample:\n  $ rotator config check --config ./rotator.yaml',
    )
    .action((_: unknown, command: Command) => check(start(command)));
  config
    .command('show')
    .description('print the config in effect, defaults included, secrets masked')
    .addHelpText('after', '\nExamples:\n  $ rotator config show\n  $ rotator config show --json')
    .action((_: unknown, command: Command) => show(start(command)));
  config
    .command('path')
    .description('print where the config file is, or would be created')
    .addHelpText('after', '\nExample:\n  $ $EDITOR "$(rotator config path)"')
    .action((_: unknown, command: Command) => path(start(command)));
  config
    .command('schema')
    .description('print the JSON Schema of the config file')
    .addHelpText('after', '\nExample:\n  $ rotator config schema > rotator.schema.json')
    .action((_: unknown, command: Command) => schema(start(command)));
  config
    .command('init')
    .description('create a commented config file')
    .addHelpText('after', '\nExamples:\n  $ rotator config init\n  $ rotator config init --config ./rotator.yaml')
    .action((_: unknown, command: Command) => init(start(command)));
  defineConfigSet(config, start);
}

async function check(context: Context): Promise<void> {
  const { output, globals } = context;
  const { config, path, warnings } = (await readConfig(context))();
  for (const warning of warnings) output.warn(warning);
  const { credentialsOf } = await import('../../config/credentials.ts');
  for (const note of credentialsOf(config, context.io.env, []).notes) output.note(`note: ${note}`);
  if (globals.json) return await output.json({ ok: true, path, warnings });
  output.note(path === null ? 'there is no config file: the built-in defaults are used' : `${path} is valid`);
}

async function show(context: Context): Promise<void> {
  const { output, globals } = context;
  const { config } = (await readConfig(context))();
  const { effectiveConfig, showConfig } = await import('../../config/show.ts');
  if (globals.json) await output.json(effectiveConfig(config));
  else await output.data(showConfig(config));
}

async function path({ io, globals, output }: Context): Promise<void> {
  const { configPath, newConfigPath } = await import('../../config/places.ts');
  const around = { path: globals.config, env: io.env, cwd: io.cwd };
  const path = configPath(around)?.path ?? newConfigPath(around);
  const exists = existsSync(path);
  if (globals.json) return await output.json({ path, exists });
  await output.data(`${path}\n`);
  if (!exists) output.note('this file does not exist yet: rotator config init creates it');
}

async function schema({ output }: Context): Promise<void> {
  const { configJsonSchema } = await import('../../config/schema.ts');
  await output.json(configJsonSchema());
}

async function init({ io, globals, output }: Context): Promise<void> {
  const [{ newConfigPath }, { createConfig }] = await Promise.all([
    import('../../config/places.ts'),
    import('../../config/edit.ts'),
  ]);
  const path = newConfigPath({ path: globals.config, env: io.env, cwd: io.cwd });
  if (!(await createConfig(path)))
    throw new CliError(ExitCode.failed, 'config_exists', `${path} exists already`, 'rotator config check reads it');
  if (globals.json) await output.json({ path });
  else await output.data(`${path}\n`);
}
