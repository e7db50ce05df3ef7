import { expect, test } from 'bun:test';
import { mayRevisit, type NextStep, nextStep } from '../../src/gateway/retry.ts';
import type { Failure } from '../../src/providers/failure.ts';

const base = { status: 500, message: 'x' } as const;
const rejected = { type: null, code: null, param: null };
const unspent = { sameCredential: 0, maybeBilled: 0, timeouts: 0, notSent: 0 };

const rows: readonly [string, Failure, Partial<typeof unspent>, NextStep][] = [
  ['a request that is wrong is wrong everywhere', { ...base, kind: 'bad-request', rejected }, {}, 'give-up'],
  ['a context overflow asks for another model', { ...base, kind: 'context-too-long', rejected }, {}, 'next-target'],
  ['a missing model is missing on every key', { ...base, kind: 'model-missing' }, {}, 'next-target'],
  [
    'a rate limit moves to the next key',
    { ...base, kind: 'rate-limited', wait: null, isQuota: false, scope: 'model', isPermanent: false, window: null },
    {},
    'next-credential',
  ],
  ['an account out of credit moves to the next key', { ...base, kind: 'billing' }, {}, 'next-credential'],
  ['a rejected key moves to the next key', { ...base, kind: 'key-rejected' }, {}, 'next-credential'],
  ['a forbidden model moves to the next key', { ...base, kind: 'forbidden', scope: 'model' }, {}, 'next-credential'],
  [
    'a model that says how long it is overloaded lets the pool decide',
    { ...base, kind: 'overloaded', wait: { ms: 500, source: 'retry-after' } },
    {},
    'next-credential',
  ],
  ['a model that does not say is a 5xx', { ...base, kind: 'overloaded', wait: null }, {}, 'same-credential'],
  ['an empty answer moves to the next key', { ...base, kind: 'empty' }, {}, 'next-credential'],
  ['an unknown 4xx moves to the next key', { ...base, kind: 'unclassified' }, {}, 'next-credential'],
  ['a 5xx is tried once more on the same key', { ...base, kind: 'upstream-error' }, {}, 'same-credential'],
  ['a second 5xx moves to the next key', { ...base, kind: 'upstream-error' }, { sameCredential: 1 }, 'next-credential'],
  ['what was never sent is sent again', { ...base, kind: 'not-sent' }, { notSent: 1 }, 'next-credential'],
  ['what twice was not sent goes to the next target', { ...base, kind: 'not-sent' }, { notSent: 2 }, 'next-target'],
  ['what was lost is tried once elsewhere', { ...base, kind: 'lost' }, { maybeBilled: 1 }, 'next-credential'],
  ['what was lost twice is given up', { ...base, kind: 'lost' }, { maybeBilled: 2 }, 'give-up'],
  [
    'a stream that broke unseen is tried once elsewhere',
    { ...base, kind: 'stream-broken', isCommitted: false },
    { maybeBilled: 1 },
    'next-credential',
  ],
  [
    'a stream that broke in sight is never replayed',
    { ...base, kind: 'stream-broken', isCommitted: true },
    {},
    'give-up',
  ],
  [
    'a first-byte timeout allows one other attempt',
    { ...base, kind: 'timeout', phase: 'first-byte' },
    { timeouts: 1 },
    'next-credential',
  ],
  ['a second timeout is the last', { ...base, kind: 'timeout', phase: 'total' }, { timeouts: 2 }, 'give-up'],
  [
    'a connect timeout counts as not sent',
    { ...base, kind: 'timeout', phase: 'connect' },
    { notSent: 1 },
    'next-credential',
  ],
  ['a loop ends at once', { ...base, kind: 'loop' }, {}, 'give-up'],
  ['nobody waits for an answer after the client has gone', { ...base, kind: 'client-gone' }, {}, 'give-up'],
  ['the deadline ends everything', { ...base, kind: 'deadline' }, {}, 'give-up'],
];

for (const [name, failure, spent, expected] of rows) {
  test(name, () => expect(nextStep(failure, { ...unspent, ...spent }, 1)).toBe(expected));
}

test('with retries_same_key 0 a 5xx moves on at once', () => {
  expect(nextStep({ ...base, kind: 'upstream-error' }, unspent, 0)).toBe('next-credential');
});

test('a key is visited again in one request only where waiting or the network can mend it', () => {
  const kinds = (isProxied: boolean) => [
    ...new Set(rows.filter(([, failure]) => mayRevisit(failure, isProxied)).map(([, failure]) => failure.kind)),
  ];
  expect(kinds(false)).toEqual(['rate-limited', 'overloaded', 'not-sent', 'timeout']);
  expect(kinds(true)).toEqual(['rate-limited', 'overloaded']);
});
