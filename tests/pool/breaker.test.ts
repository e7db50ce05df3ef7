import { describe, expect, test } from 'bun:test';
import { CLEAR, ripen } from '../../src/pool/blocks.ts';
import { type ModelState, observeModel, observeReach, QUIET, ripenModel } from '../../src/pool/breaker.ts';
import type { Outcome } from '../../src/pool/outcome.ts';
import { credentialId, DAY, HOUR, limited, MINUTE, middle, SECOND } from './pool-fixture.ts';

const T = Date.UTC(2026, 0, 1);
const broken: Outcome = { kind: 'upstream-error' };

function event(outcome: Outcome, by: string, startedAt: number, isOnlyCredential = false) {
  return { model: 'm', credentialId: credentialId(by), startedAt, outcome, reason: 'because', isOnlyCredential };
}

/** `[seconds, credential, outcome]` in a row; each lease begins when it ends. */
function history(...rows: [number, string, Outcome][]): ModelState {
  let state = QUIET;
  for (const [seconds, by, outcome] of rows) {
    const at = T + seconds * SECOND;
    state = observeModel(ripenModel(state, at), event(outcome, by, at), at, middle);
  }
  return state;
}

describe('the breaker of a model', () => {
  const rows: [string, boolean, [number, string, Outcome][]][] = [
    [
      'three from two credentials open it',
      true,
      [
        [0, 'a', broken],
        [1, 'b', broken],
        [2, 'a', broken],
      ],
    ],
    [
      'three from one of several do not',
      false,
      [
        [0, 'a', broken],
        [1, 'a', broken],
        [2, 'a', broken],
      ],
    ],
    [
      'a fourth from another does',
      true,
      [
        [0, 'a', broken],
        [1, 'a', broken],
        [2, 'a', broken],
        [3, 'b', broken],
      ],
    ],
    [
      'two do not',
      false,
      [
        [0, 'a', broken],
        [1, 'b', broken],
      ],
    ],
    [
      'a success between starts the count again',
      false,
      [
        [0, 'a', broken],
        [1, 'b', broken],
        [2, 'a', { kind: 'success' }],
        [3, 'b', broken],
      ],
    ],
    [
      'over more than a minute they do not',
      false,
      [
        [0, 'a', broken],
        [30, 'b', broken],
        [61, 'a', broken],
      ],
    ],
    [
      'other outcomes between change nothing',
      true,
      [
        [0, 'a', broken],
        [1, 'b', limited(5)],
        [1, 'b', { kind: 'neutral' }],
        [1, 'b', { kind: 'auth' }],
        [2, 'b', broken],
        [3, 'a', broken],
      ],
    ],
  ];
  test.each(rows)('%s', (_, isOpen, events) => {
    expect(history(...events).scope.blocks.some((block) => block.kind === 'transient')).toBe(isOpen);
  });

  test('three from the only credential open it', () => {
    let state = QUIET;
    for (let i = 0; i < 3; i++) state = observeModel(state, event(broken, 'a', T, true), T, middle);
    expect(state.scope.blocks).toMatchObject([
      { scope: 'provider+model:m', kind: 'transient', until: T + 30 * SECOND, source: 'breaker' },
    ]);
  });

  const open = history([0, 'a', broken], [0, 'b', broken], [0, 'a', broken]);

  test('each failing probe doubles the time, up to 300 s, jitter included', () => {
    let state = open;
    const spans = [];
    for (let i = 0; i < 6; i++) {
      const until = state.scope.blocks[0]?.until ?? 0;
      state = observeModel(ripenModel(state, until), event(broken, 'a', until), until, i === 5 ? () => 0.99 : middle);
      spans.push(((state.scope.blocks[0]?.until ?? 0) - until) / SECOND);
    }
    expect(spans).toEqual([60, 120, 240, 300, 300, 300]);
  });

  test('failures from before it opened change nothing, neither open nor half-open', () => {
    expect(observeModel(open, event(broken, 'b', T - 1), T + 1, middle)).toBe(open);
    const half = ripenModel(open, T + 30 * SECOND);
    expect(half.scope.probation).not.toBeNull();
    expect(observeModel(half, event(broken, 'b', T - 1), T + 31 * SECOND, middle)).toBe(half);
  });

  test('a success closes it and forgets how often it opened', () => {
    expect(observeModel(open, event({ kind: 'success' }, 'b', T - 1), T + 1, middle)).toBe(QUIET);
    const half = ripenModel(open, T + 30 * SECOND);
    expect(observeModel(half, event({ kind: 'success' }, 'b', T + 31_000), T + 32_000, middle)).toBe(QUIET);
  });

  test('a probe that says nothing of the model leaves it half-open', () => {
    const half = ripenModel(open, T + 30 * SECOND);
    expect(observeModel(half, event({ kind: 'neutral' }, 'b', T + 31_000), T + 32_000, middle)).toBe(half);
  });
});

