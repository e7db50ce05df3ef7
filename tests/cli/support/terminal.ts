import { join } from 'node:path';
import type { Home } from './home.ts';

const MAIN = join(import.meta.dir, '..', '..', '..', 'src', 'main.ts');

const END = 'end-of-output';

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
  #changed = Promise.withResolvers<void>();

  constructor(home: Home, argv: readonly string[], env: Record<string, string> = {}) {
    this.#terminal = new Bun.Terminal({
      cols: 100,
      rows: 30,
      data: (_, bytes) => {
        const shown = this.#decoder.decode(bytes, { stream: true });
        this.raw += shown;
        this.text += Bun.stripANSI(shown);
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      },
    });
    this.#process = Bun.spawn([process.execPath, MAIN, ...argv], {
      terminal: this.#terminal,
      env: home.env({ TERM: 'xterm-256color', ...env }),
      cwd: home.cwd,
    });
    this.ended = this.#process.exited.then(async (code) => {
      // What is typed now is echoed behind everything the command has written: once it is here, nothing is missing.
      this.#terminal.write(END);
      while (!this.text.includes(END)) await this.#changed.promise;
      this.#changed.resolve();
      return code;
    });
  }

  type(keys: string): void {
    this.#terminal.write(keys);
  }

  /** A signal as the shell would send it: a pseudo-terminal made here controls no process group. */
  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
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
    await this.ended;
    this.#terminal.close();
  }
}
