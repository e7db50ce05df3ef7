// Limits are kept before anything is sent: what the upstream receives is the proof.
import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { expectError, expectRetryAfter } from '../support/expect-error.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import {
  type Answer,
  after,
  answer,
  chatStream,
  doneFrame,
  finishFrame,
  gate,
  refusal,
  resetAtOnce,
  roleFrame,
  silence,
  startUpstream,
  stream,
  textFrame,
  usageFrame,
} from '../support/scripted-upstream.ts';
import { inOrder, type Rotator, startRotator } from '../support/server.ts';
import { StreamTap } from '../support/stream-tap.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const windowsOf = async (rotator: Rotator, at = 0) => (await rotator.status()).keys[at]?.windows ?? [];
const used = async (rotator: Rotator, name: string) =>
  (await windowsOf(rotator)).find((window) => window.name === name)?.used;
const withUsage = (total: number): Answer =>
  answer('ok', { usage: { prompt_tokens: total - 1, completion_tokens: 1, total_tokens: total } });

async function isRefused(response: Response): Promise<number> {
  const seconds = expectRetryAfter(response);
  const error = await expectError(response, { status: 429, type: 'rate_limit_error' });
  expect(error.message).toContain('limits set for it');
  return seconds;
}

describe('requests per minute', () => {
  test('are never passed by a burst, and who is over is told when', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const clock = new LeapingClock();
    const keys = ['one', 'two'].map((key) => ({ key, limits: { rpm: 3 } }));
    await using rotator = await startRotator({ upstream, clock, keys });
    const burst = () => Promise.all(Array.from({ length: 20 }, () => rotator.chat()));
    for (let minute = 1; minute <= 2; minute++) {
      const responses = await burst();
      expect(responses.filter(({ status }) => status === 200)).toHaveLength(6);
      for (const response of responses) {
        if (response.status !== 200) expect(await isRefused(response)).toBeWithin(55, 61);
      }
      for (const key of ['one', 'two']) expect(upstream.keysUsed.filter((k) => k === key)).toHaveLength(3 * minute);
      clock.leap(MINUTE);
    }
  });

  test('slide: a minute’s edge lets nothing more through', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const clock = new LeapingClock(Date.UTC(2026, 0, 15, 12, 0, 50));
    await using rotator = await startRotator({ upstream, clock, keys: [{ key: 'one', limits: { rpm: 2 } }] });
    for (let i = 0; i < 2; i++) expect((await rotator.chat()).status).toBe(200);
    clock.leap(20 * SECOND);
    expect(await isRefused(await rotator.chat())).toBeWithin(35, 41);
    clock.leap(40 * SECOND);
    expect((await rotator.chat()).status).toBe(200);
  });

  test('that are used up at every key are no readiness, and the next time is the one that a request is told', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const clock = new LeapingClock();
    const keys = inOrder('one', 'two').map((key) => ({ ...key, limits: { rpm: 2 } }));
    await using rotator = await startRotator({ upstream, clock, keys });
    const provider = async () => (await rotator.status()).providers[0];
    for (let i = 0; i < 2; i++) await rotator.chat();
    expect(await provider()).toMatchObject({ status: 'ready', next_available_at: null });
    clock.leap(20 * SECOND);
    for (let i = 0; i < 2; i++) await rotator.chat();
    const { status, next_available_at: at } = (await provider()) ?? {};
    expect(status).toBe('limited');
    expect((Date.parse(at ?? '') - clock.now()) / SECOND).toBeWithin(35, 41);
    const windows = await windowsOf(rotator);
    expect(windows).toMatchObject([{ name: 'rpm', remaining: 0, room_at: at }]);
    expect(await isRefused(await rotator.chat())).toBeWithin(35, 41);
    clock.leap(40 * SECOND);
    expect(await provider()).toMatchObject({ status: 'ready', next_available_at: null });
  });

  const kinds: [string, Answer, boolean][] = [
    ['streams', chatStream('ok'), true],
    ['whole answers', answer('ok'), false],
    ['failures', refusal(400), false],
  ];
  test.each(kinds)('count %s, and those that the client gave up', async (_, script, isStream) => {
    await using upstream = await startUpstream({ keys: { one: [silence, script] } });
    await using rotator = await startRotator({
      upstream,
      clock: new LeapingClock(),
      keys: [{ key: 'one', limits: { rpm: 2 } }],
    });
    const leaving = new AbortController();
    const left = rotator.chat({ stream: isStream }, { signal: leaving.signal });
    await eventually('it is at the upstream', () => upstream.calls.length === 1);
    leaving.abort();
    await expect(left).rejects.toThrow();
    await (await rotator.chat({ stream: isStream })).text();
    await isRefused(await rotator.chat({ stream: isStream }));
    expect(upstream.calls).toHaveLength(2);
  });

  test('are not spent by what never reached the upstream', async () => {
    const gone = await startUpstream();
    await gone.close();
    await using rotator = await startRotator({
      upstream: gone,
      clock: new LeapingClock(),
      keys: [{ key: 'one', limits: { rpm: 10 } }],
      rotation: { retries_same_key: 0 },
    });
    await rotator.chat();
    expect(await used(rotator, 'rpm')).toBe(0);
  });

  test('are spent by what was sent and lost', async () => {
    await using upstream = await startUpstream({ keys: { one: resetAtOnce } });
    await using rotator = await startRotator({
      upstream,
      clock: new LeapingClock(),
      keys: [{ key: 'one', limits: { rpm: 10 } }],
    });
    await rotator.chat();
    expect(await used(rotator, 'rpm')).toBe(upstream.calls.length);
  });

  test('that are free again within `acquire` are waited for, in line', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const clock = new LeapingClock();
    await using rotator = await startRotator({
      upstream,
      clock,
      keys: [{ key: 'one', limits: { rpm: 1 } }],
      timeouts: { acquire: '5m' },
    });
    await rotator.chat();
    const waiting = [rotator.chat(), rotator.chat()];
    await eventually('both wait', async () => (await rotator.status()).waiting === 2);
    clock.leap(MINUTE);
    await eventually('one is served', () => upstream.calls.length === 2);
    expect((await rotator.status()).waiting).toBe(1);
    clock.leap(MINUTE - SECOND);
    expect(upstream.calls).toHaveLength(2);
    clock.leap(SECOND + 500);
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(200);
  });
});

