import type { SseFrame } from '../shared/sse.ts';

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
/** `data` and `event`, as bytes. */
const DATA = [0x64, 0x61, 0x74, 0x61] as const;
const EVENT = [0x65, 0x76, 0x65, 0x6e, 0x74] as const;

// Small enough not to matter for an idle stream, large enough that a split frame rarely grows twice.
const FIRST_PENDING_BYTES = 1024;

/**
 * Cuts a text/event-stream into frames without changing a byte: the `bytes` of all frames and the rest of `end()`,
 * one after the other, are the input. A frame reaches to the end of its blank line, so it can be relayed as it is.
 *
 * Line ends are LF, CRLF or CR (WHATWG HTML §9.2.5). How the input is cut into chunks never changes the frames.
 * Each byte is looked at a fixed number of times, however long a line is and however small its pieces; what is kept
 * is the unfinished frame alone.
 */
export class SseFramer {
  /** The unfinished frame, in a buffer that doubles: pieces of one byte stay cheap. */
  #pending: Uint8Array = new Uint8Array(0);
  #pendingLength = 0;
  /** The current line has bytes already. */
  #isInLine = false;
  /** The last byte was a CR that ended a line: an LF that follows still belongs to that line end. */
  #isAfterCr = false;
  /** That line was blank, so `#pending` is a whole frame but for such an LF. */
  #isFrameDone = false;
  /** The previous line of this frame ended in a CR alone. */
  #endedBare = false;
  /** A frame ended in a CR alone: an LF that follows ends no line of the next frame. */
  #skipsLf = false;
  #isFirst = true;

  /** The bytes held back because their frame is not whole yet. */
  get pendingBytes(): number {
    return this.#pendingLength;
  }

