import type { JsonRecord } from '../protocols/ir.ts';
import { objectsIn } from '../shared/json-shape.ts';

/** An answer that a client may come back to, and what it was an answer to. */
export type KeptResponse = {
  /** As the client got it. */
  readonly response: JsonRecord;
  /** The whole input, that of earlier turns included. */
  readonly input: readonly JsonRecord[];
};

/** Where answers are kept between the requests of a conversation. Keys are per client: nobody sees another one's. */
export interface ResponseStore {
  find(client: string, id: string): KeptResponse | null;
  /** The answer that said this item. */
  findByItem(client: string, item: string): KeptResponse | null;
  keep(client: string, id: string, kept: KeptResponse): void;
  /** False: there was none. */
  remove(client: string, id: string): boolean;
}

export type StoreLimits = { readonly ttlMs: number; readonly maxBytes: number };

type Entry = { readonly json: string; readonly until: number; readonly items: readonly string[] };

/** Ids of what an answer said. */
export const itemIds = ({ response }: KeptResponse): readonly string[] =>
  objectsIn(response.output).flatMap(({ id }) => (typeof id === 'string' ? [id] : []));

/** In memory, the least lately used first to go. Entries are kept as text: what a client sent cannot be changed by accident. */
export class MemoryResponses implements ResponseStore {
  readonly #entries = new Map<string, Entry>();
  /** Key of an item → key of the answer that said it. */
  readonly #items = new Map<string, string>();
  readonly #limits: () => StoreLimits;
  readonly #now: () => number;
  #bytes = 0;

  constructor(limits: () => StoreLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  find(client: string, id: string): KeptResponse | null {
    return this.#read(keyOf(client, id));
  }

  findByItem(client: string, item: string): KeptResponse | null {
    const key = this.#items.get(keyOf(client, item));
    return key === undefined ? null : this.#read(key);
  }

  #read(key: string): KeptResponse | null {
    const entry = this.#entries.get(key);
    if (!entry) return null;
    this.#drop(key, entry);
    if (entry.until <= this.#now()) return null;
    this.#put(key, entry);
    return readKept(entry.json);
  }

  keep(client: string, id: string, kept: KeptResponse): void {
    const key = keyOf(client, id);
    const before = this.#entries.get(key);
    if (before) this.#drop(key, before);
    const { ttlMs, maxBytes } = this.#limits();
    const items = itemIds(kept).map((item) => keyOf(client, item));
    this.#put(key, { json: JSON.stringify(kept), until: this.#now() + ttlMs, items });
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= maxBytes && entry.until > this.#now()) return;
      this.#drop(oldest, entry);
    }
  }

  remove(client: string, id: string): boolean {
    const key = keyOf(client, id);
    const entry = this.#entries.get(key);
    if (entry) this.#drop(key, entry);
    return entry !== undefined;
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    for (const item of entry.items) this.#items.set(item, key);
    this.#bytes += key.length + entry.json.length;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    for (const item of entry.items) if (this.#items.get(item) === key) this.#items.delete(item);
    this.#bytes -= key.length + entry.json.length;
  }
}

const keyOf = (client: string, id: string) => `${client}\0${id}`;

/** What `keep` was given; null when it cannot be read any more. */
export function readKept(json: string): KeptResponse | null {
  try {
    return JSON.parse(json) as KeptResponse; // Written by JSON.stringify of one, and by nobody else.
  } catch {
    return null;
  }
}
