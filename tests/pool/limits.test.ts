import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { KeyLimits } from '../../src/pool/credential.ts';
import { CredentialLimits, createLimits, type Reservation } from '../../src/pool/limits.ts';
import type { LearnedCeiling, LearnedLimits } from '../../src/pool/outcome.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MIDNIGHT = { hour: 0, minute: 0, timezone: 'UTC' };
const TONIGHT = NOW + 12 * HOUR;
const M = 'model:m';

const NONE: KeyLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerDay: null,
  tokensPerDay: null,
  concurrency: null,
};

const limitsOf = (limits: Partial<KeyLimits>) => new CredentialLimits({ ...NONE, ...limits }, MIDNIGHT, NOW);
const ceiling = (limit: number | null, remaining: number | null, resetMs: number | null): LearnedCeiling => ({
  limit,
  remaining,
  resetMs,
});

function learning(learned: LearnedLimits, limits: Partial<KeyLimits> = {}): CredentialLimits {
  const state = limitsOf(limits);
  state.learn(M, learned, NOW, NOW, null);
  return state;
}

describe('a key without limits', () => {
  test('costs nothing', () => {
    expect(createLimits(NONE, MIDNIGHT, NOW)).toBeNull();
    expect(createLimits({ ...NONE, concurrency: 3 }, MIDNIGHT, NOW)).toBeNull();
    expect(createLimits({ ...NONE, tokensPerDay: 1 }, MIDNIGHT, NOW)).not.toBeNull();
  });

  test('has room for anything', () => {
    const state = limitsOf({});
    state.reserve(M, 1e9, NOW);
    expect(state.roomAt(M, 1e9, NOW)).toBe(NOW);
    expect([state.isIdle(NOW), state.views(NOW), state.snapshot(NOW)]).toEqual([true, [], null]);
  });
});

describe('room for a request after another that waits for it', () => {
  const rows: [string, Partial<KeyLimits>, number[], number, number, number][] = [
    ['both fit in now', { tokensPerMinute: 100 }, [50], 30, 20, NOW],
    ['both fit in when the first does', { tokensPerMinute: 100 }, [50], 60, 40, NOW + MINUTE],
    ['they do not share a minute', { tokensPerMinute: 100 }, [50], 60, 41, NOW + 2 * MINUTE],
    ['the first is larger than the whole', { tokensPerMinute: 100 }, [50], 5_000, 1, NOW + 2 * MINUTE],
    ['they do not share a day', { tokensPerDay: 100 }, [50], 60, 41, TONIGHT + 24 * HOUR],
    ['one request a minute', { requestsPerMinute: 1 }, [1], 1, 1, NOW + 2 * MINUTE],
    ['two requests a minute', { requestsPerMinute: 2 }, [1], 1, 1, NOW + MINUTE],
    ['one request a day', { requestsPerDay: 1 }, [1], 1, 1, TONIGHT + 24 * HOUR],
    ['no requests at all', { requestsPerDay: 0 }, [], 1, 1, Number.POSITIVE_INFINITY],
    ['no limit', {}, [50], 60, 41, NOW],
  ];
  test.each(rows)('%s', (_, limits, sent, ahead, tokens, expected) => {
    const state = limitsOf(limits);
    for (const size of sent) state.reserve(M, size, NOW);
    expect(state.roomAfter(M, ahead, tokens, NOW)).toBe(expected);
  });

  test('under a ceiling that is told', () => {
    const state = learning({ tokensPerMinute: ceiling(100, 50, 20 * SECOND) });
    expect(state.roomAfter(M, 30, 20, NOW)).toBe(NOW);
    expect(state.roomAfter(M, 30, 21, NOW)).toBe(NOW + 20 * SECOND);
  });
});

