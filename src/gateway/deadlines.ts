import { type Due, DueHeap } from '../pool/due-heap.ts';
import type { Clock } from '../shared/clock.ts';

/** Whatever has to happen when its time is over, unless it is called off before. */
export interface Timed extends Due {
  onDue(): void;
}

/**
 * One timer for all that have a deadline: nearly every one is called off long before, and to set a timer for each and
 * take it back costs more than to note it down here.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #due = new DueHeap<Timed>();
  #count = 0;
  #timer: { readonly at: number; readonly cancel: () => void } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `ms` from now. At most one for each. */
  set(timed: Timed, ms: number): void {
    if (timed.dueAt === Number.POSITIVE_INFINITY) this.#count++;
    // What never comes is nothing to wait for, and a time so far away is none that a timer can hold.
    this.#due.set(timed, Math.min(this.#clock.elapsed() + ms, Number.MAX_SAFE_INTEGER));
    if (!this.#timer || timed.dueAt < this.#timer.at) this.#arm();
  }

  /** Calls it off. Without anything to wait for there is no timer, which would keep a program from ending. */
  clear(timed: Timed): void {
    if (timed.dueAt === Number.POSITIVE_INFINITY) return;
    this.#due.set(timed, Number.POSITIVE_INFINITY);
    this.#count--;
    if (this.#count > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const at = this.#due.next();
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = { at, cancel: this.#clock.schedule(at - this.#clock.elapsed(), () => this.#run()) };
  }

  #run(): void {
    this.#timer = null;
    const now = this.#clock.elapsed();
    try {
      for (let timed = this.#due.take(now); timed; timed = this.#due.take(now)) {
        this.#count--;
        timed.onDue();
      }
    } finally {
      // Also when one of them throws: the others have theirs all the same.
      if (!this.#timer) this.#arm();
    }
  }
}

const byClock = new WeakMap<Clock, Deadlines>();

/** Those of this clock. */
export function deadlinesOf(clock: Clock): Deadlines {
  let deadlines = byClock.get(clock);
  if (!deadlines) {
    deadlines = new Deadlines(clock);
    byClock.set(clock, deadlines);
  }
  return deadlines;
}
