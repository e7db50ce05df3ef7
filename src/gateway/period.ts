import { isObject } from '../shared/json-shape.ts';

/** How long the end that was found is believed: finding it takes a calendar, and zones change by a reload. */
const BELIEVED_MS = 60_000;

/**
 * A day or a month of a calendar: what is used of it until it ends. Time is an argument and may go backwards: what was
 * used stays used, for the period that it is then.
 */
export class Period {
  readonly #endAfter: (now: number) => number;
  #used = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #endsAt = Number.NEGATIVE_INFINITY;
  /** Counts periods, so that what belongs to one that is over is not taken from the next. */
  #number = 0;

  /** `endAfter`: the end of the period that a moment lies in. Asked anew each time, so that the calendar may change. */
  constructor(endAfter: (now: number) => number) {
    this.#endAfter = endAfter;
  }

  /** Counts an amount, and gives the number of the period it is in. */
  add(amount: number, now: number): number {
    this.#advance(now);
    this.#used += amount;
    return this.#number;
  }

  /** Adds to what was counted in a period, or gives back with less than 0; nothing when that period is over. */
  correct(period: number, amount: number): void {
    if (period === this.#number) this.#used = Math.max(0, this.#used + amount);
  }

  used(now: number): number {
    this.#advance(now);
    return this.#used;
  }

  /** The first moment at which no more than `most` is used; `now` when that is so already. */
  downTo(most: number, now: number): number {
    this.#advance(now);
    return this.#used <= most ? now : this.#endsAt;
  }

  snapshot(now: number): unknown {
    this.#advance(now);
    return { used: this.#used, ends_at: this.#endsAt };
  }

  /** Takes over what `snapshot` gave, if that period is not over. */
  restore(stored: unknown, now: number): void {
    if (!isObject(stored)) return;
    const { used, ends_at: endsAt } = stored;
    if (typeof used === 'number' && used >= 0 && typeof endsAt === 'number' && endsAt > now) this.add(used, now);
  }

  #advance(now: number): void {
    const isFresh = now >= this.#lookedAt && now - this.#lookedAt < BELIEVED_MS;
    if (isFresh && now < this.#endsAt) return;
    this.#lookedAt = now;
    const end = this.#endAfter(now);
    if (now >= this.#endsAt) {
      this.#used = 0;
      this.#number++;
      this.#endsAt = end;
    } else if (end < this.#endsAt) this.#endsAt = end;
  }
}