describe('limits of the user', () => {
  const rows: [string, Partial<KeyLimits>, number[], number, number][] = [
    [
      'requests a minute: the next has room when the first is a minute old',
      { requestsPerMinute: 2 },
      [1, 1],
      1,
      NOW + MINUTE,
    ],
    ['requests a minute, not yet reached', { requestsPerMinute: 3 }, [1, 1], 1, NOW],
    ['requests a day', { requestsPerDay: 2 }, [1, 1], 1, TONIGHT],
    ['tokens a minute', { tokensPerMinute: 100 }, [60], 41, NOW + MINUTE],
    ['tokens a minute, just fitting', { tokensPerMinute: 100 }, [60], 40, NOW],
    ['tokens a day', { tokensPerDay: 100 }, [60], 41, TONIGHT],
    ['the longest wait counts', { requestsPerMinute: 1, tokensPerDay: 100 }, [100], 1, TONIGHT],
    ['an unknown size has no room where nothing is left', { tokensPerMinute: 100 }, [100], 0, NOW + MINUTE],
    ['an unknown size has room where anything is left', { tokensPerMinute: 100 }, [99], 0, NOW],
    ['no requests at all', { requestsPerDay: 0 }, [], 1, Number.POSITIVE_INFINITY],
    ['larger than the whole, window empty', { tokensPerMinute: 100 }, [], 5_000, NOW],
    ['larger than the whole, window used', { tokensPerMinute: 100 }, [1], 5_000, NOW + MINUTE],
    ['larger than a whole day, day empty', { tokensPerDay: 100 }, [], 5_000, NOW],
    ['larger than a whole day, day used', { tokensPerDay: 100 }, [1], 5_000, TONIGHT],
    ['a size that is no number counts as unknown', { tokensPerMinute: 100 }, [99], Number.NaN, NOW],
  ];
  test.each(rows)('%s', (_, limits, sent, tokens, expected) => {
    const state = limitsOf(limits);
    for (const size of sent) state.reserve(M, size, NOW);
    expect(state.roomAt(M, tokens, NOW)).toBe(expected);
  });

  test('count over all models', () => {
    const state = limitsOf({ requestsPerMinute: 2 });
    state.reserve('model:a', 1, NOW);
    state.reserve('model:b', 1, NOW);
    expect(state.roomAt('model:c', 1, NOW)).toBe(NOW + MINUTE);
  });
});

describe('the real usage', () => {
  test('frees what was reserved too much', () => {
    const state = limitsOf({ tokensPerMinute: 100, tokensPerDay: 100 });
    const reservation = state.reserve(M, 100, NOW);
    expect(state.roomAt(M, 80, NOW)).toBe(TONIGHT);
    state.correct(reservation, 20, NOW + SECOND);
    expect(state.roomAt(M, 80, NOW + SECOND)).toBe(NOW + SECOND);
    expect(state.roomAt(M, 81, NOW + SECOND)).toBe(TONIGHT);
  });

  test('counts what was used beyond the estimate, from when it is known', () => {
    const state = limitsOf({ tokensPerMinute: 100 });
    const reservation = state.reserve(M, 10, NOW);
    state.correct(reservation, 100, NOW + 50 * SECOND);
    expect(state.roomAt(M, 1, NOW + MINUTE - 1)).toBe(NOW + MINUTE);
    expect(state.roomAt(M, 11, NOW + MINUTE)).toBe(NOW + 110 * SECOND);
  });

  test('of a stream that was cut short and nobody counted is the estimate', () => {
    const state = limitsOf({ tokensPerMinute: 100 });
    state.correct(state.reserve(M, 60, NOW), null, NOW + SECOND);
    expect(state.roomAt(M, 41, NOW + SECOND)).toBe(NOW + MINUTE);
  });

  test('that comes after its minute or its day frees nothing of another', () => {
    const state = limitsOf({ tokensPerMinute: 100, tokensPerDay: 1_000 });
    const reservation = state.reserve(M, 100, NOW);
    const tomorrow = NOW + 24 * HOUR;
    state.reserve(M, 100, tomorrow);
    state.correct(reservation, 0, tomorrow);
    expect(state.views(tomorrow).map(({ used }) => used)).toEqual([100, 100]);
  });

  test('of a request that was never sent is nothing, in requests too', () => {
    const state = limitsOf({ requestsPerMinute: 1, tokensPerMinute: 10, requestsPerDay: 1, tokensPerDay: 10 });
    const reservation = state.reserve(M, 10, NOW);
    state.cancel(reservation);
    expect(state.roomAt(M, 10, NOW)).toBe(NOW);
    expect(state.views(NOW).map(({ used }) => used)).toEqual([0, 0, 0, 0]);
  });
});

