/** What a command can fail with; the numbers are the process exit codes of the command line. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  noCredential: 3,
  rejected: 4,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A failure meant for a person: one line of what happened to which name, and what to do about it. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  /** Stable, machine readable: printed as `error.code` by `--json`. */
  readonly code: string;
  readonly hint: string | undefined;

  constructor(exitCode: ExitCode, code: string, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.code = code;
    this.hint = hint;
  }
}
