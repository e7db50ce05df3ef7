import { CliError, ExitCode } from '../shared/cli-error.ts';

/**
 * Why the database cannot be used:
 * `unwritable`: the directory or file cannot be written, or the disk is full; the caller may go on in memory.
 * `newer`: a later version of this program has written it; nothing is touched.
 * `busy`: another process held it for too long.
 * `damaged`: it broke while it was open; the next start sets it aside.
 */
export type StoreProblem = 'unwritable' | 'newer' | 'busy' | 'damaged';

export class StoreError extends CliError {
  readonly problem: StoreProblem;

  constructor(problem: StoreProblem, message: string, cause?: unknown) {
    super(ExitCode.failed, `state_${problem}`, message, undefined, cause);
    this.name = 'StoreError';
    this.problem = problem;
  }
}
