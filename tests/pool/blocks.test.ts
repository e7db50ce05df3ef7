import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  CLEAR,
  type CredentialEvent,
  type CredentialState,
  forgetModel,
  HEALTHY,
  observe,
  probationLimit,
} from '../../src/pool/blocks.ts';
import type { Outcome } from '../../src/pool/outcome.ts';
import type { BlockKind } from '../../src/pool/pool.ts';
import { seededRandom } from '../../src/shared/random.ts';
import { DAY, HOUR, limited, MINUTE, middle, SECOND, settings } from './pool-fixture.ts';

const T = Date.UTC(2026, 0, 1);
const policy = { cooldowns: settings.cooldowns, random: middle, dayEndsAt: T + 20 * HOUR };

const settledEvent = (
  outcome: Outcome,
  change: { model?: string; group?: string | null; startedAt?: number; at?: number } = {},
) =>
  ({
    kind: 'settled',
    model: change.model ?? 'm',
    group: change.group ?? null,
    startedAt: change.startedAt ?? change.at ?? T,
    outcome,
    reason: 'because',
    isConfirmed: false,
    isOpen: false,
  }) satisfies CredentialEvent;

function see(state: CredentialState, outcome: Outcome, at = T, startedAt = at, model = 'm'): CredentialState {
  return observe(state, settledEvent(outcome, { at, startedAt, model }), at, policy);
}

const passTime = (state: CredentialState, at: number) => observe(state, { kind: 'time-passed' }, at, policy);

const blocksOf = (state: CredentialState) => [
  ...state.key.blocks,
  ...[...state.groups.values()].flatMap((scope) => scope.blocks),
  ...[...state.models.values()].flatMap((scope) => scope.blocks),
];

