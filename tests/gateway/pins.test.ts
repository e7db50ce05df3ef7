import { describe, expect, test } from 'bun:test';
import { Pins } from '../../src/gateway/pins.ts';
import type { CredentialId } from '../../src/pool/credential.ts';

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const one = 'vendor-1' as CredentialId;
const two = 'vendor-2' as CredentialId;

const answer = (value: string) => ({ output: [{ type: 'reasoning', id: 'rs_1', encrypted_content: value }] });
const request = (...values: string[]) => ({
  input: values.map((value) => ({ type: 'reasoning', encrypted_content: value })),
});

describe('encrypted reasoning', () => {
  test('is traced to the credential that issued it', () => {
    const pins = new Pins();
    pins.note(bytes(answer('AAAA')), 'vendor', one);
    pins.note(bytes(answer('BBBB')), 'vendor', two);
    expect(pins.find(bytes(request('BBBB')))).toEqual({ provider: 'vendor', credential: two, isFirm: true });
    expect(pins.find(bytes(request('AAAA')))?.credential).toBe(one);
  });

  test('that nobody here issued binds to nobody', () => {
    const pins = new Pins();
    pins.note(bytes(answer('AAAA')), 'vendor', one);
    expect(pins.find(bytes(request('CCCC')))).toBeNull();
    expect(pins.find(bytes({ input: 'the word "encrypted_content" in a text' }))).toBeNull();
    expect(pins.find(bytes('{"input":[{"encrypted_content":null},{"encrypted_content":""}]}'))).toBeNull();
  });

  test('of two credentials in one conversation goes by the later one', () => {
    const pins = new Pins();
    pins.note(bytes(answer('AAAA')), 'vendor', one);
    pins.note(bytes(answer('BBBB')), 'vendor', two);
    expect(pins.find(bytes(request('AAAA', 'BBBB')))?.credential).toBe(two);
  });
});

describe('thought signatures', () => {
  const part = (value: string) => ({ contents: [{ parts: [{ functionCall: {}, thoughtSignature: value }] }] });

  test('only say who is best', () => {
    const pins = new Pins();
    pins.note(bytes(part('c2ln')), 'gemini', one);
    expect(pins.find(bytes(part('c2ln')))).toEqual({ provider: 'gemini', credential: one, isFirm: false });
  });

  test('are the same however their literal is escaped and spaced', () => {
    const pins = new Pins();
    pins.note(bytes('{"thoughtSignature" : "c2ln\\u003d\\u003d"}'), 'gemini', one);
    expect(pins.find(bytes('{"thought_signature":"c2ln=="}'))?.credential).toBe(one);
    pins.note(bytes('{"thoughtSignature":"a\\/b"}'), 'gemini', two);
    expect(pins.find(bytes(part('a/b')))?.credential).toBe(two);
  });

  test('yield to what only one credential can read', () => {
    const pins = new Pins();
    pins.note(bytes(answer('AAAA')), 'vendor', one);
    pins.note(bytes(part('c2ln')), 'vendor', two);
    expect(pins.find(bytes({ ...request('AAAA'), ...part('c2ln') }))?.credential).toBe(one);
  });
});

test('of very many the oldest are forgotten', () => {
  const pins = new Pins();
  for (let i = 0; i <= 50_000; i++) pins.note(bytes(answer(`value-${i}`)), 'vendor', one);
  expect(pins.find(bytes(request('value-0')))).toBeNull();
  expect(pins.find(bytes(request('value-1')))).not.toBeNull();
});
