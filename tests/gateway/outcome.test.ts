import { expect, test } from 'bun:test';
import { outcomeOf } from '../../src/gateway/outcome.ts';
import type { Outcome } from '../../src/pool/outcome.ts';
import type { Failure } from '../../src/providers/failure.ts';

const base = { status: 500, message: 'x' } as const;
const rejected = { type: null, code: null, param: null };
const wait = { ms: 500, source: 'retry-after' };
const limit = { isQuota: false, scope: 'model', isPermanent: false, window: null } as const;

const rows: readonly [string, Failure, Outcome][] = [
  ['a wrong request blames no key', { ...base, kind: 'bad-request', rejected }, { kind: 'neutral' }],
  ['a context overflow blames no key', { ...base, kind: 'context-too-long', rejected }, { kind: 'neutral' }],
  ['a client that left blames no key', { ...base, kind: 'client-gone' }, { kind: 'neutral' }],
  ['the request’s own deadline blames no key', { ...base, kind: 'deadline' }, { kind: 'neutral' }],
  ['a loop blames no key', { ...base, kind: 'loop' }, { kind: 'neutral' }],
  ['a lost connection blames no key', { ...base, kind: 'lost' }, { kind: 'neutral' }],
  ['a missing model is the provider’s', { ...base, kind: 'model-missing' }, { kind: 'model-missing' }],
  [
    'a rate limit without a time',
    { ...base, kind: 'rate-limited', wait: null, ...limit },
    { kind: 'rate-limited', waitMs: null, source: 'guess', ...limit },
  ],
  [
    'a quota of the whole key with a time',
    { ...base, kind: 'rate-limited', wait, isQuota: true, scope: 'credential', isPermanent: false, window: null },
    {
      kind: 'rate-limited',
      waitMs: 500,
      source: 'retry-after',
      isQuota: true,
      scope: 'credential',
      isPermanent: false,
      window: null,
    },
  ],
  ['an account out of credit', { ...base, kind: 'billing' }, { kind: 'billing' }],
  ['a rejected key', { ...base, kind: 'key-rejected' }, { kind: 'auth' }],
  ['a forbidden model', { ...base, kind: 'forbidden', scope: 'model' }, { kind: 'forbidden', scope: 'model' }],
  ['a 5xx counts for the provider’s model', { ...base, kind: 'upstream-error' }, { kind: 'upstream-error' }],
  ['overload with a time', { ...base, kind: 'overloaded', wait }, { kind: 'overloaded', waitMs: 500 }],
  ['overload without one is a 5xx', { ...base, kind: 'overloaded', wait: null }, { kind: 'upstream-error' }],
  ['an unknown 4xx climbs the ladder', { ...base, kind: 'unclassified' }, { kind: 'failed' }],
  ['an empty answer climbs the ladder', { ...base, kind: 'empty' }, { kind: 'failed' }],
  ['a broken stream climbs the ladder', { ...base, kind: 'stream-broken', isCommitted: true }, { kind: 'failed' }],
  ['a silent upstream climbs the ladder', { ...base, kind: 'timeout', phase: 'first-byte' }, { kind: 'failed' }],
  ['what is not reached is the provider’s', { ...base, kind: 'not-sent' }, { kind: 'unreachable' }],
  ['and so is a connect timeout', { ...base, kind: 'timeout', phase: 'connect' }, { kind: 'unreachable' }],
];

test.each(rows)('%s', (_, failure, outcome) => {
  expect(outcomeOf(failure, false)).toEqual(outcome);
});

test.each([
  { ...base, kind: 'not-sent' },
  { ...base, kind: 'timeout', phase: 'connect' },
] as const satisfies readonly Failure[])(
  'behind a proxy %j may be the proxy’s doing, so it is the key’s',
  (failure) => {
    expect(outcomeOf(failure, true)).toEqual({ kind: 'failed' });
  },
);

test('a proxy changes nothing about what the upstream itself said', () => {
  for (const [, failure] of rows) {
    const isAboutTheWay = failure.kind === 'not-sent' || (failure.kind === 'timeout' && failure.phase === 'connect');
    if (!isAboutTheWay) expect(outcomeOf(failure, true)).toEqual(outcomeOf(failure, false));
  }
});