describe('what one outcome blocks', () => {
  type Row = [string, Outcome, { scope: string; kind: BlockKind; for: number | null; source: string } | null];
  const rows: Row[] = [
    ['a success blocks nothing', { kind: 'success' }, null],
    ['a wrong request blocks nothing', { kind: 'neutral' }, null],
    ['5xx is not the credential’s fault', { kind: 'upstream-error' }, null],
    ['overload is not the credential’s fault', { kind: 'overloaded', waitMs: 5000 }, null],
    ['no way to the provider is not the credential’s fault', { kind: 'unreachable' }, null],
    ['a missing model is not the credential’s fault', { kind: 'model-missing' }, null],
    [
      '429 with a time: exactly that',
      limited(41_500),
      { scope: 'model:m', kind: 'rate_limit', for: 41_500, source: 'retry-after' },
    ],
    [
      '429 without a time: a minute',
      limited(null),
      { scope: 'model:m', kind: 'rate_limit', for: MINUTE, source: 'guess' },
    ],
    [
      '429 with a time that is no number: a minute',
      limited(Number.NaN),
      { scope: 'model:m', kind: 'rate_limit', for: MINUTE, source: 'guess' },
    ],
    ['429 with a reset in the past: usable now', limited(-3000), null],
    ['429 with zero: usable now', limited(0), null],
    [
      '6 days are believed',
      limited(6 * DAY),
      { scope: 'model:m', kind: 'rate_limit', for: 6 * DAY, source: 'retry-after' },
    ],
    [
      'decades are cut to 8 days',
      limited(30 * 365 * DAY),
      { scope: 'model:m', kind: 'rate_limit', for: 8 * DAY, source: 'retry-after' },
    ],
    [
      'endless is cut to 8 days',
      limited(Number.POSITIVE_INFINITY),
      { scope: 'model:m', kind: 'rate_limit', for: 8 * DAY, source: 'retry-after' },
    ],
    [
      'a quota has its own kind',
      limited(HOUR, { isQuota: true }),
      { scope: 'model:m', kind: 'quota', for: HOUR, source: 'retry-after' },
    ],
    [
      'a quota without a time: a minute',
      limited(null, { isQuota: true }),
      { scope: 'model:m', kind: 'quota', for: MINUTE, source: 'guess' },
    ],
    [
      'a limit of the whole account',
      limited(5000, { scope: 'credential' }),
      { scope: 'key', kind: 'rate_limit', for: 5000, source: 'retry-after' },
    ],
    [
      '“limit: 0” blocks that model for good',
      limited(9000, { isPermanent: true, isQuota: true }),
      { scope: 'model:m', kind: 'quota', for: null, source: 'retry-after' },
    ],
    [
      '401 blocks the key for 5 minutes',
      { kind: 'auth' },
      { scope: 'key', kind: 'auth', for: 5 * MINUTE, source: 'guess' },
    ],
    [
      '403 of the key is treated like 401',
      { kind: 'forbidden', scope: 'credential' },
      { scope: 'key', kind: 'forbidden', for: 5 * MINUTE, source: 'guess' },
    ],
    [
      '403 of a model blocks that model for an hour',
      { kind: 'forbidden', scope: 'model' },
      { scope: 'model:m', kind: 'forbidden', for: HOUR, source: 'guess' },
    ],
    ['402 has no end', { kind: 'billing' }, { scope: 'key', kind: 'billing', for: null, source: 'status' }],
    [
      'anything else climbs the ladder',
      { kind: 'failed' },
      { scope: 'model:m', kind: 'ladder', for: 10 * SECOND, source: 'guess' },
    ],
  ];
  test.each(rows)('%s', (_, outcome, expected) => {
    const state = see(HEALTHY, outcome);
    const { for: ms, ...block } = expected ?? { for: null };
    const until = ms === null ? null : T + ms;
    expect(blocksOf(state)).toMatchObject(expected ? [{ ...block, until, reason: 'because' }] : []);
    expect(blocksOf(state)).toHaveLength(expected ? 1 : 0);
  });

  test('an outcome that says nothing leaves the very same state', () => {
    for (const kind of ['success', 'neutral', 'upstream-error', 'unreachable', 'model-missing'] as const) {
      expect(see(HEALTHY, { kind })).toBe(HEALTHY);
    }
  });

  test('a credential that met 5xx where a sibling succeeded rests on that model', () => {
    const state = observe(HEALTHY, { kind: 'rested', model: 'm' }, T, policy);
    expect(blocksOf(state)).toMatchObject([{ scope: 'model:m', kind: 'transient', until: T + 30 * SECOND }]);
  });
});

