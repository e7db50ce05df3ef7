import type { Clock } from '../shared/clock.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { ModelFacts } from './model-facts.ts';

/**
 * Which models each provider has, as it said last. Reading is immediate and never asks anyone; asking happens in the
 * background, one call per provider at a time, and what one provider does is nothing to the others.
 */

/** A model as its provider lists it; the fields of a vendor's list that are of use here. */
export type DirectoryModel = {
  /** Upstream id, without the provider. */
  readonly id: string;
  readonly contextLength?: number;
  readonly maxOutputTokens?: number;
  readonly ownedBy?: string;
  /** Seconds since the epoch. */
  readonly created?: number;
  /** What the list says besides. */
  readonly facts?: Omit<ModelFacts, 'price'> & { readonly price?: ListedPrice };
};

/** USD per million tokens, and per request. Lists know no steps. */
export type ListedPrice = {
  readonly input: number;
  readonly output: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly perRequest?: number;
};

export type ModelList = {
  /** `unknown`: never read, or not yet. `stale`: older than the time to live; the last list serves on. */
  readonly state: 'unknown' | 'fresh' | 'stale';
  readonly models: readonly DirectoryModel[];
  /** Milliseconds since the epoch of the last list that was read; null: none. */
  readonly readAt: number | null;
  /** Why the last try failed; null when it did not. */
  readonly error: string | null;
};

export interface ModelDirectory {
  /** What is known now. Never asks, never waits. */
  snapshot(id: string): ModelList;
  /**
   * Asks for the lists of these providers that are unknown or stale. Resolves when those that were never read are there
   * or have failed, or `isEnough` says so after one has come, at the latest after `maxMs`. Stale ones and those in
   * back-off are not waited for, nor is one that has kept somebody waiting for `maxMs` already. Never rejects.
   */
  warm(ids: Iterable<string>, maxMs: number, isEnough?: () => boolean): Promise<void>;
  /** Asks now, whatever is known; without ids all providers that were asked for before. Waits. Never rejects. */
  refresh(ids?: Iterable<string>): Promise<void>;
  /** Forgets these lists and what is on its way for them: their keys or address have changed, or they are gone. */
  invalidate(ids: Iterable<string>): void;
  /** Ends what is on its way. */
  close(): void;
}

export type DirectoryDeps = {
  /** The whole list of one provider; rejects with a message for people. Must end when the signal aborts. */
  readonly fetchList: (id: string, signal: AbortSignal) => Promise<readonly DirectoryModel[]>;
  readonly clock: Clock;
  /** Milliseconds for which a list counts as fresh. */
  readonly ttlMs: number;
  readonly log: { warn(message: string, fields?: Record<string, unknown>): void };
  /** Milliseconds after which an unanswered call is given up. Default 20,000. */
  readonly fetchTimeoutMs?: number;
};

const FETCH_TIMEOUT_MS = 20_000;
// 10 s after the first failure, doubled with each further one, never more than five minutes.
const BACK_OFF_MS = 10_000;
const MAX_BACK_OFF_MS = 300_000;

type Entry = {
  models: readonly DirectoryModel[];
  readAt: number | null;
  error: string | null;
  failures: number;
  /** Not asked again before this, unless by `refresh`. */
  retryAt: number;
  running: { readonly done: Promise<void>; readonly abort: AbortController; readonly since: number } | null;
};

const UNKNOWN: ModelList = { state: 'unknown', models: [], readAt: null, error: null };

export function createModelDirectory(deps: DirectoryDeps): ModelDirectory {
  const { clock, ttlMs } = deps;
  const entries = new Map<string, Entry>();

  const isFresh = (entry: Entry) => entry.readAt !== null && clock.now() - entry.readAt < ttlMs;

  function entryOf(id: string): Entry {
    let entry = entries.get(id);
    if (!entry) {
      entry = { models: [], readAt: null, error: null, failures: 0, retryAt: 0, running: null };
      entries.set(id, entry);
    }
    return entry;
  }

  /** Joins the call that is on its way, or starts one. */
  function ask(id: string, entry: Entry): Promise<void> {
    if (entry.running) return entry.running.done;
    const abort = new AbortController();
    const done = read(id, entry, abort).finally(() => {
      entry.running = null;
    });
    entry.running = { done, abort, since: clock.now() };
    return done;
  }

  async function read(id: string, entry: Entry, abort: AbortController): Promise<void> {
    const cancel = clock.schedule(deps.fetchTimeoutMs ?? FETCH_TIMEOUT_MS, () =>
      abort.abort(new Error('no answer in time')),
    );
    try {
      const models = await Promise.race([deps.fetchList(id, abort.signal), rejectWhenAborted(abort.signal)]);
      entry.models = models;
      entry.readAt = clock.now();
      entry.error = null;
      entry.failures = 0;
      entry.retryAt = 0;
    } catch (error) {
      // An entry that was invalidated meanwhile is not in the map any more; what befalls it is nobody's business.
      if (entries.get(id) !== entry) return;
      entry.error = reasonOf(error);
      entry.retryAt = clock.now() + Math.min(BACK_OFF_MS * 2 ** entry.failures, MAX_BACK_OFF_MS);
      // A provider that stays dead is reported once.
      if (entry.failures++ === 0)
        deps.log.warn(`the model list of ${id} cannot be read: ${entry.error}`, { provider: id });
    } finally {
      cancel();
    }
  }

  return {
    snapshot: (id) => {
      const entry = entries.get(id);
      if (!entry) return UNKNOWN;
      const { models, readAt, error } = entry;
      return { state: readAt === null ? 'unknown' : isFresh(entry) ? 'fresh' : 'stale', models, readAt, error };
    },

    warm: async (ids, maxMs, isEnough) => {
      const awaited = new Set<Promise<void>>();
      for (const id of new Set(ids)) {
        const entry = entryOf(id);
        if (isFresh(entry)) continue;
        if (entry.running === null && clock.now() < entry.retryAt) continue;
        const done = ask(id, entry);
        const isTriedLong = entry.running !== null && clock.now() - entry.running.since >= maxMs;
        if (entry.readAt !== null || isTriedLong) continue;
        const waited = done.finally(() => awaited.delete(waited));
        awaited.add(waited);
      }
      if (awaited.size === 0) return;
      const end = new AbortController();
      let isOver = false;
      const over = clock.sleep(maxMs, end.signal).then(() => {
        isOver = true;
      });
      while (awaited.size > 0 && !isOver && !isEnough?.()) await Promise.race([...awaited, over]);
      end.abort();
    },

    refresh: async (ids = entries.keys()) => {
      await Promise.all([...new Set(ids)].map((id) => ask(id, entryOf(id))));
    },

    invalidate: (ids) => {
      for (const id of ids) {
        const entry = entries.get(id);
        entries.delete(id);
        entry?.running?.abort.abort(new Error('no longer wanted'));
      }
    },

    close: () => {
      for (const entry of entries.values()) entry.running?.abort.abort(new Error('shutting down'));
      entries.clear();
    },
  };
}

/** A list that does not listen to its signal must not hold its provider's place for ever. */
function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
