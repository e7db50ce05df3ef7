import { describe, expect, test } from 'bun:test';
import { type CredentialEvent, type CredentialState, HEALTHY, observe, probationLimit } from '../../src/pool/blocks.ts';
import type { Outcome } from '../../src/pool/outcome.ts';
import { DAY, HOUR, limited, MINUTE, middle, SECOND, settings } from './pool-fixture.ts';

/** What spans several models, and several days. */

const T = Date.UTC(2026, 0, 1, 4);
const DAY_ENDS = T + 20 * HOUR;
const policy = { cooldowns: settings.cooldowns, random: middle, dayEndsAt: DAY_ENDS };

type Change = { model?: string; group?: string | null; startedAt?: number; isConfirmed?: boolean };

function see(state: CredentialState, outcome: Outcome, at: number, change: Change = {}): CredentialState {
  const event: CredentialEvent = {
    kind: 'settled',
    model: 'm',
    group: null,
    startedAt: at,
    reason: 'because',
    isConfirmed: false,
    isOpen: false,
    ...change,
    outcome,
  };
  return observe(state, event, at, policy);
}

const passTime = (state: CredentialState, at: number) => observe(state, { kind: 'time-passed' }, at, policy);
const dayPassed = (state: CredentialState, at = DAY_ENDS) => observe(state, { kind: 'day-passed' }, at, policy);
const failed: Outcome = { kind: 'failed' };
const success: Outcome = { kind: 'success' };

describe('quota groups', () => {
  test('a limit of one model blocks its group, and nothing else', () => {
    const state = see(HEALTHY, limited(5000), T, { group: 'pro' });
    expect(state.groups.get('pro')?.blocks).toMatchObject([
      { scope: 'group:pro', kind: 'rate_limit', until: T + 5000 },
    ]);
    expect([state.models.size, state.key.blocks.length]).toEqual([0, 0]);
    expect(passTime(state, T + 5000).groups.size).toBe(0);
  });

  test('a ladder and “limit: 0” stay with the model', () => {
    const state = see(see(HEALTHY, failed, T, { group: 'pro' }), limited(null, { isPermanent: true }), T, {
      group: 'pro',
    });
    expect(state.groups.size).toBe(0);
    expect(state.models.get('m')?.blocks.map((block) => [block.kind, block.until])).toEqual([
      ['ladder', T + 10 * SECOND],
      ['rate_limit', null],
    ]);
  });

  test('after a long block one of the group goes first', () => {
    const until = T + HOUR;
    let state = passTime(see(HEALTHY, limited(HOUR), T, { group: 'pro' }), until);
    const limits = [state].map((one) => probationLimit(one.groups.get('pro') ?? HEALTHY.key));
    for (let i = 0; i < 4; i++) state = see(state, success, until + 1, { group: 'pro', model: `m${i}` });
    expect(limits).toEqual([1]);
    expect(state.groups.size).toBe(0);
  });
});

describe('the lockout', () => {
  const failOn = (names: readonly string[], group: string | null = null, from = HEALTHY) =>
    names.reduce((state, model, index) => see(state, failed, T + index, { model, group }), from);

  test('ladders on three models lock the whole key for 5 minutes, then it is probed', () => {
    const state = failOn(['a', 'b', 'c']);
    expect(state.key.blocks).toMatchObject([{ kind: 'lockout', scope: 'key', until: T + 2 + 5 * MINUTE }]);
    expect(passTime(state, T + 2 + 5 * MINUTE).key.probation).toMatchObject({ step: 0 });
  });

  test('three models of one group are one suspect', () => {
    expect(failOn(['a', 'b', 'c'], 'pro').key.blocks).toEqual([]);
  });

  test('a success between clears the suspicion', () => {
    const state = see(failOn(['a', 'b']), success, T + 10, { model: 'd' });
    expect(failOn(['c'], null, state).key.blocks).toEqual([]);
  });

  test('a probe that fails locks it again at once, one that succeeds ends it', () => {
    const later = T + 10 * MINUTE;
    const probed = passTime(failOn(['a', 'b', 'c']), later);
    expect(see(probed, failed, later + 1, { model: 'd' }).key.blocks).toMatchObject([{ kind: 'lockout' }]);
    expect(see(probed, success, later + 1, { model: 'd' }).suspects).toEqual([]);
  });

  test('limits with a time are no suspicion', () => {
    const state = ['a', 'b', 'c'].reduce((before, model) => see(before, limited(5000), T, { model }), HEALTHY);
    expect(state.key.blocks).toEqual([]);
  });
});