describe('the ladder', () => {
  /** Each failure comes right after the block of the one before. */
  function failures(outcome: Outcome, count: number): number[] {
    let state = HEALTHY;
    let now = T;
    return Array.from({ length: count }, () => {
      state = see(passTime(state, now), outcome, now);
      const until = blocksOf(state)[0]?.until ?? now;
      const ms = until - now;
      now = until;
      return ms / SECOND;
    });
  }

  test('n failures in a row give 10, 30, 60, 120, 300, 300 seconds', () => {
    expect(failures({ kind: 'failed' }, 6)).toEqual([10, 30, 60, 120, 300, 300]);
  });

  test('429s without a time wait for the longer of the default and the rung', () => {
    expect(failures(limited(null), 6)).toEqual([60, 60, 60, 120, 300, 300]);
    expect(failures(limited(null, { scope: 'credential', isQuota: true }), 6)).toEqual([60, 60, 60, 120, 300, 300]);
  });

  test('429s with a time do not climb', () => {
    expect(failures(limited(2000), 6)).toEqual([2, 2, 2, 2, 2, 2]);
  });

  test('a success on the model starts it again and ends the block', () => {
    const failed = see(see(HEALTHY, { kind: 'failed' }), { kind: 'failed' }, T + MINUTE);
    const after = see(failed, { kind: 'success' }, T + MINUTE + 1);
    expect(after.models.size).toBe(0);
    expect(blocksOf(see(after, { kind: 'failed' }, T + HOUR))).toMatchObject([{ until: T + HOUR + 10 * SECOND }]);
  });

  test('a success on another model does not', () => {
    const failed = see(HEALTHY, { kind: 'failed' });
    const after = see(failed, { kind: 'success' }, T + 1, T + 1, 'other');
    expect(after.models).toBe(failed.models);
  });

  test('a neutral outcome between does not start it again', () => {
    const once = see(see(HEALTHY, { kind: 'failed' }), { kind: 'neutral' }, T + MINUTE);
    expect(blocksOf(see(once, { kind: 'failed' }, T + 2 * MINUTE))).toMatchObject([{ until: T + 2 * MINUTE + 30_000 }]);
  });

  test('requests that were under way together are one failure, not ten', () => {
    let state = HEALTHY;
    for (let i = 0; i < 10; i++) state = see(state, { kind: 'failed' }, T + 100 + i, T + i);
    expect(state.models.get('m')?.streak).toBe(1);
    expect(blocksOf(state)[0]?.until).toBeLessThanOrEqual(T + 110 + 10 * SECOND);
  });

  test('jitter never climbs over the top', () => {
    for (const draw of [0, 0.25, 0.75, 0.999999]) {
      let state = HEALTHY;
      for (let i = 0; i < 7; i++) {
        const at = T + i * HOUR;
        state = observe(state, settledEvent({ kind: 'failed' }, { at }), at, { ...policy, random: () => draw });
      }
      const ms = (blocksOf(state)[0]?.until ?? 0) - (T + 6 * HOUR);
      expect(ms).toBeGreaterThanOrEqual(270 * SECOND);
      expect(ms).toBeLessThanOrEqual(300 * SECOND);
    }
  });

  test('a guess is spread by up to ten per cent either way', () => {
    const random = seededRandom(1);
    const ends = Array.from({ length: 500 }, () => {
      const state = observe(HEALTHY, settledEvent(limited(null)), T, { ...policy, random });
      return (blocksOf(state)[0]?.until ?? 0) - T;
    });
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(54_000);
    expect(Math.min(...ends)).toBeLessThan(55_000);
    expect(Math.max(...ends)).toBeLessThanOrEqual(66_000);
    expect(Math.max(...ends)).toBeGreaterThan(65_000);
  });

  test('an empty ladder blocks nothing', () => {
    const cooldowns = { ...settings.cooldowns, ladderMs: [] };
    const state = observe(HEALTHY, settledEvent({ kind: 'failed' }), T, { ...policy, cooldowns });
    expect(blocksOf(state)).toEqual([]);
  });
});

describe('a rejected key', () => {
  test('waits 5 minutes, half an hour, then 6 hours, never for good', () => {
    let state = HEALTHY;
    let now = T;
    const waits = Array.from({ length: 5 }, () => {
      state = see(passTime(state, now), { kind: 'auth' }, now);
      const until = blocksOf(state)[0]?.until ?? Number.NaN;
      const ms = until - now;
      now = until;
      return ms / MINUTE;
    });
    expect(waits).toEqual([5, 30, 360, 360, 360]);
  });

  test('ten requests under way when it was revoked are one rejection', () => {
    let state = HEALTHY;
    for (let i = 0; i < 10; i++) state = see(state, { kind: 'auth' }, T + 100 + i, T + i);
    expect(state.key.streak).toBe(1);
  });

  test('a success that began after it forgives it; one that began before does not', () => {
    const rejected = see(HEALTHY, { kind: 'auth' }, T);
    expect(see(rejected, { kind: 'success' }, T + 5, T - 5).key.blocks).toHaveLength(1);
    expect(see(rejected, { kind: 'success' }, T + 5, T - 5).key.streak).toBe(1);
    const later = T + 6 * MINUTE;
    expect(see(rejected, { kind: 'success' }, later, later).key.streak).toBe(0);
  });

  test('402 stays through successes and time; only the operator lifts it', () => {
    const unpaid = see(HEALTHY, { kind: 'billing' });
    const later = see(passTime(unpaid, T + 300 * DAY), { kind: 'success' }, T + 300 * DAY);
    expect(blocksOf(later)).toMatchObject([{ kind: 'billing', until: null }]);
    expect(observe(later, { kind: 'reset' }, T, policy)).toBe(HEALTHY);
  });
});

