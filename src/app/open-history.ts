import { join } from 'node:path';
import type { LoadedConfig } from '../config/load.ts';
import type { Log } from '../observe/log.ts';
import type { Clock } from '../shared/clock.ts';
import { reasonOf } from '../shared/reason-of.ts';
import { openStore, type Store, type StoreOptions } from '../store/database.ts';

/** The database, for a process that serves whether or not it can be read. */

/** The public catalogue among the copies in the database. */
const PUBLIC_COPY = 'models.dev';

type Sources = {
  readonly stateDir: string | null;
  readonly log: Log;
  readonly loaded: LoadedConfig;
  readonly clock?: Clock;
};

/** In memory where there is no directory, or none that can be used. */
export function openHistory({ stateDir, log, loaded, clock }: Sources, collect: StoreOptions['collect']): Store {
  const inMemory = () => openStore(':memory:', { ...(clock && { clock }) });
  if (stateDir === null) return inMemory();
  try {
    const store = openStore(join(stateDir, 'rotator.db'), {
      retentionMs: loaded.config.storage.retention,
      onTrouble: (message) => log.warn(message),
      ...(collect && { collect }),
      ...(clock && { clock }),
    });
    // Errors, though the work goes on: whoever asks what is known must not take nothing for an answer.
    if (store.warning) log.error(store.warning);
    return store;
  } catch (error) {
    const reason = reasonOf(error);
    log.error(`the database cannot be opened (${reason}); what happens is remembered as long as this process lives`);
    return inMemory();
  }
}

/** What was read of the public catalogue, in the database. Losing it costs one more reading. */
export function publicCopy(store: Store, log: Log) {
  return {
    read: () => {
      try {
        return store.copies.read(PUBLIC_COPY);
      } catch (error) {
        log.debug('the copy of the public catalogue cannot be read', { reason: reasonOf(error) });
        return null;
      }
    },
    write: (value: unknown) => {
      try {
        store.copies.write(PUBLIC_COPY, value);
      } catch (error) {
        log.debug('the copy of the public catalogue cannot be written', { reason: reasonOf(error) });
      }
    },
  };
}

/** A state that cannot be read is no reason not to start: the pools begin anew. */
export function readSnapshots(store: Store, log: Log): Map<string, unknown> {
  try {
    return new Map([...store.snapshots()].map(([provider, { value }]) => [provider, value]));
  } catch (error) {
    log.error(`what was known of the keys cannot be read (${reasonOf(error)})`);
    return new Map();
  }
}
