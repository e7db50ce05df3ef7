/**
 * Notices that a config file has new content, whichever way it got there: a rename over it, truncate and write, a symlink
 * that is swapped (Kubernetes swaps one in the directory), a mount, deletion and return. Events of the directory make it
 * quick; a slow look at the file itself makes it certain, because events get lost on network and overlay file systems.
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, realpathSync, statSync, watch } from 'node:fs';
import path from 'node:path';
import { errorCode } from './config-file.ts';

export type WatchOptions = {
  /** Quiet time after an event before the file is read. Milliseconds. */
  readonly settleMs?: number;
  /** How long an absent or empty file is taken for one that is just being written. Milliseconds. */
  readonly graceMs?: number;
  /** Between two looks without an event. Milliseconds. */
  readonly pollMs?: number;
};

export type ConfigWatch = { close(): void };

/** `onChange` is called when the content is another than at the last call; an unchanged touch does nothing. */
export function watchConfig(file: string, onChange: () => void, options: WatchOptions = {}): ConfigWatch {
  const { settleMs = 100, graceMs = 1000, pollMs = 2000 } = options;
  let seen = contentOf(file);
  let mark = markOf(file);
  let timer: ReturnType<typeof setTimeout> | null = null;
  let goneSince: number | null = null;
  let isClosed = false;
  const watchers = new Map<string, FSWatcher>();

  const look = () => {
    timer = null;
    if (isClosed) return;
    followDirectories();
    mark = markOf(file);
    const content = contentOf(file);
    if (content === seen) {
      goneSince = null;
      return;
    }
    if (content === 'absent' || content === 'empty') {
      goneSince ??= Date.now();
      if (Date.now() - goneSince < graceMs) return lookIn(settleMs);
    }
    goneSince = null;
    seen = content;
    onChange();
  };

  const lookIn = (ms: number) => {
    if (isClosed || timer) return;
    timer = setTimeout(look, ms);
    timer.unref();
  };

  const poll = setInterval(() => {
    followDirectories();
    if (markOf(file) !== mark) lookIn(settleMs);
  }, pollMs);
  poll.unref();

  /** Watches the directories on the way to the file, which change when a link does. */
  function followDirectories(): void {
    const wanted = new Set([path.dirname(path.resolve(file)), path.dirname(realPath(file))]);
    for (const [directory, watcher] of watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, () => lookIn(settleMs));
        watcher.on('error', () => {
          watcher.close();
          watchers.delete(directory);
        });
        watchers.set(directory, watcher);
      } catch {
        // A directory that is gone, or no watches left: the slow look goes on and tries again.
      }
    }
  }

  followDirectories();
  return {
    close() {
      isClosed = true;
      clearInterval(poll);
      if (timer) clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

/** A digest of the content, or why there is none. */
function contentOf(file: string): string {
  try {
    const bytes = readFileSync(file);
    return bytes.length === 0 ? 'empty' : createHash('sha256').update(bytes).digest('hex');
  } catch (error) {
    const code = errorCode(error);
    return code === 'ENOENT' ? 'absent' : `unreadable ${code}`;
  }
}

/** What changes whenever the file might have: cheaper than reading it. */
function markOf(file: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(file);
    return [dev, ino, size, mtimeMs, ctimeMs, realPath(file)].join(' ');
  } catch {
    return 'absent';
  }
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return path.resolve(file);
  }
}