describe('what the headers tell', () => {
  const rows: [string, LearnedLimits, number, number][] = [
    ['nothing left: until the reset', { requestsPerMinute: ceiling(30, 0, 20 * SECOND) }, 1, NOW + 20 * SECOND],
    ['enough left', { tokensPerMinute: ceiling(6_000, 500, 20 * SECOND) }, 500, NOW],
    ['too little left', { tokensPerMinute: ceiling(6_000, 499, 20 * SECOND) }, 500, NOW + 20 * SECOND],
    ['a day: until its reset', { requestsPerDay: ceiling(100, 0, 5 * HOUR) }, 1, NOW + 5 * HOUR],
    ['a minute without a reset lasts a minute', { requestsPerMinute: ceiling(30, 0, null) }, 1, NOW + MINUTE],
    ['a day without a reset lasts until ours', { requestsPerDay: ceiling(30, 0, null) }, 1, TONIGHT],
    ['no minute lasts longer than one', { requestsPerMinute: ceiling(30, 0, 6 * HOUR) }, 1, NOW + MINUTE],
    ['no day lasts for weeks', { requestsPerDay: ceiling(30, 0, 9e9) }, 1, NOW + 25 * HOUR],
    ['a reset that is past says usable now', { requestsPerMinute: ceiling(30, 0, 0) }, 1, NOW],
    ['a negative reset too', { requestsPerMinute: ceiling(30, 0, -1) }, 1, NOW],
    ['a limit of 0 on a reply says nothing', { requestsPerMinute: ceiling(0, 0, 20 * SECOND) }, 1, NOW],
    ['no numbers say nothing', { requestsPerMinute: ceiling(null, null, 20 * SECOND) }, 1, NOW],
    ['numbers that are none say nothing', { requestsPerMinute: ceiling(30, Number.NaN, 20 * SECOND) }, 1, NOW],
    ['a remaining without a limit counts', { requestsPerMinute: ceiling(null, 0, 20 * SECOND) }, 1, NOW + 20 * SECOND],
    ['larger than the whole, all left', { tokensPerMinute: ceiling(100, 100, 20 * SECOND) }, 500, NOW],
    ['larger than the whole, some used', { tokensPerMinute: ceiling(100, 99, 20 * SECOND) }, 500, NOW + 20 * SECOND],
    // A bucket that fills all the time: what is missing takes as long as the reset says.
    [
      'all of a day used: the next when one has filled',
      { requestsPerDay: ceiling(14_400, 0, 24 * HOUR) },
      1,
      NOW + 6 * SECOND,
    ],
    ['tokens when so many have filled', { tokensPerMinute: ceiling(6_000, 600, 54 * SECOND) }, 1_000, NOW + 4 * SECOND],
    [
      'a window that ends at once does not fill',
      { tokensPerMinute: ceiling(6_000, 600, 20 * SECOND) },
      1_000,
      NOW + 20 * SECOND,
    ],
  ];
  test.each(rows)('%s', (_, learned, tokens, expected) => {
    expect(learning(learned).roomAt(M, tokens, NOW)).toBe(expected);
  });

  test('holds for its model alone', () => {
    const state = learning({ requestsPerMinute: ceiling(30, 0, 20 * SECOND) });
    expect(state.roomAt('model:other', 1, NOW)).toBe(NOW);
  });

  test('ends with its reset', () => {
    const state = learning({ requestsPerMinute: ceiling(30, 0, 20 * SECOND) });
    expect(state.isIdle(NOW + 20 * SECOND - 1)).toBe(false);
    expect(state.roomAt(M, 1, NOW + 20 * SECOND)).toBe(NOW + 20 * SECOND);
    expect(state.isIdle(NOW + 20 * SECOND)).toBe(true);
    expect(state.snapshot(NOW + 20 * SECOND)).toBeNull();
  });

  test('is used up by what is sent after it', () => {
    const state = learning({ requestsPerMinute: ceiling(30, 2, 20 * SECOND) });
    state.reserve(M, 1, NOW + 1);
    expect(state.roomAt(M, 1, NOW + 2)).toBe(NOW + 2);
    state.reserve(M, 1, NOW + 2);
    expect(state.roomAt(M, 1, NOW + 3)).toBe(NOW + 20 * SECOND);
  });

  test('does not know of requests that began after the one it answers', () => {
    const state = learning({ requestsPerMinute: ceiling(30, 10, 20 * SECOND) });
    const first = state.reserve(M, 1, NOW + 1);
    for (let i = 0; i < 3; i++) state.reserve(M, 1, NOW + 2);
    state.learn(M, { requestsPerMinute: ceiling(30, 4, 20 * SECOND) }, NOW + 1, NOW + 3, first);
    state.reserve(M, 1, NOW + 4);
    expect(state.roomAt(M, 1, NOW + 4)).toBe(NOW + 1 + 20 * SECOND);
  });

  test('a newer word replaces an older one, also upwards; an older one that comes late is ignored', () => {
    const state = learning({});
    state.learn(M, { tokensPerMinute: ceiling(6_000, 10, 30 * SECOND) }, NOW + 10, NOW + 10, null);
    state.learn(M, { tokensPerMinute: ceiling(6_000, 3_000, 30 * SECOND) }, NOW + 20, NOW + 20, null);
    state.learn(M, { tokensPerMinute: ceiling(6_000, 5, 30 * SECOND) }, NOW + 15, NOW + 30, null);
    expect(state.roomAt(M, 3_000, NOW + 40)).toBe(NOW + 40);
  });

  test('counts from when the headers were read, not from the end of a long stream', () => {
    const state = limitsOf({});
    state.learn(M, { requestsPerMinute: ceiling(30, 0, 20 * SECOND) }, NOW, NOW + 3 * MINUTE, null);
    expect(state.roomAt(M, 1, NOW + 3 * MINUTE)).toBe(NOW + 3 * MINUTE);
    expect(state.views(NOW + 3 * MINUTE)).toEqual([]);
  });

  test('the real usage corrects what counts against it', () => {
    const state = learning({ tokensPerMinute: ceiling(6_000, 1_000, 20 * SECOND) });
    const reservation = state.reserve(M, 900, NOW + 1);
    state.correct(reservation, 100, NOW + 2);
    expect(state.roomAt(M, 900, NOW + 2)).toBe(NOW + 2);
    expect(state.roomAt(M, 901, NOW + 2)).toBe(NOW + 20 * SECOND);
  });

  test('never loosens a limit of the user', () => {
    const learned = { requestsPerMinute: ceiling(1_000, 999, 20 * SECOND) };
    const state = learning(learned, { requestsPerMinute: 1 });
    state.reserve(M, 1, NOW);
    expect(state.roomAt(M, 1, NOW)).toBe(NOW + MINUTE);
  });

  // A per-minute header that lands in the daily window makes a key look exhausted for the day.
  test('of a minute leaves the day alone, and of a day the minute', () => {
    const state = learning(
      { requestsPerMinute: ceiling(30, 29, 2 * SECOND), tokensPerDay: ceiling(1_000_000, 7, HOUR) },
      { requestsPerDay: 1_000, tokensPerMinute: 50 },
    );
    const views = state.views(NOW);
    expect(views).toEqual([
      {
        scope: 'key',
        name: 'tpm',
        unit: 'tokens',
        used: 0,
        limit: 50,
        remaining: 50,
        resetAt: null,
        roomAt: null,
        source: 'config',
      },
      {
        scope: 'key',
        name: 'rpd',
        unit: 'requests',
        used: 0,
        limit: 1_000,
        remaining: 1_000,
        resetAt: null,
        roomAt: null,
        source: 'config',
      },
      {
        scope: M,
        name: 'rpm',
        unit: 'requests',
        used: 1,
        limit: 30,
        remaining: 29,
        resetAt: NOW + 2 * SECOND,
        roomAt: null,
        source: 'learned',
      },
      {
        scope: M,
        name: 'tpd',
        unit: 'tokens',
        used: 999_993,
        limit: 1_000_000,
        remaining: 7,
        resetAt: NOW + HOUR,
        roomAt: null,
        source: 'learned',
      },
    ]);
  });

  test('of models without end is bounded', () => {
    const state = limitsOf({});
    const told = { requestsPerMinute: ceiling(30, 0, 20 * SECOND) };
    for (let i = 0; i < 1_000; i++) state.learn(`model:${i}`, told, NOW, NOW, null);
    expect(state.views(NOW)).toHaveLength(64);
    expect(state.roomAt('model:999', 1, NOW)).toBe(NOW + 20 * SECOND);
  });

  test('under a clock that was far ahead is forgotten', () => {
    const state = limitsOf({});
    const ahead = NOW + 365 * 24 * HOUR;
    state.learn(M, { requestsPerDay: ceiling(30, 0, HOUR) }, ahead, ahead, null);
    expect(state.roomAt(M, 1, NOW)).toBe(NOW);
  });
});