describe('requests per day', () => {
  test('are from one daily reset to the next, whatever minutes pass', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const clock = new LeapingClock(Date.UTC(2026, 0, 15, 20));
    await using rotator = await startRotator({
      upstream,
      clock,
      keys: [{ key: 'one', limits: { rpd: 2 } }],
      rotation: { daily_reset: '03:00', timezone: 'UTC' },
    });
    for (let i = 0; i < 2; i++) expect((await rotator.chat()).status).toBe(200);
    clock.leap(6 * HOUR);
    const refused = await rotator.chat();
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(await isRefused(refused)).toBeWithin(HOUR / SECOND - 10, HOUR / SECOND + 1);
    expect(await windowsOf(rotator)).toMatchObject([
      { name: 'rpd', used: 2, limit: 2, remaining: 0, reset_at: '2026-01-16T03:00:00.000Z', source: 'config' },
    ]);
    clock.leap(HOUR);
    expect((await rotator.chat()).status).toBe(200);
    expect(await used(rotator, 'rpd')).toBe(1);
  });
});

describe('tokens', () => {
  const limits = { tpm: 1000, tpd: 5000 };
  const start = async (scripts: readonly Answer[], clock = new LeapingClock()) => {
    const upstream = await startUpstream({ keys: { one: scripts } });
    const rotator = await startRotator({ upstream, clock, keys: [{ key: 'one', limits }] });
    return {
      upstream,
      rotator,
      clock,
      async [Symbol.asyncDispose]() {
        await rotator.stop();
        await upstream.close();
      },
    };
  };
  const asking = { max_tokens: 400 };

  test('are reserved while requests are under way, and given back for what was really used', async () => {
    const held = gate();
    await using world = await start([after(held, answer('1')), after(held, answer('2')), answer('3')]);
    const { rotator, upstream } = world;
    const both = [rotator.chat(asking), rotator.chat(asking)];
    await eventually('two are at the upstream', () => upstream.calls.length === 2);
    await isRefused(await rotator.chat(asking));
    held.open();
    await Promise.all(both);
    expect(await used(rotator, 'tpm')).toBe(20);
    expect(await used(rotator, 'tpd')).toBe(20);
    expect((await rotator.chat(asking)).status).toBe(200);
  });

  test('that were used beyond the estimate count as well', async () => {
    await using world = await start([withUsage(950), answer('2')]);
    const { rotator, upstream } = world;
    expect((await rotator.chat({ max_tokens: 10 })).status).toBe(200);
    await isRefused(await rotator.chat({ messages: [{ role: 'user', content: 'x'.repeat(400) }] }));
    expect(upstream.calls).toHaveLength(1);
    expect(await used(rotator, 'tpm')).toBe(950);
  });

  test('of a stream are those that it names', async () => {
    await using world = await start([
      stream([roleFrame(), textFrame('hello'), finishFrame(), usageFrame(), doneFrame()]),
    ]);
    await (await world.rotator.stream(asking)).text();
    expect(await used(world.rotator, 'tpm')).toBe(10);
  });

  test('of a stream that the client leaves are those named so far, else the estimate', async () => {
    for (const isNamed of [true, false]) {
      await using world = await start([
        stream([roleFrame(), textFrame('hello'), ...(isNamed ? [usageFrame()] : []), textFrame('more'), gate()]),
      ]);
      const { rotator } = world;
      const tap = new StreamTap(await rotator.stream(asking));
      await tap.until('more');
      await tap.cancel();
      await eventually('the lease is settled', async () => (await rotator.status()).in_flight === 0);
      if (isNamed) expect(await used(rotator, 'tpm')).toBe(10);
      else expect(await used(rotator, 'tpm')).toBeWithin(400, 500);
    }
  });

  test.each([400, 413, 422, 401, 403, 429])(
    'are given back when the upstream refuses to work, with %i',
    async (status) => {
      await using world = await start([refusal(status, { message: 'no' }, { 'retry-after': '600' })]);
      expect((await world.rotator.chat(asking)).status).not.toBe(200);
      expect(await used(world.rotator, 'tpm')).toBe(0);
    },
  );

  test('learn how long answers are: the estimate of the first is a guess, of the next the mean', async () => {
    const held = gate();
    await using world = await start([withUsage(10), after(held, withUsage(10))]);
    const { rotator } = world;
    const one = rotator.chat();
    await one;
    const next = rotator.chat();
    await eventually('it is under way', async () => (await rotator.status()).in_flight === 1);
    expect(await used(rotator, 'tpm')).toBeWithin(11, 100);
    held.open();
    await next;
  });

  test('let a request pass that is larger than all of the limit, when nothing of it is used', async () => {
    await using world = await start([withUsage(2000), answer('2')]);
    const { rotator, clock } = world;
    const large = { messages: [{ role: 'user', content: 'x'.repeat(8000) }] };
    expect((await rotator.chat(large)).status).toBe(200);
    await isRefused(await rotator.chat());
    clock.leap(MINUTE);
    expect((await rotator.chat()).status).toBe(200);
    await isRefused(await rotator.chat(large));
  });
});

