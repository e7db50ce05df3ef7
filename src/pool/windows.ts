import { type DailyReset, nextReset } from './daily-reset.ts';

/**
 * Two windows that count amounts: requests or tokens. Time is an argument and may go backwards: a clock that was set
 * back never frees what was counted, and never holds it longer than a window from the moment it was set.
 */

export const MINUTE_MS = 60_000;

/** Up to here every amount keeps its own moment; above, those of one second are counted at the last of them. */
const EXACT_ENTRIES = 64;
const MERGE_MS = 1_000;
/** 64 exact ones and one for each second of a minute fit in. */
const MAX_ENTRIES = 128;

/** A day is at most an hour longer than this; more than two hours say that the clock was set. */
const MAX_DAY_MS = 26 * 60 * 60_000;

/**
 * The last 60 seconds, sliding. No true span of 60 s ever holds more than was admitted: each amount counts for 60 s
 * from its moment, and what is merged counts from the latest moment among it, at most a second too long. A fixed minute
 * would let twice the limit through around its edge. At most 128 entries, whatever the rate.
 */
export class MinuteWindow {
  /** Rings that grow to a power of two; the entry with number `n` is at `n` modulo their length. */
  #times = new Float64Array(8);
  #amounts = new Float64Array(8);
  /** Number of the oldest entry, and of the one to come. */
  #head = 0;
  #tail = 0;
  #used = 0;
  /** When the newest entry was opened. */
  #openedAt = 0;

