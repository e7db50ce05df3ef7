import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { classifyReply } from '../../src/providers/classify.ts';
import { findProvider, ownProvider, providers } from '../../src/providers/index.ts';
import type { ErrorReply, Provider } from '../../src/providers/provider.ts';

const own = ownProvider('mine', 'openai-chat');

function reply(status: number, body: unknown, more: Partial<ErrorReply> = {}): ErrorReply {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return {
    status,
    headers: new Headers(),
    text,
    json: typeof body === 'string' ? undefined : body,
    model: 'm-1',
    now: Date.UTC(2026, 0, 1),
    ...more,
  };
}

const known = (name: string): Provider => {
  const provider = findProvider(name);
  if (!provider) throw new Error(`no provider ${name}`);
  return provider;
};

describe('a status alone', () => {
  test.each([
    [301, 'upstream-error'],
    [308, 'upstream-error'],
    [400, 'bad-request'],
    [401, 'key-rejected'],
    [402, 'billing'],
    [403, 'forbidden'],
    [404, 'upstream-error'],
    [405, 'upstream-error'],
    [406, 'unclassified'],
    [408, 'upstream-error'],
    [409, 'upstream-error'],
    [410, 'upstream-error'],
    [413, 'bad-request'],
    [418, 'unclassified'],
    [422, 'bad-request'],
    [425, 'upstream-error'],
    [429, 'rate-limited'],
    [500, 'upstream-error'],
    [502, 'upstream-error'],
    [503, 'upstream-error'],
    [504, 'upstream-error'],
    [521, 'upstream-error'],
    [529, 'overloaded'],
  ] as const)('%i is %s', (status, kind) => {
    expect(classifyReply(own, reply(status, ''))).toMatchObject({ kind, status });
  });
});

describe('"limit: 0"', () => {
  const gemini = known('gemini');
  test.each([
    ['limit: 0', true],
    ['limit: 0, model: gemini-2.5-pro', true],
    ['limit: 0.', true],
    ['limit:0', true],
    ['limit: 0.5', false],
    ['limit: 10', false],
    ['limit: 05', false],
  ])('%p is a plan without the model: %p', (words, isPermanent) => {
    const failure = classifyReply(
      gemini,
      reply(429, { error: { code: 429, message: `Quota exceeded for metric, ${words}` } }),
    );
    expect(failure).toMatchObject({ kind: 'rate-limited', isPermanent });
  });
});

describe('the limit that a 429 names', () => {
  const ids = (...quotaIds: string[]) => ({
    error: { code: 429, message: 'Quota.', details: [{ violations: quotaIds.map((quotaId) => ({ quotaId })) }] },
  });
  test.each([
    ['Rate limit reached on tokens per day (TPD): Limit 9', 'day', true],
    ['Rate limit reached on requests per minute (RPM): Limit 9', 'minute', false],
    ['reached organization max RPM: 3', 'minute', false],
    ['limited to 20 API calls / minute.', 'minute', false],
    ['limited to 1000 API calls / month.', null, true],
    ['Your daily limit is reached', 'day', true],
    ['30 requests per minute or 1000 per day', 'day', true],
    ['Too many requests', null, false],
    ['Try the minute hand on another day', null, false],
    [ids('GenerateRequestsPerDayPerProjectPerModel-FreeTier'), 'day', true],
    [ids('GenerateContentInputTokensPerModelPerMinute-FreeTier'), 'minute', false],
    [ids('TokensPerMinute', 'RequestsPerDay'), 'day', true],
    [ids('Something'), null, false],
  ])('%j: %p', (said, window, isQuota) => {
    const body = typeof said === 'string' ? { error: { message: said } } : said;
    expect(classifyReply(own, reply(429, body))).toMatchObject({ kind: 'rate-limited', window, isQuota });
  });

  test('is the one whose header is at nothing, where no word says it', () => {
    const headers = new Headers({ 'x-ratelimit-remaining-requests-day': '0', 'x-ratelimit-limit-requests-day': '9' });
    const failure = classifyReply(known('cerebras'), reply(429, { message: 'slow down' }, { headers }));
    expect(failure).toMatchObject({ kind: 'rate-limited', window: 'day', isQuota: true });
  });
});