describe('requests at the same time', () => {
  test('are never more than the key’s own limit, and wait their turn', async () => {
    const held = gate();
    await using upstream = await startUpstream({ answer: () => after(held, answer('ok')) });
    const keys = [
      { key: 'one', priority: 1, limits: { concurrency: 2 } },
      { key: 'two', priority: 2, limits: { concurrency: 1 } },
    ];
    await using rotator = await startRotator({ upstream, keys, provider: { concurrency: { max_per_key: 9 } } });
    const all = Array.from({ length: 10 }, () => rotator.chat());
    await eventually('seven wait', async () => (await rotator.status()).waiting === 7 && upstream.calls.length === 3);
    expect([upstream.mostAtOnce('one'), upstream.mostAtOnce('two')]).toEqual([2, 1]);
    held.open();
    for (const { status } of await Promise.all(all)) expect(status).toBe(200);
    expect([upstream.mostAtOnce('one'), upstream.mostAtOnce('two')]).toEqual([2, 1]);
  });

  test('grow with a better priority', async () => {
    const held = gate();
    await using upstream = await startUpstream({ answer: () => after(held, answer('ok')) });
    const provider = { concurrency: { max_per_key: 1, optimal_per_key: 1, priority_multipliers: { 1: 3, 2: 2 } } };
    await using rotator = await startRotator({ upstream, keys: inOrder('paid', 'plus', 'free'), provider });
    const all = Array.from({ length: 8 }, () => rotator.chat());
    await eventually('two wait', async () => (await rotator.status()).waiting === 2 && upstream.calls.length === 6);
    expect(['paid', 'plus', 'free'].map((key) => upstream.mostAtOnce(key))).toEqual([3, 2, 1]);
    held.open();
    await Promise.all(all);
    expect(['paid', 'plus', 'free'].map((key) => upstream.mostAtOnce(key))).toEqual([3, 2, 1]);
  });

  test('count streams to their end', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: [stream([textFrame('a'), held, finishFrame(), doneFrame()]), answer('2')] },
    });
    await using rotator = await startRotator({ upstream, keys: [{ key: 'one', limits: { concurrency: 1 } }] });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('a');
    const second = rotator.chat();
    await eventually('it waits', async () => (await rotator.status()).waiting === 1);
    held.open();
    await tap.rest();
    expect((await second).status).toBe(200);
  });
});

