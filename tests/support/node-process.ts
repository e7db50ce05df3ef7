import { resolve } from 'node:path';

/** A helper program that speaks lines on its stdout, and ends when its stdin closes. */
export type LineChild = AsyncDisposable & {
  /** Everything it wrote after its first line. */
  readonly lines: readonly string[];
  readonly firstLine: string;
};

/**
 * Starts a script of `tests/support` under Node, as an independent process, and waits for the line that tells where it
 * listens.
 */
export async function startNode(
  script: string,
  args: readonly string[],
  isFirstLine: (line: string) => boolean,
  env: Readonly<Record<string, string>> = {},
): Promise<LineChild> {
  const node = Bun.which('node') ?? process.execPath;
  const child = Bun.spawn([node, resolve(import.meta.dir, script), ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const lines: string[] = [];
  const first = Promise.withResolvers<string>();
  void (async () => {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of child.stdout) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) {
        if (isFirstLine(line)) first.resolve(line);
        else lines.push(line);
      }
    }
    first.reject(new Error(`${script} ended before it was ready: ${await child.stderr.text()}`));
  })();
  return {
    firstLine: await first.promise,
    lines,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}
