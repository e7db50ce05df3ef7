import type { Clock } from '../shared/clock.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { Upstream } from '../transport/upstream.ts';
import { bareName, type ModelFacts } from './model-facts.ts';
import { type PublicFacts, readModelsDev } from './models-dev.ts';

/**
 * Facts and prices from a public catalogue, read in the background and kept on disk. No request ever waits for it, and
 * where it cannot be reached nothing is lost: what was read last, or what ships with the program, serves on. OpenRouter,
 * the other public source, is read as its provider's own list.
 */
export interface PublicCatalogue {
  /** What was read last; never asks. */
  find(provider: string, model: string): ModelFacts | null;
  /** From now on reads when it is time. Call again when the config has changed. */
  wake(): void;
  close(): void;
}

export const MODELS_DEV_URL = 'https://models.dev/api.json';

export type PublicCatalogueDeps = {
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly version: string;
  /** `MODELS_DEV_URL`, or what takes its place. */
  readonly url: string;
  /** Milliseconds between two readings; 0: never. */
  readonly everyMs: () => number;
  /** Of whose models something is wanted. While there are none, nobody is asked. */
  readonly providers: () => readonly string[];
  /** The copy on disk. Neither function throws. */
  readonly copy: { readonly read: () => unknown; readonly write: (value: PublicCopy) => void };
  readonly log: { debug(message: string, fields?: Record<string, unknown>): void };
};

export type PublicCopy = {
  readonly format: 1;
  /** Milliseconds since the epoch. */
  readonly readAt: number;
  /** For which providers it was read. */
  readonly providers: readonly string[];
  readonly facts: PublicFacts;
};

/** A process that lives shorter than this asks nobody. */
const FIRST_MS = 10_000;
const RETRY_MS = 30 * 60_000;
const TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;

const NOTHING: PublicCopy = { format: 1, readAt: 0, providers: [], facts: {} };

export function createPublicCatalogue(deps: PublicCatalogueDeps): PublicCatalogue {
  const { clock, log } = deps;
  const closed = new AbortController();
  let cancel = () => {};
  let reading: Promise<void> | null = null;
  let retryAt = 0;
  let isRead = false;
  let current = NOTHING;

  /** The copy is opened when somebody first looks: a command that asks for no model needs none of it. */
  function copy(): PublicCopy {
    if (!isRead) {
      isRead = true;
      current = asCopy(deps.copy.read()) ?? NOTHING;
    }
    return current;
  }

  function dueAt(): number | null {
    const everyMs = deps.everyMs();
    const wanted = deps.providers();
    if (everyMs === 0 || wanted.length === 0) return null;
    const has = new Set(copy().providers);
    const isWhole = wanted.every((provider) => has.has(provider));
    return Math.max(isWhole ? copy().readAt + everyMs : 0, retryAt);
  }

  function plan(leastMs: number): void {
    cancel();
    if (closed.signal.aborted) return;
    const due = dueAt();
    if (due === null) return;
    cancel = clock.schedule(Math.max(leastMs, due - clock.now()), () => {
      reading ??= read().finally(() => {
        reading = null;
        plan(0);
      });
    });
  }

  async function read(): Promise<void> {
    const providers = deps.providers();
    try {
      const facts = readModelsDev(await ask(), providers);
      if (closed.signal.aborted) return;
      current = { format: 1, readAt: clock.now(), providers, facts };
      deps.copy.write(current);
    } catch (error) {
      retryAt = clock.now() + RETRY_MS;
      const reason = reasonOf(error);
      log.debug('the public catalogue of models was not read', { url: deps.url, reason });
    }
  }

  async function ask(): Promise<unknown> {
    const response = await deps.upstream({
      url: deps.url,
      method: 'GET',
      headers: new Headers({ accept: 'application/json', 'user-agent': `rotator/${deps.version}` }),
      body: null,
      signal: AbortSignal.any([closed.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      poolKey: 'public-catalogue',
      proxy: null,
      isHttp2: false,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
    if (text.length > MAX_BYTES) throw new Error('the answer is too long');
    return JSON.parse(text);
  }

  return {
    find(provider, model) {
      const { facts } = copy();
      const models = Object.hasOwn(facts, provider) ? facts[provider] : undefined;
      const id = bareName(model);
      return models && Object.hasOwn(models, id) ? (models[id] ?? null) : null;
    },
    wake: () => plan(FIRST_MS),
    close() {
      closed.abort(new Error('shutting down'));
      cancel();
    },
  };
}

/** What another version of this program has written, or a hand, is read anew. */
function asCopy(value: unknown): PublicCopy | null {
  const isCopy =
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    value.format === 1 &&
    'readAt' in value &&
    typeof value.readAt === 'number' &&
    'providers' in value &&
    Array.isArray(value.providers) &&
    'facts' in value &&
    typeof value.facts === 'object' &&
    value.facts !== null;
  // Its inside is what `write` was given: the database is ours alone.
  return isCopy ? (value as PublicCopy) : null;
}