describe('views', () => {
  test('show what is used, what remains and when all is free again', () => {
    const state = limitsOf({ requestsPerMinute: 3, tokensPerMinute: 1_000, requestsPerDay: 10, tokensPerDay: 5_000 });
    state.reserve(M, 400, NOW);
    state.reserve(M, 700, NOW + SECOND);
    const config = { scope: 'key', source: 'config', roomAt: null } as const;
    expect(state.views(NOW + SECOND)).toEqual([
      { ...config, name: 'rpm', unit: 'requests', used: 2, limit: 3, remaining: 1, resetAt: NOW + SECOND + MINUTE },
      {
        ...config,
        name: 'tpm',
        unit: 'tokens',
        used: 1_100,
        limit: 1_000,
        remaining: 0,
        resetAt: NOW + SECOND + MINUTE,
        roomAt: NOW + MINUTE,
      },
      { ...config, name: 'rpd', unit: 'requests', used: 2, limit: 10, remaining: 8, resetAt: TONIGHT },
      { ...config, name: 'tpd', unit: 'tokens', used: 1_100, limit: 5_000, remaining: 3_900, resetAt: TONIGHT },
    ]);
  });

  test('show when the next one has room, which is before all of it is there again', () => {
    const state = limitsOf({ requestsPerMinute: 2 });
    state.reserve(M, 1, NOW);
    state.reserve(M, 1, NOW + 20 * SECOND);
    expect(state.views(NOW + 20 * SECOND)).toMatchObject([
      { remaining: 0, resetAt: NOW + 20 * SECOND + MINUTE, roomAt: NOW + MINUTE },
    ]);
    expect(state.views(NOW + MINUTE)).toMatchObject([{ remaining: 1, roomAt: null }]);
  });

  test('show of a vendor’s bucket that fills all the time when it holds one again', () => {
    const state = learning({ requestsPerDay: ceiling(14_400, 0, 24 * HOUR) });
    expect(state.views(NOW)).toMatchObject([{ remaining: 0, resetAt: NOW + 24 * HOUR, roomAt: NOW + 6 * SECOND }]);
  });
});

