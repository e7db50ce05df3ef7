import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { ClientBudgets, type ClientReservation, type ClientWish } from '../../src/gateway/client-budgets.ts';
import type { ClientLimits } from '../../src/gateway/client-limits.ts';
import type { Client } from '../../src/gateway/gateway.ts';
import type { WindowReport } from '../../src/gateway/operations.ts';
import type { Problem } from '../../src/protocols/problem.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOON = Date.UTC(2026, 0, 15, 12);

const NONE: ClientLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerDay: null,
  usdPerDay: null,
  usdPerMonth: null,
};
const clientWith = (limits: Partial<ClientLimits>, name = 'laptop'): Client => ({
  id: `id-of-${name}`,
  name,
  models: [],
  limits: { ...NONE, ...limits },
});

const limitsOf = (...clients: readonly Client[]) =>
  new Map(clients.flatMap(({ name, limits }) => (name !== null && limits ? [[name, limits] as const] : [])));

function budgets(more: { restored?: unknown; past?: { requests: number; usd: number }; timezone?: string } = {}) {
  const asked: { name: string; since: number }[] = [];
  const made = new ClientBudgets({
    reset: () => ({ hour: 0, minute: 0, timezone: more.timezone ?? 'UTC' }),
    pastUse: (name, since) => {
      asked.push({ name, since });
      return more.past ?? { requests: 0, usd: 0 };
    },
    restored: more.restored,
  });
  return { made, asked };
}

const wish = (tokens: number, usd: number | null = null): ClientWish => ({ inputTokens: tokens, tokens, usd });
const ONE = wish(1);

function granted(outcome: ClientReservation | Problem | null): ClientReservation {
  if (outcome === null || 'kind' in outcome) throw new Error(`not granted: ${JSON.stringify(outcome)}`);
  return outcome;
}

function refused(outcome: ClientReservation | Problem | null): Problem {
  if (outcome === null || !('kind' in outcome)) throw new Error('not refused');
  return outcome;
}

describe('a client without limits', () => {
  test('is never asked to wait, nor is the anonymous one', () => {
    const { made } = budgets();
    expect(made.reserve({ id: 'a', name: 'laptop', models: [] }, wish(1e9), NOON)).toBeNull();
    expect(
      made.reserve({ id: 'b', name: null, models: [], limits: { ...NONE, requestsPerMinute: 1 } }, ONE, NOON),
    ).toBeNull();
  });
});

