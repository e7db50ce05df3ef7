import { describe, expect, test } from 'bun:test';
import { MAX_WAIT_MS, parseDuration, readWaitHint, untilMidnight } from '../../src/providers/wait-hint.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

function hint(reply: { headers?: Record<string, string>; json?: unknown; text?: string; status?: number }) {
  return readWaitHint({
    status: reply.status ?? 429,
    headers: new Headers(reply.headers),
    text: reply.text ?? JSON.stringify(reply.json ?? {}),
    json: reply.json,
    model: 'm',
    now: NOW,
  });
}

const message = (text: string) => ({ json: { error: { message: text } } });
const google = (...details: unknown[]) => ({ json: { error: { code: 429, message: 'x', details } } });
const retryInfo = (retryDelay: unknown) => ({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay });
const errorInfo = (metadata: unknown) => ({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', metadata });

describe('a duration', () => {
  test.each([
    ['20', 20_000],
    ['1.5', 1500],
    [44, 44_000],
    ['-1', -1000],
    ['44.09s', 44_090],
    ['2m59.56s', 179_560],
    ['6m0s', 360_000],
    ['143h4m52.73s', 515_092_730],
    ['515092.73s', 515_092_730],
    ['290.979975ms', 290.979975],
    ['120ms', 120],
    ['1h2m3s', 3_723_000],
    ['1d2h', 93_600_000],
    ['20 seconds', 20_000],
    ['1 hour, 2 minutes and 3 seconds', 3_723_000],
    ['58 hours', 208_800_000],
    ['5min', 300_000],
    [{ seconds: '44' }, 44_000],
    [{ seconds: 1, nanos: 500_000_000 }, 1500],
  ] as const)('%p is %p ms', (text, ms) => {
    expect(parseDuration(text)).toBeCloseTo(ms, 5);
  });

  test.each(['', 'soon', '5 apples', '1h later', 'm5', 'NaN', null, true, Number.NaN, { seconds: 'x' }])(
    '%p is none',
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );
});

describe('a wait is read', () => {
  const cases: readonly (readonly [string, Parameters<typeof hint>[0], number | null, string])[] = [
    ['from RetryInfo; a part of a second is a whole one', google(retryInfo('0.539477544s')), 1000, 'retry-info'],
    ['from RetryInfo in milliseconds, not minutes', google(retryInfo('290.979975ms')), 1000, 'retry-info'],
    ['from RetryInfo as an object', google(retryInfo({ seconds: '44' })), 44_000, 'retry-info'],
    ['from quotaResetDelay', google(errorInfo({ quotaResetDelay: '143h4m52.73s' })), 515_092_730, 'quota-reset-delay'],
    ['from quotaresetdelay', google(errorInfo({ quotaresetdelay: '2s' })), 2000, 'quota-reset-delay'],
    [
      'from quotaResetTimeStamp',
      google(errorInfo({ quotaResetTimeStamp: '2026-11-22T13:00:00Z' })),
      3_600_000,
      'quota-reset-time',
    ],
    ['from resets_at', { json: { error: { resets_at: NOW / 1000 + 90 } } }, 90_000, 'resets-at'],
    [
      'from resets_at of a response that failed',
      { json: { type: 'response.failed', response: { error: { resets_at: NOW / 1000 + 7200 } } } },
      7_200_000,
      'resets-at',
    ],
    ['from resets_in_seconds', { json: { error: { resets_in_seconds: 12345 } } }, 12_345_000, 'resets-in-seconds'],
    ['from estimated_time', { json: { error: 'loading', estimated_time: 20.5 } }, 20_500, 'estimated-time'],
    ['from "quota will reset after 2s"', message('Your quota will reset after 2s.'), 2000, 'message'],
    ['from "reset after 1h2m3s"', message('reset after 1h2m3s'), 3_723_000, 'message'],
    ['from "retry after 60s"', message('Please retry after 60s'), 60_000, 'message'],
    ['from "retry after 60"', message('Please retry after 60'), 60_000, 'message'],
    ['from "Please retry in 44.097s."', message('Please retry in 44.097s.'), 44_097, 'message'],
    ['from "Please retry in 900ms."', message('Please retry in 900ms.'), 1000, 'message'],
    ['from "try again in 20 seconds"', message('Try again in 20 seconds.'), 20_000, 'message'],
    ['from "try again in 10m12.5s."', message('Please try again in 10m12.5s. Need more?'), 612_500, 'message'],
    ['from "wait for 30 seconds"', message('You must wait for 30 seconds'), 30_000, 'message'],
    ['from "wait 30 seconds"', message('Please wait 30 seconds before retrying'), 30_000, 'message'],
    ['not from a number that is no time', message('retry in 5 apples; limit 30 per minute'), null, ''],
    ['not from a limit', message('Rate limit reached: Limit 30000, Used 29000'), null, ''],
    [
      'from retry-after-ms before retry-after',
      { headers: { 'retry-after-ms': '2500', 'retry-after': '9' } },
      2500,
      'retry-after-ms',
    ],
    ['from retry-after as seconds', { headers: { 'retry-after': '30' } }, 30_000, 'retry-after'],
    ['from retry-after as a decimal', { headers: { 'retry-after': '1.5' } }, 1500, 'retry-after'],
    [
      'from retry-after as an HTTP date',
      { headers: { 'retry-after': 'Sun, 22 Nov 2026 12:01:00 GMT' } },
      60_000,
      'retry-after',
    ],
    [
      'from retry-after as a past date: now',
      { headers: { 'retry-after': 'Sun, 22 Nov 2026 11:00:00 GMT' } },
      0,
      'retry-after',
    ],
    ['from retry-after zero: now', { headers: { 'retry-after': '0' } }, 0, 'retry-after'],
    ['from retry-after negative: now', { headers: { 'retry-after': '-5' } }, 0, 'retry-after'],
    ['not from a retry-after that is nonsense', { headers: { 'retry-after': 'later' } }, null, ''],
    [
      'from x-ratelimit-reset in unix seconds',
      { headers: { 'x-ratelimit-reset': String(NOW / 1000 + 30) } },
      30_000,
      'reset-header',
    ],
    [
      'from x-ratelimit-reset in unix milliseconds',
      { headers: { 'x-ratelimit-reset': String(NOW + 30_000) } },
      30_000,
      'reset-header',
    ],
    ['from Groq’s reset', { headers: { 'x-ratelimit-reset-tokens': '2m59.56s' } }, 179_560, 'reset-header'],
    ['from Cerebras’ reset', { headers: { 'x-ratelimit-reset-tokens-minute': '57.3' } }, 57_300, 'reset-header'],
    [
      'from Anthropic’s reset',
      { headers: { 'anthropic-ratelimit-requests-reset': '2026-11-22T12:00:45Z' } },
      45_000,
      'reset-header',
    ],
    [
      'from the reset of the limit that was hit',
      {
        headers: {
          'x-ratelimit-remaining-requests': '0',
          'x-ratelimit-reset-requests': '1h',
          'x-ratelimit-remaining-tokens': '10',
          'x-ratelimit-reset-tokens': '1s',
        },
      },
      3_600_000,
      'reset-header',
    ],
    [
      'from the soonest reset when no limit says that it was hit',
      { headers: { 'x-ratelimit-reset-requests': '1h', 'x-ratelimit-reset-tokens': '2s' } },
      2000,
      'reset-header',
    ],
    [
      'not from Azure’s unknown',
      { headers: { 'x-ratelimit-reset-requests': '-1', 'x-ratelimit-reset-tokens': '0' } },
      null,
      '',
    ],
    [
      'from the headers inside OpenRouter’s body',
      { json: { error: { message: 'x', metadata: { headers: { 'X-RateLimit-Reset': String(NOW + 5000) } } } } },
      5000,
      'reset-header',
    ],
    [
      'from the body before the headers',
      { ...message('try again in 7s'), headers: { 'retry-after': '30' } },
      7000,
      'message',
    ],
    ['and never for longer than eight days', { headers: { 'retry-after': '99999999' } }, MAX_WAIT_MS, 'retry-after'],
    ['from an array-wrapped body', { json: [{ error: { details: [retryInfo('3s')] } }] }, 3000, 'retry-info'],
    ['not from resets beside an overload', { status: 503, headers: { 'x-ratelimit-reset-requests': '1h' } }, null, ''],
    [
      'not from a header in a body that could be none',
      {
        json: { error: { message: 'x', metadata: { headers: { 'X-RateLimit-Reset': '5\u2028', 'a b': '1', b: {} } } } },
      },
      null,
      '',
    ],
    ['not from nothing', {}, null, ''],
  ];

  test.each(cases)('%s', (_name, reply, ms, source) => {
    const found = hint(reply);
    if (ms === null) expect(found).toBeNull();
    else expect(found).toEqual({ ms: expect.closeTo(ms, 3), source });
  });

  test('in no time from a long text that almost says one', () => {
    // A regular expression that backtracks without bound would run into the test's timeout.
    hint(message(`${'retry in 1h '.repeat(5000)}${'1h 1h 1h '.repeat(5000)}${'try again '.repeat(5000)}`));
    expect(hint(message(`retry after ${'1'.repeat(60_000)}`))).toBeNull();
  });
});

describe('midnight', () => {
  test.each([
    ['America/Los_Angeles', Date.UTC(2026, 6, 1, 12), Date.UTC(2026, 6, 2, 7)],
    ['America/Los_Angeles', Date.UTC(2026, 11, 1, 12), Date.UTC(2026, 11, 2, 8)],
    ['America/Los_Angeles', Date.UTC(2026, 11, 1, 7, 59, 59, 500), Date.UTC(2026, 11, 1, 8)],
    // The clock goes forward on 8 March and back on 1 November 2026: days of 23 and 25 hours.
    ['America/Los_Angeles', Date.UTC(2026, 2, 8, 9), Date.UTC(2026, 2, 9, 7)],
    ['America/Los_Angeles', Date.UTC(2026, 10, 1, 8), Date.UTC(2026, 10, 2, 8)],
    ['UTC', Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 2)],
    ['Asia/Kolkata', Date.UTC(2026, 0, 1, 12), Date.UTC(2026, 0, 1, 18, 30)],
  ])('in %s after %i is %i', (zone, now, midnight) => {
    const wait = untilMidnight(now, zone);
    expect(new Date(now + wait.ms).toISOString()).toBe(new Date(midnight).toISOString());
    expect(wait.source).toBe('daily-reset');
  });
});
