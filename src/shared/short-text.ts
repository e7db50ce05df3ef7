/**
 * Short texts stand in bodies again and again: names of fields, models, roles. Each is made once and found by its bytes,
 * because a text that is put together letter by letter costs more than all else that is done with it.
 */

/** Names of fields and models are shorter; beyond it a decoder is faster than this. */
const MAX_LENGTH = 64;
/** A power of two. A newcomer takes the place of whoever has it. */
const PLACES = 1024;
const BACKSLASH = 92;

const texts: string[] = Array.from({ length: PLACES }, () => '');

/** The text of bytes that are printable ASCII without a backslash, and few; else null. */
export function shortText(bytes: Uint8Array, start: number, end: number): string | null {
  const length = end - start;
  if (length > MAX_LENGTH) return null;
  let hash = length;
  for (let at = start; at < end; at++) {
    const code = bytes[at] ?? 0;
    if (code < 32 || code > 126 || code === BACKSLASH) return null;
    hash = (Math.imul(hash, 31) + code) | 0;
  }
  const place = (hash ^ (hash >>> 15)) & (PLACES - 1);
  const known = texts[place] ?? '';
  if (known.length === length && isTextOf(known, bytes, start)) return known;
  const text = String.fromCharCode(...bytes.subarray(start, end));
  texts[place] = text;
  return text;
}

function isTextOf(text: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