describe('a new config', () => {
  test('keeps what was counted under the old limit', () => {
    const state = limitsOf({ requestsPerMinute: 5, requestsPerDay: 5 });
    for (let i = 0; i < 3; i++) state.reserve(M, 1, NOW);
    state.configure({ ...NONE, requestsPerMinute: 3, requestsPerDay: 10 }, MIDNIGHT, NOW);
    expect(state.roomAt(M, 1, NOW)).toBe(NOW + MINUTE);
    expect(state.views(NOW).map(({ name, used, limit }) => [name, used, limit])).toEqual([
      ['rpm', 3, 3],
      ['rpd', 3, 10],
    ]);
  });

  test('reservations from before a limit came or went do not reach into its new window', () => {
    const state = limitsOf({ tokensPerMinute: 100, tokensPerDay: 100 });
    const old = state.reserve(M, 60, NOW);
    state.configure(NONE, MIDNIGHT, NOW);
    state.configure({ ...NONE, tokensPerMinute: 100, tokensPerDay: 100 }, MIDNIGHT, NOW);
    state.reserve(M, 60, NOW);
    state.correct(old, 0, NOW);
    expect(state.views(NOW).map(({ used }) => used)).toEqual([60, 60]);
  });

  test('another reset time moves the end of the day', () => {
    const state = limitsOf({ requestsPerDay: 1 });
    state.reserve(M, 1, NOW);
    state.configure({ ...NONE, requestsPerDay: 1 }, { hour: 15, minute: 30, timezone: 'UTC' }, NOW);
    expect(state.roomAt(M, 1, NOW)).toBe(NOW + 3.5 * HOUR);
  });
});

