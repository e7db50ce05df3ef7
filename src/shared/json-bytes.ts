import { isUtf8 } from 'node:buffer';
import { type JsonGrammar, LOOSE, STRICT, skipSpace, stringEnd } from './json-grammar.ts';
import { remembered } from './remembered.ts';
import { shortText } from './short-text.ts';

/**
 * A top-level index of a JSON object over its raw bytes: where each value starts and ends, without parsing any value.
 * It lets the proxy change `model` in a 500 KB body for the price of one scan, and leave every other byte as it came.
 */
export type JsonEntry = {
  readonly key: string;
  readonly keyStart: number;
  readonly start: number;
  readonly end: number;
};

/** Top-level fields: name → value, name → new name, names. */
type Change = {
  readonly set?: Readonly<Record<string, unknown>>;
  readonly rename?: Readonly<Record<string, string>>;
  readonly remove?: ReadonlySet<string>;
};

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export class JsonIndex {
  readonly bytes: Uint8Array;
  readonly entries: readonly JsonEntry[];

  private constructor(bytes: Uint8Array, entries: readonly JsonEntry[]) {
    this.bytes = bytes;
    this.entries = entries;
  }

  /**
   * Null when the bytes are not one JSON object with nothing but white space around it. Not a validator: brackets and
   * strings must balance, nothing more.
   */
  static of(bytes: Uint8Array): JsonIndex | null {
    const entries = scan(bytes, LOOSE);
    return entries && new JsonIndex(bytes, entries);
  }

  /** Null, too, for whatever JSON.parse would refuse, and for what is no UTF-8. Reads every byte. */
  static strict(bytes: Uint8Array): JsonIndex | null {
    const entries = isUtf8(bytes) ? scan(bytes, STRICT) : null;
    return entries && new JsonIndex(bytes, entries);
  }

  has(key: string): boolean {
    return this.#last(key) !== undefined;
  }

  /** The parsed value; of a repeated key the last one, as JSON.parse does. Undefined when absent or not valid JSON. */
  get(key: string): unknown {
    const entry = this.#last(key);
    if (!entry) return undefined;
    const plain = plainValue(this.bytes, entry.start, entry.end);
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

  /** Where a value stands; of a repeated key the last. */
  placeOf(key: string): JsonEntry | undefined {
    return this.#last(key);
  }

  /** The first byte of a value, which tells its type; undefined when it is absent. */
  firstByte(key: string): number | undefined {
    const entry = this.#last(key);
    return entry && this.bytes[entry.start];
  }

  #last(key: string): JsonEntry | undefined {
    for (let i = this.entries.length - 1; i >= 0; i--) if (this.entries[i]?.key === key) return this.entries[i];
    return undefined;
  }

  /**
   * A copy with top-level fields set, renamed or removed. Every occurrence of a repeated key is changed, so that a
   * duplicate cannot smuggle the old value past. A field that is set and absent is added at the front.
   */
  edit(change: Change): Uint8Array {
    const set = change.set ?? {};
    const edits = change.remove || change.rename ? this.#editsOf(set, change) : this.#settings(set);
    return splice(this.bytes, edits);
  }

  /** Fields that are only set, which is what happens to nearly every request. */
  #settings(set: Fields): Edit[] {
    const edits: Edit[] = [];
    for (const { key, start, end } of this.entries) {
      if (Object.hasOwn(set, key)) edits.push({ start, end, bytes: encoded(set[key]) });
    }
    this.#addMissing(edits, set, this.entries.length > 0);
    return edits;
  }

  #editsOf(set: Fields, { rename, remove }: Omit<Change, 'set'>): Edit[] {
    const edits: Edit[] = [];
    const removed = this.entries.map(({ key }) => remove?.has(key) === true && !Object.hasOwn(set, key));
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
      const name = rename && Object.hasOwn(rename, entry.key) ? rename[entry.key] : undefined;
      if (name !== undefined) {
        const colon = this.bytes.indexOf(COLON, stringEnd(this.bytes, entry.keyStart));
        edits.push({ start: entry.keyStart, end: colon, bytes: encoded(name) });
      }
      if (Object.hasOwn(set, entry.key)) {
        edits.push({ start: entry.start, end: entry.end, bytes: encoded(set[entry.key]) });
      }
    }
    this.#addMissing(edits, set, removed.includes(false));
    return edits;
  }

  /** What is set and absent goes to the front, before what stays. */
  #addMissing(edits: Edit[], set: Fields, isAnyKept: boolean): void {
    const names = Object.keys(set);
    if (names.every((name) => this.has(name))) return;
    const missing = names.filter((name) => !this.has(name));
    const at = this.bytes.indexOf(OPEN_BRACE) + 1;
    const text = missing.map((key) => `${JSON.stringify(key)}:${JSON.stringify(set[key])}`).join(',');
    const separator = isAnyKept ? ',' : '';
    edits.unshift({ start: at, end: at, bytes: encoder.encode(text + separator) });
  }
}

type Fields = Readonly<Record<string, unknown>>;
type Edit = { readonly start: number; readonly end: number; readonly bytes: Uint8Array };

const MAX_ENCODED = 1000;
const MAX_ENCODED_LENGTH = 200;

const encodedText = remembered(MAX_ENCODED, (text: string) => encoder.encode(JSON.stringify(text)));

/** A value as JSON. Texts that are set are models' names, and always the same. */
function encoded(value: unknown): Uint8Array {
  const isName = typeof value === 'string' && value.length <= MAX_ENCODED_LENGTH;
  return isName ? encodedText(value) : encoder.encode(JSON.stringify(value));
}

const EMPTY = new Uint8Array(0);

function splice(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
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

function readKey(bytes: Uint8Array, open: number, close: number): string | null {
  const plain = shortText(bytes, open + 1, close);
  if (plain !== null) return plain;
  try {
    return JSON.parse(decoder.decode(bytes.subarray(open, close + 1))) as string;
  } catch {
    return null;
  }
}

/** A short text, or a number of few digits, read without a parse; else null. */
function plainValue(bytes: Uint8Array, start: number, end: number): string | number | null {
  if (bytes[start] === QUOTE) return shortText(bytes, start + 1, end - 1);
  if (end - start > 15 || (bytes[start] === 48 && end - start > 1)) return null;
  let number = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - 48;
    if (!(digit >= 0 && digit <= 9)) return null;
    number = number * 10 + digit;
  }
  return number;
}

function scan(bytes: Uint8Array, { textEnd, valueEnd }: JsonGrammar): JsonEntry[] | null {
  const entries: JsonEntry[] = [];
  let at = skipSpace(bytes, bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
  if (bytes[at] !== OPEN_BRACE) return null;
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === CLOSE_BRACE) return isOverAt(bytes, at + 1) ? entries : null;
  for (;;) {
    at = skipSpace(bytes, at);
    if (bytes[at] !== QUOTE) return null;
    const keyStart = at;
    const close = textEnd(bytes, at);
    if (close < 0) return null;
    const key = readKey(bytes, at, close);
    if (key === null) return null;
    at = skipSpace(bytes, close + 1);
    if (bytes[at] !== COLON) return null;
    const start = skipSpace(bytes, at + 1);
    const end = valueEnd(bytes, start);
    if (end < 0) return null;
    entries.push({ key, keyStart, start, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at++;
    else return bytes[at] === CLOSE_BRACE && isOverAt(bytes, at + 1) ? entries : null;
  }
}

const isOverAt = (bytes: Uint8Array, at: number) => skipSpace(bytes, at) === bytes.length;
