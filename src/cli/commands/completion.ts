import { Argument, type Command } from 'commander';
import type { Start } from '../context.ts';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;

export function addCompletion(program: Command, start: Start): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  $ echo 'source <(rotator completion bash)' >> ~/.bashrc
  $ rotator completion fish > ~/.config/fish/completions/rotator.fish`,
    )
    .action((shell: string, _: unknown, command: Command) =>
      complete(start(command).output, program, ['script', shell]),
    );
  // What the scripts call on every press of the tab key.
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action((words: string[], _: unknown, command: Command) =>
      complete(start(command).output, program, ['words', ...words]),
    );
}

async function complete(
  output: { data(text: string): Promise<void> },
  program: Command,
  [what, ...words]: readonly string[],
): Promise<void> {
  const [{ completionOf }, { providers }] = await Promise.all([
    import('../shell-completion.ts'),
    import('../../providers/index.ts'),
  ]);
  const completion = completionOf(
    program,
    providers.map((provider) => provider.id),
  );
  await output.data(what === 'script' ? completion.script(words[0] ?? '') : completion.suggest(words));
}