describe('when a block ends', () => {
  test('at its very millisecond, not before', () => {
    const state = see(HEALTHY, limited(1000));
    expect(passTime(state, T + 999)).toBe(state);
    expect(passTime(state, T + 1000).models.size).toBe(0);
  });

  test('a guess never shortens what the provider said', () => {
    const told = see(HEALTHY, limited(HOUR));
    expect(blocksOf(see(told, limited(null), T + 1))).toMatchObject([{ until: T + HOUR, source: 'retry-after' }]);
  });

  test('a guess lengthens a shorter time', () => {
    const told = see(HEALTHY, limited(1000));
    expect(blocksOf(see(told, limited(null), T + 1))).toMatchObject([{ until: T + 1 + MINUTE, source: 'guess' }]);
  });

  test('the provider may shorten and lift its own kind', () => {
    const told = see(HEALTHY, limited(HOUR));
    expect(blocksOf(see(told, limited(1000), T + 1))).toMatchObject([{ until: T + 1001 }]);
    expect(blocksOf(see(told, limited(0), T + 1))).toEqual([]);
  });

  test('“limit: 0” is not shortened by a time that comes after it', () => {
    const state = see(HEALTHY, limited(null, { isPermanent: true }));
    expect(blocksOf(see(state, limited(1000), T + 1))).toMatchObject([{ until: null }]);
    expect(blocksOf(see(state, limited(0), T + 1))).toMatchObject([{ until: null }]);
    expect(blocksOf(see(state, limited(null), T + 1))).toMatchObject([{ until: null }]);
  });

  test('a rate limit does not touch a quota', () => {
    const told = see(HEALTHY, limited(HOUR, { isQuota: true }));
    const ends = blocksOf(see(told, limited(1000), T)).map((block) => [block.kind, block.until]);
    expect(ends).toEqual([
      ['quota', T + HOUR],
      ['rate_limit', T + 1000],
    ]);
  });

  test('a success lifts a ladder and a rest, not a limit that is reached', () => {
    let state = see(HEALTHY, { kind: 'failed' });
    state = observe(state, { kind: 'rested', model: 'm' }, T, policy);
    state = see(state, limited(HOUR));
    const kinds = blocksOf(see(state, { kind: 'success' }, T + 1, T - 1)).map((block) => block.kind);
    expect(kinds).toEqual(['rate_limit']);
  });

  test('the answer of an older request does not lift “limit: 0” or 403; a newer one does', () => {
    for (const outcome of [limited(null, { isPermanent: true }), { kind: 'forbidden', scope: 'model' } as const]) {
      const state = see(HEALTHY, outcome);
      expect(blocksOf(see(state, { kind: 'success' }, T + 1, T - 1))).toHaveLength(1);
      expect(blocksOf(see(state, { kind: 'success' }, T + 1, T))).toHaveLength(0);
    }
  });
});

