import { describe, expect, test } from 'bun:test';
import { isColoured, paint } from '../../../src/cli/ui/colour.ts';

describe('colours', () => {
  test.each([
    ['a terminal has them', {}, true, false, true],
    ['a pipe has none', {}, false, false, false],
    ['NO_COLOR turns them off', { NO_COLOR: '1' }, true, false, false],
    ['an empty NO_COLOR does not', { NO_COLOR: '' }, true, false, true],
    ['TERM=dumb turns them off', { TERM: 'dumb' }, true, false, false],
    ['FORCE_COLOR turns them on in a pipe', { FORCE_COLOR: '1' }, false, false, true],
    ['FORCE_COLOR=0 turns them off', { FORCE_COLOR: '0' }, true, false, false],
    ['the flag beats everything', { FORCE_COLOR: '1' }, true, true, false],
  ] as const)('%s', (_, env, isTerminal, isOff, expected) => {
    expect(isColoured(env, isTerminal, isOff)).toBe(expected);
  });

  test('text without colours has no escape codes', () => {
    expect(paint(false).red('x')).toBe('x');
    expect(paint(true).red('x')).toBe('\u001b[31mx\u001b[39m');
  });
});