  /** The frames that this chunk completes, in order. A frame that lies within one chunk is a view of it, not a copy. */
  push(chunk: Uint8Array): SseFrame[] {
    const frames: SseFrame[] = [];
    if (chunk.length === 0) return frames;
    /** Where the unfinished frame's bytes begin in this chunk. */
    let frameStart = 0;
    /** Where the current line begins in this chunk; meaningless while `#isInLine`. */
    let lineStart = 0;

    if (this.#isAfterCr) {
      this.#isAfterCr = false;
      const isCrLf = chunk[0] === LF;
      if (isCrLf) lineStart = 1;
      if (this.#isFrameDone) {
        this.#isFrameDone = false;
        frames.push(this.#take(chunk, 0, lineStart));
        frameStart = lineStart;
      } else this.#endedBare = !isCrLf;
    } else if (this.#skipsLf && chunk[0] === LF) lineStart = 1;
    this.#skipsLf = false;

    let lf = chunk.indexOf(LF, lineStart);
    let cr = chunk.indexOf(CR, lineStart);
    while (lf !== -1 || cr !== -1) {
      const isLf = cr === -1 || (lf !== -1 && lf < cr);
      const end = isLf ? lf : cr;
      const isBlank = !this.#isInLine && end === lineStart;
      this.#isInLine = false;
      let next = end + 1;
      let isBare = false;
      if (!isLf) {
        if (isBlank && this.#endedBare) {
          // Lines end in a CR alone here: waiting for an LF would hold a whole frame back until the next one comes.
          isBare = true;
        } else if (next === chunk.length) {
          this.#isAfterCr = true;
          this.#isFrameDone = isBlank;
          this.#keep(chunk, frameStart);
          return frames;
        } else if (chunk[next] === LF) next++;
        else isBare = true;
      }
      if (isBlank) {
        frames.push(this.#take(chunk, frameStart, next));
        frameStart = next;
        if (isBare) {
          if (next === chunk.length) this.#skipsLf = true;
          else if (chunk[next] === LF) next++;
        }
      } else this.#endedBare = isBare;
      lineStart = next;
      if (lf !== -1 && lf < next) lf = chunk.indexOf(LF, next);
      if (cr !== -1 && cr < next) cr = chunk.indexOf(CR, next);
    }
    if (lineStart < chunk.length) this.#isInLine = true;
    this.#keep(chunk, frameStart);
    return frames;
  }

  /** What never became a frame because its blank line did not come. Empty after a stream that ended well. */
  end(): Uint8Array {
    const rest = this.#pending.subarray(0, this.#pendingLength);
    this.#pending = new Uint8Array(0);
    this.#pendingLength = 0;
    this.#isInLine = this.#isAfterCr = this.#isFrameDone = this.#endedBare = this.#skipsLf = false;
    return rest;
  }

  #take(chunk: Uint8Array, start: number, end: number): SseFrame {
    let bytes: Uint8Array;
    if (this.#pendingLength === 0) bytes = chunk.subarray(start, end);
    else {
      this.#append(chunk, start, end);
      bytes = this.#pending.subarray(0, this.#pendingLength);
      // The buffer goes away with the frame, so that a frame outlives the next push.
      this.#pending = new Uint8Array(0);
      this.#pendingLength = 0;
    }
    this.#endedBare = false;
    const frame = new LazyFrame(bytes, this.#isFirst);
    this.#isFirst = false;
    return frame;
  }

  #keep(chunk: Uint8Array, start: number): void {
    if (start < chunk.length) this.#append(chunk, start, chunk.length);
  }

  #append(chunk: Uint8Array, start: number, end: number): void {
    const length = this.#pendingLength + end - start;
    if (length > this.#pending.length) {
      const larger = new Uint8Array(Math.max(FIRST_PENDING_BYTES, length, this.#pending.length * 2));
      larger.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = larger;
    }
    this.#pending.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end), this.#pendingLength);
    this.#pendingLength = length;
  }
}

// `ignoreBOM` keeps a U+FEFF inside the text; the one that may open the stream is skipped as bytes.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Fields are decoded when they are asked for: a relay that needs only the bytes pays nothing for them. */
class LazyFrame implements SseFrame {
  readonly bytes: Uint8Array;
  readonly #isFirst: boolean;
  #fields: { event: string | null; data: string | null } | null = null;

  constructor(bytes: Uint8Array, isFirst: boolean) {
    this.bytes = bytes;
    this.#isFirst = isFirst;
  }

  get event(): string | null {
    this.#fields ??= readFields(this.bytes, this.#isFirst);
    return this.#fields.event;
  }

  get data(): string | null {
    this.#fields ??= readFields(this.bytes, this.#isFirst);
    return this.#fields.data;
  }
}

function readFields(bytes: Uint8Array, isFirst: boolean): { event: string | null; data: string | null } {
  let event: string | null = null;
  let data: string | null = null;
  let at = isFirst && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  let lf = bytes.indexOf(LF, at);
  let cr = bytes.indexOf(CR, at);
  while (lf !== -1 || cr !== -1) {
    const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr;
    // An LF after a CR reads as one more blank line, which says nothing inside a frame.
    if (end > at) {
      if (isField(bytes, at, end, DATA)) {
        const value = fieldValue(bytes, at + 4, end);
        data = data === null ? value : `${data}\n${value}`;
      } else if (isField(bytes, at, end, EVENT)) event = fieldValue(bytes, at + 5, end) || null;
    }
    at = end + 1;
    if (lf !== -1 && lf < at) lf = bytes.indexOf(LF, at);
    if (cr !== -1 && cr < at) cr = bytes.indexOf(CR, at);
  }
  return { event, data };
}

/** Is the line `name`, or does it begin with `name:`? A line without a colon is a field with an empty value. */
function isField(bytes: Uint8Array, start: number, end: number, name: readonly number[]): boolean {
  const after = start + name.length;
  if (after > end) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return after === end || bytes[after] === COLON;
}

function fieldValue(bytes: Uint8Array, colon: number, end: number): string {
  let start = colon + 1;
  if (start < end && bytes[start] === SPACE) start++;
  return start >= end ? '' : decoder.decode(bytes.subarray(start, end));
}
