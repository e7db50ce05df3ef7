import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { LearnedLimits as PoolLimits } from '../../src/pool/outcome.ts';
import { findProvider, ownProvider, providers } from '../../src/providers/index.ts';
import type { LearnedLimits, Provider } from '../../src/providers/provider.ts';
import { readRateHeaders } from '../../src/providers/rate-headers.ts';

const NOW = Date.UTC(2026, 3, 28, 23);
const own = ownProvider('mine', 'openai-chat');

function known(name: string): Provider {
  const provider = findProvider(name);
  if (!provider) throw new Error(`no provider ${name}`);
  return provider;
}

const read = (provider: Provider, headers: Record<string, string>): LearnedLimits | null =>
  readRateHeaders(new Headers(headers), provider, NOW);

/** A vendor whose protocol is not spoken yet, with its names for headers. */
const anthropic: Pick<Provider, 'rateHeaders'> = {
  rateHeaders: {
    requestsPerMinute: 'anthropic-ratelimit-requests-*',
    tokensPerMinute: 'anthropic-ratelimit-tokens-*',
  },
};

describe('the dialect', () => {
  test('of OpenAI counts requests and tokens per minute, with durations', () => {
    const headers = {
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-tokens': '149984',
      'x-ratelimit-reset-tokens': '6m0s',
    };
    const learned = {
      requestsPerMinute: { limit: 60, remaining: 59, resetMs: 1000 },
      tokensPerMinute: { limit: 150_000, remaining: 149_984, resetMs: 360_000 },
    };
    expect(read(known('openai'), headers)).toEqual(learned);
    expect(read(own, headers)).toEqual(learned);
  });

  test('of Groq has the same names, and counts requests per day', () => {
    const headers = {
      'x-ratelimit-limit-requests': '14400',
      'x-ratelimit-remaining-requests': '14370',
      'x-ratelimit-reset-requests': '2m59.56s',
      'x-ratelimit-limit-tokens': '18000',
      'x-ratelimit-remaining-tokens': '17997',
      'x-ratelimit-reset-tokens': '7.66s',
    };
    expect(read(known('groq'), headers)).toEqual({
      requestsPerDay: { limit: 14_400, remaining: 14_370, resetMs: 179_560 },
      tokensPerMinute: { limit: 18_000, remaining: 17_997, resetMs: 7660 },
    });
  });

  test('of Cerebras names the window and counts seconds', () => {
    const headers = {
      'x-ratelimit-limit-requests-day': '1000000000',
      'x-ratelimit-remaining-requests-day': '999999999',
      'x-ratelimit-reset-requests-day': '33011.382867',
      'x-ratelimit-limit-tokens-minute': '1000000000',
      'x-ratelimit-remaining-tokens-minute': '999999975',
      'x-ratelimit-reset-tokens-minute': '57.3',
      'x-ratelimit-limit-requests': '1',
    };
    expect(read(known('cerebras'), headers)).toEqual({
      requestsPerDay: { limit: 1_000_000_000, remaining: 999_999_999, resetMs: 33_011_383 },
      tokensPerMinute: { limit: 1_000_000_000, remaining: 999_999_975, resetMs: 57_300 },
    });
  });

  test('of Mistral names no reset', () => {
    const headers = {
      'x-ratelimit-limit-req-minute': '50',
      'x-ratelimit-remaining-req-minute': '49',
      'x-ratelimit-limit-tokens-minute': '50000',
      'x-ratelimit-remaining-tokens-minute': '47300',
    };
    expect(read(known('mistral'), headers)).toEqual({
      requestsPerMinute: { limit: 50, remaining: 49, resetMs: null },
      tokensPerMinute: { limit: 50_000, remaining: 47_300, resetMs: null },
    });
  });

  test('of Cohere speaks of a trial key’s minute', () => {
    const headers = { 'x-trial-endpoint-call-limit': '20', 'x-trial-endpoint-call-remaining': '19' };
    expect(read(known('cohere'), headers)).toEqual({ requestsPerMinute: { limit: 20, remaining: 19, resetMs: null } });
  });

  test.each([
    [
      'at midnight UTC is the day',
      '1777420800000',
      { requestsPerDay: { limit: 50, remaining: 0, resetMs: 3_600_000 } },
    ],
    [
      'at another time is the minute',
      '1777417230000',
      { requestsPerMinute: { limit: 50, remaining: 0, resetMs: 30_000 } },
    ],
    ['that is not named is no limit', '', null],
  ])('of OpenRouter is in milliseconds; a reset %s', (_, reset, learned) => {
    const headers = { 'x-ratelimit-limit': '50', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset };
    expect(read(known('openrouter'), headers)).toEqual(learned);
  });

  test('of Anthropic has its words in another order, and dates', () => {
    const headers = new Headers({
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-requests-reset': '2026-04-28T23:00:01Z',
      'anthropic-ratelimit-tokens-limit': '40000',
      'anthropic-ratelimit-tokens-remaining': '39000',
      'anthropic-ratelimit-tokens-reset': '2026-04-28T22:59:59Z',
    });
    expect(readRateHeaders(headers, anthropic, NOW)).toEqual({
      requestsPerMinute: { limit: 50, remaining: 49, resetMs: 1000 },
      tokensPerMinute: { limit: 40_000, remaining: 39_000, resetMs: 0 },
    });
  });

  test('of Azure writes 0 and -1 for what it does not know, and often no limit at all', () => {
    const unknown = {
      'x-ratelimit-limit-requests': '-1',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '0',
      'x-ratelimit-limit-tokens': '0',
      'x-ratelimit-remaining-tokens': '-1',
      'x-ratelimit-reset-tokens': '-1',
    };
    expect(read(own, unknown)).toBeNull();
    expect(read(own, { 'x-ratelimit-remaining-tokens': '249867', 'x-ratelimit-reset-tokens': '12' })).toEqual({
      tokensPerMinute: { limit: null, remaining: 249_867, resetMs: 12_000 },
    });
  });
});

