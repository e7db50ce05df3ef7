import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { holds, indexOfBytes } from '../../src/shared/byte-search.ts';

const letters = fc.string({ unit: fc.constantFrom('a', 'b', '"'), maxLength: 40 });
const word = fc.string({ unit: fc.constantFrom('a', 'b', '"'), minLength: 1, maxLength: 3 });

test('finds in a part of a buffer what indexOf finds in its text, by text and by bytes', () => {
  fc.assert(
    fc.property(letters, letters, letters, word, fc.nat(50), (before, text, behind, searched, from) => {
      const whole = new TextEncoder().encode(before + text + behind);
      const part = whole.subarray(before.length, before.length + text.length);
      // A start behind the end finds nothing.
      const expected = from > text.length ? -1 : text.indexOf(searched, from);
      expect(indexOfBytes(part, searched, from)).toBe(expected);
      expect(indexOfBytes(part, new TextEncoder().encode(searched), from)).toBe(expected);
      expect(indexOfBytes(Buffer.from(part), Buffer.from(searched), from)).toBe(expected);
      expect(holds(part, searched)).toBe(text.includes(searched));
    }),
  );
});

test('bytes that are not there hold nothing', () => {
  expect(holds(undefined, 'a')).toBe(false);
});