describe('what a vendor says of its limits', () => {
  const told = (remaining: number, reset: string, of = 'requests') => ({
    [`x-ratelimit-limit-${of}`]: '10',
    [`x-ratelimit-remaining-${of}`]: String(remaining),
    [`x-ratelimit-reset-${of}`]: reset,
  });

  test('stops a key before it is refused', async () => {
    await using upstream = await startUpstream({
      keys: {
        one: [answer('1', {}, told(1, '60s')), answer('2', {}, told(0, '30s')), refusal(429)],
        two: answer('two'),
      },
    });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, clock });
    for (let i = 0; i < 4; i++) expect((await rotator.chat()).status).toBe(200);
    expect(upstream.keysUsed).toEqual(['one', 'one', 'two', 'two']);
    expect(await windowsOf(rotator)).toMatchObject([
      { scope: 'model:m', name: 'rpm', limit: 10, used: 10, remaining: 0, source: 'learned' },
    ]);
    expect((await rotator.keys())[0]?.blocks).toEqual([]);
    const route = await rotator.admin('test-route', { method: 'POST', body: { model: 'mock/m' } });
    expect(JSON.stringify(await route.json())).toContain('over_limit');
    clock.leap(30 * SECOND);
    await rotator.chat();
    expect(upstream.keysUsed.slice(4)).toEqual(['one', 'two']);
  });

  test('is told to the client when it holds for every key', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('1', {}, told(0, '45s')) } });
    await using rotator = await startRotator({ upstream, clock: new LeapingClock() });
    await rotator.chat();
    expect(await isRefused(await rotator.chat())).toBeWithin(40, 46);
    expect(upstream.calls).toHaveLength(1);
  });

  test('holds for the model it was said of, and for its group', async () => {
    await using upstream = await startUpstream({
      answer: ({ key }) => (key === 'one' ? answer('1', {}, told(0, '45s')) : answer('2')),
    });
    await using rotator = await startRotator({
      upstream,
      clock: new LeapingClock(),
      keys: inOrder('one', 'two'),
      provider: { quota_groups: { pro: ['big', 'bigger'] } },
    });
    for (const model of ['mock/big', 'mock/bigger', 'mock/small']) await rotator.chat({ model });
    expect(upstream.keysUsed).toEqual(['one', 'two', 'one']);
  });

  test('is read from streams, and from the headers of a refusal', async () => {
    await using upstream = await startUpstream({
      keys: {
        one: stream([roleFrame(), textFrame('a'), finishFrame(), doneFrame()], { headers: told(0, '45s') }),
        two: [refusal(400, {}, told(0, '45s')), answer('never')],
        three: answer('three'),
      },
    });
    await using rotator = await startRotator({ upstream, clock: new LeapingClock() });
    await (await rotator.stream()).text();
    await rotator.chat();
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'two', 'three']);
  });

  test('lets no more requests through at once than are left', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: [answer('1', {}, told(3, '45s')), after(held, answer('ok'))], two: answer('two') },
    });
    await using rotator = await startRotator({ upstream, clock: new LeapingClock() });
    await rotator.chat();
    const all = Array.from({ length: 8 }, () => rotator.chat());
    await eventually('five went to the other', () => upstream.keysUsed.filter((key) => key === 'two').length === 5);
    expect(upstream.keysUsed.filter((key) => key === 'one')).toHaveLength(4);
    held.open();
    await Promise.all(all);
  });
});

