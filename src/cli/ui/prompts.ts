import type { Writable } from 'node:stream';
import type { Context } from '../context.ts';
import { Interrupted } from '../interrupted.ts';
import { glyphs } from './glyphs.ts';

export type Choice = { readonly value: string; readonly label: string; readonly hint?: string };

type Checks = {
  readonly isOptional?: boolean;
  /** What is wrong with an answer; it is then asked for again. */
  readonly check?: (answer: string) => string | null;
};

/** Questions on stderr, so that stdout stays data. Ctrl-C or Esc ends the command with 130, SIGTERM with 143. */
export type Prompts = {
  /** `signal` takes the question back; it then ends as if it had been left. */
  text(
    message: string,
    options?: Checks & { readonly placeholder?: string; readonly signal?: AbortSignal },
  ): Promise<string>;
  /** `isLikely`: what Enter alone means. */
  confirm(message: string, isLikely?: boolean): Promise<boolean>;
  /** What is typed is not shown. */
  secret(message: string, options?: Checks): Promise<string>;
  choose(message: string, choices: readonly Choice[]): Promise<string>;
  /** A short list, in which nothing can be typed. */
  pick(message: string, choices: readonly Choice[]): Promise<string>;
};

/** Null where nobody can answer: a question needs a terminal on both sides, and `--json` promises machine use. */
export async function prompts({ io, globals, output }: Context): Promise<Prompts | null> {
  if (!io.isTerminal.stdin || !io.isTerminal.stderr || globals.json) return null;
  // Read when the package is loaded, and by the terminal's name alone: a locale without these signs is not asked for.
  const term = process.env.TERM;
  if (glyphs(io.env).isPlain) process.env.TERM = 'linux';
  const clack = await import('@clack/prompts');
  if (term !== undefined) process.env.TERM = term;
  // It asks the process's own environment and knows no flag.
  if (output.paintMessage.level === 0) {
    delete process.env.FORCE_COLOR;
    process.env.NO_COLOR = '1';
  }
  const streams = { input: io.stdin, output: glyphs(io.env).isPlain ? inAscii(io.stderr) : io.stderr };
  // A question holds the terminal, unseen keys and all: who ends the program from elsewhere gets it back as it was.
  const ask = async <Answer>(
    question: (signal: AbortSignal) => Promise<Answer | symbol>,
    takenBack?: AbortSignal,
  ): Promise<Answer> => {
    const ended = new AbortController();
    // A terminal that is closed needs nothing back, and setting it would fail: SIGHUP ends the program as it is.
    const stop = io.onSignal('SIGTERM', () => ended.abort());
    try {
      const answer = await question(takenBack ? AbortSignal.any([takenBack, ended.signal]) : ended.signal);
      if (typeof answer === 'symbol') throw new Interrupted(ended.signal.aborted ? 143 : 130);
      return answer;
    } finally {
      stop();
    }
  };
  const asWords = async (
    question: (signal: AbortSignal) => Promise<string | symbol | undefined>,
    takenBack?: AbortSignal,
  ): Promise<string> => (await ask(question, takenBack))?.trim() ?? '';
  return {
    text: (message, options = {}) =>
      asWords(
        (signal) =>
          clack.text({
            ...streams,
            message,
            signal,
            ...(options.placeholder === undefined ? {} : { placeholder: options.placeholder }),
            validate: (answer) => validated(answer, options),
          }),
        options.signal,
      ),
    confirm: (message, isLikely = false) =>
      ask<boolean>((signal) => clack.confirm({ ...streams, message, signal, initialValue: isLikely })),
    secret: (message, options = {}) =>
      asWords((signal) =>
        clack.password({
          ...streams,
          message,
          signal,
          validate: (answer) => validated(answer, options),
        }),
      ),
    choose: (message, choices) =>
      asWords((signal) =>
        clack.autocomplete<string>({
          ...streams,
          message,
          signal,
          maxItems: 10,
          options: choices.map((choice) => ({ ...choice })),
        }),
      ),
    pick: (message, choices) =>
      asWords((signal) =>
        clack.select<string>({
          ...streams,
          message,
          signal,
          maxItems: 14,
          options: choices.map((choice) => ({ ...choice })),
        }),
      ),
  };
}

function validated(answer: string | undefined, { isOptional, check }: Checks): string | undefined {
  const text = answer?.trim() ?? '';
  if (text === '' && !isOptional) return 'an answer is needed';
  return check?.(text) ?? undefined;
}

/** Signs of the package that it uses even where its terminal has none beyond ASCII. */
const IN_ASCII: Readonly<Record<string, string>> = { '↑': 'up', '↓': 'down', '•': '-', '—': '-', '…': '...', '▪': '*' };

/** The same stream, on which nothing but ASCII arrives. */
function inAscii(stream: Writable): Writable {
  const written = (chunk: unknown) => String(chunk).replaceAll(/[^\u0000-\u007f]/gu, (sign) => IN_ASCII[sign] ?? '?');
  return new Proxy(stream, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'write') return (chunk: unknown, ...rest: []) => target.write(written(chunk), ...rest);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