describe('after a long block', () => {
  const limit = (state: CredentialState) => probationLimit(state.models.get('m') ?? HEALTHY.key);

  test('one probe goes first, then 1, 2, 4, then all', () => {
    let state = passTime(see(HEALTHY, limited(6 * MINUTE)), T + 6 * MINUTE);
    const limits = [limit(state)];
    for (let i = 0; i < 4; i++) {
      state = see(state, { kind: 'success' }, T + 7 * MINUTE);
      limits.push(limit(state));
    }
    expect(limits).toEqual([1, 1, 2, 4, Number.POSITIVE_INFINITY]);
    expect(state.models.size).toBe(0);
  });

  test('a short block needs no probe', () => {
    const state = passTime(see(HEALTHY, limited(5 * MINUTE)), T + 5 * MINUTE);
    expect(state.models.size).toBe(0);
  });

  test('a rejected key is always probed', () => {
    const short = { ...policy, cooldowns: { ...settings.cooldowns, authMs: 1000 } };
    const rejected = observe(HEALTHY, settledEvent({ kind: 'auth' }), T, short);
    expect(passTime(rejected, T + 1000).key.probation).toEqual({ step: 0, since: T + 1000 });
  });

  test('a failing probe starts it again, however short its block', () => {
    let state = passTime(see(HEALTHY, limited(HOUR)), T + HOUR);
    state = see(state, { kind: 'success' }, T + HOUR + 1);
    state = see(state, limited(1000), T + HOUR + 2);
    expect(passTime(state, T + HOUR + 1002).models.get('m')?.probation).toEqual({ step: 0, since: T + HOUR + 1002 });
  });

  test('the answer of a request from before does not count as the probe’s', () => {
    const state = passTime(see(HEALTHY, limited(HOUR)), T + HOUR);
    expect(see(state, { kind: 'success' }, T + HOUR + 1, T - 1)).toEqual(state);
  });

  test('a neutral probe leaves the place to another', () => {
    const state = passTime(see(HEALTHY, limited(HOUR)), T + HOUR);
    expect(see(state, { kind: 'neutral' }, T + HOUR + 1)).toBe(state);
  });
});

test('forgetting a model forgets only that model', () => {
  const state = see(see(see(HEALTHY, { kind: 'failed' }), { kind: 'failed' }, T, T, 'other'), { kind: 'auth' });
  const after = forgetModel(state, 'm');
  expect([...after.models.keys()]).toEqual(['other']);
  expect(after.key.blocks).toHaveLength(1);
});

