/** A set of the integers below `capacity` in which everything is O(1), drawing a member by position included. */
export class SlotSet {
  readonly #items: Int32Array;
  /** Position of a slot in the items, plus one; 0 for absent. */
  readonly #positions: Int32Array;
  #size = 0;

  constructor(capacity: number) {
    this.#items = new Int32Array(capacity);
    this.#positions = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  has(slot: number): boolean {
    return (this.#positions[slot] ?? 0) > 0;
  }

  /** The slot at a position below `size`; positions move when the set changes. */
  at(position: number): number {
    return this.#items[position] ?? -1;
  }

  add(slot: number): void {
    if (this.has(slot)) return;
    this.#items[this.#size++] = slot;
    this.#positions[slot] = this.#size;
  }

  /** Puts everybody in. */
  fill(): void {
    this.#size = this.#items.length;
    for (let slot = 0; slot < this.#size; slot++) {
      this.#items[slot] = slot;
      this.#positions[slot] = slot + 1;
    }
  }

  delete(slot: number): void {
    const position = this.#positions[slot] ?? 0;
    if (position === 0) return;
    const last = this.at(--this.#size);
    this.#items[position - 1] = last;
    this.#positions[last] = position;
    this.#positions[slot] = 0;
  }
}
