import { describe, expect, test } from 'bun:test';
import { JsonIndex } from '../../src/shared/json-bytes.ts';
import { seededRandom } from '../../src/shared/random.ts';

/**
 * JSON.parse is the oracle. Documents are written out by hand here, not by JSON.stringify, so that they hold what it
 * never writes: repeated keys, escaped keys, odd white space.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const fragments = [
  '',
  'model',
  'a',
  'stream',
  '"',
  '\\',
  '\\\\',
  '\\"',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"model":"x"',
  'é',
  '日本',
  '\u2028',
  '\n',
  '😀',
  '\u0000',
  '\ud800',
  '__proto__',
  'constructor',
  '0',
];
const names = ['model', 'stream', 'stream_options', 'a', 'b'];
const spaces = ['', '', '', ' ', '\n', '\r\n  ', '\t', ' \n\t '];

class Documents {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  pick<T>(list: readonly T[]): T {
    const value = list[this.below(list.length)];
    if (value === undefined) throw new Error('picked from an empty list');
    return value;
  }

  space(): string {
    return this.pick(spaces);
  }

  string(): string {
    return Array.from({ length: this.below(4) }, () => this.pick(fragments)).join('');
  }

  key(): string {
    return this.random() < 0.5 ? this.pick(names) : this.string();
  }

  /** A string as JSON text, some of its characters written as escapes. */
  quoted(value: string): string {
    if (this.random() < 0.7) return JSON.stringify(value);
    let text = '"';
    for (let i = 0; i < value.length; i++) {
      const plain = JSON.stringify(value[i]).slice(1, -1);
      const escaped = `\\u${value.charCodeAt(i).toString(16).padStart(4, '0')}`;
      text += this.random() < 0.5 ? plain : this.random() < 0.5 ? escaped : escaped.toUpperCase().replace('\\U', '\\u');
    }
    return `${text}"`;
  }

  value(depth = 0): string {
    switch (this.below(depth > 3 ? 5 : 7)) {
      case 0:
        return this.quoted(this.string());
      case 1:
        return String(this.below(1000) - 500);
      case 2:
        return this.pick(['1e-7', '-0', '1E+300', '0.25', '12345678901234567890']);
      case 3:
        return 'null';
      case 4:
        return this.pick(['true', 'false']);
      case 5:
        return `[${this.space()}${Array.from({ length: this.below(4) }, () => this.value(depth + 1)).join(`${this.space()},${this.space()}`)}${this.space()}]`;
      default:
        return this.object(Array.from({ length: this.below(4) }, () => [this.string(), this.value(depth + 1)]));
    }
  }

  object(members: readonly (readonly [key: string, value: string])[]): string {
    const text = members.map(
      ([key, value]) => `${this.space()}${this.quoted(key)}${this.space()}:${this.space()}${value}${this.space()}`,
    );
    return `{${text.length > 0 ? text.join(',') : this.space()}}`;
  }

  members(): [key: string, value: string][] {
    return Array.from({ length: this.below(6) }, () => [this.key(), this.value()]);
  }
}

/** The members of an object as JSON text, for JSON.parse to resolve repeats. */
const plain = (members: readonly (readonly [string, string])[]) =>
  `{${members.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`;

/** Key order included. */
const canonical = (json: string) => JSON.stringify(JSON.parse(json));

function indexOf(text: string): JsonIndex {
  const index = JsonIndex.of(encoder.encode(text));
  if (!index) throw new Error(`no index for ${text}`);
  return index;
}

const documents = 40_000;

