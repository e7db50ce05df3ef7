/** Time as an argument. Tests pass a manual clock; everything else passes `systemClock`. */
export interface Clock {
  /** Milliseconds since the Unix epoch. The machine's owner can set it, back and ahead. */
  now(): number;
  /** Milliseconds since a moment of its own, which nobody sets: for what lasts so long. */
  elapsed(): number;
  /** Resolves after `ms`. Resolves at once, never rejects, when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` once, `ms` from now, unless the returned function is called first. Keeps the process alive until then. */
  schedule(ms: number, run: () => void): () => void;
}

// setTimeout overflows above 2^31-1 ms and would fire at once.
const MAX_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        // A listener left on a long-lived signal leaks and makes every later one slower.
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, MAX_TIMER_MS));
      signal?.addEventListener('abort', done, { once: true });
    }),
  schedule: (ms, run) => {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
