import { Command } from 'commander';
import { addChat } from './commands/chat.ts';
import { addClients } from './commands/clients.ts';
import { addCompletion } from './commands/completion.ts';
import { addConfig } from './commands/config.ts';
import { addHome, HOME } from './commands/home.ts';
import { addImport } from './commands/import.ts';
import { addKeys } from './commands/keys.ts';
import { addLogs } from './commands/logs.ts';
import { addModels } from './commands/models.ts';
import { addOAuth } from './commands/oauth.ts';
import { addServe } from './commands/serve.ts';
import { addSetup } from './commands/setup.ts';
import { addStatus } from './commands/status.ts';
import { addTestRoute } from './commands/test-route.ts';
import { addUsage } from './commands/usage.ts';
import type { Context, Start } from './context.ts';
import { endingOf, tell } from './failure.ts';
import type { Execute } from './home/desk.ts';
import type { Io } from './io.ts';
import { Output } from './output.ts';
import { helpText } from './ui/help-text.ts';
import { ExitCode } from '../shared/cli-error.ts';
import { version } from '../version.ts';

/**
 * The whole command tree. The command files hold options and output; the rooms behind them (config, app, server) are
 * loaded by the one command that runs, so that a help page costs no more than its own text.
 */
export function buildProgram(start: Start, execute: Execute = runsNothing): Command {
  const program = new Command('rotator')
    .description('One endpoint for every LLM provider, with many keys and accounts behind it working as one.')
    .version(version, '-V, --version', 'print the version')
    .option('--config <file>', 'use this rotator.yaml')
    .option('--state <dir>', 'keep state in this directory')
    .option('--json', 'machine-readable output on stdout, errors as JSON on stderr')
    .option('--quiet', 'no progress and confirmations on stderr')
    .option('--no-color', 'no colours (NO_COLOR does the same)')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `
Examples:
  $ rotator serve --demo
  $ rotator keys add groq
  $ echo "explain this" | rotator chat -m groq/llama-3.3-70b-versatile`,
    );
  addServe(program, start);
  addChat(program, start);
  addKeys(program, start);
  addOAuth(program, start);
  addModels(program, start);
  addTestRoute(program, start);
  addStatus(program, start);
  addUsage(program, start);
  addLogs(program, start);
  addClients(program, start);
  addConfig(program, start);
  addImport(program, start);
  addSetup(program, start);
  addCompletion(program, start);
  addHome(program, start, execute);
  return program;
}

/** A tree that is only looked at. */
const runsNothing: Execute = () => Promise.reject(new Error('this program is only described'));

/**
 * Runs one command line. Resolves with the exit code and never rejects; nothing here ends the process.
 * `argv`: what the person typed after the program's name.
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  // A usage error comes before the options are read, and its form depends on them.
  const isAsked = (flag: string) => flagsOf(argv).includes(flag);
  const isJson = isAsked('--json');
  const output = new Output(io, { isQuiet: isAsked('--quiet'), isColourOff: isAsked('--no-color') });
  const program = buildProgram(
    (command) => ({ io, output, globals: globalsOf(command) }),
    (words) => run(words, io),
  );
  let help = '';
  everyCommand(program, (command) => {
    command.exitOverride().configureOutput({
      writeOut: (text) => {
        help += text;
      },
      // A group without its command (`rotator keys`) shows its page like any other help.
      writeErr: (text) => {
        help += text;
      },
      outputError: () => {},
      getOutHelpWidth: () => output.maxColumns ?? 100,
      getErrHelpWidth: () => output.maxColumns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  });
  try {
    const words = opensMenu(program, argv, io) ? [...argv, HOME] : asksHelpOf(program, argv);
    await program.parseAsync(words, { from: 'user' });
    if (output.failure) throw output.failure;
    return ExitCode.ok;
  } catch (thrown) {
    // The reader has what it wanted (`| head`): whatever failed since is its doing.
    if (output.closed.aborted) return ExitCode.ok;
    const usage = { isJson, helpPage: `${commandOf(program, argv)} --help` };
    let ending = endingOf(thrown, usage);
    if (ending.state === 'silent') await output.data(helpText(help, output.maxColumns));
    if (ending.state === 'silent' && output.failure) ending = endingOf(output.failure, usage);
    tell(ending, output, { isJson, isDebug: io.env.ROTATOR_DEBUG === '1' });
    return ending.exitCode;
  } finally {
    output.release();
  }
}

/** Nothing but global options was typed, by somebody who can answer questions. */
function opensMenu(program: Command, argv: readonly string[], { isTerminal }: Io): boolean {
  if (!isTerminal.stdin || !isTerminal.stdout || !isTerminal.stderr) return false;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    const option = program.options.find(({ long, short }) => long === word.split('=')[0] || short === word);
    // A menu is neither help nor a version nor anything for machines; what is unknown is told as everywhere.
    if (!option || ['--version', '--json'].includes(option.long ?? '')) return false;
    if (option.required && !word.includes('=')) i++;
  }
  return true;
}

/** `help keys add`, of which the parser would read `help keys`; and `help nope`, to which it would show the first page. */
function asksHelpOf(program: Command, argv: readonly string[]): readonly string[] {
  const [first, ...words] = argv;
  if (first !== 'help') return argv;
  const path: string[] = [];
  let at = program;
  for (const word of words) {
    if (word.startsWith('-') || at.commands.length === 0) break;
    path.push(word);
    const child = at.commands.find((command) => command.name() === word);
    // Left to the parser, which names what is near: a group itself does nothing.
    if (!child) return path;
    at = child;
  }
  return path.length === 0 ? argv : [...path, ...words.filter((word) => word.startsWith('-')), '--help'];
}

/** What stands before `--` and looks like an option. */
function flagsOf(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).filter((word) => word.startsWith('-'));
}

/** The command that was meant, as far as its words are known: `rotator keys add`. */
function commandOf(program: Command, argv: readonly string[]): string {
  const path = [program.name()];
  let at = program;
  for (const word of argv) {
    const child = at.commands.find((command) => command.name() === word);
    if (!child) continue;
    path.push(word);
    at = child;
  }
  return path.join(' ');
}

function globalsOf(command: Command): Context['globals'] {
  const { config, state, json, quiet } = command.optsWithGlobals<Partial<Context['globals']>>();
  return {
    ...(config === undefined ? {} : { config }),
    ...(state === undefined ? {} : { state }),
    json: json === true,
    quiet: quiet === true,
  };
}

function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) everyCommand(child, visit);
}
