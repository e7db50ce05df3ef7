import { RootCommand } from '@bomb.sh/tab';
import type { Argument, Command, Option } from 'commander';

export type ShellCompletion = {
  /** The script that a shell sources. */
  script(shell: string): string;
  /** Candidates for the last of the typed words, one `word<TAB>description` a line, and the directive line the scripts expect. */
  suggest(words: readonly string[]): string;
};

/** Completion of a command tree: commands, options, values that have a fixed set, and ids of `providers`. */
export function completionOf(program: Command, providers: readonly string[]): ShellCompletion {
  const root = new RootCommand();
  const valuesOf = (name: string, choices: readonly string[] | undefined) =>
    choices ?? (name === 'provider' ? providers : []);
  describe(root, program, [], valuesOf);
  walk(program, '', (path, command) => {
    describe(root.command(path, command.description()), command, program.options, valuesOf);
  });
  return {
    script: (shell) => {
      const text = printed(() => root.setup(program.name(), program.name(), shell));
      return shell === 'bash' ? withoutBashCompletion(text) : text;
    },
    suggest: (words) => printed(() => root.parse([...words])),
  };
}

function walk(command: Command, path: string, visit: (path: string, command: Command) => void): void {
  for (const child of command.createHelp().visibleCommands(command)) {
    if (child.name() === 'help') continue;
    const childPath = path === '' ? child.name() : `${path} ${child.name()}`;
    visit(childPath, child);
    walk(child, childPath, visit);
  }
}

type Described = ReturnType<RootCommand['command']>;

type ValuesOf = (name: string, choices: readonly string[] | undefined) => readonly string[];

function describe(to: Described, command: Command, globals: readonly Option[], valuesOf: ValuesOf): void {
  for (const option of [...command.createHelp().visibleOptions(command), ...globals]) {
    const name = option.long?.slice(2);
    if (name === undefined || to.options.has(name)) continue;
    const alias = option.short?.slice(1);
    const hasValue = option.required || option.optional;
    if (hasValue) to.option(name, option.description, offer(valuesOf(name, option.argChoices)), alias);
    else to.option(name, option.description, alias);
  }
  for (const argument of command.registeredArguments)
    to.argument(argument.name(), offer(valuesOf(argument.name(), choicesOf(argument))), argument.variadic);
}

const choicesOf = (argument: Argument) => argument.argChoices;

function offer(values: readonly string[]) {
  return (complete: (value: string, description: string) => void) => {
    for (const value of values) complete(value, '');
  };
}

// The library's script calls a function of the bash-completion package, which a fresh machine does not have, and makes
// its constants read-only, so that a second `source` of ~/.bashrc complains about every one.
function withoutBashCompletion(script: string): string {
  const text = script
    .replaceAll(/^readonly /gm, '')
    .replace('_get_comp_words_by_ref -n "=:" cur prev words cword', '__rotator_words');
  return text + BASH_WORDS;
}

/** Sets `cur`, `prev`, `words` and `cword` of its caller: bash breaks words at `=` and `:` too, which belong to them here. */
const BASH_WORDS = `
__rotator_words() {
    local line=$COMP_LINE before i
    words=() cword=0
    for ((i = 0; i <= COMP_CWORD; i++)); do
        before=$line
        line=\${line#*"\${COMP_WORDS[i]}"}
        if ((i > 0)) && [[ $before != [[:blank:]]* && ( \${COMP_WORDS[i]} == [=:]* || \${COMP_WORDS[i - 1]} == *[=:] ) ]]; then
            words[cword]+=\${COMP_WORDS[i]}
        else
            ((i == 0)) || ((cword++))
            words[cword]=\${COMP_WORDS[i]}
        fi
    done
    cur=\${words[cword]}
    prev=
    ((cword == 0)) || prev=\${words[cword - 1]}
}
`;

/** The library prints with console.log; here it is text like any other, written by the one who owns stdout. */
function printed(run: () => void): string {
  const lines: string[] = [];
  const log = console.log;
  console.log = (line: string) => void lines.push(line);
  try {
    run();
  } finally {
    console.log = log;
  }
  return `${lines.join('\n')}\n`;
}
