import { parseDuration } from './duration.ts';

/**
 * The beginning of a period as people write it: a length of time that ends now (`7d`, `12h`), or an ISO 8601 date or
 * time, a date alone in UTC. Milliseconds since the epoch, never before it; null for anything else.
 */
export function parseSince(text: string, now: number): number | null {
  const lengthMs = parseDuration(text);
  if (lengthMs !== null) return Math.max(0, now - lengthMs);
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at);
}
