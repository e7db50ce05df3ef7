import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { ThinkSplitter } from '../../src/providers/think-tags.ts';

function split(pieces: readonly string[]) {
  const splitter = new ThinkSplitter();
  const said = [...pieces.map((piece) => splitter.push(piece)), splitter.end()];
  return {
    reasoning: said.map(({ reasoning }) => reasoning).join(''),
    content: said.map(({ content }) => content).join(''),
  };
}

describe('thoughts in tags', () => {
  test.each([
    ['<think>a</think>b', 'a', 'b'],
    [' \n<think>\na\n</think>\n\nb', '\na\n', 'b'],
    ['<think></think>b', '', 'b'],
    // Cut off: all that came are thoughts.
    ['<think>a</thi', 'a</thi', ''],
    ['a <think>b</think>', '', 'a <think>b</think>'],
    ['<thinking>a', '', '<thinking>a'],
    ['<thin', '', '<thin'],
    ['<think>a</think>b <think>c</think>', 'a', 'b <think>c</think>'],
    ['  a', '', '  a'],
    ['', '', ''],
  ])('%j', (text, reasoning, content) => {
    expect(split([text])).toEqual({ reasoning, content });
  });

  test('are the same wherever the answer is cut', () => {
    const piece = fc.constantFrom('<think>', '</think>', '<', 'think>', '/', ' ', '\n', 'a', 'é', '<th', 'ink>');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(40)), (pieces, cuts) => {
        const text = pieces.join('');
        const places = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
        const parts = places.slice(1).map((end, i) => text.slice(places[i], end));
        expect(split(parts)).toEqual(split([text]));
      }),
      { numRuns: 500 },
    );
  });
});
