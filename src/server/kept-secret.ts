import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { reasonOf } from '../shared/reason-of.ts';
import { Secret } from '../shared/secret.ts';

/** A secret and where it came from. */
export type KeptSecret = {
  readonly secret: Secret;
  /** `given`: by the environment. `made`: just now, and kept in the file. `memory`: made for this run alone. */
  readonly origin: 'given' | 'file' | 'made' | 'memory';
  /** The file that holds it, or null. */
  readonly path: string | null;
  /** Why it could not be kept although there is a place for it; null when all is well. */
  readonly problem: string | null;
};

/**
 * The secret that was given, else the one kept in `path`, else a new one written there (0600). A directory that
 * cannot be written does not stop the server: the secret then lives as long as the process.
 */
export function keptSecret(source: {
  readonly given: string | undefined;
  readonly path: string | null;
  readonly make: () => string;
}): KeptSecret {
  const given = source.given?.trim();
  if (given) return { secret: new Secret(given), origin: 'given', path: null, problem: null };
  const { path } = source;
  if (path === null) return { secret: new Secret(source.make()), origin: 'memory', path, problem: null };
  try {
    const kept = read(path);
    if (kept !== null) return { secret: new Secret(kept), origin: 'file', path, problem: null };
    const made = source.make();
    if (create(path, made)) return { secret: new Secret(made), origin: 'made', path, problem: null };
    // Another process made it in this very moment; both must know the same one.
    return { secret: new Secret(read(path) ?? made), origin: 'file', path, problem: null };
  } catch (error) {
    const reason = reasonOf(error);
    return {
      secret: new Secret(source.make()),
      origin: 'memory',
      path: null,
      problem: `cannot keep ${path}: ${reason}`,
    };
  }
}

/** Null when there is no such file or nothing in it; anything else that goes wrong is thrown. */
function read(path: string): string | null {
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (text === '') return null;
    closeToOthers(path);
    return text;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** False when the file already has a content. Readers see the whole secret or no file, never a part. */
function create(path: string, text: string): boolean {
  const draft = `${path}.${process.pid}.${crypto.randomUUID().slice(0, 8)}`;
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeSync(file, `${text}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    try {
      linkSync(draft, path);
      return true;
    } catch {
      // Either the file is there, with a secret or empty, or this file system has no hard links.
      if (read(path) !== null) return false;
      renameSync(draft, path);
      return true;
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

function closeToOthers(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch {
    // Someone else's file, or a file system without modes: being readable is what matters here.
  }
}
