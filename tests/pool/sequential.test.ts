import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { chooseSequential, NO_SEQUENCE, type Sequence, type SequentialView } from '../../src/pool/select/sequential.ts';
import { SlotSet } from '../../src/pool/slot-set.ts';

/** A rank, slot by slot. */
type Key = {
  successes?: number;
  isBusy?: boolean;
  isExhausted?: boolean;
  isFailing?: boolean;
  isExcluded?: boolean;
  isUnusable?: boolean;
};

function viewOf(keys: readonly Key[]): SequentialView {
  const ready = new SlotSet(keys.length);
  const usable = new SlotSet(keys.length);
  for (const [slot, key] of keys.entries()) {
    if (!key.isBusy && !key.isExhausted) ready.add(slot);
    if (!key.isUnusable) usable.add(slot);
  }
  return {
    ready,
    usable: keys.some((key) => key.isUnusable) ? usable : undefined,
    isExcluded: (slot) => keys[slot]?.isExcluded ?? false,
    isExhausted: (slot) => (keys[slot]?.isExhausted || keys[slot]?.isUnusable) ?? false,
    isHealthy: (slot) => !keys[slot]?.isFailing,
    successesOf: (slot) => keys[slot]?.successes ?? 0,
  };
}

const choose = (keys: readonly Key[], sequence: Sequence = NO_SEQUENCE, session: string | null = null) =>
  chooseSequential(sequence, viewOf(keys), session);

describe('without a current credential', () => {
  const rows: [string, Key[], number][] = [
    ['nobody is there', [], -1],
    ['nobody can serve', [{ isBusy: true }, { isExhausted: true }, { isExcluded: true }, { isUnusable: true }], -1],
    ['the first in the config, when all are new', [{}, {}, {}], 0],
    ['the one that has served most', [{ successes: 3 }, { successes: 9 }, { successes: 4 }], 1],
    ['the first of those that have served most', [{ successes: 3 }, { successes: 9 }, { successes: 9 }], 1],
    ['a failing one that has served more comes last', [{ successes: 3 }, { successes: 9, isFailing: true }], 0],
    [
      'a failing one is better than none',
      [
        { isBusy: true, successes: 3 },
        { successes: 9, isFailing: true },
      ],
      1,
    ],
    ['the one that has served most is blocked', [{ successes: 3 }, { successes: 9, isExhausted: true }], 0],
    ['the one that has served most may not serve the model', [{ successes: 3 }, { successes: 9, isUnusable: true }], 0],
  ];
  test.each(rows)('%s', (_, keys, expected) => {
    expect(choose(keys).slot).toBe(expected);
  });
});

describe('the current credential', () => {
  const start = [{ successes: 5 }, { successes: 2 }, { successes: 1 }];
  const { sequence } = choose(start);

  test('stays, though another has served more meanwhile', () => {
    const keys = [{ successes: 5 }, { successes: 50 }, {}];
    const choice = choose(keys, sequence);
    expect(choice.slot).toBe(0);
    expect(choice.sequence).toBe(sequence);
  });

  test('that is exhausted loses its place to the next, and does not take it back when it returns', () => {
    const next = choose([{ successes: 5, isExhausted: true }, { successes: 2 }, { successes: 1 }], sequence);
    expect(next.slot).toBe(1);
    expect(choose(start, next.sequence).slot).toBe(1);
  });

  test('that is merely busy is passed over and keeps its place', () => {
    const next = choose([{ successes: 5, isBusy: true }, { successes: 2 }, { successes: 1 }], sequence);
    expect(next.slot).toBe(1);
    expect(choose(start, next.sequence).slot).toBe(0);
  });

  test('that this request will not use keeps its place', () => {
    const next = choose([{ successes: 5, isExcluded: true }, { successes: 2 }, { successes: 1 }], sequence);
    expect(next.slot).toBe(1);
    expect(choose(start, next.sequence).slot).toBe(0);
  });

  test('goes round when all are exhausted one after the other', () => {
    let now: Sequence = NO_SEQUENCE;
    const seen: number[] = [];
    for (const exhausted of [[], [0], [0, 1], [1, 2], [2, 0]]) {
      const choice = choose(
        [0, 1, 2].map((slot) => ({ successes: 1, isExhausted: exhausted.includes(slot) })),
        now,
      );
      seen.push(choice.slot);
      now = choice.sequence;
    }
    expect(seen).toEqual([0, 1, 2, 0, 1]);
  });

  test('a request that nobody can serve changes nothing for those that are busy', () => {
    const none = choose([{ successes: 5, isBusy: true }, { isBusy: true }, { isBusy: true }], sequence);
    expect(none.slot).toBe(-1);
    expect(choose(start, none.sequence).slot).toBe(0);
  });
});

