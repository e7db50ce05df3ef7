/** Changes a file under a lock, so that a reader sees the old or the new content and nothing between. */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chown, copyFile, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import lockfile from 'proper-lockfile';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { errorCode } from './config-file.ts';

/** The one step that a mounted file refuses; an argument so that its refusal can be tried. */
export type Rename = (from: string, to: string) => Promise<void>;

export type Replacement = {
  /** Where the file really is, symlinks resolved. */
  readonly path: string;
  readonly isNew: boolean;
  /** The copy that was made when the file could only be written in place. */
  readonly backup: string | null;
};

/** Where a rename over the file, or a new file beside it, is impossible: mounts, read-only directories, other owners. */
const CANNOT_RENAME: ReadonlySet<string> = new Set(['EBUSY', 'EXDEV', 'EACCES', 'EPERM', 'EROFS', 'ETXTBSY']);

/**
 * `change` gets the text, null when there is no file, and returns the new one; what it throws leaves the file alone.
 * A new file has mode 0600, an old one keeps its mode and owner. Symlinks are followed, not replaced.
 */
export async function changeFile(
  file: string,
  change: (text: string | null) => string,
  move: Rename = rename,
): Promise<Replacement> {
  return await explained(file, async () => {
    const target = await resolveLinks(file);
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    const release = await lock(target);
    try {
      const before = await readText(target);
      const text = change(before);
      const backup = await replace(target, text, before !== null, move);
      return { path: target, isNew: before === null, backup };
    } finally {
      await release();
    }
  });
}

/** Makes a file, 0600. False when there is one already. */
export async function createFile(file: string, text: string): Promise<boolean> {
  return await explained(file, async () => {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    try {
      await writeSynced(file, text, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      return true;
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      throw error;
    }
  });
}

/** The system's own errors as one that names the file. */
async function explained<Result>(file: string, write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof CliError) throw error;
    const code = errorCode(error);
    if (!/^E[A-Z]+$/.test(code)) throw error;
    throw new CliError(ExitCode.failed, 'not_writable', `${file} cannot be written (${code})`, undefined, error);
  }
}

async function replace(target: string, text: string, exists: boolean, move: Rename): Promise<string | null> {
  const old = exists ? await stat(target) : null;
  const temporary = path.join(
    path.dirname(target),
    `.${path.basename(target)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    await writeSynced(temporary, text, flags, old ? old.mode & 0o777 : 0o600, true);
    // Only root can give a file away, and for all others it is theirs already.
    if (old) await chown(temporary, old.uid, old.gid).catch(() => {});
    await move(temporary, target);
    await syncDirectory(path.dirname(target));
    return null;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    if (!old || !CANNOT_RENAME.has(errorCode(error))) throw error;
  }
  const backup = await backUp(target);
  await writeSynced(target, text, constants.O_WRONLY | constants.O_TRUNC, old.mode & 0o777);
  return backup;
}

async function backUp(target: string): Promise<string> {
  const beside = `${target}.bak`;
  try {
    await copyFile(target, beside);
    return beside;
  } catch (error) {
    if (!CANNOT_RENAME.has(errorCode(error))) throw error;
    const elsewhere = path.join(tmpdir(), `rotator-${randomBytes(4).toString('hex')}.yaml.bak`);
    const handle = await open(elsewhere, 'wx', 0o600);
    try {
      await handle.writeFile(await readFile(target));
    } finally {
      await handle.close();
    }
    return elsewhere;
  }
}

async function writeSynced(file: string, text: string, flags: number, mode: number, isExact = false): Promise<void> {
  const handle = await open(file, flags, mode);
  try {
    // The umask has taken bits away that the old file had.
    if (isExact) await handle.chmod(mode);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the rename itself last. Not every system can open a directory; there it lasts anyway or cannot be made to. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r').catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

async function lock(target: string): Promise<() => Promise<void>> {
  const options = { realpath: false, stale: 10_000, retries: { retries: 30, minTimeout: 20, maxTimeout: 200 } };
  const digest = createHash('sha256').update(target).digest('hex').slice(0, 16);
  // Beside the file every user of it meets the same lock; where nothing can be made there, the temporary directory is next.
  const places = [`${target}.lock`, path.join(tmpdir(), `rotator-${digest}.lock`)];
  for (const lockfilePath of places) {
    try {
      return await lockfile.lock(target, { ...options, lockfilePath });
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ELOCKED') {
        const hint = `if no other rotator command runs, remove ${lockfilePath}`;
        throw new CliError(ExitCode.failed, 'locked', `another command is changing ${target}`, hint, error);
      }
      if (!CANNOT_RENAME.has(code)) throw error;
    }
  }
  throw new CliError(ExitCode.failed, 'not_writable', `${target} cannot be locked`);
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** A link to a file that is not there yet is followed by hand: `realpath` refuses it. */
async function resolveLinks(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    const { readlink } = await import('node:fs/promises');
    const next = await readlink(file).catch(() => null);
    return next === null ? path.resolve(file) : path.resolve(path.dirname(file), next);
  }
}
