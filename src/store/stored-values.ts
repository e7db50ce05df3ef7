/**
 * What comes from requests and upstreams is made storable here: a row that the database refuses would hold up every
 * row behind it.
 */

/** Text of at most `maxBytes` in UTF-8, cut between characters. */
export function storedText(text: string, maxBytes: number): string {
  // A quarter of the limit always fits, whatever the characters.
  if (text.length * 4 <= maxBytes) return text;
  const bytes = Buffer.from(text.slice(0, maxBytes), 'utf8');
  if (bytes.length <= maxBytes) return text.slice(0, maxBytes);
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

// Far above every true count, and so far below 64 bits that no sum of them comes near.
const MAX_COUNT = 1e12;

/** A whole number from 0; anything else is 0. */
export function storedCount(value: number | null): number {
  return value !== null && Number.isFinite(value) && value > 0 ? Math.min(Math.round(value), MAX_COUNT) : 0;
}

// The last moment that a Date can name.
const MAX_TIME = 8.64e15;

/** Whole milliseconds since the epoch. */
export function storedTime(at: number): number {
  return Number.isFinite(at) && at > 0 ? Math.min(Math.floor(at), MAX_TIME) : 0;
}

/** The same where not knowing is an answer of its own. */
export function storedCountOrNull(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : storedCount(value);
}

/** Milliseconds or US dollars; null for what is no number. */
export function storedAmount(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Math.max(0, value);
}