describe('many conversations', () => {
  const sessions = Array.from({ length: 600 }, (_, i) => `session-${i}`);

  test('are spread over equals, each always to the same', () => {
    const keys = [{}, {}, {}];
    const counts = [0, 0, 0];
    for (const session of sessions) {
      const { slot } = choose(keys, NO_SEQUENCE, session);
      expect(choose(keys, NO_SEQUENCE, session).slot).toBe(slot);
      counts[slot] = (counts[slot] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(60);
  });

  test('only those of the one that left move', () => {
    for (const session of sessions) {
      const before = choose([{}, {}, {}], NO_SEQUENCE, session).slot;
      const after = choose([{}, { isExhausted: true }, {}], NO_SEQUENCE, session).slot;
      if (before !== 1) expect(after).toBe(before);
      else expect(after).not.toBe(1);
    }
  });

  test('follow the one that has served most', () => {
    for (const session of sessions) expect(choose([{}, { successes: 1 }, {}], NO_SEQUENCE, session).slot).toBe(1);
  });

  test('follow the current one once it has served', () => {
    const { sequence } = choose([{}, {}, {}]);
    expect(new Set(sessions.map((session) => choose([{}, {}, {}], sequence, session).slot)).size).toBe(3);
    const keys = [{ successes: 1 }, { successes: 7 }, {}];
    for (const session of sessions) expect(choose(keys, sequence, session).slot).toBe(0);
  });

  test('do not go to a failing one by their hash', () => {
    for (const session of sessions) expect(choose([{}, { isFailing: true }], NO_SEQUENCE, session).slot).toBe(0);
  });
});

describe('whatever the state', () => {
  const flag = fc.option(fc.constant(true), { nil: false, freq: 3 });
  const key = fc.record({
    successes: fc.integer({ min: 0, max: 4 }),
    isBusy: flag,
    isExhausted: flag,
    isFailing: flag,
    isExcluded: flag,
    isUnusable: flag,
  });
  const worlds = fc.array(fc.array(key, { minLength: 40, maxLength: 40 }), { minLength: 1, maxLength: 6 });

  test('only one that can serve is chosen, and somebody is when somebody can; the memory is bounded', () => {
    fc.assert(
      fc.property(worlds, fc.option(fc.string()), (all, session) => {
        let sequence: Sequence = NO_SEQUENCE;
        for (const keys of all) {
          const open = keys.flatMap((k, slot) =>
            k.isBusy || k.isExhausted || k.isExcluded || k.isUnusable ? [] : [slot],
          );
          const choice = choose(keys, sequence, session);
          if (open.length === 0) expect(choice.slot).toBe(-1);
          else expect(open).toContain(choice.slot);
          expect(choose(keys, sequence, session)).toEqual(choice);
          sequence = choice.sequence;
          expect(sequence.length).toBeLessThanOrEqual(16);
          expect(new Set(sequence).size).toBe(sequence.length);
        }
      }),
    );
  });

  test('a key is not passed over for one that fails more and serves less', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 30 }), fc.option(fc.string()), (keys, session) => {
        const chosen = keys[choose(keys, NO_SEQUENCE, session).slot];
        if (!chosen || chosen.isFailing) return;
        for (const other of keys) {
          const isOpen = !other.isBusy && !other.isExhausted && !other.isExcluded && !other.isUnusable;
          if (isOpen && !other.isFailing) expect(chosen.successes).toBeGreaterThanOrEqual(other.successes);
        }
      }),
    );
  });
});

describe('with 5,000 credentials', () => {
  const size = 5_000;

  function manyKeys(successesOf: (slot: number) => number) {
    const ready = new SlotSet(size);
    ready.fill();
    const seen = { looks: 0 };
    const view: SequentialView = {
      ready,
      usable: undefined,
      isExcluded: () => {
        seen.looks++;
        return false;
      },
      isExhausted: () => false,
      isHealthy: () => true,
      successesOf,
    };
    return { ready, view, seen };
  }

  test('many requests share a look at all of them', () => {
    const { ready, view, seen } = manyKeys((slot) => size - slot);
    let sequence: Sequence = NO_SEQUENCE;
    for (let request = 0; request < 1_000; request++) {
      const choice = chooseSequential(sequence, view);
      expect(choice.slot).toBe(request);
      sequence = choice.sequence;
      // Each takes one request at a time, so that every request needs another one.
      ready.delete(choice.slot);
    }
    expect(seen.looks / 1_000).toBeLessThan(size / 10);
  });

  test('new conversations are spread without a look at all of them, until somebody has served', () => {
    let served = -1;
    const { view, seen } = manyKeys((slot) => (slot === served ? 1 : 0));
    let { sequence } = chooseSequential(NO_SEQUENCE, view);
    seen.looks = 0;
    const chosen = new Set<number>();
    for (let i = 0; i < 1_000; i++) {
      const choice = chooseSequential(sequence, view, `session-${i}`);
      sequence = choice.sequence;
      chosen.add(choice.slot);
    }
    expect(chosen.size).toBeGreaterThan(700);
    expect(seen.looks / 1_000).toBeLessThan(100);
    served = 4_321;
    for (let i = 0; i < 1_000; i++) sequence = chooseSequential(sequence, view, `later-${i}`).sequence;
    expect(sequence[0]).toBe(served);
    expect(chooseSequential(sequence, view, 'another').slot).toBe(served);
  });

  test('the first conversation finds the one that has served most', () => {
    const { view } = manyKeys((slot) => (slot === 4_321 ? 1 : 0));
    expect(chooseSequential(NO_SEQUENCE, view, 'first').slot).toBe(4_321);
  });
});
