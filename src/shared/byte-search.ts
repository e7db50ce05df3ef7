/** Searches at memory speed. */

/** Do these bytes hold this ASCII text? Undefined bytes hold nothing. */
export function holds(bytes: Uint8Array | undefined, text: string | Uint8Array): boolean {
  return bytes !== undefined && indexOfBytes(bytes, text) >= 0;
}

/** Where this text begins first, not before `from`; -1 when it is not there. */
export function indexOfBytes(bytes: Uint8Array, text: string | Uint8Array, from = 0): number {
  return indexOf.call(bytes, text, from);
}

// Buffer's own, which Bun runs on any Uint8Array; a Buffer would have to be made for every search.
const indexOf = Buffer.prototype.indexOf as (this: Uint8Array, text: string | Uint8Array, from: number) => number;
