import { describe, expect, test } from 'bun:test';
import { checkAdmin, identifyClient, stripKeys } from '../../src/server/auth.ts';
import { clientKey } from '../../src/server/client-keys.ts';
import { isRefusal } from '../../src/server/refusal.ts';
import { Secret } from '../../src/shared/secret.ts';
import { namePattern } from '../../src/shared/wildcard.ts';

const hashOf = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex');
const KEYS = [
  clientKey('a', new Secret('key-a')),
  clientKey('b', new Secret(`sha256:${hashOf('key-b').toUpperCase()}`), [namePattern('groq/*')]),
  clientKey(null, new Secret('key-c')),
];

/** The name of the client that is let in, or the status of the refusal. */
function who(headers: Record<string, string>, query = ''): string | number | null {
  const client = identifyClient(new Headers(headers), query, KEYS);
  return isRefusal(client) ? client.refused.status : client.name;
}

type Sent = Record<string, string>;

describe('a client key is found', () => {
  test.each<[Sent, string, string]>([
    [{ authorization: 'Bearer key-a' }, '', 'a'],
    [{ authorization: 'bearer   key-a ' }, '', 'a'],
    [{ 'x-api-key': 'key-a' }, '', 'a'],
    [{ 'x-goog-api-key': 'key-a' }, '', 'a'],
    [{}, 'key=key-a', 'a'],
    [{}, 'alt=sse&key=key%2Da', 'a'],
    [{ authorization: 'Bearer key-b' }, '', 'b'],
    [{ authorization: 'Bearer key-c' }, '', 'default'],
    // The first valid one counts, in the order bearer, x-api-key, x-goog-api-key, ?key=.
    [{ authorization: 'Bearer key-a', 'x-api-key': 'key-b' }, 'key=key-c', 'a'],
    [{ authorization: 'Bearer wrong', 'x-api-key': 'key-b' }, 'key=key-c', 'b'],
    [{ authorization: 'Bearer wrong', 'x-api-key': 'wrong', 'x-goog-api-key': 'key-a' }, 'key=key-c', 'a'],
    [{ authorization: 'Basic a2V5LWE6', 'x-api-key': 'sk-ant-123' }, 'key=key-c', 'default'],
  ])('%p ?%s → %p', (headers, query, name) => {
    expect(who(headers, query)).toBe(name);
  });
});

test.each<[Sent, string]>([
  [{}, ''],
  [{ authorization: 'key-a' }, ''],
  [{ authorization: 'Basic key-a' }, ''],
  [{ authorization: 'Bearer ' }, ''],
  [{ authorization: 'Bearer key-a,key-b' }, ''],
  [{ authorization: 'Bearer KEY-A' }, ''],
  [{ 'api-key': 'key-a' }, ''],
  [{ cookie: 'key=key-a' }, ''],
  [{}, 'key='],
  [{}, 'KEY=key-a'],
  // The digest is no key.
  [{ authorization: `Bearer ${hashOf('key-a')}` }, ''],
  [{ authorization: `Bearer sha256:${hashOf('key-b')}` }, ''],
])('%p ?%s is refused', (headers, query) => {
  expect(who(headers, query)).toBe(401);
});

test('a client carries its allow-list', () => {
  const client = identifyClient(new Headers({ 'x-api-key': 'key-b' }), '', KEYS);
  expect(isRefusal(client) ? [] : client.models.map((pattern) => pattern.source)).toEqual(['groq/*']);
});

test('in open mode everybody is the anonymous client, whatever key they send', () => {
  for (const key of [null, 'Bearer anything']) {
    const headers = new Headers(key === null ? [] : [['authorization', key]]);
    expect(identifyClient(headers, '', 'open')).toEqual({ id: '', name: null, models: [] });
  }
});

test('a refusal says what was missing and never repeats what was sent', () => {
  const missing = identifyClient(new Headers(), '', KEYS);
  const wrong = identifyClient(new Headers({ authorization: 'Bearer s3cret-of-mine' }), '', KEYS);
  if (!isRefusal(missing) || !isRefusal(wrong)) throw new Error('both are to be refused');
  expect(missing.refused.message).toContain('no client key was sent');
  expect(wrong.refused.message).not.toContain('s3cret');
  expect(missing.headers).toEqual({ 'www-authenticate': 'Bearer' });
});

test('the admin token is taken from Authorization alone', () => {
  const token = new Secret('the-token');
  expect(checkAdmin(new Headers({ authorization: 'Bearer the-token' }), token)).toBeNull();
  const others: readonly Sent[] = [
    {},
    { 'x-api-key': 'the-token' },
    { 'x-goog-api-key': 'the-token' },
    { authorization: 'the-token' },
    { authorization: 'Bearer the-tokem' },
    { authorization: 'Bearer key-a' },
  ];
  for (const headers of others) expect(checkAdmin(new Headers(headers), token)?.refused.status).toBe(401);
});

test('no place that can hold a client key is left when keys are stripped', () => {
  const headers = new Headers({
    Authorization: 'Bearer x',
    'X-Api-Key': 'x',
    'x-goog-api-key': 'x',
    'content-type': 'application/json',
  });
  stripKeys(headers);
  expect([...headers.keys()]).toEqual(['content-type']);
});
