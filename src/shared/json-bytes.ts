/**
 * A top-level index of a JSON object over its raw bytes: where each value starts and ends, without parsing any value.
 * It lets the proxy change `model` in a 500 KB body for the price of one scan, and leave every other byte as it came.
 * Not a validator: brackets and strings must balance, nothing more. A body it cannot follow gives null.
 */
export type JsonEntry = {
  readonly key: string;
  readonly keyStart: number;
  readonly start: number;
  readonly end: number;
};

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

const isSpace = (code: number | undefined) => code === 32 || code === 10 || code === 13 || code === 9;

export class JsonIndex {
  readonly bytes: Uint8Array;
  readonly entries: readonly JsonEntry[];

  private constructor(bytes: Uint8Array, entries: readonly JsonEntry[]) {
    this.bytes = bytes;
    this.entries = entries;
  }

  /** Null when the bytes are not one JSON object with nothing but white space around it. */
  static of(bytes: Uint8Array): JsonIndex | null {
    const entries = scan(bytes);
    return entries && new JsonIndex(bytes, entries);
  }

  has(key: string): boolean {
    return this.#last(key) !== undefined;
  }

  /** The parsed value; of a repeated key the last one, as JSON.parse does. Undefined when absent or not valid JSON. */
  get(key: string): unknown {
    const entry = this.#last(key);
    if (!entry) return undefined;
    const plain = plainText(this.bytes, entry.start, entry.end);
    if (plain !== null) return plain;
    try {
      return JSON.parse(decoder.decode(this.bytes.subarray(entry.start, entry.end)));
    } catch {
      return undefined;
    }
  }

  /** The bytes of a value, unparsed; a view, not a copy. */
  slice(key: string): Uint8Array | undefined {
    const entry = this.#last(key);
    return entry && this.bytes.subarray(entry.start, entry.end);
  }

  #last(key: string): JsonEntry | undefined {
    for (let i = this.entries.length - 1; i >= 0; i--) if (this.entries[i]?.key === key) return this.entries[i];
    return undefined;
  }

  /**
   * A copy with top-level fields set, renamed or removed. Every occurrence of a repeated key is changed, so that a
   * duplicate cannot smuggle the old value past. A field that is set and absent is added at the front.
   */
  edit(change: {
    readonly set?: Readonly<Record<string, unknown>>;
    readonly rename?: Readonly<Record<string, string>>;
    readonly remove?: ReadonlySet<string>;
  }): Uint8Array {
    const edits: { start: number; end: number; bytes: Uint8Array }[] = [];
    const set = change.set ?? {};
    const found = new Set<string>();
    const removed = this.entries.map(
      (entry) => change.remove?.has(entry.key) === true && !Object.hasOwn(set, entry.key),
    );
    for (const [i, entry] of this.entries.entries()) {
      if (removed[i]) {
        // A removed entry takes one comma with it: the one before it, or, while no kept entry precedes, the one after.
        const hasKeptBefore = removed.slice(0, i).includes(false);
        const previous = this.entries[i - 1];
        const next = this.entries[i + 1];
        if (hasKeptBefore && previous) edits.push({ start: previous.end, end: entry.end, bytes: EMPTY });
        else edits.push({ start: entry.keyStart, end: next ? next.keyStart : entry.end, bytes: EMPTY });
        continue;
      }
      const name = change.rename && Object.hasOwn(change.rename, entry.key) ? change.rename[entry.key] : undefined;
      if (name !== undefined) {
        const colon = this.bytes.indexOf(COLON, stringEnd(this.bytes, entry.keyStart));
        edits.push({ start: entry.keyStart, end: colon, bytes: encoder.encode(JSON.stringify(name)) });
      }
      if (Object.hasOwn(set, entry.key)) {
        found.add(entry.key);
        edits.push({ start: entry.start, end: entry.end, bytes: encoder.encode(JSON.stringify(set[entry.key])) });
      }
    }
    const added = Object.keys(set).filter((key) => !found.has(key));
    if (added.length > 0) {
      const at = this.bytes.indexOf(OPEN_BRACE) + 1;
      const text = added.map((key) => `${JSON.stringify(key)}:${JSON.stringify(set[key])}`).join(',');
      const separator = removed.includes(false) ? ',' : '';
      edits.unshift({ start: at, end: at, bytes: encoder.encode(text + separator) });
    }
    return splice(this.bytes, edits);
  }
}

const EMPTY = new Uint8Array(0);

