import { CliError, ExitCode } from '../shared/cli-error.ts';
import type { Io } from './io.ts';
import { isColoured, type Paint, paint } from './ui/colour.ts';
import { plainLines } from './ui/plain-text.ts';

/** Data to stdout, everything said to people to stderr. A reader who closes the pipe ends the command quietly. */
export class Output {
  readonly #io: Io;
  readonly #isQuiet: boolean;
  readonly #closed = new AbortController();
  readonly #onStdoutError = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') this.#closed.abort();
    else
      this.failure ??= new CliError(
        ExitCode.failed,
        'output_failed',
        `the output cannot be written: ${error.message}`,
        undefined,
        error,
      );
  };
  /** Colours for stdout. */
  readonly paint: Paint;
  /** Colours for stderr. */
  readonly paintMessage: Paint;
  /** A write to stdout that failed for another reason than a closed pipe: a full disk. */
  failure: CliError | null = null;

  constructor(io: Io, options: { readonly isQuiet: boolean; readonly isColourOff: boolean }) {
    this.#io = io;
    this.#isQuiet = options.isQuiet;
    this.paint = paint(isColoured(io.env, io.isTerminal.stdout, options.isColourOff));
    this.paintMessage = paint(isColoured(io.env, io.isTerminal.stderr, options.isColourOff));
    io.stdout.on('error', this.#onStdoutError);
    io.stderr.on('error', ignore);
  }

  /** Aborted when the reader of stdout has gone away. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Resolves when the stream has taken the text, so that a slow reader slows the command, not its memory. */
  data(text: string): Promise<void> {
    if (this.#closed.signal.aborted || text === '') return Promise.resolve();
    return new Promise((resolve) =>
      this.#io.stdout.write(text, (error) => {
        // The stream tells the same once more by its event, which comes after the command has ended.
        if (error) this.#onStdoutError(error);
        resolve();
      }),
    );
  }

  json(value: unknown): Promise<void> {
    return this.data(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** Progress and confirmation; silent with `--quiet`. */
  note(text: string): void {
    if (!this.#isQuiet) this.#io.stderr.write(`${text}\n`);
  }

  /** What the person must see to go on; said even with `--quiet`. */
  instruct(text: string): void {
    this.#io.stderr.write(`${text}\n`);
  }

  /** Said even with `--quiet`. */
  warn(text: string): void {
    this.#io.stderr.write(`${this.paintMessage.yellow('warning:')} ${plainLines(text)}\n`);
  }

  error(text: string): void {
    this.#io.stderr.write(text);
  }

  /** How wide a table may be: only a person's terminal has an edge. */
  get maxColumns(): number | null {
    return this.#io.isTerminal.stdout ? this.#io.columns : null;
  }

  release(): void {
    this.#io.stdout.off('error', this.#onStdoutError);
    this.#io.stderr.off('error', ignore);
  }
}

// Nobody reads stderr any more: there is nowhere left to complain.
const ignore = () => {};