test('all limits together hold, minute for minute, whatever clients do', async () => {
  const perMinute = new Map<string, number>();
  await using upstream = await startUpstream({
    answer: ({ key, text }) => {
      perMinute.set(key ?? '', (perMinute.get(key ?? '') ?? 0) + 1);
      if (text.includes('"leaves"'))
        return stream([roleFrame(), textFrame('a'), usageFrame(), textFrame('more'), gate()]);
      if (text.includes('"wrong"')) return refusal(400);
      if (!text.includes('"stream":true')) return answer('ok');
      return stream([roleFrame(), textFrame('a'), finishFrame(), usageFrame(), doneFrame()]);
    },
  });
  const clock = new LeapingClock();
  const limits = { rpm: 7, tpm: 5000, rpd: 20, concurrency: 3 };
  const names = ['one', 'two', 'three'];
  await using rotator = await startRotator({ upstream, clock, keys: names.map((key) => ({ key, limits })) });
  const ask = async (index: number) => {
    if (index % 4 !== 0)
      return (await rotator.chat({ stream: index % 2 === 0, model: index % 5 ? 'mock/m' : 'mock/wrong' })).text();
    const response = await rotator.stream({ model: 'mock/leaves' });
    if (response.status !== 200) return response.text();
    const tap = new StreamTap(response);
    await tap.until('more');
    return tap.cancel();
  };
  for (let minute = 1; minute <= 4; minute++) {
    await Promise.all(Array.from({ length: 60 }, (_, index) => ask(index)));
    await eventually('nothing is in flight', async () => (await rotator.status()).in_flight === 0);
    // Of the day's 20 the third minute has 6 left, and the fourth none.
    const allowed = [7, 7, 6, 0][minute - 1] ?? 0;
    expect(names.map((name) => perMinute.get(name) ?? 0)).toEqual([allowed, allowed, allowed]);
    perMinute.clear();
    for (const { windows } of (await rotator.status()).keys) {
      for (const { used: amount, limit } of windows) expect(amount).toBeLessThanOrEqual(limit ?? 0);
    }
    clock.leap(MINUTE);
  }
});