describe('a restart', () => {
  const all = { requestsPerMinute: 5, tokensPerMinute: 1_000, requestsPerDay: 50, tokensPerDay: 5_000 };

  test('keeps windows and ceilings', () => {
    const before = limitsOf(all);
    before.reserve(M, 300, NOW);
    before.learn(M, { requestsPerDay: ceiling(100, 7, 5 * HOUR) }, NOW, NOW, null);
    before.reserve(M, 300, NOW + SECOND);
    const stored: unknown = JSON.parse(JSON.stringify(before.snapshot(NOW + SECOND)));
    const after = limitsOf(all);
    after.restore(stored, NOW + 2 * SECOND);
    expect(after.views(NOW + 2 * SECOND)).toEqual(before.views(NOW + 2 * SECOND));
    expect(after.roomAt(M, 500, NOW + 2 * SECOND)).toBe(NOW + MINUTE);
  });

  test('leaves out what is past', () => {
    const before = limitsOf(all);
    before.reserve(M, 300, NOW);
    before.learn(M, { requestsPerDay: ceiling(100, 7, 5 * HOUR) }, NOW, NOW, null);
    const stored = before.snapshot(NOW);
    const after = limitsOf(all);
    after.restore(stored, NOW + 48 * HOUR);
    expect(after.snapshot(NOW + 48 * HOUR)).toBeNull();
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['a list', [1, 2]],
    ['of other types', { rpm: 'x', rpd: 3, learned: 'x' }],
    ['with broken ceilings', { learned: [null, {}, { scope: M, name: 'rpx' }, { scope: M, name: 'rpm', limit: 'a' }] }],
    [
      'with a ceiling that lasts for ever',
      { learned: [{ scope: M, name: 'rpm', limit: 1, remaining: 0, at: NOW, resetAt: 9e15, refill: 0, spent: 0 }] },
    ],
  ])('with a stored state that is %s begins empty', (_, stored) => {
    const state = limitsOf(all);
    state.restore(stored, NOW);
    expect(state.snapshot(NOW)).toBeNull();
    expect(state.roomAt(M, 1, NOW)).toBe(NOW);
  });
});

