import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parseDotenv, resolveReferences } from '../../../src/config/env-import/dotenv.ts';

const fixtures = join(import.meta.dir, '../../fixtures/dotenv');
/** What python-dotenv made of the files beside it. */
const expected: {
  environment: Record<string, string>;
  files: Record<string, { values: Record<string, string | null>; broken: number }>;
} = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8'));

const values = (text: string, env: Readonly<Record<string, string>> = {}) =>
  new Map(resolveReferences(parseDotenv(text).bindings, env).map(({ name, value }) => [name, value]));

describe('a .env file', () => {
  test.each(Object.entries(expected.files))(
    '%s reads as python-dotenv reads it',
    (name, { values: wanted, broken }) => {
      const text = readFileSync(join(fixtures, name), 'utf8');
      expect(values(text, expected.environment)).toEqual(new Map(Object.entries(wanted)));
      expect(parseDotenv(text).unreadable).toHaveLength(broken);
    },
  );

  test('tells the line of each binding, and the lines that an open quote takes away', () => {
    const { bindings, unreadable } = parseDotenv('# c\n\nA=1\nB="two\nlines"\nC=3\nD="open\nE=5\nF="x" y\nG=7\n');
    expect(bindings.map(({ name, line }) => [name, line])).toEqual([
      ['A', 3],
      ['B', 4],
      ['C', 6],
      ['G', 10],
    ]);
    expect(unreadable).toEqual([{ name: 'D', line: 7, lastLine: 9 }]);
  });

  test('may begin with a byte order mark', () => {
    expect(values('\ufeffA=1')).toEqual(new Map([['A', '1']]));
  });

  test('of any text is read to its end, and no name of a plain line is lost', () => {
    const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,12}$/);
    const value = fc.stringMatching(/^[^\s#'"$][^\r\n#$]{0,20}$/);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.array(fc.tuple(name, value)), (text, pairs) => {
        parseDotenv(text);
        const lines = pairs.map(([left, right]) => `${left}=${right}\n`).join('');
        expect(parseDotenv(lines).bindings.map((one) => [one.name, one.value])).toEqual(
          pairs.map(([left, right]) => [left, right.trimEnd()]),
        );
      }),
    );
  });
});