describe('other blocks of a model at the provider', () => {
  const see = (outcome: Outcome, state = QUIET) => observeModel(state, event(outcome, 'a', T), T, middle);
  const rows: [string, Outcome, { kind: string; for: number; source: string } | null][] = [
    [
      'overload without a time: 30 s',
      { kind: 'overloaded', waitMs: null },
      { kind: 'overload', for: 30 * SECOND, source: 'guess' },
    ],
    [
      'overload with a time: exactly that',
      { kind: 'overloaded', waitMs: 7100 },
      { kind: 'overload', for: 7100, source: 'provider' },
    ],
    ['overload with a time that has passed: nothing', { kind: 'overloaded', waitMs: 0 }, null],
    [
      'an absurd overload is cut',
      { kind: 'overloaded', waitMs: Number.POSITIVE_INFINITY },
      { kind: 'overload', for: 8 * DAY, source: 'provider' },
    ],
    [
      'a missing model is remembered for 5 minutes',
      { kind: 'model-missing' },
      { kind: 'model_missing', for: 5 * MINUTE, source: 'guess' },
    ],
    ['a rate limit is the credential’s', limited(5000), null],
    ['a failure of the ladder is the credential’s', { kind: 'failed' }, null],
  ];
  test.each(rows)('%s', (_, outcome, expected) => {
    const { blocks } = see(outcome).scope;
    expect(blocks).toMatchObject(
      expected
        ? [{ scope: 'provider+model:m', kind: expected.kind, until: T + expected.for, source: expected.source }]
        : [],
    );
  });

  test('a success disproves a missing model and a guessed overload, not a time given by the provider', () => {
    expect(see({ kind: 'success' }, see({ kind: 'model-missing' }))).toBe(QUIET);
    expect(see({ kind: 'success' }, see({ kind: 'overloaded', waitMs: null }))).toBe(QUIET);
    const told = see({ kind: 'overloaded', waitMs: HOUR });
    expect(see({ kind: 'success' }, told).scope.blocks).toHaveLength(1);
  });
});

describe('the way to the provider', () => {
  test('blocks for 1 s, doubling to 30 s', () => {
    let scope = CLEAR;
    let now = T;
    const spans = Array.from({ length: 8 }, () => {
      scope = observeReach(ripen(scope, now), event({ kind: 'unreachable' }, 'a', now), now, middle);
      const until = scope.blocks[0]?.until ?? 0;
      const span = (until - now) / SECOND;
      now = until;
      return span;
    });
    expect(spans).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  test('requests that were under way together count once', () => {
    let scope = CLEAR;
    for (let i = 0; i < 50; i++) scope = observeReach(scope, event({ kind: 'unreachable' }, 'a', T), T + 1 + i, middle);
    expect(scope.streak).toBe(1);
  });

  test('any success clears it, and nothing else does', () => {
    const scope = observeReach(CLEAR, event({ kind: 'unreachable' }, 'a', T), T, middle);
    expect(scope.blocks).toMatchObject([{ scope: 'provider', kind: 'unreachable', until: T + 1000 }]);
    expect(observeReach(scope, event({ kind: 'success' }, 'b', T - 9), T, middle)).toBe(CLEAR);
    for (const kind of ['neutral', 'auth', 'failed', 'upstream-error'] as const) {
      expect(observeReach(scope, event({ kind }, 'b', T), T, middle)).toBe(scope);
    }
  });
});