  /** Counts an amount, and gives the number of the entry it is in; -1 for nothing. */
  add(amount: number, now: number): number {
    this.#advance(now);
    if (amount <= 0) return -1;
    if (this.#head < this.#tail) {
      const newest = this.#at(this.#tail - 1);
      const size = this.#tail - this.#head;
      const isMerged =
        this.#times[newest] === now ||
        (size >= EXACT_ENTRIES && now - this.#openedAt < MERGE_MS) ||
        size >= MAX_ENTRIES;
      if (isMerged) {
        this.#times[newest] = now;
        this.#amounts[newest] = (this.#amounts[newest] ?? 0) + amount;
        this.#used += amount;
        return this.#tail - 1;
      }
    }
    if (this.#tail - this.#head === this.#times.length) this.#grow();
    const index = this.#at(this.#tail);
    this.#times[index] = now;
    this.#amounts[index] = amount;
    this.#openedAt = now;
    this.#used += amount;
    return this.#tail++;
  }

  /** Gives back a part of an entry; nothing when the entry has left the window. */
  take(entry: number, amount: number): void {
    if (entry < this.#head || entry >= this.#tail) return;
    const index = this.#at(entry);
    const taken = Math.min(amount, this.#amounts[index] ?? 0);
    this.#amounts[index] = (this.#amounts[index] ?? 0) - taken;
    this.#used -= taken;
  }

  used(now: number): number {
    this.#advance(now);
    return this.#used;
  }

  /** The first moment at which no more than `most` is used, as far as is known now; `now` when that is so already. */
  downTo(most: number, now: number): number {
    this.#advance(now);
    let left = this.#used;
    if (left <= most) return now;
    for (let entry = this.#head; entry < this.#tail; entry++) {
      const index = this.#at(entry);
      left -= this.#amounts[index] ?? 0;
      if (left <= most) return (this.#times[index] ?? now) + MINUTE_MS;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Moments and amounts in turn, the oldest first. */
  snapshot(now: number): readonly number[] {
    this.#advance(now);
    const flat: number[] = [];
    for (let entry = this.#head; entry < this.#tail; entry++) {
      const index = this.#at(entry);
      const amount = this.#amounts[index] ?? 0;
      if (amount > 0) flat.push(this.#times[index] ?? now, amount);
    }
    return flat;
  }

  /** Adds what `snapshot` gave to a window that is still empty. */
  restore(flat: unknown, now: number): void {
    if (!Array.isArray(flat)) return;
    let last = Number.NEGATIVE_INFINITY;
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const time: unknown = flat[i];
      const amount: unknown = flat[i + 1];
      if (!isCount(time) || !isCount(amount)) continue;
      // What lies ahead was written under another clock: it counts from now. Order is what expiry rests on.
      last = Math.max(last, Math.min(time, now));
      if (last + MINUTE_MS > now) this.add(amount, last);
    }
  }

  /** Lets go of what is a minute old. */
  #advance(now: number): void {
    if (this.#head === this.#tail) return;
    const ahead = (this.#times[this.#at(this.#tail - 1)] ?? now) - now;
    if (ahead > 0) this.#setBack(ahead);
    while (this.#head < this.#tail) {
      const index = this.#at(this.#head);
      if ((this.#times[index] ?? 0) + MINUTE_MS > now) break;
      this.#used -= this.#amounts[index] ?? 0;
      this.#head++;
    }
  }

  /** The clock was set back. The newest entry is no younger than now: seen from there, all keep their distances. */
  #setBack(ms: number): void {
    for (let entry = this.#head; entry < this.#tail; entry++) {
      const index = this.#at(entry);
      this.#times[index] = (this.#times[index] ?? 0) - ms;
    }
    this.#openedAt -= ms;
  }

  #at(entry: number): number {
    return entry & (this.#times.length - 1);
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const amounts = new Float64Array(this.#times.length * 2);
    for (let entry = this.#head; entry < this.#tail; entry++) {
      times[entry & (times.length - 1)] = this.#times[this.#at(entry)] ?? 0;
      amounts[entry & (times.length - 1)] = this.#amounts[this.#at(entry)] ?? 0;
    }
    this.#times = times;
    this.#amounts = amounts;
  }
}

/** From one daily reset to the next. */
export class DayWindow {
  #used = 0;
  #resetAt = Number.NEGATIVE_INFINITY;
  /** Counts days: a clock that is set back can make two of them end at the same moment. */
  #day = 0;
  #reset: DailyReset;

  constructor(reset: DailyReset) {
    this.#reset = reset;
  }

  /** Counts an amount, and gives the number of the day it is in. */
  add(amount: number, now: number): number {
    this.#advance(now);
    this.#used += amount;
    return this.#day;
  }

  /** Gives back a part of what was counted on a day; nothing when that day is over. */
  take(day: number, amount: number): void {
    if (day === this.#day) this.#used -= Math.min(amount, this.#used);
  }

  used(now: number): number {
    this.#advance(now);
    return this.#used;
  }

  resetAt(now: number): number {
    this.#advance(now);
    return this.#resetAt;
  }

  /** The first moment at which no more than `most` is used; `now` when that is so already. */
  downTo(most: number, now: number): number {
    this.#advance(now);
    return this.#used <= most ? now : this.#resetAt;
  }

  /** Another time or zone. What was used stays used until the new day ends. */
  move(reset: DailyReset, now: number): void {
    this.#advance(now);
    this.#reset = reset;
    this.#resetAt = nextReset(now, reset);
  }

  snapshot(now: number): { readonly used: number; readonly resetAt: number } {
    this.#advance(now);
    return { used: this.#used, resetAt: this.#resetAt };
  }

  /** Takes over what `snapshot` gave, if that day is not over. */
  restore(stored: unknown, now: number): void {
    if (typeof stored !== 'object' || stored === null || !('used' in stored) || !('resetAt' in stored)) return;
    const { used, resetAt } = stored;
    if (!isCount(used) || !isCount(resetAt) || resetAt <= now) return;
    this.#advance(now);
    this.#used += used;
  }

  #advance(now: number): void {
    if (now >= this.#resetAt) {
      this.#used = 0;
      this.#day++;
      this.#resetAt = nextReset(now, this.#reset);
    } else if (this.#resetAt - now > MAX_DAY_MS) {
      // The clock was set back by days. What was used stays used, for the day that it is now.
      this.#resetAt = nextReset(now, this.#reset);
    }
  }
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
