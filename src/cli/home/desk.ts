import type { Context } from '../context.ts';
import { Interrupted } from '../interrupted.ts';
import type { Choice, Prompts } from '../ui/prompts.ts';

/** Runs a command line of this program in this process; resolves with its exit code. */
export type Execute = (argv: readonly string[]) => Promise<number>;

/** What the menus work with. Whatever they change, they change by a command that could have been typed. */
export type Desk = {
  readonly context: Context;
  readonly ask: Prompts;
  /** Shows the command and runs it. `quietly`: flags that only spare the person what they have seen already. */
  readonly act: (argv: readonly string[], quietly?: readonly string[]) => Promise<number>;
  /** The same in a process of its own: a server is to have the limits of one. */
  readonly actAnew: (argv: readonly string[]) => Promise<number>;
};

export function createDesk(context: Context, ask: Prompts, execute: Execute): Desk {
  const { io, output, globals } = context;
  const own = [
    ...(globals.config === undefined ? [] : ['--config', globals.config]),
    ...(globals.state === undefined ? [] : ['--state', globals.state]),
  ];
  const hidden = output.paintMessage.level === 0 ? ['--no-color'] : [];
  const tell = (argv: readonly string[]) =>
    output.note(output.paintMessage.dim(`\n$ ${['rotator', ...argv, ...own].map(shellWord).join(' ')}`));
  return {
    context,
    ask,
    act: async (argv, quietly = []) => {
      tell(argv);
      const code = await execute([...argv, ...own, ...hidden, ...quietly]);
      // Ctrl-C in a command is for that command; what ends the program from elsewhere ends the menu with it.
      if (code === ENDED) throw new Interrupted(ENDED);
      return code;
    },
    actAnew: async (argv) => {
      tell(argv);
      const ended = new AbortController();
      const signals = [
        // Ctrl-C is for the one that runs: it ends, and the menu is there again.
        io.onSignal('SIGINT', () => {}),
        io.onSignal('SIGTERM', () => ended.abort()),
      ];
      try {
        const code = await io.runAnew([...argv, ...own, ...hidden], ended.signal);
        if (ended.signal.aborted) throw new Interrupted(ENDED);
        return code;
      } finally {
        for (const stop of signals) stop();
      }
    },
  };
}

/** What a program says of itself when SIGTERM has ended it. */
const ENDED = 143;

const shellWord = (word: string) => (/^[\w./:@%+=,~-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** A menu that is left with Ctrl-C or Esc: null, and nothing has happened. */
export async function orBack<Answer>(question: Promise<Answer>): Promise<Answer | null> {
  try {
    return await question;
  } catch (thrown) {
    if (thrown instanceof Interrupted && thrown.exitCode !== ENDED) return null;
    throw thrown;
  }
}

export type MenuEntry = Choice & { readonly run: () => Promise<unknown> };

/** Shows a menu again and again until it is left. `entries` is made anew each time: what was done changes what there is. */
export async function menu(
  { ask }: Desk,
  title: string,
  entries: () => readonly MenuEntry[] | Promise<readonly MenuEntry[]>,
  leave = 'Back',
): Promise<void> {
  for (;;) {
    const list = await entries();
    const choices = [
      ...list.map(({ value, label, hint }) => ({ value, label, ...(hint === undefined ? {} : { hint }) })),
    ];
    const chosen = await orBack(ask.pick(title, [...choices, { value: '', label: leave }]));
    const entry = list.find(({ value }) => value === chosen);
    if (!entry) return;
    await orBack(entry.run());
  }
}
