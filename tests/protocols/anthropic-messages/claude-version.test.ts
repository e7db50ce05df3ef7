import { expect, test } from 'bun:test';
import { claudeVersion, isClaudeSince } from '../../../src/protocols/anthropic-messages/claude-version.ts';

const rows: readonly [string, number | null, number | null][] = [
  ['claude-opus-4-7', 4, 7],
  ['claude-sonnet-4-5-20250929', 4, 5],
  ['claude-sonnet-4.5', 4, 5],
  ['claude-sonnet-4-20250514', 4, 0],
  ['anthropic.claude-sonnet-4-20250514-v1:0', 4, 0],
  ['us.anthropic.claude-opus-4-1-20250805-v1:0', 4, 1],
  ['claude-3-7-sonnet-20250219', 3, 7],
  ['anthropic/claude-3.5-haiku', 3, 5],
  ['claude-opus-4-5@20251101', 4, 5],
  ['claude-opus-5', 5, 0],
  ['claude-2.1', 2, 1],
  ['claude-instant', null, null],
  ['glm-4.7', null, null],
];
for (const [model, major, minor] of rows) {
  test(`${model} is ${major === null ? 'no version' : `${major}.${minor}`}`, () => {
    expect<unknown>(claudeVersion(model)).toEqual(major === null ? null : { major, minor });
  });
}

test('a version is since itself and since all before it', () => {
  expect(isClaudeSince('claude-opus-5', 4, 7)).toBe(true);
  expect(isClaudeSince('claude-opus-4-7', 4, 7)).toBe(true);
  expect(isClaudeSince('claude-opus-4-6', 4, 7)).toBe(false);
  expect(isClaudeSince('gpt-5', 4, 7)).toBe(false);
});
