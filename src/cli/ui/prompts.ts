import type { Context } from '../context.ts';
import { Interrupted } from '../interrupted.ts';

export type Choice = { readonly value: string; readonly label: string; readonly hint?: string };

/** Questions on stderr, so that stdout stays data. Ctrl-C or Esc ends the command with 130. */
export type Prompts = {
  /** `signal` takes the question back; it then ends as if it had been left. */
  text(
    message: string,
    options?: { readonly placeholder?: string; readonly isOptional?: boolean; readonly signal?: AbortSignal },
  ): Promise<string>;
  confirm(message: string): Promise<boolean>;
  /** What is typed is not shown. */
  secret(message: string, options?: { readonly isOptional?: boolean }): Promise<string>;
  choose(message: string, choices: readonly Choice[]): Promise<string>;
};

/** Null where nobody can answer: a question needs a terminal on both sides, and `--json` promises machine use. */
export async function prompts({ io, globals, output }: Context): Promise<Prompts | null> {
  if (!io.isTerminal.stdin || !io.isTerminal.stderr || globals.json) return null;
  const clack = await import('@clack/prompts');
  // It asks the process's own environment and knows no flag.
  if (output.paintMessage.level === 0) {
    delete process.env.FORCE_COLOR;
    process.env.NO_COLOR = '1';
  }
  const streams = { input: io.stdin, output: io.stderr };
  const answered = (value: string | symbol | undefined): string => {
    if (typeof value === 'symbol') throw new Interrupted(130);
    return value?.trim() ?? '';
  };
  const present = (value: string | undefined) => (value?.trim() ? undefined : 'an answer is needed');
  return {
    text: async (message, options = {}) =>
      answered(
        await clack.text({
          ...streams,
          message,
          ...(options.placeholder === undefined ? {} : { placeholder: options.placeholder }),
          ...(options.isOptional ? {} : { validate: present }),
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        }),
      ),
    confirm: async (message) => {
      const answer = await clack.confirm({ ...streams, message, initialValue: false });
      if (typeof answer === 'symbol') throw new Interrupted(130);
      return answer;
    },
    secret: async (message, options = {}) =>
      answered(await clack.password({ ...streams, message, ...(options.isOptional ? {} : { validate: present }) })),
    choose: async (message, choices) =>
      answered(
        await clack.autocomplete<string>({
          ...streams,
          message,
          maxItems: 10,
          options: choices.map((choice) => ({ ...choice })),
        }),
      ),
  };
}
