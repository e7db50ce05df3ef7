import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { InputUnwrapper, unwrapInput, wrapInput } from '../../src/protocols/custom-tools.ts';

function unwrapped(pieces: readonly string[]): readonly string[] {
  const unwrapper = new InputUnwrapper();
  return [...pieces.map((piece) => unwrapper.push(piece)), unwrapper.end()];
}

const wellFormed = (text: string) => new TextDecoder().decode(new TextEncoder().encode(text)) === text;

describe('arguments of a function that stands in for a custom tool', () => {
  test('are unwrapped alike, at once and in whatever pieces they come, without half characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.array(fc.nat(40)), fc.boolean(), (input, cuts, isEscaped) => {
        let whole = wrapInput(input);
        if (isEscaped) whole = whole.replace(/[^\u0000-\u007f]/g, (unit) => `\\u${hex(unit)}`);
        const places = [...new Set(cuts.map((cut) => Math.min(cut, whole.length)))].sort((a, b) => a - b);
        const pieces = [0, ...places].map((from, at) => whole.slice(from, places[at] ?? whole.length));
        const said = unwrapped(pieces);
        expect(said.join('')).toBe(unwrapInput(whole));
        expect(said.every(wellFormed)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test('come out as far as they are certain', () => {
    expect(unwrapped(['{"inp', 'ut": "*** Be', 'gin\\', 'n+x\\ud8', '3d\\ude', '00"', '}'])).toEqual([
      '',
      '*** Be',
      'gin',
      '\n+x',
      '',
      '😀',
      '',
      '',
    ]);
  });

  test('with line breaks as they are, which is no JSON, are read all the same', () => {
    expect(unwrapped(['{"input":"a\n', 'b\t"}']).join('')).toBe('a\nb\t');
  });

  test('with escapes that JSON does not have are shown as they are', () => {
    expect(unwrapped(['{"input":"a\\', 'qb"}']).join('')).toBe('a\\qb');
  });

  test('of another shape are the text themselves', () => {
    expect(unwrapped(['{"patch":', '"x"}']).join('')).toBe('{"patch":"x"}');
    expect(unwrapped(['{"why":1,', '"input":"x"}']).join('')).toBe('x');
    expect(unwrapped(['just ', 'text']).join('')).toBe('just text');
  });

  test('that break off keep what was said', () => {
    expect(unwrapped(['{"input":"abc', 'd\\']).join('')).toBe('abcd');
  });
});

const hex = (unit: string) => unit.charCodeAt(0).toString(16).padStart(4, '0');
