import type { CredentialId } from './credential.ts';

/**
 * Which credential served a conversation last: it has the conversation's prompt cache. Bounded, the least recently used
 * is forgotten first, and a conversation that is silent for an hour is over.
 */

const MAX_AFFINITIES = 10_000;
export const AFFINITY_TTL_MS = 60 * 60_000;

/** All bindings to one credential between two releases of it: releasing them costs the same for one and for thousands. */
type Holder = { readonly id: CredentialId; bindings: number; isReleased: boolean };

/**
 * A conversation, linked to the ones used before and after it. Not by a Map's own order: moving a key to its end leaves
 * a hole at its start, and finding the oldest behind thousands of holes takes ten microseconds in JavaScriptCore.
 */
type Binding = {
  readonly key: string;
  holder: Holder;
  usedAt: number;
  older: Binding | null;
  newer: Binding | null;
};

/** One binding as it is stored: key, credential, last use in milliseconds since the epoch. The least recent comes first. */
export type StoredAffinity = readonly [key: string, id: string, usedAt: number];

export class AffinityMap {
  readonly #capacity: number;
  readonly #ttlMs: number;
  readonly #bindings = new Map<string, Binding>();
  #oldest: Binding | null = null;
  #newest: Binding | null = null;
  readonly #holders = new Map<CredentialId, Holder>();

  constructor(capacity = MAX_AFFINITIES, ttlMs = AFFINITY_TTL_MS) {
    this.#capacity = capacity;
    this.#ttlMs = ttlMs;
  }

  /** Released bindings are counted until they are looked at or pushed out. */
  get size(): number {
    return this.#bindings.size;
  }

  /** The credential that served `key`, and another hour for the binding. */
  find(key: string, now: number): CredentialId | null {
    const binding = this.#bindings.get(key);
    if (!binding) return null;
    if (!this.#isLive(binding, now)) {
      this.unbind(key);
      return null;
    }
    this.#touch(binding, now);
    return binding.holder.id;
  }

  /** The same for a look that must not change anything. */
  peek(key: string, now: number): CredentialId | null {
    const binding = this.#bindings.get(key);
    return binding && this.#isLive(binding, now) ? binding.holder.id : null;
  }

  /** `id` serves `key` from now on, whoever did before. */
  bind(key: string, id: CredentialId, now: number): void {
    const known = this.#bindings.get(key);
    if (known) {
      const { holder } = known;
      if (holder.id !== id || holder.isReleased) {
        this.#leave(holder);
        known.holder = this.#join(id);
      }
      this.#touch(known, now);
      return;
    }
    if (this.#oldest && this.#bindings.size >= this.#capacity) this.unbind(this.#oldest.key);
    const binding: Binding = { key, holder: this.#join(id), usedAt: now, older: null, newer: null };
    this.#bindings.set(key, binding);
    this.#append(binding);
  }

  /** Forgets one conversation. */
  unbind(key: string): void {
    const binding = this.#bindings.get(key);
    if (!binding) return;
    this.#bindings.delete(key);
    this.#detach(binding);
    this.#leave(binding.holder);
  }

  /** Forgets every conversation of one credential, or all. Takes the same time however many there are. */
  release(id?: CredentialId): void {
    if (id === undefined) {
      this.#bindings.clear();
      this.#holders.clear();
      this.#oldest = null;
      this.#newest = null;
      return;
    }
    const holder = this.#holders.get(id);
    if (!holder) return;
    holder.isReleased = true;
    this.#holders.delete(id);
  }

  snapshot(now: number): readonly StoredAffinity[] {
    const stored: StoredAffinity[] = [];
    for (let binding = this.#oldest; binding; binding = binding.newer) {
      if (this.#isLive(binding, now)) stored.push([binding.key, binding.holder.id, binding.usedAt]);
    }
    return stored;
  }

  /** Takes over what `snapshot` gave. What is over, malformed or of a credential that `idOf` does not know is left out. */
  restore(stored: unknown, idOf: (id: string) => CredentialId | undefined, now: number): void {
    if (!Array.isArray(stored)) return;
    for (const entry of stored) {
      if (!Array.isArray(entry)) continue;
      const [key, id, usedAt]: unknown[] = entry;
      if (typeof key !== 'string' || typeof id !== 'string' || typeof usedAt !== 'number') continue;
      if (!(now - usedAt < this.#ttlMs)) continue;
      const known = idOf(id);
      // A clock that was ahead when this was written must not make it last longer.
      if (known !== undefined) this.bind(key, known, Math.min(usedAt, now));
    }
  }

  #isLive({ holder, usedAt }: Binding, now: number): boolean {
    return !holder.isReleased && now - usedAt < this.#ttlMs;
  }

  #touch(binding: Binding, now: number): void {
    binding.usedAt = now;
    if (binding === this.#newest) return;
    this.#detach(binding);
    this.#append(binding);
  }

  #append(binding: Binding): void {
    binding.older = this.#newest;
    binding.newer = null;
    if (this.#newest) this.#newest.newer = binding;
    else this.#oldest = binding;
    this.#newest = binding;
  }

  #detach({ older, newer }: Binding): void {
    if (older) older.newer = newer;
    else this.#oldest = newer;
    if (newer) newer.older = older;
    else this.#newest = older;
  }

  #join(id: CredentialId): Holder {
    let holder = this.#holders.get(id);
    if (!holder) {
      holder = { id, bindings: 0, isReleased: false };
      this.#holders.set(id, holder);
    }
    holder.bindings++;
    return holder;
  }

  #leave(holder: Holder): void {
    if (--holder.bindings === 0 && !holder.isReleased) this.#holders.delete(holder.id);
  }
}
