import { CommanderError } from 'commander';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { reasonOf } from '../shared/reason-of.ts';
import { Interrupted } from './interrupted.ts';
import type { Output } from './output.ts';
import { plainLines } from './ui/plain-text.ts';

/** How a command ended that did not simply succeed. */
export type Ending =
  /** Help or version was shown, or the person left: nothing to say. */
  | { readonly state: 'silent'; readonly exitCode: number }
  | {
      readonly state: 'failed';
      readonly exitCode: number;
      readonly code: string;
      readonly message: string;
      readonly hint: string | null;
      readonly stack: string | null;
    };

/** What a usage error can point to. */
export type UsageHelp = {
  readonly isJson: boolean;
  /** The command that prints the page: `rotator keys --help`. */
  readonly helpPage: string;
};

/** Reads whatever was thrown. */
export function endingOf(thrown: unknown, usage: UsageHelp): Ending {
  if (thrown instanceof Interrupted) return { state: 'silent', exitCode: thrown.exitCode };
  if (thrown instanceof CommanderError) return ofCommander(thrown, usage);
  if (thrown instanceof CliError)
    return {
      state: 'failed',
      exitCode: thrown.exitCode,
      code: thrown.code,
      message: thrown.message,
      hint: thrown.hint ?? null,
      stack: stackOf(thrown),
    };
  return {
    state: 'failed',
    exitCode: ExitCode.failed,
    code: 'internal',
    message: reasonOf(thrown),
    hint: null,
    stack: thrown instanceof Error ? stackOf(thrown) : null,
  };
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

function ofCommander(error: CommanderError, { isJson, helpPage }: UsageHelp): Ending {
  // A group without its command (`rotator keys`) shows its page, but a page is no machine output.
  const isBare = error.code === 'commander.help' && error.exitCode !== 0;
  if ((isBare && !isJson) || error.exitCode === 0) return { state: 'silent', exitCode: ExitCode.ok };
  const [first = '', ...rest] = isBare ? ['no command was given'] : error.message.split('\n');
  const likely = /^\(Did you mean (one of )?(.*)\?\)$/.exec(rest.join(' '))?.[2];
  return {
    state: 'failed',
    exitCode: ExitCode.usage,
    code: 'usage',
    message: first.replace(/^error: /, '').replaceAll("'", '"'),
    hint: likely === undefined ? `see ${helpPage}` : `did you mean "${likely}"?`,
    stack: null,
  };
}

/** The one place where a failure is told: `error: …` and `hint: …`, or one JSON object with `--json`. */
export function tell(ending: Ending, output: Output, options: { readonly isJson: boolean; readonly isDebug: boolean }) {
  if (ending.state === 'silent') return;
  if (options.isJson) {
    const { code, message, hint } = ending;
    output.error(`${JSON.stringify({ error: { code, message, hint } })}\n`);
  } else {
    output.error(`${output.paintMessage.red('error:')} ${plainLines(ending.message)}\n`);
    if (ending.hint !== null) output.error(`${output.paintMessage.cyan('hint:')} ${plainLines(ending.hint)}\n`);
  }
  if (options.isDebug && ending.stack !== null) output.error(`${ending.stack}\n`);
}
