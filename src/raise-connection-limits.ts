import { spawn } from 'node:child_process';
import { selfCommand } from './self-command.ts';

// Bun reads it once, before any JavaScript runs; its default is 256 requests in flight for the whole process.
const LIMIT = 'BUN_CONFIG_MAX_HTTP_REQUESTS';
const LIMIT_VALUE = '65535';
const GUARD = 'ROTATOR_REEXECUTED';

/**
 * Starts `serve` over with a higher limit of upstream requests in flight, once. Where the system can, the process keeps
 * its id, so that whoever started it still holds it, and this never returns. Elsewhere (Windows) a child does the work:
 * resolves with its exit code. Null: go on in this process.
 */
export async function raiseConnectionLimits(argv: readonly string[]): Promise<number | null> {
  const env = process.env;
  const isReexecuted = env[GUARD] === '1';
  // Programs started from here are not this one.
  delete env[GUARD];
  if (!argv.slice(2).includes('serve') || env[LIMIT] !== undefined || isReexecuted) return null;
  const { command: self, lead } = selfCommand(argv);
  const args = [...lead, ...argv.slice(2)];
  const raised = { ...env, [LIMIT]: LIMIT_VALUE, [GUARD]: '1' };
  if (process.platform === 'win32' || !process.execve) return inChild(self, args, raised);
  try {
    return process.execve(self, [self, ...args], raised);
  } catch {
    // Not allowed here (a sandbox may forbid it): the default limit then stands.
    return null;
  }
}

function inChild(self: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(self, args, { env, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
