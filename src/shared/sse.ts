/** One event of a text/event-stream, with the very bytes it came in, its blank line included. */
export type SseFrame = {
  /** A view into the stream's bytes; valid until the next push. Relayed as it is. */
  readonly bytes: Uint8Array;
  /** The `event:` field, or null. */
  readonly event: string | null;
  /** The `data:` lines joined by newlines, or null for comments and empty frames. */
  readonly data: string | null;
};
