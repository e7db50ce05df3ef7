import { describe, expect, test } from 'bun:test';
import { matchesAny, namePattern } from '../../src/shared/wildcard.ts';

describe('a name pattern', () => {
  test.each([
    ['gpt-4o', 'gpt-4o', true],
    ['gpt-4o', 'GPT-4O', true],
    ['gpt-4o', 'gpt-4o-mini', false],
    ['gpt-*', 'gpt-4o-mini', true],
    ['gpt-*', 'my-gpt-4o', false],
    ['groq/*', 'groq/meta/llama', true],
    ['*', '', true],
    ['*flash*', 'gemini-2.5-flash-lite', true],
    ['gemini-?.5', 'gemini-2.5', true],
    ['gemini-?.5', 'gemini-12.5', false],
    ['o[134]', 'o3', true],
    ['o[134]', 'o2', false],
    ['o[!134]', 'o2', true],
    ['o[^134]', 'o1', false],
    ['o[0-9]', 'o7', true],
    ['a.c*', 'abc', false],
    ['a+(b)|c?', 'a+(b)|cd', true],
    ['a[', 'a[', true],
    ['a[]]', 'a]', true],
    ['über-*', 'ÜBER-model', true],
  ])('%s against %s: %p', (pattern, name, isMatch) => {
    expect(namePattern(pattern).matches(name)).toBe(isMatch);
  });

  test('keeps its source, for those who explain it', () => {
    expect(namePattern('GROQ/*').source).toBe('GROQ/*');
  });

  test('of stars without end is one star, so that nobody can make a match slow', () => {
    expect(namePattern(`${'*'.repeat(5_000)}x`).matches('a'.repeat(50_000))).toBe(false);
  });
});

test('a list matches when one of its patterns takes one of the names', () => {
  const patterns = ['groq/*', 'fast'].map(namePattern);
  expect(matchesAny(patterns, 'llama', 'groq/llama')).toBe(true);
  expect(matchesAny(patterns, 'llama', 'openai/llama')).toBe(false);
  expect(matchesAny([], 'anything')).toBe(false);
});
