import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CLIENT_KEY, type TempHome } from './temp-home.ts';

const root = dirname(dirname(import.meta.dir));

/** The compiled program. */
export const binaryPath = join(root, 'dist', process.platform === 'win32' ? 'rotator.exe' : 'rotator');

let built: Promise<void> | undefined;

/** Builds the program unless it is there and newer than its source. The end-to-end tests never test an old one. */
export function ensureBinary(): Promise<void> {
  built ??= buildIfStale();
  return built;
}

async function buildIfStale(): Promise<void> {
  const at = existsSync(binaryPath) ? statSync(binaryPath).mtimeMs : 0;
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true });
  const newest = Math.max(
    ...sources.filter((entry) => entry.isFile()).map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );
  if (newest <= at) return;
  const child = Bun.spawn([process.execPath, join(root, 'scripts', 'build.ts')], { stdout: 'ignore', stderr: 'pipe' });
  const [code, stderr] = await Promise.all([child.exited, child.stderr.text()]);
  if (code !== 0) throw new Error(`the build failed:\n${stderr}`);
}

export type StartOptions = {
  readonly home: TempHome;
  /** Added to the home's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Text to type into stdin, which is then closed. Default: nothing. */
  readonly stdin?: string;
};

export type Finished = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a command to its end. */
export async function runBinary(args: readonly string[], options: StartOptions): Promise<Finished> {
  const child = spawn(args, options);
  const [code, stdout, stderr] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  alive.delete(child);
  return { code, stdout, stderr };
}

export type RunningServer = AsyncDisposable & {
  readonly url: string;
  readonly pid: number;
  /** Everything written so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when stderr contains this text, written after the `from`th character. */
  untilStderr(text: string, from?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Exit code; 128 + signal when a signal ended it. */
  readonly exited: Promise<number>;
  /** A request to it; `path` starts with a slash. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** A chat completion with the client key. */
  chat(body: object, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
};

export { CLIENT_KEY };

/** Starts `rotator serve` on a free port and waits for its first line. Ended by `await using`, or at the latest by `endAll`. */
export async function startServer(args: readonly string[], options: StartOptions): Promise<RunningServer> {
  const child = spawn(['serve', '--port', '0', ...args], options);
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  await stdout.until('\n').catch(() => child.exited);
  const url = /listening on (http:\/\/\S+)|"url":"([^"]+)"/.exec(stdout.text());
  if (!url) {
    child.kill('SIGKILL');
    const code = await child.exited;
    await stderr.ended;
    throw new Error(`serve ended with ${code} before it listened:\n${stdout.text()}${stderr.text()}`);
  }
  const base = url[1] ?? url[2] ?? '';
  const fetchPath = (path: string, init: RequestInit = {}) => fetch(base + path, init);
  return {
    url: base,
    pid: child.pid,
    stdout: stdout.text,
    stderr: stderr.text,
    untilStderr: stderr.until,
    kill: (signal) => child.kill(signal),
    exited: child.exited,
    fetch: fetchPath,
    chat: (body, headers = {}, signal) =>
      fetchPath('/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${CLIENT_KEY}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        ...(signal ? { signal } : {}),
      }),
    [Symbol.asyncDispose]: () => end(child),
  };
}

const alive = new Set<ReturnType<typeof spawn>>();

/** For `afterAll`: ends what a failed test left running. */
export async function endAll(): Promise<void> {
  await Promise.all([...alive].map(end));
}

async function end(child: ReturnType<typeof spawn>): Promise<void> {
  alive.delete(child);
  child.kill('SIGKILL');
  await child.exited;
}

function spawn(args: readonly string[], { home, env = {}, cwd, stdin }: StartOptions) {
  const all = Object.entries({ ...home.env, ...env }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const child = Bun.spawn([binaryPath, ...args], {
    cwd: cwd ?? home.cwd,
    env: Object.fromEntries(all),
    stdin: stdin === undefined ? 'ignore' : new TextEncoder().encode(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  alive.add(child);
  void child.exited.then(() => alive.delete(child));
  return child;
}

function collect(stream: ReadableStream<Uint8Array>) {
  const decoder = new TextDecoder();
  let text = '';
  let isEnded = false;
  let waiting: (() => void)[] = [];
  const wake = () => {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };
  const ended = (async () => {
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true });
      wake();
    }
    isEnded = true;
    wake();
  })();
  return {
    text: () => text,
    ended,
    until: async (wanted: string, from = 0) => {
      while (!text.slice(from).includes(wanted)) {
        if (isEnded) throw new Error(`the output ended before ${JSON.stringify(wanted)} came: ${text.slice(from)}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
