import type { Config } from '../config/schema.ts';
import { itemIds, MemoryResponses, readKept, type ResponseStore } from '../gateway/response-store.ts';
import type { Log } from '../observe/log.ts';
import { assertNever } from '../shared/assert-never.ts';
import type { Clock } from '../shared/clock.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { Store } from '../store/database.ts';

type Deps = {
  readonly settings: () => Config['responses'];
  readonly store: Pick<Store, 'responses'>;
  readonly clock: Clock;
  readonly log: Log;
};

/** Where the config of the moment keeps answers for `previous_response_id`; null: nowhere. */
export function keptResponses({ settings, store, clock, log }: Deps): () => ResponseStore | null {
  const limits = () => {
    const { ttl, max_size } = settings();
    return { ttlMs: ttl, maxBytes: max_size };
  };
  const inMemory = new MemoryResponses(limits, () => clock.now());
  const onDisk: ResponseStore = {
    find(client, id) {
      const json = store.responses.find(client, id, limits().ttlMs);
      return json === null ? null : readKept(json);
    },
    findByItem(client, item) {
      const json = store.responses.findByItem(client, item, limits().ttlMs);
      return json === null ? null : readKept(json);
    },
    keep(client, id, kept) {
      try {
        store.responses.keep(client, id, JSON.stringify(kept), itemIds(kept), limits());
      } catch (error) {
        const reason = reasonOf(error);
        // The answer is with its client; only the way back to it is lost.
        log.warn(`an answer could not be kept for previous_response_id: ${reason}`);
      }
    },
    remove: (client, id) => store.responses.remove(client, id),
  };
  return () => {
    const { store: place } = settings();
    switch (place) {
      case 'off':
        return null;
      case 'memory':
        return inMemory;
      case 'disk':
        return onDisk;
      default:
        return assertNever(place);
    }
  };
}