describe('a limit', () => {
  const used: [string, Partial<ClientLimits>, ClientWish, number, number][] = [
    ['requests per minute', { requestsPerMinute: 2 }, ONE, 2, MINUTE],
    ['tokens per minute', { tokensPerMinute: 100 }, wish(50), 2, MINUTE],
    ['requests per day', { requestsPerDay: 2 }, ONE, 2, 12 * HOUR],
    ['USD per day', { usdPerDay: 1 }, wish(1, 0.5), 2, 12 * HOUR],
    ['USD per month', { usdPerMonth: 1 }, wish(1, 0.5), 2, 16 * 24 * HOUR + 12 * HOUR],
  ];
  test.each(used)('of %s is full after its number, and free again at its time', (name, limits, each, number, ms) => {
    const { made } = budgets();
    const client = clientWith(limits);
    for (let i = 0; i < number; i++) granted(made.reserve(client, each, NOON));
    const problem = refused(made.reserve(client, each, NOON));
    expect(problem).toMatchObject({ kind: 'client-limit', status: 429, retryAfterMs: ms });
    expect(problem.message).toContain(name);
    expect(problem.message).toContain('"laptop"');
    refused(made.reserve(client, each, NOON + ms - 1));
    granted(made.reserve(client, each, NOON + ms));
  });

  test('that is told is the one that lasts longest', () => {
    const { made } = budgets();
    const client = clientWith({ requestsPerMinute: 1, requestsPerDay: 1 });
    granted(made.reserve(client, ONE, NOON));
    expect(refused(made.reserve(client, ONE, NOON)).message).toContain('requests per day');
  });

  test('of one client is not another one’s', () => {
    const { made } = budgets();
    granted(made.reserve(clientWith({ requestsPerMinute: 1 }), ONE, NOON));
    granted(made.reserve(clientWith({ requestsPerMinute: 1 }, 'phone'), ONE, NOON));
    refused(made.reserve(clientWith({ requestsPerMinute: 1 }, 'phone'), ONE, NOON));
  });

  test('lets a request through that is larger than itself, when nothing else was used', () => {
    const { made } = budgets();
    const client = clientWith({ tokensPerMinute: 100 });
    granted(made.reserve(client, wish(500), NOON));
    refused(made.reserve(client, ONE, NOON));
    granted(made.reserve(client, wish(500), NOON + MINUTE));
    const other = clientWith({ tokensPerMinute: 100 }, 'other');
    granted(made.reserve(other, ONE, NOON));
    refused(made.reserve(other, wish(500), NOON));
  });

  test('in USD holds for a request of unknown price once it is used up', () => {
    const { made } = budgets();
    const client = clientWith({ usdPerDay: 1 });
    granted(made.reserve(client, wish(1, null), NOON));
    granted(made.reserve(client, wish(1, 1), NOON));
    refused(made.reserve(client, wish(1, null), NOON));
  });

  test('that was raised holds at once', () => {
    const { made } = budgets();
    granted(made.reserve(clientWith({ requestsPerMinute: 1 }), ONE, NOON));
    granted(made.reserve(clientWith({ requestsPerMinute: 2 }), ONE, NOON));
    refused(made.reserve(clientWith({ requestsPerMinute: 2 }), ONE, NOON));
  });

  test('of a day and of a month ends in the timezone of the config', () => {
    const { made } = budgets({ timezone: 'Asia/Tokyo' });
    const client = clientWith({ requestsPerDay: 1 });
    granted(made.reserve(client, ONE, NOON));
    expect(refused(made.reserve(client, ONE, NOON)).retryAfterMs).toBe(3 * HOUR);
  });

  test('of a month in which the clock is set back lasts an hour longer', () => {
    const { made } = budgets({ timezone: 'Europe/Berlin' });
    const client = clientWith({ usdPerMonth: 1 });
    const october = Date.UTC(2026, 8, 30, 22);
    granted(made.reserve(client, wish(1, 1), october));
    expect(refused(made.reserve(client, ONE, october)).retryAfterMs).toBe((31 * 24 + 1) * HOUR);
  });

  test('in USD is neither passed nor waited for in vain where ten times 0.03 are more than 0.3', () => {
    const { made } = budgets();
    const client = clientWith({ usdPerDay: 0.3 });
    const each = wish(1, 0.03);
    let served = 0;
    let outcome = made.reserve(client, each, NOON);
    for (; outcome === null || !('kind' in outcome); outcome = made.reserve(client, each, NOON)) served++;
    expect(served).toBe(10);
    expect(outcome.retryAfterMs).toBe(12 * HOUR);
  });

  test('in USD is used up by ten times 0.1 of 1, which are less', () => {
    const { made } = budgets();
    const client = clientWith({ usdPerDay: 1 });
    for (let i = 0; i < 10; i++) granted(made.reserve(client, wish(1, 0.1), NOON));
    refused(made.reserve(client, wish(1, null), NOON));
  });
});

