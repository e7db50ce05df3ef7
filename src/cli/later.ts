import { type Command, Option } from 'commander';
import { CliError, ExitCode } from '../shared/cli-error.ts';

export const notSupported = (what: string) =>
  new CliError(ExitCode.usage, 'unsupported', `"${what}" is not supported by this version of rotator`);

/** A name that is reserved is refused by name, so that nobody takes it for a typing mistake. */
export function reserveCommand(parent: Command, name: string, shown: string): void {
  parent
    .command(name, { hidden: true })
    .argument('[args...]')
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(() => {
      throw notSupported(shown);
    });
}

export function reserveOption(command: Command, flags: string): void {
  command.addOption(
    new Option(flags).hideHelp().argParser(() => {
      throw notSupported(flags.split(' ')[0] ?? flags);
    }),
  );
}
