import { expect, test } from 'bun:test';
import { format, inspect } from 'node:util';
import { Secret } from '../../src/shared/secret.ts';

const TEXT = 'sk-live-0123456789abcdef';
const secret = new Secret(TEXT);

test.each([
  ['a template', () => `${secret}`],
  ['a concatenation', () => `key: ${String(secret)}`],
  ['JSON', () => JSON.stringify({ secret })],
  ['inspect', () => inspect({ secret }, { depth: 9, showHidden: true })],
  ['Bun.inspect', () => Bun.inspect({ secret })],
  ['format', () => format('%s %o %j', secret, secret, secret)],
  ['its own fields', () => JSON.stringify([Object.keys(secret), Object.entries(secret), { ...secret }])],
  ['an error about it', () => String(new Error('refused', { cause: secret }).cause)],
])('%s does not print it', (_, print) => {
  expect(print()).not.toContain(TEXT.slice(3, 12));
});

test('it is there for whoever asks for it by name', () => {
  expect(secret.reveal()).toBe(TEXT);
});

test.each([
  [TEXT, 'sk-l…cdef'],
  ['0123456789abcdef', '0123…cdef'],
  ['0123456789abcde', '…'],
  ['', '…'],
])('%p is shown to its owner as %p', (text, masked) => {
  expect(new Secret(text).masked()).toBe(masked);
});