describe('what is left', () => {
  const all = clientWith({
    requestsPerMinute: 3,
    tokensPerMinute: 100,
    requestsPerDay: 5,
    usdPerDay: 1,
    usdPerMonth: 2,
  });
  const window = (
    name: string,
    unit: WindowReport['unit'],
    used: number,
    limit: number,
    left: number,
    resetAt: number | null,
    roomAt: number | null = null,
  ): WindowReport => ({
    scope: 'key',
    name,
    unit,
    used,
    limit,
    remaining: left,
    reset_at: resetAt === null ? null : new Date(resetAt).toISOString(),
    room_at: roomAt === null ? null : new Date(roomAt).toISOString(),
    source: 'config',
  });

  test('is told for each limit, with the moment at which nothing of it is used any more', () => {
    const { made } = budgets();
    made.configure(limitsOf(all, clientWith({ requestsPerMinute: 7 }, 'phone')), NOON);
    granted(made.reserve(all, wish(20, 0.1), NOON));
    granted(made.reserve(all, wish(50, 0.2), NOON + 1000));
    const [midnight, month] = [Date.UTC(2026, 0, 16), Date.UTC(2026, 1, 1)];
    expect(made.reports(NOON + 2000)).toEqual([
      {
        name: 'laptop',
        windows: [
          window('rpm', 'requests', 2, 3, 1, NOON + 1000 + MINUTE),
          window('tpm', 'tokens', 70, 100, 30, NOON + 1000 + MINUTE),
          window('rpd', 'requests', 2, 5, 3, midnight),
          window('usd_per_day', 'usd', 0.3, 1, 0.7, midnight),
          window('usd_per_month', 'usd', 0.3, 2, 1.7, month),
        ],
      },
      { name: 'phone', windows: [window('rpm', 'requests', 0, 7, 7, null)] },
    ]);
  });

  test('of a minute comes back with each request that is a minute old, of a day with the day', () => {
    const { made } = budgets();
    made.configure(limitsOf(all), NOON);
    const left = (now: number) => made.reports(now)[0]?.windows.map(({ name, remaining }) => `${name} ${remaining}`);
    for (let i = 0; i < 3; i++)
      granted(made.reserve(all, wish(10, 0.5), NOON + i * 1000)).end(
        { kind: 'known', tokens: 4, usd: 0.25 },
        NOON + i * 1000,
      );
    expect(left(NOON + 2000)).toEqual(['rpm 0', 'tpm 88', 'rpd 2', 'usd_per_day 0.25', 'usd_per_month 1.25']);
    expect(made.reports(NOON + 2000)[0]?.windows[0]).toEqual(
      window('rpm', 'requests', 3, 3, 0, NOON + 2000 + MINUTE, NOON + MINUTE),
    );
    expect(left(NOON + MINUTE)).toEqual(['rpm 1', 'tpm 92', 'rpd 2', 'usd_per_day 0.25', 'usd_per_month 1.25']);
    expect(left(NOON + MINUTE + 2000)).toEqual(['rpm 3', 'tpm 100', 'rpd 2', 'usd_per_day 0.25', 'usd_per_month 1.25']);
    expect(left(NOON + 12 * HOUR)).toEqual(['rpm 3', 'tpm 100', 'rpd 5', 'usd_per_day 1', 'usd_per_month 1.25']);
  });

  test('is never less than nothing, and goes by the limits of the config as it is now', () => {
    const { made } = budgets();
    granted(made.reserve(all, wish(10), NOON)).end({ kind: 'known', tokens: 5000, usd: null }, NOON);
    made.configure(limitsOf(clientWith({ tokensPerMinute: 200 })), NOON);
    expect(made.reports(NOON)[0]?.windows).toEqual([
      window('tpm', 'tokens', 5000, 200, 0, NOON + MINUTE, NOON + MINUTE),
    ]);
    made.configure(new Map(), NOON);
    expect(made.reports(NOON)).toEqual([]);
  });
});

