import { describe, expect, test } from 'bun:test';
import * as fc from 'fast-check';
import { parsePath, writePath } from '../../src/config/field-path.ts';

describe('a field’s path', () => {
  test.each([
    ['server.port', ['server', 'port']],
    ['providers.groq.keys[0].label', ['providers', 'groq', 'keys', 0, 'label']],
    ['aliases."gpt-4.1"', ['aliases', 'gpt-4.1']],
    ['aliases["gpt-4.1"].targets[12]', ['aliases', 'gpt-4.1', 'targets', 12]],
    ["aliases['claude-*']", ['aliases', 'claude-*']],
    ['aliases.claude-*', ['aliases', 'claude-*']],
    ['requests[0]', ['requests', 0]],
  ])('%s', (written, path) => expect(parsePath(written)).toEqual(path));

  test.each(['', '.', 'a.', 'a..b', 'a[', 'a[x', 'a"b', '"a', '""'])('%j is none', (written) => {
    expect(() => parsePath(written)).toThrow('is no path of a field');
  });

  test('is read as it was written', () => {
    const step = fc.oneof(
      fc.string({ minLength: 1 }).filter((text) => text.trim() !== ''),
      fc.nat({ max: 999 }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), (path) => {
        expect(parsePath(writePath(path))).toEqual(path);
      }),
    );
  });
});