describe('a long wait', () => {
  test('of more than an hour is a quota, whatever it is called', () => {
    const headers = new Headers({ 'retry-after': '7200' });
    expect(classifyReply(own, reply(429, '', { headers }))).toMatchObject({ kind: 'rate-limited', isQuota: true });
  });

  test('of a minute is a rate', () => {
    const headers = new Headers({ 'retry-after': '60' });
    expect(classifyReply(own, reply(429, '', { headers }))).toMatchObject({ kind: 'rate-limited', isQuota: false });
  });
});

test('a usage limit that ends a response inside a 200 is a quota until its reset', () => {
  const error = { code: 'usage_limit_reached', message: 'The usage limit has been reached', resets_in_seconds: 7200 };
  const failed = { type: 'response.failed', response: { id: 'r', status: 'failed', error } };
  expect(classifyReply(own, reply(200, failed))).toMatchObject({
    kind: 'rate-limited',
    isQuota: true,
    wait: { ms: 7_200_000, source: 'resets-in-seconds' },
  });
});

describe('the message', () => {
  test('is one line of at most 500 characters', () => {
    const failure = classifyReply(own, reply(500, { error: { message: `a\n\tb\r\n\u0000${'x'.repeat(5000)}` } }));
    expect(failure.message).toStartWith('a b x');
    expect(failure.message).toHaveLength(500);
  });

  test('is the plain text of a body that is no JSON', () => {
    expect(classifyReply(own, reply(500, 'upstream connect error')).message).toBe('upstream connect error');
  });

  test('is the JSON itself where no field speaks', () => {
    expect(classifyReply(own, reply(500, { oops: 1 })).message).toBe('{"oops":1}');
  });
});

describe('words about a model', () => {
  test('in a 404 name it only as a word of its own', () => {
    expect(classifyReply(own, reply(404, { detail: 'no o1 here' }, { model: 'o1' })).kind).toBe('model-missing');
    expect(classifyReply(own, reply(404, { detail: '/foo1 not here' }, { model: 'o1' })).kind).toBe('upstream-error');
  });

  test('in a 400 about what the model cannot do are about the request', () => {
    const failure = classifyReply(own, reply(400, { error: { message: 'model m-1 is not available with tools' } }));
    expect(failure.kind).toBe('bad-request');
  });
});

test('a 402 that asks for fewer tokens does not put the key out of service', () => {
  const failure = classifyReply(
    known('openrouter'),
    reply(402, {
      error: { message: 'requires fewer max_tokens: You requested up to 9, but can only afford 5', code: 402 },
    }),
  );
  expect(failure.kind).toBe('unclassified');
});

test('any reply at all is classified, in one line and without an exception', () => {
  const words = fc.constantFrom(
    'message',
    'error',
    'code',
    'type',
    'status',
    'details',
    'metadata',
    'detail',
    'response',
    'violations',
  );
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom(null, true, 0, 429, 1e20, '', 'x', '{"error":{"message":"y"}}', '[[', 'retry in 5s'),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(words, tie('json'), { maxKeys: 5 }),
    ),
  }));
  const headers = fc.dictionary(
    fc.constantFrom('retry-after', 'retry-after-ms', 'x-ratelimit-reset', 'x-ratelimit-reset-tokens'),
    fc.oneof(fc.constantFrom('', '0', '-1', '1e9', '5m', 'Tue'), fc.integer().map(String)),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...providers, own),
      fc.integer({ min: 200, max: 599 }),
      json,
      headers,
      fc.boolean(),
      (provider, status, body, given, isParsed) => {
        const text = JSON.stringify(body) ?? '';
        const failure = classifyReply(provider, {
          ...reply(status, text),
          json: isParsed ? body : undefined,
          headers: new Headers(given),
        });
        expect(failure.message).toMatch(/^.{1,500}$/u);
        if ('wait' in failure && failure.wait) {
          expect(failure.wait.ms).toBeGreaterThanOrEqual(0);
          expect(failure.wait.ms).toBeLessThanOrEqual(8 * 86_400_000);
        }
      },
    ),
    { numRuns: 500 },
  );
});
