import { describe, expect, test } from 'bun:test';
import { flow } from '../../../src/cli/ui/flow.ts';

const at = (maxColumns: number | null) => ({ maxColumns, separator: ' · ', lead: 'a: ', indent: '  ' });

describe('pieces of text', () => {
  test('stand in one line where there is room, and where there is no edge', () => {
    expect(flow(['one', '', 'two'], at(null))).toBe('a: one · two\n');
    expect(flow(['one', 'two'], at(12))).toBe('a: one · two\n');
  });

  test('break between each other, not within', () => {
    expect(flow(['one two', 'three four', 'five'], at(16))).toBe('a: one two\n  three four\n  five\n');
  });

  test('break at their blanks when they are wider than a line, and a word never', () => {
    const text = flow(['a-word-that-is-wider-than-the-line and more', 'end'], at(14));
    expect(text).toBe('a: a-word-that-is-wider-than-the-line\n  and more\n  end\n');
  });

  test('keep a number and its unit together', () => {
    expect(flow(['back in 3 h 41 s now', '5 seconds'], at(11))).toBe('a: back in\n  3 h 41 s\n  now\n  5 seconds\n');
  });

  test('break at their blanks where they do not fit beside what leads, and begin a line of their own if need be', () => {
    const beside = { maxColumns: 24, separator: ' · ', lead: '  ready    ', indent: '    ' };
    expect(flow(['key-1234 (my label)', 'end'], beside)).toBe('  ready    key-1234 (my\n    label) · end\n');
    expect(flow(['16 requests', 'end'], { ...beside, lead: 'key-1234 (label): ' })).toBe(
      'key-1234 (label):\n    16 requests · end\n',
    );
  });

  test('are measured as a terminal shows them', () => {
    expect(flow(['\u001b[31mred\u001b[0m', '鍵鍵'], at(13))).toBe('a: \u001b[31mred\u001b[0m · 鍵鍵\n');
  });

  test('that are none leave the lead', () => {
    expect(flow([], at(10))).toBe('a: \n');
  });
});
