import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Deadlines, deadlinesOf, type Timed } from '../../src/gateway/deadlines.ts';
import { IdleTimer } from '../../src/gateway/idle-timer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { SettableClock } from '../support/settable-clock.ts';

const HOUR = 3_600_000;

/** Deadlines by name, and which of them came, and when. */
function bench<ClockKind extends SettableClock | ManualClock>(clock: ClockKind) {
  const deadlines = new Deadlines(clock);
  const began = clock.elapsed();
  const came: [string, number][] = [];
  const timed = (name: string, then: () => void = () => {}): Timed => ({
    dueAt: Number.POSITIVE_INFINITY,
    onDue() {
      came.push([name, clock.elapsed() - began]);
      then();
    },
  });
  return { clock, deadlines, came, timed };
}

test('each comes at its own time, in order, and once', async () => {
  const { clock, deadlines, came, timed } = bench(new ManualClock());
  for (const [name, ms] of [
    ['b', 20],
    ['c', 30],
    ['a', 10],
  ] as const)
    deadlines.set(timed(name), ms);
  await clock.advance(15);
  expect(came).toEqual([['a', 10]]);
  await clock.advance(1000);
  expect(came).toEqual([
    ['a', 10],
    ['b', 20],
    ['c', 30],
  ]);
});

test('one that is called off never comes, and the others come at their time', async () => {
  const { clock, deadlines, came, timed } = bench(new ManualClock());
  const soon = timed('soon');
  deadlines.set(soon, 10);
  deadlines.set(timed('late'), 50);
  deadlines.clear(soon);
  deadlines.clear(soon);
  await clock.advance(100);
  expect(came).toEqual([['late', 50]]);
});

test('one that is set anew comes by the new time alone', async () => {
  const { clock, deadlines, came, timed } = bench(new ManualClock());
  const one = timed('one');
  deadlines.set(one, 10);
  deadlines.set(one, 50);
  await clock.advance(40);
  deadlines.set(one, 20);
  await clock.advance(100);
  expect(came).toEqual([['one', 60]]);
  expect(clock.pending).toBe(0);
});

test('there is one timer for all, and none when nothing is waited for', async () => {
  const { clock, deadlines, timed } = bench(new ManualClock());
  const all = Array.from({ length: 100 }, (_, i) => timed(`${i}`));
  for (const [i, one] of all.entries()) deadlines.set(one, 1000 - i);
  expect(clock.pending).toBe(1);
  for (const one of all) deadlines.clear(one);
  expect(clock.pending).toBe(0);
  for (const one of all) deadlines.set(one, 10);
  await clock.advance(10);
  expect(clock.pending).toBe(0);
});

test('what never comes keeps no other from coming, and can be called off', async () => {
  const { clock, deadlines, came, timed } = bench(new ManualClock());
  const never = timed('never');
  deadlines.set(never, Number.POSITIVE_INFINITY);
  deadlines.set(timed('now'), -5);
  await clock.advance(10 * HOUR);
  expect(came).toEqual([['now', 0]]);
  deadlines.clear(never);
  const one = timed('one');
  deadlines.set(one, 10);
  deadlines.clear(one);
  expect(clock.pending).toBe(0);
});

describe('one that comes', () => {
  test('may call off another that is due with it', async () => {
    const { clock, deadlines, came, timed } = bench(new ManualClock());
    const other = timed('other');
    deadlines.set(
      timed('first', () => deadlines.clear(other)),
      10,
    );
    deadlines.set(other, 10);
    await clock.advance(100);
    expect(came).toEqual([['first', 10]]);
    expect(clock.pending).toBe(0);
  });

  test('may set another, sooner than all, and itself again', async () => {
    const { clock, deadlines, came, timed } = bench(new ManualClock());
    const again: Timed = timed('again', () => {
      if (came.length < 3) deadlines.set(again, 7);
      deadlines.set(timed('at once'), 0);
    });
    deadlines.set(again, 10);
    deadlines.set(timed('last'), 30);
    await clock.advance(100);
    expect(came).toEqual([
      ['again', 10],
      ['at once', 10],
      ['again', 17],
      ['at once', 17],
      ['last', 30],
    ]);
    expect(clock.pending).toBe(0);
  });

  test('and throws takes no other down', async () => {
    const { clock, deadlines, came, timed } = bench(new ManualClock());
    deadlines.set(
      timed('bad', () => {
        throw new Error('a bug');
      }),
      10,
    );
    deadlines.set(timed('due with it'), 10);
    deadlines.set(timed('later'), 20);
    await expect(clock.advance(10)).rejects.toThrow('a bug');
    await clock.advance(100);
    expect(came.map(([name]) => name)).toEqual(['bad', 'due with it', 'later']);
  });
});

describe('a clock that is set', () => {
  test.each([-HOUR, HOUR])('by %d ms makes nothing earlier or later', async (byMs) => {
    const { clock, deadlines, came, timed } = bench(new SettableClock());
    deadlines.set(timed('before'), 10_000);
    await clock.advance(1000);
    clock.set(byMs);
    deadlines.set(timed('after'), 500);
    await clock.advance(400);
    expect(came).toEqual([]);
    await clock.advance(100_000);
    expect(came).toEqual([
      ['after', 1500],
      ['before', 10_000],
    ]);
  });

  test.each([-HOUR, HOUR])('by %d ms is no silence, and hides none', async (byMs) => {
    const clock = new SettableClock();
    let isIdle = false;
    const timer = new IdleTimer(clock, 100, () => (isIdle = true));
    await clock.advance(50);
    timer.touch();
    clock.set(byMs);
    await clock.advance(60);
    timer.touch();
    await clock.advance(90);
    expect(isIdle).toBe(false);
    await clock.advance(10);
    expect(isIdle).toBe(true);
  });
});

test('whatever is set, called off and let pass, all that is left comes at its time', async () => {
  const step = fc.record({ what: fc.constantFrom('set', 'clear', 'pass'), who: fc.nat(5), ms: fc.nat(50) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, deadlines, came, timed } = bench(new ManualClock());
      const all = Array.from({ length: 6 }, (_, i) => timed(`${i}`));
      const due = new Map<number, number>();
      const expected: [string, number][] = [];
      let now = 0;
      const pass = async (ms: number) => {
        now += ms;
        for (const [who, at] of [...due].filter(([, at]) => at <= now)) {
          expected.push([`${who}`, at]);
          due.delete(who);
        }
        await clock.advance(ms);
      };
      for (const { what, who, ms } of steps) {
        const one = all[who];
        if (!one) continue;
        if (what === 'pass') await pass(ms);
        else if (what === 'set') {
          deadlines.set(one, ms);
          due.set(who, now + ms);
        } else {
          deadlines.clear(one);
          due.delete(who);
        }
      }
      await pass(1000);
      const sorted = (list: readonly [string, number][]) =>
        [...list].sort(([a, at], [b, bt]) => at - bt || (a < b ? -1 : 1));
      expect(sorted(came)).toEqual(sorted(expected));
      expect(came.map(([, at]) => at)).toEqual([...came.map(([, at]) => at)].sort((a, b) => a - b));
      expect(clock.pending).toBe(0);
    }),
  );
});

test('a clock has its deadlines, and no other’s', () => {
  const clock = new ManualClock();
  expect(deadlinesOf(clock)).toBe(deadlinesOf(clock));
  expect(deadlinesOf(clock)).not.toBe(deadlinesOf(new ManualClock()));
});
