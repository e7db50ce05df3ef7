import type { Clock } from '../../src/shared/clock.ts';
import { ManualClock } from './manual-clock.ts';

/** Wall-clock time that can be set; timers run on regardless, as they do. */
export class SettableClock implements Clock {
  readonly #steady = new ManualClock();
  #offsetMs = 0;

  now(): number {
    return this.#steady.now() + this.#offsetMs;
  }

  elapsed(): number {
    return this.#steady.elapsed();
  }

  schedule(ms: number, run: () => void): () => void {
    return this.#steady.schedule(ms, run);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#steady.sleep(ms, signal);
  }

  advance(ms: number): Promise<void> {
    return this.#steady.advance(ms);
  }

  /** Timers still to run. */
  get pending(): number {
    return this.#steady.pending;
  }

  set(byMs: number): void {
    this.#offsetMs += byMs;
  }
}
