/** Milliseconds from `retry-after-ms` or `Retry-After`, which holds seconds or a date. */
export function retryAfterOf(headers: Headers, now: number): number | null {
  const ms = Number(headers.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(ms) && ms > 0) return ms;
  const written = headers.get('retry-after');
  if (written === null) return null;
  const seconds = Number(written);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(written) - now;
  return Number.isFinite(wait) && wait > 0 ? wait : null;
}
