import { type Command, Option } from 'commander';
import { CliError, ExitCode } from '../shared/cli-error.ts';

const notSupported = (what: string) =>
  new CliError(ExitCode.usage, 'unsupported', `"${what}" is not supported by this version of rotator`);

export function reserveOption(command: Command, flags: string): void {
  command.addOption(
    new Option(flags).hideHelp().argParser(() => {
      throw notSupported(flags.split(' ')[0] ?? flags);
    }),
  );
}
