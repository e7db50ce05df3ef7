import type { Clock } from '../shared/clock.ts';

/**
 * Fires once when nothing has happened for a while. `touch` is called for every chunk of every stream, so it only
 * notes the time; the timer itself is set again when it runs out, not when it is touched.
 */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #onIdle: () => void;
  #limitMs: number;
  #touchedAt: number;
  #isHeld = false;
  #cancel: () => void;

  constructor(clock: Clock, limitMs: number, onIdle: () => void) {
    this.#clock = clock;
    this.#onIdle = onIdle;
    this.#limitMs = limitMs;
    this.#touchedAt = clock.elapsed();
    this.#cancel = clock.schedule(limitMs, () => this.#check());
  }

  touch(): void {
    this.#touchedAt = this.#clock.elapsed();
  }

  /** While held, time does not count. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.touch();
  }

  /** Starts over with another limit. */
  restart(limitMs: number): void {
    this.#cancel();
    this.#limitMs = limitMs;
    this.#touchedAt = this.#clock.elapsed();
    this.#cancel = this.#clock.schedule(limitMs, () => this.#check());
  }

  stop(): void {
    this.#cancel();
  }

  #check(): void {
    if (this.#isHeld) this.touch();
    const left = this.#touchedAt + this.#limitMs - this.#clock.elapsed();
    if (left <= 0) this.#onIdle();
    else this.#cancel = this.#clock.schedule(left, () => this.#check());
  }
}
