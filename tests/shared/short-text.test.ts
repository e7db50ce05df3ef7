import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { shortText } from '../../src/shared/short-text.ts';

const encoder = new TextEncoder();

/** Read in the middle of other bytes, as in a body. */
function read(text: string): string | null {
  const bytes = encoder.encode(`"${text}":`);
  return shortText(bytes, 1, bytes.length - 2);
}

const plain = fc.string({
  unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)),
  maxLength: 64,
});

test('what is short and printable is read as it is, however often and whatever was read before', () => {
  fc.assert(
    fc.property(fc.array(plain, { maxLength: 30 }), (texts) => {
      for (const text of [...texts, ...texts]) expect(read(text)).toBe(text.includes('\\') ? null : text);
    }),
  );
});

test('texts that take one another’s place stay what they are', () => {
  // Many more than there are places, of few lengths: each place is taken several times over.
  const texts = Array.from({ length: 20_000 }, (_, i) => `model-${i}`);
  for (let round = 0; round < 2; round++) for (const text of texts) expect(read(text)).toBe(text);
  for (const text of texts.toReversed()) {
    expect(read(text)).toBe(text);
    expect(read('role')).toBe('role');
  }
});

test.each([
  ['a text of 64 characters', 'x'.repeat(64), 'x'.repeat(64)],
  ['one of 65', 'x'.repeat(65), null],
  ['nothing', '', ''],
  ['an escape', 'a\\n', null],
  ['a control character', 'a\u0001', null],
  ['DEL', 'a\u007f', null],
  ['a letter beyond ASCII', 'é', null],
  ['the outermost printable ones', ' ~', ' ~'],
])('%s', (_, text, expected) => {
  expect(read(text)).toBe(expected);
});