describe('as a model', () => {
  type Sent = { at: number; tokens: number };
  const steps = fc.array(
    fc.record({
      ms: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 20_000 })),
      tokens: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 300 })),
      // In thousandths of the estimate; above: nobody said.
      real: fc.integer({ min: 0, max: 1_500 }),
      settles: fc.integer({ min: 0, max: 3 }),
    }),
    { maxLength: 250 },
  );
  const limitSets = fc.record({
    requestsPerMinute: fc.option(fc.integer({ min: 1, max: 90 })),
    tokensPerMinute: fc.option(fc.integer({ min: 1, max: 400 })),
    requestsPerDay: fc.option(fc.integer({ min: 1, max: 150 })),
    tokensPerDay: fc.option(fc.integer({ min: 1, max: 3_000 })),
  });

  test('no true minute and no day ever passes a limit, and nobody is held up for nothing', () => {
    fc.assert(
      fc.property(limitSets, steps, (some, all) => {
        const limits = { ...NONE, ...some };
        const state = new CredentialLimits(limits, MIDNIGHT, NOW);
        // Begins shortly before a reset, so that some runs cross it.
        let now = TONIGHT - 5 * MINUTE;
        const sent: Sent[] = [];
        const open: { reservation: Reservation; entry: Sent }[] = [];
        const since = (from: number) => sent.filter(({ at }) => at >= from);
        const tokensOf = (list: readonly Sent[]) => list.reduce((sum, { tokens }) => sum + tokens, 0);
        for (const { ms, tokens, real, settles } of all) {
          now += ms;
          for (const { reservation, entry } of open.splice(0, settles)) {
            const isKnown = real <= 1_000;
            const used = isKnown ? Math.floor((entry.tokens * real) / 1_000) : null;
            state.correct(reservation, used, now);
            if (used !== null) entry.tokens = used;
          }
          const at = state.roomAt(M, tokens, now);
          expect(at).toBeGreaterThanOrEqual(now);
          const minute = since(now - MINUTE + 1);
          const day = since(now >= TONIGHT ? TONIGHT : 0);
          const fits = (used: number, limit: number | null) =>
            limit === null || used === 0 || used + Math.max(1, tokens) <= limit;
          const hasRoom =
            minute.length < (limits.requestsPerMinute ?? Infinity) &&
            day.length < (limits.requestsPerDay ?? Infinity) &&
            fits(tokensOf(minute), limits.tokensPerMinute) &&
            fits(tokensOf(day), limits.tokensPerDay);
          if (at === now) {
            expect(hasRoom).toBe(true);
            const entry = { at: now, tokens };
            sent.push(entry);
            open.push({ reservation: state.reserve(M, tokens, now), entry });
          } else if (hasRoom) {
            // Only what was merged may be held, and for no more than a second.
            expect(at - now).toBeLessThanOrEqual(SECOND);
            expect(minute.length).toBeGreaterThanOrEqual(63);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a restart at any moment changes no answer', () => {
    const told = fc.record({
      limit: fc.option(fc.integer({ min: 0, max: 500 })),
      remaining: fc.option(fc.integer({ min: 0, max: 500 })),
      resetMs: fc.option(fc.integer({ min: -1, max: 90_000 })),
    });
    fc.assert(
      fc.property(limitSets, steps, fc.array(told, { maxLength: 5 }), (some, all, headers) => {
        const limits = { ...NONE, ...some };
        const before = new CredentialLimits(limits, MIDNIGHT, NOW);
        let now = NOW;
        for (const [index, { ms, tokens }] of all.entries()) {
          now += ms;
          const reservation = before.reserve(M, tokens, now);
          const learned = headers[index % 7];
          if (learned) before.learn(M, { tokensPerMinute: learned, requestsPerDay: learned }, now, now, reservation);
        }
        const stored: unknown = JSON.parse(JSON.stringify(before.snapshot(now)));
        const after = new CredentialLimits(limits, MIDNIGHT, now);
        after.restore(stored, now);
        for (const later of [now, now + SECOND, now + 59 * SECOND, now + MINUTE, TONIGHT + HOUR]) {
          for (const tokens of [0, 1, 100, 1_000]) {
            expect(after.roomAt(M, tokens, later)).toBe(before.roomAt(M, tokens, later));
          }
          expect(after.views(later)).toEqual(before.views(later));
        }
      }),
    );
  });

  test('whatever the clock does, a minute from now is enough for what no day holds', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.integer({ min: -48 * HOUR, max: 48 * HOUR }), { maxLength: 10 }), (all, jumps) => {
        const state = limitsOf({ requestsPerMinute: 5, tokensPerMinute: 100 });
        const told = { requestsPerMinute: ceiling(30, 1, 20 * SECOND) };
        let now = NOW;
        for (const [index, { ms, tokens, real }] of all.entries()) {
          now += ms + (index % 9 === 0 ? (jumps[index / 9] ?? 0) : 0);
          const at = state.roomAt(M, tokens, now);
          expect(at).toBeGreaterThanOrEqual(now);
          expect(at).toBeLessThanOrEqual(now + 2 * MINUTE);
          if (at > now) continue;
          const reservation = state.reserve(M, tokens, now);
          state.correct(reservation, real, now);
          state.learn(M, told, now, now, reservation);
        }
        expect(state.roomAt(M, 100, now + 2 * MINUTE)).toBe(now + 2 * MINUTE);
      }),
    );
  });
});
