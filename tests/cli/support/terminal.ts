import { join } from 'node:path';
import { Terminal } from '@xterm/headless';

const MAIN = join(import.meta.dir, '..', '..', '..', 'src', 'main.ts');

const END = 'end-of-output';

/** Where a command is run: a `Home`, or whatever has as much. */
export type TerminalHome = {
  readonly cwd: string;
  env(more: Readonly<Record<string, string>>): Readonly<Record<string, string>>;
};

type Options = {
  readonly cols: number;
  readonly rows: number;
  /** What is run; default, the source. */
  readonly program: readonly string[];
};

/** A command in a process of its own on a pseudo-terminal, with a person's fingers. */
export class TerminalCommand implements AsyncDisposable {
  /** Everything shown so far, without colours and cursor moves. */
  text = '';
  /** The same with colours and cursor moves. */
  raw = '';
  readonly ended: Promise<number>;
  readonly #decoder = new TextDecoder();
  readonly #terminal: Bun.Terminal;
  readonly #process: Bun.Subprocess;
  /** What a person sees: the terminal's own reading of everything that was written to it. */
  readonly #display: Terminal;
  #isDisposed = false;
  #changed = Promise.withResolvers<void>();

  constructor(
    home: TerminalHome,
    argv: readonly string[],
    env: Record<string, string> = {},
    options: Partial<Options> = {},
  ) {
    const { cols, rows, program } = { cols: 100, rows: 30, program: [process.execPath, MAIN], ...options };
    this.#display = new Terminal({ cols, rows, allowProposedApi: true });
    this.#terminal = new Bun.Terminal({
      cols,
      rows,
      data: (_, bytes) => {
        const shown = this.#decoder.decode(bytes, { stream: true });
        this.raw += shown;
        this.text += Bun.stripANSI(shown);
        this.#display.write(shown);
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      },
    });
    this.#process = Bun.spawn([...program, ...argv], {
      terminal: this.#terminal,
      env: home.env({ TERM: 'xterm-256color', ...env }),
      cwd: home.cwd,
    });
    this.ended = this.#process.exited.then(async (code) => {
      // What is typed now is echoed behind everything the command has written: once it is here, nothing is missing.
      if (!this.#isDisposed) this.#terminal.write(END);
      while (!this.text.includes(END) && !this.#isDisposed) await this.#changed.promise;
      this.#changed.resolve();
      return code;
    });
  }

  type(keys: string): void {
    this.#terminal.write(keys);
  }

  resize(cols: number, rows: number): void {
    this.#display.resize(cols, rows);
    this.#terminal.resize(cols, rows);
    // A pseudo-terminal made here controls no process group, so nobody else tells the program.
    this.#process.kill('SIGWINCH');
  }

  /** The lines on the screen now, without blanks at their ends. */
  async screen(): Promise<readonly string[]> {
    await new Promise<void>((done) => this.#display.write('', done));
    const { active } = this.#display.buffer;
    return Array.from({ length: this.#display.rows }, (_, row) =>
      (active.getLine(active.baseY + row)?.translateToString(true) ?? '').trimEnd(),
    );
  }

  /** Is a full-screen program in possession of the screen? */
  async holdsScreen(): Promise<boolean> {
    await this.screen();
    return this.#display.buffer.active.type === 'alternate';
  }

  /** Resolves with the screen as soon as it is as wanted. Rejects when the command ends before. */
  async screenShows(isWanted: (lines: readonly string[]) => boolean): Promise<readonly string[]> {
    let hasEnded = false;
    void this.ended.then(() => {
      hasEnded = true;
    });
    for (;;) {
      const changed = this.#changed.promise;
      const lines = await this.screen();
      if (isWanted(lines)) return lines;
      if (hasEnded) throw new Error(`this was never shown as wanted:\n${lines.join('\n')}`);
      await changed;
    }
  }

  /** A signal as the shell would send it: a pseudo-terminal made here controls no process group. */
  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Closes the terminal, as a window that is closed or a connection that is lost does. Resolves with what became of it. */
  async hangUp(): Promise<{ readonly exitCode: number | null; readonly signal: NodeJS.Signals | number | null }> {
    this.#isDisposed = true;
    this.#process.kill('SIGHUP');
    this.#terminal.close();
    this.#changed.resolve();
    await this.#process.exited;
    return { exitCode: this.#process.exitCode, signal: this.#process.signalCode };
  }

  /** Resolves when the text is on the screen; rejects when the command ends without it. */
  async shows(text: string): Promise<void> {
    let hasEnded = false;
    void this.ended.then(() => {
      hasEnded = true;
    });
    while (!this.text.includes(text)) {
      if (hasEnded) throw new Error(`"${text}" was never shown:\n${this.text}`);
      await this.#changed.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    await this.#process.exited;
    // One that was killed at a question has left the terminal without an echo.
    this.#isDisposed = true;
    this.#changed.resolve();
    await this.ended;
    this.#terminal.close();
    this.#display.dispose();
  }
}