describe('a limit “per day”', () => {
  const day = (waitMs: number | null) => limited(waitMs, { window: 'day', isQuota: true });
  const blockOf = (state: CredentialState) => state.models.get('m')?.blocks[0];

  test('with a short hint is checked again at the hint, by a probe, and then held until the reset', () => {
    let state = see(HEALTHY, day(36_000), T);
    expect(blockOf(state)).toMatchObject({ kind: 'quota', until: T + 36_000 });
    state = passTime(state, T + 36_000);
    expect(probationLimit(state.models.get('m') ?? HEALTHY.key)).toBe(1);
    state = see(state, day(36_000), T + 37_000);
    expect(blockOf(state)).toMatchObject({ kind: 'quota', until: DAY_ENDS, source: 'daily-reset' });
  });

  test('that was no more than a minute’s is usable again', () => {
    let state = passTime(see(HEALTHY, day(36_000), T), T + 36_000);
    state = see(state, success, T + 37_000);
    state = see(state, day(36_000), T + HOUR);
    expect(blockOf(state)).toMatchObject({ until: T + HOUR + 36_000 });
  });

  test('requests that were under way together are one refusal', () => {
    let state = HEALTHY;
    for (let i = 0; i < 5; i++) state = see(state, day(36_000), T + 100 + i, { startedAt: T + i });
    expect(blockOf(state)).toMatchObject({ until: T + 104 + 36_000 });
  });

  test('without a hint is checked again after the default', () => {
    expect(blockOf(see(HEALTHY, day(null), T))).toMatchObject({ until: T + MINUTE, source: 'guess' });
  });

  test('with a long hint is believed', () => {
    expect(blockOf(see(HEALTHY, day(6 * HOUR), T))).toMatchObject({ until: T + 6 * HOUR, source: 'retry-after' });
  });

  test('an older answer does not shorten what is held until the reset', () => {
    let state = passTime(see(HEALTHY, day(36_000), T), T + 36_000);
    state = see(state, day(36_000), T + 37_000);
    state = see(state, limited(1000, { isQuota: true }), T + 38_000, { startedAt: T + 36_500 });
    expect(blockOf(state)).toMatchObject({ until: DAY_ENDS });
  });

  test('a minute’s limit never climbs, however often it is reached', () => {
    let state = HEALTHY;
    for (let i = 0; i < 8; i++) state = see(state, limited(null, { window: 'minute' }), T + i * HOUR);
    expect(blockOf(state)).toMatchObject({ until: T + 7 * HOUR + MINUTE });
  });
});

describe('the daily reset', () => {
  test('clears ladders and guesses, keeps vendors’ times, “limit: 0” and what needs a proof', () => {
    let state = see(HEALTHY, failed, DAY_ENDS - 1, { model: 'ladder' });
    state = see(state, limited(null), DAY_ENDS - 1, { model: 'guess' });
    state = see(state, limited(2 * DAY), DAY_ENDS - 1, { model: 'told' });
    state = see(state, limited(null, { isPermanent: true }), DAY_ENDS - 1, { model: 'never' });
    state = see(state, { kind: 'billing' }, DAY_ENDS - 1);
    state = dayPassed(state);
    expect([...state.models.keys()]).toEqual(['told', 'never']);
    expect(state.key.blocks).toMatchObject([{ kind: 'billing' }]);
  });

  test('a vendor’s time that a longer guess hid comes back', () => {
    let state = see(HEALTHY, limited(30_000), DAY_ENDS - 1);
    state = see(state, limited(null), DAY_ENDS - 1, { startedAt: DAY_ENDS - 2 });
    expect(state.models.get('m')?.blocks).toMatchObject([{ until: DAY_ENDS - 1 + MINUTE, source: 'guess' }]);
    expect(dayPassed(state).models.get('m')?.blocks).toMatchObject([
      { until: DAY_ENDS - 1 + 30_000, source: 'retry-after' },
    ]);
  });

  test('a rejected key is probed, and not asked every 5 minutes of the new day', () => {
    let state = see(HEALTHY, { kind: 'auth' }, T);
    state = see(passTime(state, T + HOUR), { kind: 'auth' }, T + HOUR);
    state = dayPassed(state);
    expect(state.key).toMatchObject({ blocks: [], probation: { step: 0 }, streak: 2 });
    state = see(state, { kind: 'auth' }, DAY_ENDS + 1);
    expect(state.key.blocks).toMatchObject([{ until: DAY_ENDS + 1 + 6 * HOUR }]);
  });
});

describe('a proof', () => {
  const prove = (state: CredentialState) => observe(state, { kind: 'proven' }, T + 1, policy);

  test('lifts what only a proof can lift, and its count', () => {
    const outcomes: Outcome[] = [{ kind: 'auth' }, { kind: 'billing' }, { kind: 'forbidden', scope: 'credential' }];
    for (const outcome of outcomes) expect(prove(see(HEALTHY, outcome, T))).toEqual(HEALTHY);
    const lockedOut = ['a', 'b', 'c'].reduce((state, model) => see(state, failed, T, { model }), HEALTHY);
    expect(prove(lockedOut)).toMatchObject({ key: { blocks: [] }, suspects: [] });
  });

  test('does not lift a limit', () => {
    const state = see(HEALTHY, limited(HOUR, { scope: 'credential' }), T);
    expect(prove(state).key.blocks).toHaveLength(1);
  });
});

test('a request that was confirmed at its commit point earns trust once', () => {
  let state = passTime(see(HEALTHY, limited(HOUR), T), T + HOUR);
  state = see(state, success, T + HOUR);
  state = see(state, success, T + HOUR + 1, { isConfirmed: true });
  expect(state.models.get('m')?.probation).toMatchObject({ step: 1 });
});
