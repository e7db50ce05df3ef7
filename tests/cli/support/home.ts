import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import type { Io, SignalName } from '../../../src/cli/io.ts';
import { run } from '../../../src/cli/program.ts';

export type Outcome = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

type Surroundings = {
  readonly env?: Readonly<Record<string, string>>;
  /** What is piped in; absent: nothing, and the pipe ends at once. */
  readonly stdin?: string | Uint8Array;
};

/** A person's home in a temporary directory, in which commands run inside the test's own process. */
export class Home implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'rotator-cli-'));
  /** The current directory of its commands; holds no config. */
  readonly cwd = join(this.path, 'work');
  readonly stateDir = join(this.path, '.local/state/rotator');
  readonly configPath = join(this.path, '.config/rotator/rotator.yaml');

  constructor() {
    mkdirSync(this.cwd);
  }

  env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { HOME: this.path, PATH: process.env.PATH ?? '', ...more };
  }

  /** Writes a file of this home and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  config(text: string): string {
    return this.write('.config/rotator/rotator.yaml', text);
  }

  readConfig(): string {
    return readFileSync(this.configPath, 'utf8');
  }

  /** Runs a command to its end. */
  async run(argv: readonly string[], around: Surroundings = {}): Promise<Outcome> {
    return await this.start(argv, around).ended;
  }

  json(outcome: Outcome): unknown {
    return JSON.parse(outcome.stdout);
  }

  start(argv: readonly string[], around: Surroundings = {}): RunningCommand {
    return new RunningCommand(this, argv, around);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A command that runs, with its signals in the test's hands. */
export class RunningCommand {
  readonly stdout = new Captured();
  readonly stderr = new Captured();
  readonly ended: Promise<Outcome>;
  readonly #handlers = new Map<SignalName, Set<() => void>>();

  constructor(home: Home, argv: readonly string[], { env = {}, stdin = '' }: Surroundings) {
    const io: Io = {
      stdin: Readable.from(stdin.length === 0 ? [] : [Buffer.from(stdin)]),
      stdout: this.stdout,
      stderr: this.stderr,
      stderrFile: null,
      env: home.env(env),
      cwd: home.cwd,
      isTerminal: { stdin: false, stdout: false, stderr: false },
      columns: 100,
      terminal: { size: () => ({ columns: 100, rows: 30 }), onResize: () => () => {}, setRaw: () => {} },
      runAnew: async () => 1,
      onSignal: (signal, handler) => {
        const handlers = this.#handlers.get(signal) ?? new Set();
        this.#handlers.set(signal, handlers.add(handler));
        return () => handlers.delete(handler);
      },
    };
    this.ended = run(argv, io).then((exitCode) => ({ exitCode, stdout: this.stdout.text, stderr: this.stderr.text }));
  }

  signal(name: SignalName): void {
    for (const handler of this.#handlers.get(name) ?? []) handler();
  }
}

/** A stream that keeps what is written, and can be waited on for a text. */
export class Captured extends Writable {
  text = '';
  #waiting: { readonly pattern: RegExp; readonly resolve: (match: RegExpExecArray) => void }[] = [];

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString('utf8');
    this.#waiting = this.#waiting.filter(({ pattern, resolve }) => {
      const match = pattern.exec(this.text);
      if (match) resolve(match);
      return !match;
    });
    done();
  }

  /** Resolves when the text so far matches. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    const match = pattern.exec(this.text);
    if (match) return Promise.resolve(match);
    return new Promise((resolve) => this.#waiting.push({ pattern, resolve }));
  }
}
