const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A length of time for people, two units at most: `41 s`, `3 min`, `2 h 5 min`, `3 d 4 h`. Rounded up: a wait is never said too short. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.ceil(ms))} ms`;
  const seconds = Math.ceil(ms / SECOND);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.ceil(ms / MINUTE);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return pair(minutes, 60, 'h', 'min');
  return pair(Math.ceil(ms / HOUR), 24, 'd', 'h');
}

/** How long something took, rounded: `12 ms`, `3.3 s`, `61 s`, `3 min`. */
export function elapsed(ms: number): string {
  const whole = Math.round(ms);
  if (whole < SECOND) return `${whole} ms`;
  if (ms < 10 * SECOND) return `${Number((ms / SECOND).toFixed(1))} s`;
  return duration(Math.round(ms / SECOND) * SECOND);
}

function pair(count: number, per: number, large: string, small: string): string {
  const rest = count % per;
  return rest === 0 ? `${count / per} ${large}` : `${Math.floor(count / per)} ${large} ${rest} ${small}`;
}

/** When a moment comes, seen from now: `in 41 s`, or `now` for one that has passed. */
export function fromNow(at: number, now: number): string {
  return at <= now ? 'now' : `in ${duration(at - now)}`;
}
