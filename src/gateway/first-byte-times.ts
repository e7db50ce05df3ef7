/** How long each target takes until its answer begins, by what was seen last; for aliases that want the fastest. */

/** Of what was seen before, half counts when as much time as this has passed. */
const HALF_LIFE_MS = 5 * 60_000;
/** How much one new measurement moves what is known. */
const WEIGHT = 0.3;
/** An attempt that failed took its time and gave nothing: as slow as nobody wants it. */
const FAILED_MS = 60_000;

type Seen = { ms: number; at: number };

export class FirstByteTimes {
  readonly #seen = new Map<string, Seen>();
  readonly #maxTargets: number;

  constructor(maxTargets = 1000) {
    this.#maxTargets = maxTargets;
  }

  /**
   * One settled attempt: milliseconds until the first content of a stream, or until the whole of another answer, which is
   * told apart because it says little of the first. `ms` null: it failed.
   */
  add(target: string, isStream: boolean, ms: number | null, now: number): void {
    const key = keyOf(target, isStream);
    const known = this.#seen.get(key);
    const value = ms ?? FAILED_MS;
    const before = known === undefined ? value : decayed(known, now);
    // A failure counts whole: nobody waits for a third one to believe it.
    const mean = ms === null ? Math.max(before, value) : before + (value - before) * WEIGHT;
    if (known) {
      // Changed in place: this is done for every request.
      known.ms = mean;
      known.at = now;
      return;
    }
    if (this.#seen.size >= this.#maxTargets) this.#forgetStalest();
    this.#seen.set(key, { ms: mean, at: now });
  }

  #forgetStalest(): void {
    let stalest: string | null = null;
    let since = Number.POSITIVE_INFINITY;
    for (const [key, { at }] of this.#seen) {
      if (at >= since) continue;
      stalest = key;
      since = at;
    }
    if (stalest !== null) this.#seen.delete(stalest);
  }

  /**
   * Expected milliseconds. What was slow long ago may be fast today, so that the number sinks until it is measured again;
   * what was never measured has 0, and is measured first.
   */
  of(target: string, isStream: boolean, now: number): number {
    const known = this.#seen.get(keyOf(target, isStream));
    return known === undefined ? 0 : decayed(known, now);
  }
}

const decayed = ({ ms, at }: Seen, now: number) => ms * 0.5 ** (Math.max(0, now - at) / HALF_LIFE_MS);

const keyOf = (target: string, isStream: boolean) => `${isStream ? 'stream' : 'whole'} ${target}`;
