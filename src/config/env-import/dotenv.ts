/**
 * `.env` files as python-dotenv reads them, for the keys in them were only ever read by it. The readers of this language
 * differ where it costs a key: they end an unquoted value at any `#`, keep `\"`, expand `$NAME` without braces, or do not
 * expand at all. `tests/fixtures/dotenv` holds what python-dotenv itself says.
 */
import type { Env } from '../environment.ts';

export type Binding = {
  readonly name: string;
  /** Null: a name without `=`, which sets nothing. */
  readonly value: string | null;
  readonly line: number;
};

export type Dotenv = {
  readonly bindings: readonly Binding[];
  /** Lines that are no binding; python-dotenv leaves them out with a warning. */
  readonly unreadable: readonly Unreadable[];
};

export type Unreadable = {
  /** Null: not even a name could be read. */
  readonly name: string | null;
  readonly line: number;
  /** More than one line where a quote is open. */
  readonly lastLine: number;
};

const BLANK = /[^\S\r\n]*/y;
const BLANK_LINES = /\s*/y;
const EXPORT = /(?:export[^\S\r\n]+)?/y;
const QUOTED_NAME = /'([^']+)'/y;
const NAME = /([^=#\s]+)/y;
const EQUALS = /=[^\S\r\n]*/y;
const SINGLE_QUOTED = /'((?:\\'|[^'])*)'/y;
const DOUBLE_QUOTED = /"((?:\\"|[^"])*)"/y;
const REST_OF_LINE = /([^\r\n]*)/y;
const COMMENT_AND_END = /(?:[^\S\r\n]*#[^\r\n]*)?[^\S\r\n]*(?:\r\n|\n|\r|$)/y;

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

export function parseDotenv(text: string): Dotenv {
  const reader = new Reader(text.startsWith('\ufeff') ? text.slice(1) : text);
  const bindings: Binding[] = [];
  const unreadable: Unreadable[] = [];
  for (;;) {
    reader.take(BLANK_LINES);
    if (reader.isAtEnd) return { bindings, unreadable };
    const line = reader.line;
    const name = readName(reader);
    const value = name === undefined ? undefined : readValue(reader);
    if (value !== undefined && reader.take(COMMENT_AND_END) !== null) {
      if (typeof name === 'string') bindings.push({ name, value, line });
      continue;
    }
    reader.take(REST_OF_LINE);
    unreadable.push({ name: name ?? null, line, lastLine: reader.line });
  }
}

/** Null: a line that is only a comment. Undefined: there is no name. */
function readName(reader: Reader): string | null | undefined {
  reader.take(EXPORT);
  if (reader.next === '#') return null;
  return reader.take(reader.next === "'" ? QUOTED_NAME : NAME)?.[1];
}

function readValue(reader: Reader): string | null | undefined {
  reader.take(BLANK);
  if (reader.take(EQUALS) === null) return null;
  switch (reader.next) {
    case "'":
      return reader.take(SINGLE_QUOTED)?.[1]?.replace(/\\([\\'])/g, '$1');
    case '"':
      return reader
        .take(DOUBLE_QUOTED)?.[1]
        ?.replace(/\\([\\'"abfnrtv])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
    default:
      return (reader.take(REST_OF_LINE)?.[1] ?? '').replace(/\s+#.*$/, '').trimEnd();
  }
}

class Reader {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  get next(): string {
    return this.#text.charAt(this.#at);
  }

  get line(): number {
    return this.#line;
  }

  /** Goes past what the pattern matches here; null when it does not. */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return null;
    this.#at += found[0].length;
    this.#line += found[0].match(/\r\n|\n|\r/g)?.length ?? 0;
    return found;
  }
}

const REFERENCE = /\$\{([^}:]*)(?::-([^}]*))?\}/g;

/**
 * The bindings with `${NAME}` and `${NAME:-default}` filled in, in quotes too: from `env`, else from the bindings above.
 * An empty value is a value, unlike in rotator.yaml.
 */
export function resolveReferences(bindings: readonly Binding[], env: Env): readonly Binding[] {
  const above = new Map<string, string | null>();
  return bindings.map(({ name, value, line }) => {
    const resolved =
      value?.replace(REFERENCE, (_, other: string, fallback = '') => {
        const outside = Object.hasOwn(env, other) ? env[other] : undefined;
        if (outside !== undefined) return outside;
        return above.has(other) ? (above.get(other) ?? '') : fallback;
      }) ?? null;
    above.set(name, resolved);
    return { name, value: resolved, line };
  });
}
