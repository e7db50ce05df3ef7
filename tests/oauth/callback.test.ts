import { describe, expect, test } from 'bun:test';
import * as fc from 'fast-check';
import { readCallback, readPasted } from '../../src/oauth/engine/callback.ts';

const STATE = 'the-state-of-this-login';

const codeOf = (text: string) => {
  const callback = readPasted(text, STATE);
  return callback.kind === 'code' ? callback.parameters.get('code') : callback.kind;
};

describe('what a person pastes', () => {
  test.each([
    ['the whole address', `http://localhost:8085/oauth2callback?state=${STATE}&code=4/0Abc-d_e&scope=x%20y`],
    ['with blanks around it', `   http://localhost:8085/oauth2callback?code=4/0Abc-d_e&state=${STATE}  \n`],
    ['broken over lines by the terminal', `http://localhost:8085/oauth2\ncallback?code=4/0Abc-d_e&st\r\n ate=${STATE}`],
    ['in quotes', `"http://localhost:8085/oauth2callback?code=4/0Abc-d_e&state=${STATE}"`],
    ['without its scheme', `localhost:8085/oauth2callback?code=4/0Abc-d_e&state=${STATE}`],
    ['its end alone', `?code=4/0Abc-d_e&state=${STATE}`],
    ['its parameters alone', `code=4/0Abc-d_e&state=${STATE}`],
    ['with an issuer', `http://localhost/cb?code=4/0Abc-d_e&state=${STATE}&iss=https%3A%2F%2Faccounts.google.com`],
    ['the code alone', '4/0Abc-d_e'],
    ['the code with blanks in it', ' 4/0Abc \n -d_e '],
    ['the code, escaped', '4%2F0Abc-d_e'],
    ['code#state', `4/0Abc-d_e#${STATE}`],
    ['code#state with blanks', ` 4/0Abc-d_e#${STATE} `],
  ])('%s gives the code', (_, text) => expect(codeOf(text)).toBe('4/0Abc-d_e'));

  test.each([
    ['another state', 'http://localhost/cb?code=4/0Abc&state=another'],
    ['no state in an address', 'http://localhost/cb?code=4/0Abc'],
    ['a state that only begins the same', `http://localhost/cb?code=4/0Abc&state=${STATE}x`],
    ['code#another', '4/0Abc#another'],
    ['an error with another state', 'http://localhost/cb?error=access_denied&state=another'],
  ])('%s is refused', (_, text) => expect(readPasted(text, STATE)).toEqual({ kind: 'wrong-state' }));

  test.each([
    [''],
    ['   '],
    ['http://localhost/cb'],
    ['http://localhost/cb?state=x'],
    ['no code at all, sorry!'],
    ['a#b#c'],
  ])('%j holds no code', (text) => expect(readPasted(text, STATE)).toEqual({ kind: 'unreadable' }));

  test('whatever it is, nothing is thrown, and a state that is given must be right', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 1 }), (text, state) => {
        readPasted(text, STATE);
        const url = `http://localhost/cb?${new URLSearchParams({ code: 'abcd', state })}`;
        // Blanks do not survive a paste, and states have none.
        const expected = state === STATE ? 'code' : 'wrong-state';
        expect(readPasted(url, STATE).kind).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe('what a browser brings', () => {
  test('a refusal is told in words', () => {
    const denied = new URLSearchParams({ error: 'access_denied', state: STATE });
    expect(readCallback(denied, STATE)).toEqual({ kind: 'denied', reason: 'access was denied on the vendor’s page' });
    denied.set('error', 'server_error');
    denied.set('error_description', 'try later');
    expect(readCallback(denied, STATE)).toEqual({ kind: 'denied', reason: 'server_error: try later' });
  });

  test('a code twice is no code', () => {
    const twice = new URLSearchParams([
      ['code', 'abcd'],
      ['code', 'efgh'],
      ['state', STATE],
    ]);
    expect(readCallback(twice, STATE)).toEqual({ kind: 'unreadable' });
  });
});
