import { describe, expect, test } from 'bun:test';
import { QuotaGroups } from '../../src/pool/quota-groups.ts';
import { namePattern } from '../../src/shared/wildcard.ts';

const group = (name: string, ...models: string[]) => ({ name, models: models.map(namePattern) });

describe('the group of a model', () => {
  const groups = new QuotaGroups('gemini', [
    group('pro', 'gemini-2.5-pro', 'gemini-3*-pro*'),
    group('flash', 'gemini/gemini-*-flash'),
    group('rest', 'gemini-3*'),
  ]);
  const rows: [string, string, string | null][] = [
    ['by its name', 'gemini-2.5-pro', 'pro'],
    ['whatever the case', 'Gemini-2.5-PRO', 'pro'],
    ['by a wildcard', 'gemini-3.1-pro-preview', 'pro'],
    ['by a pattern that names the provider', 'gemini-2.5-flash', 'flash'],
    ['the first that matches', 'gemini-3-flash', 'flash'],
    ['a later one', 'gemini-3-nano', 'rest'],
    ['none', 'gemma-3', null],
  ];
  test.each(rows)('%s', (_, model, expected) => {
    expect(groups.groupOf(model)).toBe(expected);
    expect(groups.groupOf(model)).toBe(expected);
  });

  test('without groups every model stands alone', () => {
    expect(new QuotaGroups('gemini', []).groupOf('gemini-2.5-pro')).toBeNull();
  });

  test('names that clients make up do not change the answer', () => {
    for (let i = 0; i < 5_000; i++) expect(groups.groupOf(`made-up-${i}`)).toBeNull();
    expect(groups.groupOf('gemini-2.5-pro')).toBe('pro');
  });
});
