import type { Clock } from '../../src/shared/clock.ts';

type Timer = { at: number; run: () => void; cancel: () => void };

/**
 * Time that passes as it does, from noon of a day in winter, and that a test moves ahead: minutes and days go by while
 * real sockets are open. What falls due by a leap runs at once, in order.
 */
export class LeapingClock implements Clock {
  readonly #began = Date.now();
  readonly #timers = new Set<Timer>();
  #start: number;

  constructor(start = Date.UTC(2026, 0, 15, 12)) {
    this.#start = start;
  }

  now(): number {
    return this.#start + Date.now() - this.#began;
  }

  elapsed(): number {
    return this.now();
  }

  schedule(ms: number, run: () => void): () => void {
    const timer: Timer = { at: this.now() + Math.max(0, ms), run, cancel: () => {} };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const cancel = this.schedule(ms, () => resolve());
      signal?.addEventListener('abort', () => {
        cancel();
        resolve();
      });
    });
  }

  leap(ms: number): void {
    this.#start += ms;
    const now = this.now();
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) {
      timer.cancel();
      if (timer.at <= now) this.#fire(timer);
      else this.#arm(timer);
    }
  }

  #arm(timer: Timer): void {
    const handle = setTimeout(() => this.#fire(timer), Math.min(timer.at - this.now(), 2_000_000_000));
    timer.cancel = () => clearTimeout(handle);
  }

  #fire(timer: Timer): void {
    // It may have been called off by one that ran before it.
    if (this.#timers.delete(timer)) timer.run();
  }
}
