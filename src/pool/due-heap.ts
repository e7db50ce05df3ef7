/** Whatever has a next moment at which something about it changes. Infinity: none. */
export interface Due {
  dueAt: number;
}

type Entry<Owner> = { readonly at: number; readonly owner: Owner };

/**
 * Who is due next. An owner has one moment; moving it leaves the old entry behind, which is skipped when it surfaces
 * and swept out when such entries are the majority, so that memory follows the number of owners.
 */
export class DueHeap<Owner extends Due> {
  #entries: Entry<Owner>[] = [];
  #live = 0;

  /** Sets the owner's moment; Infinity takes it out. */
  set(owner: Owner, at: number): void {
    if (owner.dueAt === at) return;
    if (owner.dueAt !== Number.POSITIVE_INFINITY) this.#live--;
    owner.dueAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#live++;
    this.#push({ at, owner });
    if (this.#entries.length > 2 * this.#live + 64) this.#sweep();
  }

  /** The soonest moment, Infinity when nobody is due. */
  next(): number {
    for (;;) {
      const top = this.#entries[0];
      if (!top) return Number.POSITIVE_INFINITY;
      if (top.owner.dueAt === top.at) return top.at;
      this.#pop();
    }
  }

  /** Takes out the next owner whose moment is not after `now`. */
  take(now: number): Owner | undefined {
    if (this.next() > now) return undefined;
    const top = this.#pop();
    if (!top) return undefined;
    top.owner.dueAt = Number.POSITIVE_INFINITY;
    this.#live--;
    return top.owner;
  }

  #sweep(): void {
    const seen = new Set<Owner>();
    const kept = this.#entries.filter(({ at, owner }) => {
      if (owner.dueAt !== at || seen.has(owner)) return false;
      seen.add(owner);
      return true;
    });
    // A sorted array is a heap.
    this.#entries = kept.sort((a, b) => a.at - b.at);
  }

  #push(entry: Entry<Owner>): void {
    const entries = this.#entries;
    let index = entries.length;
    entries.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = entries[parent];
      if (!above || above.at <= entry.at) break;
      entries[index] = above;
      index = parent;
    }
    entries[index] = entry;
  }

  #pop(): Entry<Owner> | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (!last || entries.length === 0) return top;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const leftEntry = entries[left];
      if (!leftEntry) break;
      const rightEntry = entries[left + 1];
      const isRight = rightEntry !== undefined && rightEntry.at < leftEntry.at;
      const child = isRight ? rightEntry : leftEntry;
      if (child.at >= last.at) break;
      entries[index] = child;
      index = isRight ? left + 1 : left;
    }
    entries[index] = last;
    return top;
  }
}