test('the wait that is told is the shortest one, whatever limits there are and whatever was used', () => {
  const count = fc.option(fc.integer({ min: 1, max: 9 }), { nil: null });
  // Sums of these are rarely what they are on paper.
  const cents = fc.option(fc.integer({ min: 1, max: 60 }), { nil: null });
  const limits = fc.record({ rpm: count, tpm: count, rpd: count, day: cents, month: cents });
  const step = fc.record({ tokens: fc.nat(12), cents: fc.nat(30), later: fc.nat(40_000) });
  fc.assert(
    fc.property(limits, fc.array(step, { minLength: 1, maxLength: 12 }), ({ rpm, tpm, rpd, day, month }, steps) => {
      const { made } = budgets();
      const limited = clientWith({
        requestsPerMinute: rpm,
        tokensPerMinute: tpm,
        requestsPerDay: rpd,
        usdPerDay: day === null ? null : day / 100,
        usdPerMonth: month === null ? null : month / 100,
      });
      let now = NOON;
      for (const { tokens, cents: cost, later } of steps) {
        now += later;
        const asked = wish(tokens, cost / 100);
        const outcome = made.reserve(limited, asked, now);
        if (outcome === null || !('kind' in outcome)) continue;
        const free = now + (outcome.retryAfterMs ?? 0);
        refused(made.reserve(limited, asked, free - 1));
        granted(made.reserve(limited, asked, free));
        return;
      }
    }),
    { numRuns: 2000 },
  );
});

