import { expect, test } from 'bun:test';
import { verdict } from '../../src/gateway/verdict.ts';
import type { Block, Refusal } from '../../src/pool/pool.ts';
import type { Failure } from '../../src/providers/failure.ts';

const now = 1_000_000;
const target = 'groq/llama';
const say = { status: null, message: 'said so' } as const;
const rejected = { type: null, code: null, param: null };
const limited: Failure = {
  ...say,
  kind: 'rate-limited',
  wait: { ms: 2500, source: 'retry-after' },
  isQuota: false,
  scope: 'model',
  isPermanent: false,
  window: null,
};
const broken: Failure = { ...say, kind: 'upstream-error' };
const refusedKey: Failure = { ...say, kind: 'key-rejected' };
const timeout: Failure = { ...say, kind: 'timeout', phase: 'first-byte' };
const overloaded: Failure = { ...say, kind: 'overloaded', wait: null };

const block = (kind: Block['kind']): Block => ({ scope: 'key', kind, until: now + 9000, reason: 'r', source: 's' });
const refusal = (cause: Refusal['cause'], ...blocks: Block[]): Refusal => ({
  kind: 'refused',
  cause,
  blocks,
  retryAt: blocks.length > 0 ? now + 9000 : null,
});

const rows: readonly [string, readonly Failure[], Refusal | null, number, string][] = [
  ['busy comes before everything', [limited, timeout, broken], refusal('busy'), 503, 'no-credential'],
  ['a full queue is busy', [], refusal('queue-full'), 503, 'no-credential'],
  ['a rate limit comes before a timeout', [timeout, limited, broken], refusal('excluded'), 429, 'rate-limited'],
  [
    'out of credit is a rate limit to the client',
    [{ ...say, kind: 'billing' }],
    refusal('blocked'),
    429,
    'rate-limited',
  ],
  ['a timeout comes before overload', [overloaded, timeout, broken], refusal('excluded'), 504, 'timeout'],
  [
    'overload comes before a broken upstream',
    [broken, overloaded, refusedKey],
    refusal('excluded'),
    503,
    'upstream-overloaded',
  ],
  ['a broken upstream comes before refused keys', [refusedKey, broken], refusal('excluded'), 502, 'upstream-broken'],
  [
    'refused keys alone are an upstream problem, never a 401',
    [refusedKey],
    refusal('blocked', block('auth')),
    502,
    'upstream-authentication',
  ],
  ['keys that rest for a rate limit', [], refusal('blocked', block('rate_limit')), 429, 'rate-limited'],
  ['keys that rest for a quota', [], refusal('blocked', block('quota')), 429, 'rate-limited'],
  ['keys that were refused earlier', [], refusal('blocked', block('auth')), 502, 'upstream-authentication'],
  ['an open breaker', [], refusal('blocked', block('overload')), 503, 'upstream-overloaded'],
  [
    'a breaker that this request opened itself',
    [broken, broken, broken],
    refusal('blocked', block('overload')),
    502,
    'upstream-broken',
  ],
  ['a provider that cannot be reached', [], refusal('blocked', block('unreachable')), 502, 'upstream-broken'],
  ['a model that rests after 5xx', [], refusal('blocked', block('transient')), 502, 'upstream-broken'],
  ['keys on their ladder', [], refusal('blocked', block('ladder')), 503, 'no-credential'],
  [
    'a refused key beside one that is back sooner',
    [],
    refusal('blocked', block('ladder'), { ...block('auth'), until: now + 300_000 }),
    503,
    'no-credential',
  ],
  [
    'a key that was refused just now, beside one on its ladder',
    [refusedKey],
    refusal('blocked', block('ladder')),
    503,
    'no-credential',
  ],
  [
    'a refused key that was on its ladder before',
    [],
    refusal('blocked', { ...block('ladder'), until: now + 1000 }, block('auth')),
    502,
    'upstream-authentication',
  ],
  ['a model known to be missing', [], refusal('blocked', block('model_missing')), 404, 'model-not-found'],
  ['nothing enabled', [], refusal('none'), 503, 'no-credential'],
  [
    'a wrong request keeps its status',
    [{ ...say, status: 422, kind: 'bad-request', rejected }],
    null,
    422,
    'upstream-rejected',
  ],
  ['a long context is a 400', [{ ...say, kind: 'context-too-long', rejected }], null, 400, 'context-too-long'],
  [
    'the last word of the upstream on the request counts',
    [limited, { ...say, status: 400, kind: 'bad-request', rejected }],
    null,
    400,
    'upstream-rejected',
  ],
  ['a loop', [{ ...say, kind: 'loop' }], null, 508, 'loop'],
  ['the deadline', [broken, { ...say, kind: 'deadline' }], null, 504, 'timeout'],
];

for (const [name, failures, refused, status, kind] of rows) {
  test(name, () => {
    const problem = verdict({ target, failures, refusal: refused }, now);
    expect([problem.status, problem.kind]).toEqual([status, kind as typeof problem.kind]);
  });
}

test('the wait is that of the soonest credential, else the shortest that an upstream named', () => {
  const known = verdict({ target, failures: [limited], refusal: refusal('blocked', block('rate_limit')) }, now);
  expect(known.retryAfterMs).toBe(9000);
  const named = verdict({ target, failures: [limited], refusal: refusal('excluded') }, now);
  expect(named.retryAfterMs).toBe(2500);
});

test('type, code and param of the upstream reach the client of a wrong request', () => {
  const failure: Failure = { ...say, status: 400, kind: 'bad-request', rejected: { type: 't', code: 'c', param: 'p' } };
  expect(verdict({ target, failures: [failure], refusal: null }, now)).toMatchObject({
    type: 't',
    code: 'c',
    param: 'p',
  });
});

test('what came of one key is not told as the reason why the others rest', () => {
  const told = verdict({ target, failures: [refusedKey], refusal: refusal('blocked', block('quota')) }, now);
  expect(told).toMatchObject({
    status: 429,
    message: `every credential for ${target} is rate-limited or out of quota`,
  });
  const both = verdict({ target, failures: [{ ...limited, message: 'slow down' }, refusedKey], refusal: null }, now);
  expect(both.message).toEndWith('out of quota: slow down');
});
