import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../shared/cli-error.ts';
import { randomText } from './client-keys.ts';
import { sha256 } from './digest.ts';

/** The content of `<state>/server.json`: how a command finds the server of its state directory. */
export type ServerRecord = {
  readonly pid: number;
  readonly url: string;
  readonly version: string;
  /** ISO 8601. */
  readonly started_at: string;
  /** Known to those who can read the file; `/health` tells only its hash. */
  readonly nonce: string;
};

export type FoundServer = { readonly url: string; readonly pid: number };

/** How long a server may take to say that it is alive, in milliseconds. */
const PROBE_MS = 2_000;

export function newNonce(): string {
  return randomText();
}

/** What `/health` says of the server with this nonce. */
export function instanceOf(nonce: string): string {
  return sha256(`rotator instance ${nonce}`).toString('hex').slice(0, 32);
}

/** The running server of this state directory, or null. Only one that proves to be the one in the file is named. */
export async function findServer(stateDir: string): Promise<FoundServer | null> {
  const record = readServerFile(stateDir);
  if (!record) return null;
  return (await probe(record)) === 'alive' ? { url: record.url, pid: record.pid } : null;
}

/** Throws a `CliError` when a server runs on this state directory. Asked before listening, for a clear message early. */
export async function refuseSecondServer(stateDir: string): Promise<void> {
  await refuseIfRunning(stateDir, readServerFile(stateDir));
}

/**
 * Writes `server.json` after listening. Of two servers that start in the same moment one gets it and the other a
 * `CliError`; a file whose server is gone is replaced. Throws the file system's error when it cannot be written.
 */
export async function writeServerFile(stateDir: string, record: ServerRecord): Promise<void> {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = pathIn(stateDir);
  const draft = `${path}.${record.pid}.${record.nonce.slice(0, 8)}`;
  writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    // A link is made only where nothing is: unlike a rename it cannot take the place of another server's file.
    for (let tries = 0; tries < 3; tries++) {
      if (linked(draft, path)) return;
      const judged = readServerFile(stateDir);
      await refuseIfRunning(stateDir, judged);
      dropStale(path, `${draft}.stale`, judged?.nonce);
    }
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Null when there is none, or it is not one of ours. */
export function readServerFile(stateDir: string): ServerRecord | null {
  try {
    return parse(readFileSync(pathIn(stateDir), 'utf8'));
  } catch {
    return null;
  }
}

/** Removes the file of the server with this nonce and no other. Synchronous and silent, for the way out. */
export function removeServerFile(stateDir: string, nonce: string): void {
  if (readServerFile(stateDir)?.nonce !== nonce) return;
  try {
    rmSync(pathIn(stateDir), { force: true });
  } catch {
    // A directory that became read-only: the file will be found stale by whoever looks next.
  }
}

function pathIn(stateDir: string): string {
  return join(stateDir, 'server.json');
}

function parse(text: string): ServerRecord | null {
  const json: unknown = JSON.parse(text);
  if (typeof json !== 'object' || json === null) return null;
  if (!('pid' in json && 'url' in json && 'version' in json && 'started_at' in json && 'nonce' in json)) return null;
  const { pid, url, version, started_at, nonce } = json;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return null;
  if (typeof url !== 'string' || !/^https?:\/\/[^/]+$/.test(url)) return null;
  if (typeof version !== 'string' || typeof started_at !== 'string') return null;
  if (typeof nonce !== 'string' || nonce === '') return null;
  return { pid, url, version, started_at, nonce };
}

/**
 * `gone`: no such process, nothing listens, or something else does (pids and ports are used again after a restart).
 * `silent`: something took the connection and did not answer in time.
 */
async function probe(record: ServerRecord): Promise<'alive' | 'silent' | 'gone'> {
  if (!isProcessAlive(record.pid)) return 'gone';
  try {
    const response = await fetch(`${record.url}/health`, {
      signal: AbortSignal.timeout(PROBE_MS),
      redirect: 'manual',
      // HTTP_PROXY of the environment is for the world outside, and would be told where we listen.
      proxy: false,
    });
    const health: unknown = await response.json();
    const isOurs =
      typeof health === 'object' &&
      health !== null &&
      'instance' in health &&
      health.instance === instanceOf(record.nonce);
    return isOurs ? 'alive' : 'gone';
  } catch (error) {
    return error instanceof Error && error.name === 'TimeoutError' ? 'silent' : 'gone';
  }
}

function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, as another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function refuseIfRunning(stateDir: string, record: ServerRecord | null): Promise<void> {
  // One that holds its port and does not answer is still there, only busy or stopped by a debugger.
  if (record === null || (await probe(record)) === 'gone') return;
  throw new CliError(
    1,
    'already_running',
    `rotator already runs on the state directory ${stateDir}: ${record.url}, pid ${record.pid}`,
    'stop it, or give this one its own directory with --state',
  );
}

/** False when a file is in the way. On a file system without hard links: true after a rename, the next best thing. */
function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') return false;
    renameSync(draft, path);
    return true;
  }
}

/** Takes the stale file away, and puts it back when it turns out to be a newer one than the one that was judged. */
function dropStale(path: string, aside: string, judgedNonce: string | undefined): void {
  try {
    renameSync(path, aside);
  } catch {
    return; // Someone else took it away first.
  }
  let nonce: string | undefined;
  try {
    nonce = parse(readFileSync(aside, 'utf8'))?.nonce;
  } catch {
    nonce = undefined;
  }
  if (nonce !== undefined && nonce !== judgedNonce) linked(aside, path);
  rmSync(aside, { force: true });
}