describe('any history', () => {
  const wait = fc.oneof(
    fc.constant(null),
    fc.integer({ min: -10_000, max: 10 * DAY }),
    fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.4, Number.MAX_VALUE),
  );
  const scope = fc.constantFrom('model' as const, 'credential' as const);
  const outcome: fc.Arbitrary<Outcome> = fc.oneof(
    fc
      .constantFrom(
        ...([
          'success',
          'neutral',
          'auth',
          'billing',
          'failed',
          'upstream-error',
          'unreachable',
          'model-missing',
        ] as const),
      )
      .map((kind) => ({ kind })),
    scope.map((s) => ({ kind: 'forbidden' as const, scope: s })),
    wait.map((waitMs) => ({ kind: 'overloaded' as const, waitMs })),
    fc.record({
      kind: fc.constant('rate-limited' as const),
      waitMs: wait,
      source: fc.constant('retry-after'),
      isQuota: fc.boolean(),
      scope,
      isPermanent: fc.boolean(),
      window: fc.constantFrom('minute' as const, 'day' as const, null),
    }),
  );
  const model = fc.constantFrom('a', 'b', '');
  const event: fc.Arbitrary<{ event: CredentialEvent; afterMs: number }> = fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: -1000, max: 9 * DAY })),
    event: fc.oneof(
      {
        weight: 10,
        arbitrary: fc.record({
          kind: fc.constant('settled' as const),
          model,
          startedAt: fc.integer({ min: T - DAY, max: T + 30 * DAY }),
          outcome,
          reason: fc.constant('r'),
          group: fc.constantFrom(null, 'g', 'h'),
          isConfirmed: fc.boolean(),
          isOpen: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('rested' as const), model }) },
      { weight: 3, arbitrary: fc.constant({ kind: 'time-passed' as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: 'proven' as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: 'day-passed' as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: 'reset' as const }) },
    ),
  });

  /** The longest each kind may last from one event, provider-given times included. */
  const ceilings: Record<string, number> = {
    rate_limit: 8 * DAY,
    quota: 8 * DAY,
    auth: 6 * HOUR,
    forbidden: 6 * HOUR,
    ladder: 5 * MINUTE,
    transient: 33 * SECOND,
    lockout: 5 * MINUTE,
  };
  const dayEndsAfter = (now: number) => T + Math.ceil((now - T + 1) / DAY) * DAY;
  const guessed: Record<string, number> = { ...ceilings, rate_limit: 5 * MINUTE, quota: 5 * MINUTE };

  test('observe is total, keeps the ceilings, and only grows ends that nobody authoritative changed', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60, size: 'max' }), fc.integer(), (events, seed) => {
        const random = seededRandom(seed);
        let state = HEALTHY;
        let now = T;
        for (const { event: next, afterMs } of events) {
          now += afterMs;
          const before = state;
          state = observe(before, next, now, { cooldowns: settings.cooldowns, random, dayEndsAt: dayEndsAfter(now) });
          const isTold =
            next.kind === 'settled' && next.outcome.kind === 'rate-limited' && next.outcome.waitMs !== null;
          const isSuccess = next.kind === 'settled' && next.outcome.kind === 'success';
          const isCleared = next.kind === 'reset' || next.kind === 'day-passed';
          const scopesOf = (of: CredentialState) =>
            new Map([
              ['key', of.key],
              ...[...of.groups].map(([name, scope]) => [`group:${name}`, scope] as const),
              ...[...of.models].map(([name, scope]) => [`model:${name}`, scope] as const),
            ]);
          const was = scopesOf(before);
          const is = scopesOf(state);
          for (const where of new Set([...was.keys(), ...is.keys()])) {
            const scopeState = is.get(where) ?? CLEAR;
            const kinds = scopeState.blocks.map((block) => block.kind);
            expect(new Set(kinds).size).toBe(kinds.length);
            const old = was.get(where);
            for (const block of scopeState.blocks) {
              expect(block.scope).toBe(where);
              const earlier = old?.blocks.find((other) => other.kind === block.kind);
              if (block.until === null) continue;
              expect(Number.isSafeInteger(Math.ceil(block.until))).toBe(true);
              if (earlier === block) continue;
              const most = (block.source === 'guess' ? guessed : ceilings)[block.kind] ?? 0;
              expect(block.until - now).toBeLessThanOrEqual(most);
              // A live end moved only forwards, unless the provider gave the time.
              if (earlier && !isTold) expect(earlier.until !== null && earlier.until <= block.until).toBe(true);
            }
            for (const block of old?.blocks ?? []) {
              const isGone = !scopeState.blocks.some((other) => other.kind === block.kind);
              const isOver = block.until !== null && block.until <= now;
              if (isGone && !isOver) expect(isTold || isSuccess || isCleared || next.kind === 'proven').toBe(true);
              if (isGone && block.kind === 'billing') expect(['reset', 'proven']).toContain(next.kind);
            }
          }
        }
        expect(
          observe(state, { kind: 'reset' }, now, {
            cooldowns: settings.cooldowns,
            random,
            dayEndsAt: dayEndsAfter(now),
          }),
        ).toBe(HEALTHY);
      }),
      { numRuns: 400 },
    );
  });

  test('a state survives JSON: it can be stored and shared', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20, size: 'max' }), (events) => {
        let state = HEALTHY;
        let now = T;
        for (const { event: next, afterMs } of events) {
          now += afterMs;
          state = observe(state, next, now, policy);
        }
        const plain = {
          key: state.key,
          groups: [...state.groups],
          models: [...state.models],
          suspects: state.suspects,
        };
        expect(JSON.parse(JSON.stringify(plain))).toEqual(plain);
      }),
      { numRuns: 100 },
    );
  });
});
