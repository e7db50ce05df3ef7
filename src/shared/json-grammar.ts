/** Where JSON's texts and values end, on bytes. Nothing is parsed and nothing is made. */
export type JsonGrammar = {
  /** Index of the quote that closes the string opened at `open`; -1 when it is not one. */
  readonly textEnd: (bytes: Uint8Array, open: number) => number;
  /** Index just behind the value that starts at `from`; -1 when it is none. */
  readonly valueEnd: (bytes: Uint8Array, from: number) => number;
};

const QUOTE = 34;
const PLUS = 43;
const COMMA = 44;
const MINUS = 45;
const DOT = 46;
const COLON = 58;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

export function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

const isSpace = (code: number | undefined) => code === 32 || code === 10 || code === 13 || code === 9;

/** Index of the quote that closes the string opened at `open`, before `limit`; -1 when there is none. */
export function stringEnd(bytes: Uint8Array, open: number, limit = bytes.length): number {
  let at = open + 1;
  for (;;) {
    // Native search: strings are most of a body and are skipped at memory speed.
    at = bytes.indexOf(QUOTE, at);
    if (at < 0 || at >= limit) return -1;
    let back = at - 1;
    while (bytes[back] === BACKSLASH) back--;
    // An even number of backslashes escapes nothing.
    if ((at - back) & 1) return at;
    at++;
  }
}

function looseEnd(bytes: Uint8Array, from: number): number {
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

/** Brackets and strings must balance, and nothing more is looked at. Strings are skipped at memory speed. */
export const LOOSE: JsonGrammar = { textEnd: stringEnd, valueEnd: looseEnd };

/** The brackets and braces that are open. One list for all calls: none of them waits. */
let nesting = new Uint8Array(256);

function strictEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  let depth = 0;
  for (;;) {
    // Here a value begins…
    const code = bytes[at] ?? 0;
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      const inner = skipSpace(bytes, at + 1);
      if (bytes[inner] === code + 2) at = inner + 1;
      else {
        if (depth === nesting.length) nesting = grown(nesting);
        nesting[depth++] = code;
        at = code === OPEN_BRACE ? fieldValue(bytes, inner) : inner;
        if (at < 0) return -1;
        continue;
      }
    } else {
      at = scalarEnd(bytes, at, code);
      if (at < 0) return -1;
    }
    // …and here one has ended, and perhaps those around it.
    for (;;) {
      if (depth === 0) return at;
      at = skipSpace(bytes, at);
      const next = bytes[at];
      const around = nesting[depth - 1] ?? 0;
      if (next === COMMA) {
        at = skipSpace(bytes, at + 1);
        if (around === OPEN_BRACE) at = fieldValue(bytes, at);
        if (at < 0) return -1;
        break;
      }
      if (next !== around + 2) return -1;
      depth--;
      at++;
    }
  }
}

function grown(before: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const after = new Uint8Array(before.length * 2);
  after.set(before);
  return after;
}

/** Where the value of the field begins whose name begins at `at`; -1 when that is none. */
function fieldValue(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return -1;
  const close = strictTextEnd(bytes, at);
  if (close < 0) return -1;
  const colon = skipSpace(bytes, close + 1);
  return bytes[colon] === COLON ? skipSpace(bytes, colon + 1) : -1;
}

function strictTextEnd(bytes: Uint8Array, open: number): number {
  const soon = open + LONG_TEXT_BYTES;
  let words: Words | null = null;
  for (let at = open + 1; at < bytes.length; at++) {
    if (at >= soon && (at + bytes.byteOffset) % 4 === 0) {
      // It is a long one: four bytes are looked at in the time of one.
      words ??= new Words(bytes);
      at = words.firstSpecial(at);
    }
    const code = bytes[at] ?? 0;
    if (code === QUOTE) return at;
    if (code < 32) return -1;
    if (code === BACKSLASH) {
      at = escapeEnd(bytes, at + 1);
      if (at < 0) return -1;
    }
  }
  return -1;
}

const LONG_TEXT_BYTES = 64;

/** The same bytes, four at a time. */
class Words {
  readonly #words: Int32Array;
  /** Bytes before the first word. */
  readonly #lead: number;

  constructor(bytes: Uint8Array) {
    this.#lead = (4 - (bytes.byteOffset % 4)) % 4;
    const count = Math.max(0, bytes.length - this.#lead) >> 2;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset + this.#lead, count);
  }

  /** Where the first word from here on begins in which a byte means something in a text; else the last bytes begin. */
  firstSpecial(from: number): number {
    const words = this.#words;
    for (let i = (from - this.#lead) >> 2; i < words.length; i++) {
      const word = words[i] ?? 0;
      const quote = word ^ 0x22222222;
      const backslash = word ^ 0x5c5c5c5c;
      // The high bit of a byte that is below 32, or 0 after the exclusive or. A byte above one of these may be marked
      // without a reason, by its borrow: it is then looked at by itself.
      const marks =
        ((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash);
      if ((marks & 0x80808080) !== 0) return this.#lead + i * 4;
    }
    return this.#lead + words.length * 4;
  }
}

/** The last byte of the escape whose letter stands at `at`. */
function escapeEnd(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case QUOTE:
    case BACKSLASH:
    case 47: // /
    case 98: // b
    case 102: // f
    case 110: // n
    case 114: // r
    case 116: // t
      return at;
    case 117: // u
      for (let i = 1; i <= 4; i++) if (!isHexDigit(bytes[at + i] ?? 0)) return -1;
      return at + 4;
    default:
      return -1;
  }
}

function scalarEnd(bytes: Uint8Array, at: number, first: number): number {
  switch (first) {
    case QUOTE: {
      const close = strictTextEnd(bytes, at);
      return close < 0 ? -1 : close + 1;
    }
    case 116:
      return wordEnd(bytes, at, 'true');
    case 102:
      return wordEnd(bytes, at, 'false');
    case 110:
      return wordEnd(bytes, at, 'null');
    default:
      return numberEnd(bytes, at);
  }
}

function wordEnd(bytes: Uint8Array, at: number, word: string): number {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return -1;
  return at + word.length;
}

function numberEnd(bytes: Uint8Array, from: number): number {
  const whole = bytes[from] === MINUS ? from + 1 : from;
  let at = digitsEnd(bytes, whole);
  // No zero leads other digits.
  if (at === whole || (bytes[whole] === 48 && at > whole + 1)) return -1;
  if (bytes[at] === DOT) {
    const fraction = at + 1;
    at = digitsEnd(bytes, fraction);
    if (at === fraction) return -1;
  }
  if (bytes[at] === 69 || bytes[at] === 101) {
    const sign = bytes[at + 1];
    const exponent = sign === PLUS || sign === MINUS ? at + 2 : at + 1;
    at = digitsEnd(bytes, exponent);
    if (at === exponent) return -1;
  }
  return at;
}

function digitsEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isDigit(bytes[at] ?? 0)) at++;
  return at;
}

const isDigit = (code: number) => code >= 48 && code <= 57;

const isHexDigit = (code: number) => isDigit(code) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102);

/** What JSON.parse takes, and nothing else (RFC 8259), but for the encoding. */
export const STRICT: JsonGrammar = { textEnd: strictTextEnd, valueEnd: strictEnd };
