import { CliError, ExitCode } from '../shared/cli-error.ts';

const notSupported = (what: string) =>
  new CliError(ExitCode.usage, 'unsupported', `"${what}" is not supported by this version of rotator`);
