import type { Log } from '../observe/log.ts';
import type { Clock } from '../shared/clock.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { Store } from '../store/database.ts';

/** How soon a change that another process wrote to the database is seen. */
const OTHER_WRITERS_MS = 2_000;

/** Another process may enable or disable a credential in the same database. */
export function watchOtherWriters(store: Store, clock: Clock, log: Log, onChange: () => void): () => void {
  let seen: number | null = null;
  let cancel = () => {};
  const look = () => {
    try {
      const now = store.dataVersion();
      if (seen !== null && now !== seen) onChange();
      seen = now;
    } catch (error) {
      // The disk may be full or gone for a moment; what was read last stays in force.
      log.debug('the database cannot be read', { reason: reasonOf(error) });
    }
    cancel = clock.schedule(OTHER_WRITERS_MS, look);
  };
  look();
  return () => cancel();
}
