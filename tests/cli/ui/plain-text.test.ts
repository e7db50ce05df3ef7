import { expect, test } from 'bun:test';
import { plainLines, plainText } from '../../../src/cli/ui/plain-text.ts';

test.each([
  ['llama-3.3:70b', 'llama-3.3:70b'],
  ['ü 鍵 🎉 👩‍👩‍👧', 'ü 鍵 🎉 👩‍👩‍👧'],
  ['a\u001b[2Jb', 'a\ufffd[2Jb'],
  ['a\u009b31mb', 'a\ufffd31mb'],
  ['a\r\nb\tc', 'a\ufffd\ufffdb\ufffdc'],
  ['exe\u202egpj', 'exe\ufffdgpj'],
])('%j is shown as %j', (text, shown) => expect(plainText(text)).toBe(shown));

test('of several lines the breaks stay and nothing else does', () => {
  expect(plainLines('a\r\n\tb\u0007 \u200fא')).toBe('a\n\tb\ufffd \u200fא');
});