function splice(bytes: Uint8Array, edits: { start: number; end: number; bytes: Uint8Array }[]): Uint8Array {
  if (edits.length === 0) return bytes;
  let length = bytes.length;
  for (const edit of edits) length += edit.bytes.length - (edit.end - edit.start);
  const out = new Uint8Array(length);
  let from = 0;
  let to = 0;
  for (const edit of edits) {
    out.set(bytes.subarray(from, edit.start), to);
    to += edit.start - from;
    out.set(edit.bytes, to);
    to += edit.bytes.length;
    from = edit.end;
  }
  out.set(bytes.subarray(from), to);
  return out;
}

/** Index of the quote that closes the string opened at `open`; -1 when there is none. */
export function stringEnd(bytes: Uint8Array, open: number): number {
  let at = open + 1;
  for (;;) {
    // Native search: strings are most of a body and are skipped at memory speed.
    at = bytes.indexOf(QUOTE, at);
    if (at < 0) return -1;
    let back = at - 1;
    while (bytes[back] === BACKSLASH) back--;
    // An even number of backslashes escapes nothing.
    if ((at - back) & 1) return at;
    at++;
  }
}

function readKey(bytes: Uint8Array, open: number, close: number): string | null {
  const plain = plainText(bytes, open, close + 1);
  if (plain !== null) return plain;
  try {
    return JSON.parse(decoder.decode(bytes.subarray(open, close + 1))) as string;
  } catch {
    return null;
  }
}

// Names of fields and models are shorter; beyond it a decoder is faster than this.
const PLAIN_LENGTH = 64;

/** The content of a short string literal of printable ASCII without escapes, read without a decoder; else null. */
function plainText(bytes: Uint8Array, start: number, end: number): string | null {
  if (bytes[start] !== QUOTE || end - start > PLAIN_LENGTH) return null;
  let text = '';
  for (let i = start + 1; i < end - 1; i++) {
    const code = bytes[i] ?? 0;
    if (code < 32 || code > 126 || code === BACKSLASH) return null;
    text += ASCII[code];
  }
  return text;
}

const ASCII = Array.from({ length: 127 }, (_, code) => String.fromCharCode(code));

/** Index just behind the value that starts at `from`; -1 when it does not end. */
function valueEnd(bytes: Uint8Array, from: number): number {
  const first = bytes[from];
  let at = from;
  if (first === QUOTE) return stringEnd(bytes, at) + 1 || -1;
  if (first === OPEN_BRACE || first === OPEN_BRACKET) {
    const open: number[] = [];
    while (at < bytes.length) {
      const code = bytes[at];
      if (code === QUOTE) {
        at = stringEnd(bytes, at);
        if (at < 0) return -1;
      } else if (code === OPEN_BRACE || code === OPEN_BRACKET) open.push(code + 2);
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        if (open.pop() !== code) return -1;
        if (open.length === 0) return at + 1;
      }
      at++;
    }
    return -1;
  }
  while (at < bytes.length && bytes[at] !== COMMA && bytes[at] !== CLOSE_BRACE && !isSpace(bytes[at])) at++;
  return at === from ? -1 : at;
}

function scan(bytes: Uint8Array): JsonEntry[] | null {
  const entries: JsonEntry[] = [];
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const skipSpace = () => {
    while (isSpace(bytes[at])) at++;
  };
  skipSpace();
  if (bytes[at++] !== OPEN_BRACE) return null;
  skipSpace();
  if (bytes[at] === CLOSE_BRACE) return onlySpaceFrom(bytes, at + 1) ? entries : null;
  for (;;) {
    skipSpace();
    if (bytes[at] !== QUOTE) return null;
    const keyStart = at;
    const close = stringEnd(bytes, at);
    if (close < 0) return null;
    const key = readKey(bytes, at, close);
    if (key === null) return null;
    at = close + 1;
    skipSpace();
    if (bytes[at++] !== COLON) return null;
    skipSpace();
    const start = at;
    at = valueEnd(bytes, start);
    if (at < 0) return null;
    entries.push({ key, keyStart, start, end: at });
    skipSpace();
    if (bytes[at] === COMMA) {
      at++;
      continue;
    }
    return bytes[at] === CLOSE_BRACE && onlySpaceFrom(bytes, at + 1) ? entries : null;
  }
}

function onlySpaceFrom(bytes: Uint8Array, from: number): boolean {
  for (let i = from; i < bytes.length; i++) if (!isSpace(bytes[i])) return false;
  return true;
}
