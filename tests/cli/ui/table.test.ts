import { describe, expect, test } from 'bun:test';
import { table } from '../../../src/cli/ui/table.ts';

const plain = (maxColumns: number | null) => ({ maxColumns, styleHead: (text: string) => text });

describe('a table', () => {
  test('aligns its columns and leaves no blanks at the end of a line', () => {
    expect(
      table(
        ['ID', 'NAME'],
        [
          ['a', 'x'],
          ['long', ''],
        ],
        plain(null),
      ),
    ).toBe('ID    NAME\na     x\nlong\n');
  });

  test('counts wide characters twice and colour codes not at all', () => {
    const text = table(
      ['A', 'B'],
      [
        ['鍵鍵', '1'],
        ['\u001b[31mred\u001b[0m', '2'],
      ],
      plain(null),
    );
    expect(Bun.stripANSI(text)).toBe('A     B\n鍵鍵  1\nred   2\n');
  });

  test('shortens the widest column until a row fits the terminal', () => {
    const rows = [['x'.repeat(30), 'short']];
    const lines = table(['LONG', 'B'], rows, plain(20)).trimEnd().split('\n');
    expect(lines[1]).toBe(`${'x'.repeat(12)}…  short`);
    for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(20);
  });

  test('drops columns in the given order before it shortens the first, which is there to be copied', () => {
    const head = ['ID', 'PROVIDER', 'STATE', 'BLOCKS'];
    const rows = [['groq-1a2b3c4d5e', 'groq', 'blocked', 'key auth (back in 5 min)']];
    const drawn = (columns: number) => table(head, rows, { ...plain(columns), dropFirst: ['PROVIDER', 'STATE'] });
    expect(drawn(60)).toContain('groq-1a2b3c4d5e  groq      blocked  key auth (back in 5 min)');
    expect(drawn(50)).toBe('ID               STATE    BLOCKS\ngroq-1a2b3c4d5e  blocked  key auth (back in 5 min)\n');
    expect(drawn(30)).toBe('ID               BLOCKS\ngroq-1a2b3c4d5e  key auth (ba…\n');
  });

  test('keeps narrow columns readable even where nothing fits', () => {
    expect(table(['A', 'B'], [['12345678', '12345678']], plain(5))).toBe('A         B\n12345678  12345678\n');
  });
});
