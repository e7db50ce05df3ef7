import { expect, test } from 'bun:test';
import { nearest } from '../../src/shared/near-miss.ts';

const providers = ['openai', 'openrouter', 'groq', 'mistral', 'gemini'];

test.each([
  ['grok', 'groq'],
  ['GROQ', 'groq'],
  ['open-router', 'openrouter'],
  ['mistrall', 'mistral'],
  ['gemnii', 'gemini'],
  ['opneai', 'openai'],
  ['azure', undefined],
  ['x', undefined],
  ['', undefined],
])('for %p a person most likely meant %p', (written, likely) => {
  expect(nearest(written, providers)).toBe(likely);
});

test('two letters in the wrong order are one slip, also in a short name', () => {
  expect(nearest('prot', ['port', 'host'])).toBe('port');
});

test('of two that are equally near the first is named', () => {
  expect(nearest('cat', ['bat', 'hat'])).toBe('bat');
});
