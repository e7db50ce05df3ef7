import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { MarkdownBlocks } from '../../../src/cli/ui/markdown-blocks.ts';

function blocksOf(...pieces: string[]): string[] {
  const blocks = new MarkdownBlocks();
  return [...pieces.flatMap((piece) => blocks.push(piece)), blocks.end()].filter((block) => block !== '');
}

describe('streamed Markdown', () => {
  test('a paragraph is a block once its blank line has come', () => {
    expect(blocksOf('one\nline', '\n\n', 'two')).toEqual(['one\nline\n\n', 'two']);
  });

  test('fenced code is not cut at its blank lines', () => {
    expect(blocksOf('```js\na\n\nb\n', '```\n\n', 'after')).toEqual(['```js\na\n\nb\n```\n\n', 'after']);
  });

  test('a list with blank lines stays one block, so that its numbers go on', () => {
    expect(blocksOf('1. a\n\n', '2. b\n\n   more\n\n', 'after\n')).toEqual(['1. a\n\n2. b\n\n   more\n\n', 'after\n']);
  });

  test('however the text is cut, nothing is lost', () => {
    const text = '# t\n\ntext\n\n- a\n- b\n\n```\nx\n\ny\n```\n\nend';
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 10 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, i) => text.slice(at[i], end));
        expect(blocksOf(...pieces).join('')).toBe(text);
      }),
    );
  });
});