describe('what was really used', () => {
  const client = clientWith({ tokensPerMinute: 1000, usdPerDay: 10, requestsPerMinute: 100 });

  test('takes the place of the estimate', () => {
    const { made } = budgets();
    const first = granted(made.reserve(client, wish(1000, 1), NOON));
    refused(made.reserve(client, ONE, NOON));
    first.end({ kind: 'known', tokens: 10, usd: 0.1 }, NOON + 1);
    granted(made.reserve(client, wish(990, 9.9), NOON + 2));
    refused(made.reserve(client, ONE, NOON + 2));
  });

  test('counts in full where it was more than the estimate', () => {
    const { made } = budgets();
    granted(made.reserve(client, wish(10, 0.1), NOON)).end({ kind: 'known', tokens: 5000, usd: 1 }, NOON + 1000);
    const { retryAfterMs } = refused(made.reserve(client, ONE, NOON + 2000));
    expect(retryAfterMs).toBe(MINUTE - 1000);
  });

  test('is nothing for a request that never reached an upstream', () => {
    const { made } = budgets();
    const one = clientWith({ requestsPerMinute: 1, requestsPerDay: 1, tokensPerMinute: 5, usdPerDay: 1 });
    granted(made.reserve(one, wish(5, 1), NOON)).end({ kind: 'nothing' }, NOON);
    granted(made.reserve(one, wish(5, 1), NOON));
  });

  test('is the estimate where nobody says, or as much as was seen of the answer', () => {
    const { made } = budgets();
    const guess = { inputTokens: 100, tokens: 200, usd: 1 };
    granted(made.reserve(client, guess, NOON)).end({ kind: 'unknown', outputTokens: 20 }, NOON);
    granted(made.reserve(client, wish(800), NOON + 1)).end({ kind: 'known', tokens: 0, usd: 0 }, NOON + 1);
    granted(made.reserve(client, guess, NOON + 2)).end({ kind: 'unknown', outputTokens: 700 }, NOON + 2);
    refused(made.reserve(client, ONE, NOON + 3));
    // 1 for the first, and four times as much for the second, which was four times as long as was guessed.
    refused(made.reserve(client, wish(0, 5.1), NOON + MINUTE + 3));
    granted(made.reserve(client, wish(0, 5), NOON + MINUTE + 3));
  });

  test('is taken once, however often a request ends', () => {
    const { made } = budgets();
    const reservation = granted(made.reserve(client, wish(500), NOON));
    reservation.end({ kind: 'known', tokens: 500, usd: null }, NOON);
    reservation.end({ kind: 'nothing' }, NOON);
    refused(made.reserve(client, wish(501), NOON));
  });

  test('never passes a limit, in whatever order requests begin and end', () => {
    const step = fc.record({ tokens: fc.integer({ min: 0, max: 40 }), later: fc.nat(20_000), ends: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { made } = budgets();
        const limited = clientWith({ tokensPerMinute: 100, requestsPerMinute: 7 });
        const taken: { at: number; tokens: number }[] = [];
        const open: ClientReservation[] = [];
        let now = NOON;
        for (const { tokens, later, ends } of steps) {
          now += later;
          const outcome = made.reserve(limited, wish(tokens), now);
          if (outcome && !('kind' in outcome)) {
            taken.push({ at: now, tokens });
            open.push(outcome);
            const recent = taken.filter(({ at }) => at > now - MINUTE);
            expect(recent.length).toBeLessThanOrEqual(7);
            expect(recent.reduce((sum, one) => sum + one.tokens, 0)).toBeLessThanOrEqual(100);
          }
          // Used exactly as reserved: the sums above stay the truth.
          const ended = ends ? open.shift() : undefined;
          ended?.end({ kind: 'unknown', outputTokens: 0 }, now);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a restart', () => {
  const client = clientWith({ requestsPerMinute: 2, requestsPerDay: 3, usdPerMonth: 10 });

  test('forgets nothing of a snapshot', () => {
    const before = budgets().made;
    for (let i = 0; i < 2; i++) granted(before.reserve(client, wish(5, 4), NOON));
    const { made, asked } = budgets({ restored: JSON.parse(JSON.stringify(before.snapshot(NOON))) });
    made.configure(limitsOf(client), NOON + 1);
    expect(asked).toEqual([]);
    expect(refused(made.reserve(client, wish(5, 1), NOON + 1)).message).toContain('per minute');
    expect(refused(made.reserve(client, wish(5, 4), NOON + MINUTE)).message).toContain('USD per month');
    granted(made.reserve(client, wish(5, 2), NOON + MINUTE));
    expect(refused(made.reserve(client, wish(5, 0), NOON + 2 * MINUTE)).message).toContain('per');
  });

  test('without a snapshot begins with what the use table says since the day and the month began', () => {
    const { made, asked } = budgets({ past: { requests: 3, usd: 9 } });
    made.configure(limitsOf(client), NOON);
    expect(asked.map(({ name, since }) => [name, new Date(since).toISOString()])).toEqual([
      ['laptop', '2026-01-15T00:00:00.000Z'],
      ['laptop', '2026-01-01T00:00:00.000Z'],
    ]);
    expect(refused(made.reserve(client, ONE, NOON)).message).toContain('requests per day');
  });

  test('after the day is over begins a new one, and keeps the month', () => {
    const before = budgets().made;
    for (let i = 0; i < 2; i++) granted(before.reserve(client, wish(5, 5), NOON));
    const { made } = budgets({ restored: before.snapshot(NOON) });
    made.configure(limitsOf(client), NOON + 24 * HOUR);
    expect(refused(made.reserve(client, wish(5, 1), NOON + 24 * HOUR)).message).toContain('USD per month');
  });

  test('takes no harm from a snapshot that is none', () => {
    for (const restored of [null, 'x', [], { laptop: 7 }, { laptop: { day_usd: { used: -1, ends_at: 'x' } } }]) {
      const { made } = budgets({ restored });
      granted(made.reserve(client, wish(5, 4), NOON));
    }
  });
});

test('a change is told once, for the database', () => {
  const { made } = budgets();
  expect(made.takeChanged()).toBe(false);
  const reservation = granted(made.reserve(clientWith({ requestsPerMinute: 1 }), ONE, NOON));
  expect([made.takeChanged(), made.takeChanged()]).toEqual([true, false]);
  reservation.end({ kind: 'nothing' }, NOON);
  expect(made.takeChanged()).toBe(true);
});

test('a client that is no longer limited is forgotten', () => {
  const { made } = budgets();
  granted(made.reserve(clientWith({ requestsPerMinute: 1 }), ONE, NOON));
  made.configure(new Map(), NOON);
  expect(made.snapshot(NOON)).toEqual({});
});
