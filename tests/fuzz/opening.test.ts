import { describe, expect, test } from 'bun:test';
import { holdsAnswer, openingOf } from '../../src/gateway/opening.ts';
import { seededRandom } from '../../src/shared/random.ts';

/**
 * JSON.parse is the oracle. Chats are written out by hand, not by JSON.stringify, so that they hold what it never writes:
 * odd white space, needless escapes, roles behind contents.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const words = [
  '',
  'user',
  'role',
  'assistant',
  'tool',
  '"role":"assistant"',
  '{"role": "tool"}',
  '\\',
  '\\"',
  '"',
  '}',
  ']',
  ',',
  ':',
  'type',
  'cache_control',
  'é',
  '日本',
  '😀',
  '\n',
  '\u2028',
];
const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function', 'odd'];
const spaces = ['', '', '', ' ', '\n  ', '\t'];

class Chats {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  pick<T>(list: readonly T[]): T {
    const value = list[Math.floor(this.random() * list.length)];
    if (value === undefined) throw new Error('picked from an empty list');
    return value;
  }

  space = () => this.pick(spaces);

  literal(value: string): string {
    const plain = JSON.stringify(value);
    // The same text in other letters.
    return this.random() < 0.2
      ? plain.replace(/[é/]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
      : plain;
  }

  text = () => Array.from({ length: Math.floor(this.random() * 4) }, () => this.pick(words)).join('');

  object(fields: readonly (readonly [string, string])[]): string {
    const shuffled = fields.map((field) => [this.random(), field] as const).sort(([a], [b]) => a - b);
    const inner = shuffled.map(
      ([, [key, value]]) =>
        `${this.space()}${JSON.stringify(key)}${this.space()}:${this.space()}${value}${this.space()}`,
    );
    return `{${inner.join(',')}}`;
  }

  array = (items: readonly string[]) => `[${items.map((item) => this.space() + item + this.space()).join(',')}]`;

  cacheMark(): readonly (readonly [string, string])[] {
    const value = () =>
      this.pick(['null', '"ephemeral"', '{"type":"ephemeral","ttl":"5m"}', '[{"a":["b"]},"c"]', '{}']);
    return this.random() < 0.3 ? [['cache_control', value()]] : [];
  }

  part(): string {
    const isImage = this.random() < 0.2;
    return isImage
      ? this.object([
          ['type', '"image_url"'],
          ['image_url', this.object([['url', this.literal(`data:image/png;base64,${this.text()}`)]])],
          ...this.cacheMark(),
        ])
      : this.object([['type', '"text"'], ['text', this.literal(this.text())], ...this.cacheMark()]);
  }

  content(): string {
    const chance = this.random();
    if (chance < 0.5) return this.literal(this.text());
    if (chance < 0.6) return this.pick(['null', 'true', '12', '[]', '{}']);
    return this.array(Array.from({ length: Math.floor(this.random() * 4) }, () => this.part()));
  }

  message(): string {
    return this.object([
      ['role', this.literal(this.pick(roles))],
      ['content', this.content()],
      ...(this.random() < 0.2 ? ([['name', this.literal(this.text())]] as const) : []),
      ...this.cacheMark(),
    ]);
  }

  messages = () => this.array(Array.from({ length: Math.floor(this.random() * 6) }, () => this.message()));
}

type Message = { readonly role?: unknown };

/** What an opening should hold: every text in order, but for what is muted. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === 'type' || key === 'cache_control' ? [] : textsOf(inner),
  );
}

const isAnswer = ({ role }: Message) => role === 'assistant' || role === 'tool' || role === 'function';

describe('the opening of a chat', () => {
  test('holds the texts that JSON.parse finds up to the first user message, and knows whether an answer follows', () => {
    const chats = new Chats(7);
    let found = 0;
    for (let run = 0; run < 20_000; run++) {
      const written = chats.messages();
      const bytes = encoder.encode(written);
      const parsed = JSON.parse(written) as Message[];
      const first = parsed.findIndex(({ role }) => role === 'user');
      const opening = openingOf(bytes);
      if (first < 0) {
        expect([written, opening]).toEqual([written, null]);
        continue;
      }
      found++;
      const texts = opening?.texts.map(({ start, end }): unknown =>
        JSON.parse(`"${decoder.decode(bytes.subarray(start, end))}"`),
      );
      expect([written, texts]).toEqual([written, parsed.slice(0, first + 1).flatMap(textsOf)]);
      expect([written, holdsAnswer(bytes, opening?.end ?? 0)]).toEqual([
        written,
        parsed.slice(first + 1).some(isAnswer),
      ]);
    }
    expect(found).toBeGreaterThan(5000);
  });

  test('is looked for in any bytes without an exception and without end', () => {
    const chats = new Chats(11);
    for (let run = 0; run < 20_000; run++) {
      const bytes = encoder.encode(chats.messages());
      for (let i = 0; i < 3; i++)
        bytes[Math.floor(chats.random() * bytes.length)] = chats.pick([34, 44, 58, 91, 92, 93, 123, 125, 0, 255]);
      const cut = bytes.subarray(0, Math.floor(chats.random() * bytes.length));
      for (const damaged of [bytes, cut]) {
        const opening = openingOf(damaged);
        holdsAnswer(damaged, opening?.end ?? 0);
        for (const { start, end } of opening?.texts ?? []) {
          expect(start >= 0 && end >= start && end <= damaged.length).toBe(true);
        }
      }
    }
  });
});
