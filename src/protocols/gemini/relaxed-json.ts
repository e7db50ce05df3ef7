/**
 * Reads what a model meant as JSON: bare or single-quoted keys and values, trailing commas, line breaks inside of texts,
 * Python's words. Undefined when it is no whole value: what is cut off must not be guessed.
 */
export function parseRelaxed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const reader = new Reader(text);
    try {
      const value = reader.value(0);
      return reader.isAtEnd() ? value : undefined;
    } catch (error) {
      if (error instanceof Unreadable) return undefined;
      throw error;
    }
  }
}

class Unreadable extends Error {}

const MAX_DEPTH = 64;
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...([
    ['true', true],
    ['True', true],
    ['false', false],
    ['False', false],
  ] as const),
  ...([
    ['null', null],
    ['None', null],
  ] as const),
]);
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    this.#skipSpace();
    return this.#at === this.#text.length;
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new Unreadable();
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#array(depth);
    if (first === '"' || first === "'") return this.#quoted(first);
    const word = this.#bare(/[,}\]]/);
    if (WORDS.has(word)) return WORDS.get(word);
    return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(word) ? Number(word) : word;
  }

  #object(depth: number): Readonly<Record<string, unknown>> {
    const entries: [string, unknown][] = [];
    this.#at++;
    while (!this.#closes('}')) {
      const quote = this.#text[this.#at];
      const key = quote === '"' || quote === "'" ? this.#quoted(quote) : this.#bare(/[:,{}[\]]/);
      this.#skipSpace();
      this.#expect(':');
      entries.push([key, this.value(depth + 1)]);
      this.#separator('}');
    }
    return Object.fromEntries(entries);
  }

  #array(depth: number): readonly unknown[] {
    const items: unknown[] = [];
    this.#at++;
    while (!this.#closes(']')) {
      items.push(this.value(depth + 1));
      this.#separator(']');
    }
    return items;
  }

  #closes(bracket: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== bracket) return false;
    this.#at++;
    return true;
  }

  /** A comma, or the bracket that is left for whoever opened it. */
  #separator(bracket: string): void {
    this.#skipSpace();
    if (this.#text[this.#at] === bracket) return;
    this.#expect(',');
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character) throw new Unreadable();
    this.#at++;
  }

  #quoted(quote: string): string {
    let out = '';
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at] ?? '';
      if (character === quote) {
        this.#at++;
        return out;
      }
      out += character === '\\' ? this.#escape() : character;
    }
    throw new Unreadable();
  }

  #escape(): string {
    const next = this.#text[++this.#at] ?? '';
    const code = next === 'u' ? /^[0-9a-fA-F]{4}/.exec(this.#text.slice(this.#at + 1)) : null;
    if (code) {
      this.#at += 4;
      return String.fromCharCode(Number.parseInt(code[0], 16));
    }
    // What escapes nothing is meant as it stands: a path of Windows, a regular expression.
    return ESCAPES[next] ?? ('"\'\\/'.includes(next) ? next : `\\${next}`);
  }

  #bare(end: RegExp): string {
    const from = this.#at;
    while (this.#at < this.#text.length && !end.test(this.#text[this.#at] ?? '')) this.#at++;
    const word = this.#text.slice(from, this.#at).trim();
    if (word === '' || this.#at === this.#text.length) throw new Unreadable();
    return word;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }
}