describe('the byte index of a JSON object', () => {
  test('finds every member of 40,000 documents as JSON.parse does, and changes nothing when nothing is asked', () => {
    const make = new Documents(42);
    for (let i = 0; i < documents; i++) {
      const members = make.members();
      const text = `${make.space()}${make.object(members)}${make.space()}`;
      const index = indexOf(text);
      const parsed: Record<string, unknown> = JSON.parse(text);
      // A lone surrogate does not survive UTF-8; the keys are compared as the bytes have them.
      const keys = members.map(([key]) => decoder.decode(encoder.encode(key)));
      if (members.some(([key]) => !key.isWellFormed())) {
        expect(index.entries.length, text).toBe(members.length);
        continue;
      }
      expect(index.entries.map((entry) => entry.key)).toEqual(keys);
      for (const [j, [key, value]] of members.entries()) {
        const entry = index.entries[j];
        if (!entry || decoder.decode(index.bytes.subarray(entry.start, entry.end)) !== wellFormed(value)) {
          throw new Error(`member ${key} of ${text}`);
        }
        if (!index.has(key)) throw new Error(`has not ${key} of ${text}`);
        if (canonicalValue(index.get(key)) !== canonicalValue(JSON.parse(wellFormed(JSON.stringify(parsed[key]))))) {
          throw new Error(`value of ${key} in ${text}`);
        }
      }
      if (index.edit({}) !== index.bytes) throw new Error(`copied without a reason: ${text}`);
    }
  });

  test('sets, renames and removes members of 40,000 documents as it would be done on a list of members', () => {
    const make = new Documents(7);
    let repeated = 0;
    for (let i = 0; i < documents; i++) {
      const members = make.members().filter(([key, value]) => key.isWellFormed() && value.isWellFormed());
      const text = `${make.space()}${make.object(members)}${make.space()}`;
      const index = indexOf(text);
      const some = (): string[] =>
        Array.from({ length: make.below(3) }, () => {
          const member = members[make.below(members.length + 1)];
          return member ? member[0] : make.pick(names);
        }).filter((key) => key !== '__proto__');
      const set: Record<string, unknown> = Object.fromEntries(
        some().map((key) => [key, make.pick<unknown>(['new', true, null, 7, { include_usage: true }])]),
      );
      const rename: Record<string, string> = Object.fromEntries(
        some().map((key) => [key, make.pick(['renamed', 'max_tokens'])]),
      );
      const remove = new Set(some());
      const kept = members.filter(([key]) => Object.hasOwn(set, key) || !remove.has(key));
      const wanted = kept.map(
        ([key, value]) =>
          [
            Object.hasOwn(rename, key) ? (rename[key] ?? key) : key,
            Object.hasOwn(set, key) ? JSON.stringify(set[key]) : value,
          ] as const,
      );
      const added = Object.keys(set)
        .filter((key) => !kept.some(([name]) => name === key))
        .map((key) => [key, JSON.stringify(set[key])] as const);
      if (new Set(members.map(([key]) => key)).size < members.length) repeated++;

      const edited = decoder.decode(index.edit({ set, rename, remove }));
      const asked = JSON.stringify({ set, rename, remove: [...remove] });
      let got: string;
      try {
        got = canonical(edited);
      } catch {
        throw new Error(`not JSON any more: ${edited}\nfrom ${text}\nby ${asked}`);
      }
      if (got !== canonical(plain([...added, ...wanted]))) {
        throw new Error(`${edited}\nfrom ${text}\nby ${asked}\nshould be ${plain([...added, ...wanted])}`);
      }
      // What is only set goes a way of its own.
      const onlySet = decoder.decode(index.edit({ set }));
      const wholly = decoder.decode(index.edit({ set, rename: {}, remove: new Set() }));
      if (onlySet !== wholly) throw new Error(`${onlySet}\nfrom ${text}\nby ${asked}\nshould be ${wholly}`);
    }
    expect(repeated).toBeGreaterThan(1_000);
  });

  test('a set touches the bytes of the value and no other', () => {
    const make = new Documents(11);
    for (let i = 0; i < documents / 4; i++) {
      const members = [...make.members(), ['model', '"old"'] as [string, string]].filter(
        ([key, value]) => key.isWellFormed() && value.isWellFormed(),
      );
      const text = `${make.space()}${make.object(members)}${make.space()}`;
      const index = indexOf(text);
      let expected = '';
      let from = 0;
      for (const entry of index.entries) {
        if (entry.key !== 'model') continue;
        expected += `${decoder.decode(index.bytes.subarray(from, entry.start))}"new"`;
        from = entry.end;
      }
      expected += decoder.decode(index.bytes.subarray(from));
      const edited = decoder.decode(index.edit({ set: { model: 'new' } }));
      if (edited !== expected) throw new Error(`${edited}\nis not ${expected}`);
    }
  });

  test('no cut-off document has an index', () => {
    const make = new Documents(3);
    for (let i = 0; i < 400; i++) {
      const bytes = encoder.encode(make.object(make.members()));
      for (let length = 0; length < bytes.length; length++) {
        if (JsonIndex.of(bytes.subarray(0, length))) {
          throw new Error(`indexed: ${decoder.decode(bytes.subarray(0, length))}`);
        }
      }
    }
  });

  test('whatever JSON.parse accepts as an object after random damage has the same keys, and nothing makes it throw', () => {
    const make = new Documents(5);
    let stillJson = 0;
    for (let i = 0; i < documents; i++) {
      const bytes = encoder.encode(make.object(make.members()));
      for (let n = make.below(3); n >= 0; n--) {
        const at = make.below(bytes.length);
        bytes[at] = make.random() < 0.5 ? make.below(256) : (bytes[make.below(bytes.length)] ?? 0);
      }
      const text = decoder.decode(bytes);
      const index = JsonIndex.of(bytes);
      index?.edit({ set: { model: 'x' }, remove: new Set(['a']), rename: { b: 'c' } });
      for (const entry of index?.entries ?? []) index?.get(entry.key);
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        continue;
      }
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) continue;
      stillJson++;
      if (!index) throw new Error(`JSON.parse reads it, the index does not: ${text}`);
      for (const key of Object.keys(parsed)) if (!index.has(key)) throw new Error(`${JSON.stringify(key)} of ${text}`);
    }
    expect(stillJson).toBeGreaterThan(1_000);
  });

  test('strictly read, damaged documents are indexed when JSON.parse takes them as objects, and only then', () => {
    const make = new Documents(17);
    const fatal = new TextDecoder('utf-8', { fatal: true });
    const isObjectText = (bytes: Uint8Array) => {
      try {
        const value: unknown = JSON.parse(fatal.decode(bytes));
        return typeof value === 'object' && value !== null && !Array.isArray(value);
      } catch {
        return false;
      }
    };
    const odd = encoder.encode('01-+.eEtrunlfas"\\\\/bfu{}[],: \u0001\t\u000b0');
    let taken = 0;
    for (let i = 0; i < documents * 2; i++) {
      const bytes = encoder.encode(`${make.space()}${make.object(make.members())}${make.space()}`);
      for (let n = make.below(4); n > 0; n--) {
        const at = make.below(bytes.length);
        const sort = make.random();
        bytes[at] =
          sort < 0.2
            ? make.below(256)
            : ((sort < 0.6 ? odd[make.below(odd.length)] : bytes[make.below(bytes.length)]) ?? 0);
      }
      const isTaken = JsonIndex.strict(bytes) !== null;
      if (isTaken) taken++;
      if (isTaken !== isObjectText(bytes))
        throw new Error(`${isTaken ? 'indexed' : 'refused'}: ${decoder.decode(bytes)}`);
    }
    expect(taken).toBeGreaterThan(10_000);
    expect(documents * 2 - taken).toBeGreaterThan(10_000);
  });

  test('long texts are read as strictly, wherever they begin and whatever damages them', () => {
    const make = new Documents(19);
    const fatal = new TextDecoder('utf-8', { fatal: true });
    const pieces = ['plain words and more ', 'é', '日本', '😀', '\\n', '\\"', '\\\\', '\\u00e9', "it's "];
    const damages = [0, 9, 10, 31, 32, 34, 92, 110, 127, 128, 195, 255];
    let taken = 0;
    for (let i = 0; i < documents / 2; i++) {
      const text = Array.from({ length: make.below(60) }, () => make.pick(pieces)).join('');
      const whole = encoder.encode(`${' '.repeat(make.below(8))}{"a":"${text}","b":[1]}`);
      for (let n = make.below(3); n > 0; n--) whole[make.below(whole.length)] = make.pick(damages);
      // A view that begins anywhere in its buffer.
      const lead = make.below(8);
      const bytes = new Uint8Array(new ArrayBuffer(whole.length + 8), lead, whole.length);
      bytes.set(whole);
      let isJson = true;
      try {
        JSON.parse(fatal.decode(bytes));
      } catch {
        isJson = false;
      }
      if (isJson) taken++;
      if ((JsonIndex.strict(bytes) !== null) !== isJson) throw new Error(`${isJson}: ${decoder.decode(bytes)}`);
    }
    expect(taken).toBeGreaterThan(5_000);
    expect(documents / 2 - taken).toBeGreaterThan(3_000);
  });

  test('values that are read without a parse are what JSON.parse makes of them', () => {
    for (const text of [
      '0',
      '7',
      '64',
      '007',
      '-1',
      '1.5',
      '1e3',
      '123456789012345',
      '9007199254740993',
      '""',
      '"gpt-5"',
    ]) {
      const index = JsonIndex.of(encoder.encode(`{"a":${text}}`));
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        parsed = undefined;
      }
      expect(index?.get('a'), text).toBe(parsed as number);
    }
  });

  test('depth is no matter to a strict reading', () => {
    const deep = encoder.encode(`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`);
    expect(JsonIndex.strict(deep)).not.toBeNull();
    expect(JsonIndex.strict(deep.subarray(0, -2))).toBeNull();
  });

  test.each([
    ['', 'nothing'],
    ['   ', 'only white space'],
    ['[1]', 'an array'],
    ['"{}"', 'a string'],
    ['null', 'a literal'],
    ['{"a":1}{"b":2}', 'two objects'],
    ['{"a":1} x', 'something behind'],
    ['{"a":}', 'no value'],
    ['{"a" 1}', 'no colon'],
    ['{"a":1,}', 'a trailing comma'],
    ['{a:1}', 'a bare key'],
    ['{"a":[1,2}', 'brackets that cross'],
    ['{"a":"x', 'an open string'],
    ['{"a\\":1}', 'a key whose quote is escaped'],
    ['{"\\uZZZZ":1}', 'a key with a bad escape'],
  ])('%p has no index: %s', (text) => {
    expect(JsonIndex.of(encoder.encode(text))).toBeNull();
    expect(JsonIndex.strict(encoder.encode(text))).toBeNull();
  });

  test('a repeated or escaped key cannot smuggle a value past a set', () => {
    for (const text of [
      '{"model":"allowed","x":1,"model":"forbidden"}',
      '{"mod\\u0065l":"forbidden"}',
      '{"model":"allowed","\\u006dodel":"forbidden"}',
    ]) {
      const edited = decoder.decode(indexOf(text).edit({ set: { model: 'patched' } }));
      expect(edited).not.toContain('forbidden');
      expect(JSON.parse(edited).model).toBe('patched');
    }
  });

  test('a repeated key reads as its last value, and a removed one goes everywhere', () => {
    const index = indexOf('{"model":"a","model":"b","x":{"model":"kept"}}');
    expect(index.get('model')).toBe('b');
    expect(decoder.decode(index.edit({ remove: new Set(['model']) }))).toBe('{"x":{"model":"kept"}}');
  });

  test('a byte order mark is passed over and kept', () => {
    const bytes = new Uint8Array([0xef, 0xbb, 0xbf, ...encoder.encode('{"model":"a"}')]);
    const index = JsonIndex.of(bytes);
    expect(index?.get('model')).toBe('a');
    expect(index?.edit({ set: { model: 'b', n: 1 } })).toEqual(
      new Uint8Array([0xef, 0xbb, 0xbf, ...encoder.encode('{"n":1,"model":"b"}')]),
    );
  });
});

/** Text after a trip through UTF-8, where lone surrogates become U+FFFD. */
function wellFormed(text: string): string {
  return decoder.decode(encoder.encode(text));
}

const canonicalValue = (value: unknown) => JSON.stringify(value);
