// The envelope of Code Assist, and the hosts that accounts have of their own.
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { AccountCall } from '../../src/providers/account-hooks.ts';
import { inEnvelope, outOfEnvelope } from '../../src/providers/code-assist.ts';
import { findProvider, providers } from '../../src/providers/index.ts';
import { movedUrl } from '../../src/providers/request.ts';

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));
const call: AccountCall = {
  model: 'm',
  account: { project_id: 'p', account_id: 'a', device_id: 'd' },
  conversation: 'c',
  requestId: 'r',
  version: '1.2.3',
};

describe('the envelope', () => {
  test('holds any request as it is, and any answer is what was in it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
        const request = { ...fields, contents: [] };
        expect(decode(inEnvelope(encode(request), { model: 'm' }))).toEqual(decode(encode({ model: 'm', request })));
        const answer = { ...fields, responseId: 'own' };
        expect(decode(outOfEnvelope(encode({ traceId: 't', response: answer })))).toEqual(decode(encode(answer)));
      }),
    );
  });

  test.each([
    ['an error', { error: { code: 429 } }],
    ['a count', { totalTokens: 3 }],
    ['a response that is none', { response: 'text' }],
  ])('is not looked for around %s', (_, value) => {
    const bytes = encode(value);
    expect(outOfEnvelope(bytes)).toBe(bytes);
  });

  test('gives its own name to an answer without one', () => {
    expect(decode(outOfEnvelope(encode({ response: { candidates: [] }, traceId: 't' })))).toEqual({
      responseId: 't',
      candidates: [],
    });
  });
});

test('no hook of any provider throws, whatever the body', () => {
  const bodies = ['', '[]', 'null', '{', '{}', '{"contents":1}', '{"messages":[1]}', '{"input":null}'];
  for (const { accounts } of providers) {
    for (const text of bodies) {
      const body = new TextEncoder().encode(text);
      expect(() => accounts?.wrap?.(body, call)).not.toThrow();
      expect(() => accounts?.unwrap?.(body)).not.toThrow();
      expect(() => accounts?.headers?.(new Headers(), call, body)).not.toThrow();
      expect(() => accounts?.headers?.(new Headers(), call, null)).not.toThrow();
    }
  }
});

test('every provider of accounts has a service to log in to, and every service a provider', async () => {
  const { profiles } = await import('../../src/oauth/profiles/index.ts');
  const serving = providers.filter(({ accounts }) => accounts).map(({ id }) => id);
  expect(serving.toSorted()).toEqual(profiles.map(({ id }) => id).toSorted());
  for (const { id } of profiles) expect(findProvider(id)?.id).toBe(id);
});

describe('a call of an account', () => {
  test.each([
    [
      'https://v.test/v1/chat/completions',
      'https://v.test/v1',
      'https://own.test/v1',
      'https://own.test/v1/chat/completions',
    ],
    ['https://v.test/v1/models?a=1', 'https://v.test/v1/', 'https://own.test', 'https://own.test/models?a=1'],
    [
      'https://v.test/v1:generate?alt=sse',
      'https://v.test/v1',
      'https://own.test/v2',
      'https://own.test/v2:generate?alt=sse',
    ],
    ['https://v.test/v1/x', 'https://v.test/v1', 'https://v.test/v1', 'https://v.test/v1/x'],
    ['https://else.test/v1/x', 'https://v.test/v1', 'https://own.test/v1', 'https://else.test/v1/x'],
  ])('to %s under %s goes under %s', (url, from, to, moved) => {
    expect(movedUrl(url, from, to)).toBe(moved);
  });
});
