import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import type { Clock } from '../../shared/clock.ts';

/** A file is written in several steps; they are looked at together. */
const SETTLE_MS = 200;
/** For file systems that tell nobody of a change, such as those of a network. */
const SWEEP_MS = 30_000;

/** Calls `onChange` after files of the directory have changed, until the returned function is called. */
export function watchAccounts(directory: string, clock: Clock, onChange: () => void): () => void {
  let watcher: FSWatcher | null = null;
  let cancelSettle: (() => void) | null = null;
  const changed = (name: string | null) => {
    // Lock files and files on their way come and go with every refresh.
    if (name !== null && (!name.endsWith('.json') || name.startsWith('.'))) return;
    cancelSettle ??= clock.schedule(SETTLE_MS, () => {
      cancelSettle = null;
      onChange();
    });
  };
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    watcher = watch(directory, { persistent: false }, (_, name) => changed(name));
    watcher.on('error', () => watcher?.close());
  } catch {
    // The sweep alone will do.
  }
  let cancelSweep = clock.schedule(SWEEP_MS, sweep);
  function sweep() {
    onChange();
    cancelSweep = clock.schedule(SWEEP_MS, sweep);
  }
  return () => {
    watcher?.close();
    cancelSettle?.();
    cancelSweep();
  };
}
