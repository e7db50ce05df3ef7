import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { selfCommand } from '../self-command.ts';

export type SignalName = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** Everything the command line touches of its process, so that a test can run it in its own. */
export type Io = {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** The file behind stderr, for a log that must never wait for its reader; null when there is none. */
  readonly stderrFile: number | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly isTerminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  /** Width of the terminal in columns. */
  readonly columns: number;
  /** What a full-screen view does to its terminal. */
  readonly terminal: TerminalControl;
  /** Runs this program once more with these words, on the same terminal, and waits for its exit code; `signal` ends it. */
  readonly runAnew: (argv: readonly string[], signal: AbortSignal) => Promise<number>;
  /** Calls `run` on every such signal until the returned function is called. */
  readonly onSignal: (signal: SignalName, run: () => void) => () => void;
};

export type TerminalControl = {
  readonly size: () => { readonly columns: number; readonly rows: number };
  /** Calls `run` whenever the size has changed, until the returned function is called. */
  readonly onResize: (run: () => void) => () => void;
  /** Keys arrive as they are pressed, unseen; Ctrl-C is one of them. */
  readonly setRaw: (isRaw: boolean) => void;
};

export const processIo = (): Io => ({
  // A getter: touching process.stdin opens it, and most commands never read it.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  stderrFile: 2,
  env: process.env,
  cwd: process.cwd(),
  isTerminal: { stdin: isatty(0), stdout: isatty(1), stderr: isatty(2) },
  columns: process.stdout.columns || process.stderr.columns || 80,
  terminal: {
    size: () => ({ columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 }),
    onResize: (run) => {
      process.stdout.on('resize', run);
      return () => process.stdout.off('resize', run);
    },
    setRaw: (isRaw) => void process.stdin.setRawMode?.(isRaw),
  },
  runAnew: (argv, signal) => {
    const { command, lead } = selfCommand(process.argv);
    const child = spawn(command, [...lead, ...argv], { stdio: 'inherit' });
    signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
    return new Promise((resolve) => {
      child.on('error', () => resolve(1));
      child.on('exit', (code) => resolve(code ?? 1));
    });
  },
  onSignal: (signal, run) => {
    process.on(signal, run);
    return () => process.off(signal, run);
  },
});

/** All of stdin. */
export async function readAll(stdin: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}
