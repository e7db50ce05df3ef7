import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { interpolate } from '../../src/config/interpolate.ts';

const env = { A: 'one', B: 'two', EMPTY: '', NESTED: '${A}', DOLLAR: '$' };

describe('references in a value', () => {
  test.each([
    ['plain', 'plain'],
    ['${A}', 'one'],
    ['x${A}y${B}z', 'xoneytwoz'],
    ['${MISSING:-standard}', 'standard'],
    ['${EMPTY:-standard}', 'standard'],
    ['${A:-standard}', 'one'],
    ['${MISSING:-}', ''],
    ['${MISSING:-a:-b}', 'a:-b'],
    ['${MISSING:-$A}', '$A'],
    ['$A and $$ and $', '$A and $$ and $'],
    ['$${A}', '${A}'],
    ['$$${A}', '$${A}'],
    ['${A}$${A}', 'one${A}'],
    ['${DOLLAR}{A}', '${A}'],
    ['{A}', '{A}'],
  ])('%s becomes %s', (source, text) => {
    expect(interpolate(source, env)).toMatchObject({ text, unset: [], mistakes: [] });
  });

  test('what a variable holds is not looked at again', () => {
    expect(interpolate('${NESTED}', env).text).toBe('${A}');
  });

  test('an empty variable counts as not set', () => {
    expect(interpolate('${EMPTY} ${NOPE}', env).unset).toEqual(['EMPTY', 'NOPE']);
  });

  test.each(['${}', '${A', '${1A}', '${A B}', '${A-x}', '${:-x}'])('%s is a mistake', (source) => {
    expect(interpolate(source, env).mistakes).toHaveLength(1);
  });

  test('says whether anything came from the environment', () => {
    expect(interpolate('${A}', env).isFromEnvironment).toBe(true);
    expect(interpolate('${MISSING:-x}', env)).toMatchObject({ isFromEnvironment: false, isChanged: true });
    expect(interpolate('x', env)).toMatchObject({ isFromEnvironment: false, isChanged: false });
  });

  test('text without "${" stays as it is', () => {
    fc.assert(fc.property(fc.string(), (text) => text.includes('${') || interpolate(text, env).text === text));
  });
});