describe('what is not believed', () => {
  test.each([
    ['no headers', {}],
    ['a reset alone', { 'x-ratelimit-reset-tokens': '1s' }],
    ['words', { 'x-ratelimit-limit-tokens': 'many', 'x-ratelimit-remaining-tokens': 'some' }],
    ['a header that came twice', { 'x-ratelimit-limit-tokens': '5, 5' }],
    ['nothing', { 'x-ratelimit-limit-tokens': ' ' }],
    ['more than anyone can count', { 'x-ratelimit-limit-tokens': '1e300' }],
    ['headers of another dialect', { 'x-ratelimit-limit-requests-day': '5' }],
  ])('%s', (_, headers: Record<string, string>) => {
    expect(read(own, headers)).toBeNull();
  });

  test('a reset that is longer away than any window', () => {
    const headers = { 'x-ratelimit-limit-tokens': '5', 'x-ratelimit-reset-tokens': '900h' };
    expect(read(own, headers)).toEqual({ tokensPerMinute: { limit: 5, remaining: null, resetMs: null } });
  });
});

test('any headers are read without an exception, into counts and times that make sense', () => {
  const names = fc.constantFrom(
    ...['requests', 'tokens', 'requests-day', 'tokens-minute', 'req-minute'].flatMap((what) =>
      ['limit', 'remaining', 'reset'].map((part) => `x-ratelimit-${part}-${what}`),
    ),
    'x-ratelimit-limit',
    'x-ratelimit-remaining',
    'x-ratelimit-reset',
  );
  const values = fc.oneof(
    fc.constantFrom('', '0', '-1', '1e9', '5m', '57.3', 'Tue', '2026-04-28T23:00:01Z', '1777420800000', '6m0s', '0x1f'),
    fc.integer().map(String),
  );
  fc.assert(
    fc.property(fc.constantFrom(...providers, own), fc.dictionary(names, values), (provider, headers) => {
      // What is learned is what the pool takes: the two types must stay alike.
      const learned: PoolLimits | null = read(provider, headers);
      for (const ceiling of Object.values(learned ?? {})) {
        expect(ceiling.limit ?? ceiling.remaining).not.toBeNull();
        expect(ceiling.limit ?? 1).toBeGreaterThan(0);
        for (const value of [ceiling.remaining, ceiling.resetMs]) {
          expect(Number.isSafeInteger(value ?? 0) && (value ?? 0) >= 0).toBe(true);
        }
      }
    }),
    { numRuns: 500 },
  );
});
