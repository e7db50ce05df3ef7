/** Do these bytes hold this ASCII text? A search at memory speed. Undefined bytes hold nothing. */
export function holds(bytes: Uint8Array | undefined, text: string): boolean {
  return bytes !== undefined && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(text);
}
