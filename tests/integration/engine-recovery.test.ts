// How keys come back: by time, by one request that goes first, by proof, by the operator, by a new day.
import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { expectRetryAfter } from '../support/expect-error.ts';
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
  roleFrame,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { inOrder, type Rotator, startRotator } from '../support/server.ts';
import { StreamTap } from '../support/stream-tap.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const limited = (seconds: number) => refusal(429, { message: 'Rate limit reached' }, { 'retry-after': `${seconds}` });
const badKey = refusal(401, { message: 'Incorrect API key provided', code: 'invalid_api_key' });
const outOfCredit = refusal(402, { message: 'Insufficient Balance' });
const odd = refusal(418, { message: 'I am a teapot' });

async function keyAt(rotator: Rotator, at: number) {
  const key = (await rotator.status()).keys[at];
  if (!key) throw new Error(`no key ${at}`);
  return key;
}

/** Milliseconds until the first block of a key ends. */
async function restOf(rotator: Rotator, at: number, clock: LeapingClock): Promise<number> {
  const { blocks } = await keyAt(rotator, at);
  return Date.parse(blocks[0]?.until ?? '') - clock.now();
}

const act = async (rotator: Rotator, at: number, verb: string) => {
  const { id } = await keyAt(rotator, at);
  const response = await rotator.admin(`keys/${id}/${verb}`, { method: 'POST' });
  expect(response.status).toBe(200);
  return (await response.json()) as { ok?: boolean };
};

describe('after a long block', () => {
  const waiting = async (rotator: Rotator) => (await rotator.status()).waiting;

  test('one request goes first, then 1, 2 and 4 at a time, then all', async () => {
    const clock = new LeapingClock();
    const gates = Array.from({ length: 4 }, gate);
    await using upstream = await startUpstream({
      answer: ({ call }) => {
        const held = gates[call - 2];
        return call === 1 ? limited(600) : held ? after(held, answer('ok')) : answer('ok');
      },
    });
    await using rotator = await startRotator({ upstream, keys: ['one'], clock });
    await rotator.chat();
    clock.leap(600 * SECOND);
    const all = Promise.all(Array.from({ length: 20 }, () => rotator.chat()));
    // How many wait, and how many have been sent; each success lets as many go at a time as the next step allows.
    for (const [step, left] of [19, 18, 16].entries()) {
      await eventually(
        `${left} wait`,
        async () => (await waiting(rotator)) === left && upstream.calls.length === 21 - left,
      );
      expect(upstream.mostAtOnce('one')).toBe(step < 2 ? 1 : 2);
      gates[step]?.open();
    }
    gates[3]?.open();
    for (const { status } of await all) expect(status).toBe(200);
    expect(upstream.calls).toHaveLength(21);
  });

  test('a probe that fails blocks again, and the others were not sent', async () => {
    const clock = new LeapingClock();
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: [limited(600), after(held, limited(600)), answer('never')] },
    });
    await using rotator = await startRotator({ upstream, clock });
    await rotator.chat();
    clock.leap(600 * SECOND);
    const all = Array.from({ length: 5 }, () => rotator.chat());
    await eventually('four wait', async () => (await waiting(rotator)) === 4);
    held.open();
    for (const { status } of await Promise.all(all)) expect(status).toBe(429);
    expect(upstream.calls).toHaveLength(2);
  });

  test('a probe that streams has proved itself at its first word', async () => {
    const clock = new LeapingClock();
    const held = gate();
    const slow = stream([textFrame('a'), held, finishFrame(), doneFrame()]);
    await using upstream = await startUpstream({ keys: { one: [limited(600), slow, answer('ok')] } });
    await using rotator = await startRotator({ upstream, clock });
    await rotator.chat();
    clock.leap(600 * SECOND);
    const tap = new StreamTap(await rotator.stream());
    await tap.until('a');
    expect((await rotator.chat()).status).toBe(200);
    held.open();
    await tap.rest();
  });

  test('a probe whose client leaves makes room for another', async () => {
    const clock = new LeapingClock();
    await using upstream = await startUpstream({ keys: { one: [limited(600), (_, { gone }) => gone, answer('ok')] } });
    await using rotator = await startRotator({ upstream, clock });
    await rotator.chat();
    clock.leap(600 * SECOND);
    const leaving = new AbortController();
    const left = rotator.chat({}, { signal: leaving.signal });
    await eventually('the probe is there', () => upstream.calls.length === 2);
    const next = rotator.chat();
    await eventually('the next waits', async () => (await waiting(rotator)) === 1);
    leaving.abort();
    await expect(left).rejects.toThrow();
    expect((await next).status).toBe(200);
  });
});

describe('failures in a row that nobody explains', () => {
  test('rest a key on the model for 10, 30, 60, 120, 300, 300 s, until a success', async () => {
    const clock = new LeapingClock();
    await using upstream = await startUpstream({ keys: { one: [odd, odd, odd, odd, odd, odd, answer('ok'), odd] } });
    await using rotator = await startRotator({
      upstream,
      clock,
      random: () => 0.5,
      timeouts: { acquire: '1ms' },
      rotation: { wait_same_key: '0s' },
    });
    for (const seconds of [10, 30, 60, 120, 300, 300]) {
      await rotator.chat();
      expect(await restOf(rotator, 0, clock)).toBeWithin((seconds - 2) * SECOND, seconds * SECOND + 1);
      clock.leap(seconds * SECOND);
    }
    expect((await rotator.chat()).status).toBe(200);
    await rotator.chat();
    expect(await restOf(rotator, 0, clock)).toBeLessThan(11 * SECOND);
    expect(upstream.calls).toHaveLength(8);
  });

  test('are streams too that break after their first word', async () => {
    const clock = new LeapingClock();
    const broken = stream([textFrame('a')]);
    const whole = stream([textFrame('a'), finishFrame(), doneFrame()]);
    await using upstream = await startUpstream({ keys: { one: [broken, broken, broken, whole, broken] } });
    await using rotator = await startRotator({ upstream, clock, random: () => 0.5 });
    for (const seconds of [10, 30, 60, 0, 10]) {
      await (await rotator.stream()).text();
      if (seconds === 0) continue;
      expect(await restOf(rotator, 0, clock)).toBeWithin((seconds - 2) * SECOND, seconds * SECOND + 1);
      clock.leap(seconds * SECOND);
    }
  });

  test('on three models lock the key out for 5 minutes, and one request probes it', async () => {
    const clock = new LeapingClock();
    let isOdd = true;
    await using upstream = await startUpstream({
      answer: ({ key }) => (isOdd && key === 'one' ? odd : answer('ok')),
    });
    await using rotator = await startRotator({ upstream, clock, keys: inOrder('one', 'two') });
    for (const model of ['a', 'b', 'c', 'd']) await rotator.chat({ model: `mock/${model}` });
    expect(upstream.keysUsed).toEqual(['one', 'two', 'one', 'two', 'one', 'two', 'two']);
    const locked = await keyAt(rotator, 0);
    expect(locked.state).toBe('blocked');
    expect(locked.blocks.find(({ scope }) => scope === 'key')).toMatchObject({ kind: 'lockout' });
    isOdd = false;
    clock.leap(5 * MINUTE + SECOND);
    await rotator.chat({ model: 'mock/d' });
    expect(upstream.keysUsed.at(-1)).toBe('one');
    expect((await keyAt(rotator, 0)).state).toBe('ready');
  });

  test('on models of one group are one suspicion', async () => {
    await using upstream = await startUpstream({ answer: ({ key }) => (key === 'one' ? odd : answer('ok')) });
    await using rotator = await startRotator({
      upstream,
      keys: inOrder('one', 'two'),
      provider: { quota_groups: { all: ['a', 'b', 'c', 'd'] } },
    });
    for (const model of ['a', 'b', 'c', 'd']) await rotator.chat({ model: `mock/${model}` });
    expect((await keyAt(rotator, 0)).state).toBe('ready');
  });
});

describe('a rejected key', () => {
  test('is tried again after 5 minutes, half an hour and 6 hours, each time with one request, never more often', async () => {
    const clock = new LeapingClock();
    await using upstream = await startUpstream({ keys: { one: badKey, two: answer('two') } });
    await using rotator = await startRotator({ upstream, clock, random: () => 0.5 });
    for (const minutes of [5, 30, 360, 360]) {
      await rotator.chat();
      await rotator.chat();
      expect(await restOf(rotator, 0, clock)).toBeWithin(minutes * MINUTE - 5 * SECOND, minutes * MINUTE + 1);
      clock.leap(minutes * MINUTE);
    }
    expect(upstream.keysUsed.filter((key) => key === 'one')).toHaveLength(4);
  });

  test('that works again is as good as new', async () => {
    const clock = new LeapingClock();
    await using upstream = await startUpstream({ keys: { one: [badKey, answer('one'), badKey], two: answer('two') } });
    await using rotator = await startRotator({ upstream, clock, random: () => 0.5 });
    await rotator.chat();
    clock.leap(5 * MINUTE);
    expect(await keyAt(rotator, 0)).toMatchObject({ state: 'ready', rejections: 1 });
    await rotator.chat();
    expect(await keyAt(rotator, 0)).toMatchObject({ state: 'ready', rejections: 0 });
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'two', 'one', 'one', 'two']);
    expect(await restOf(rotator, 0, clock)).toBeLessThanOrEqual(5 * MINUTE);
  });
});

describe('a key without credit', () => {
  test('stays out through time, other models, days and reloads', async () => {
    const clock = new LeapingClock();
    await using upstream = await startUpstream({ keys: { one: [outOfCredit, answer('paid')], two: answer('two') } });
    await using rotator = await startRotator({ upstream, clock });
    await rotator.chat();
    clock.leap(10 * 24 * HOUR);
    rotator.apply({ upstream });
    await rotator.chat({ model: 'mock/other' });
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two']);
    expect((await keyAt(rotator, 0)).blocks).toMatchObject([{ kind: 'billing', until: null }]);
  });

  test('that asks for fewer tokens in a 402 stays in', async () => {
    const clock = new LeapingClock();
    const affordable = refusal(402, {
      message:
        'This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can only afford 5319.',
    });
    await using upstream = await startUpstream({ keys: { one: [affordable, answer('ok')] } });
    await using rotator = await startRotator({
      providers: { openrouter: { base_url: upstream.baseUrl, keys: ['one'] } },
      clock,
    });
    await rotator.chat({ model: 'openrouter/a/b' });
    expect((await keyAt(rotator, 0)).state).toBe('ready');
    clock.leap(MINUTE);
    expect((await rotator.chat({ model: 'openrouter/a/b' })).status).toBe(200);
  });
});

describe('a test of a key', () => {
  test('without credit is not passed by a list of models, which proves none', async () => {
    await using upstream = await startUpstream({
      keys: { one: [outOfCredit, outOfCredit, answer('paid')], two: answer('two') },
    });
    await using rotator = await startRotator({ upstream });
    await rotator.chat();
    expect(await act(rotator, 0, 'test')).toMatchObject({ ok: false, result: 'billing', status: 402 });
    expect((await keyAt(rotator, 0)).blocks).toMatchObject([{ kind: 'billing' }]);
    expect(await act(rotator, 0, 'test')).toMatchObject({ ok: true, message: 'mock/m answers' });
    expect((await keyAt(rotator, 0)).blocks).toEqual([]);
    // A key that is not out of credit is not made to spend any.
    const calls = upstream.calls.length;
    expect(await act(rotator, 1, 'test')).toMatchObject({ ok: true, message: 'lists 1 models' });
    expect(upstream.calls).toHaveLength(calls);
  });

  const cases: [string, Answer, string][] = [
    ['rejected', badKey, 'auth'],
    ['out of credit', outOfCredit, 'billing'],
  ];
  test.each(cases)('that passes brings one back that was %s, at once and fully', async (_, script, kind) => {
    await using upstream = await startUpstream({ keys: { one: [script, answer('back')], two: answer('two') } });
    await using rotator = await startRotator({ upstream });
    await rotator.chat();
    expect((await keyAt(rotator, 0)).blocks).toMatchObject([{ kind }]);
    expect(await act(rotator, 0, 'test')).toMatchObject({ ok: true });
    expect(await keyAt(rotator, 0)).toMatchObject({ state: 'ready', blocks: [] });
    const both = await Promise.all([rotator.chat(), rotator.chat()]);
    for (const { status } of both) expect(status).toBe(200);
    expect(upstream.keysUsed.slice(2)).toContain('one');
  });

  test('that fails changes nothing, and neither does one that passes for a limit that is reached', async () => {
    let isListed = false;
    await using upstream = await startUpstream({
      keys: { one: badKey, two: limited(600), three: answer('ok') },
      models: async (wire, request) =>
        isListed && request.key !== 'one' ? answer('list')(wire, request) : badKey(wire, request),
    });
    await using rotator = await startRotator({ upstream });
    await rotator.chat();
    isListed = true;
    const before = (await rotator.keys()).map(({ blocks }) => blocks);
    expect(await act(rotator, 0, 'test')).toMatchObject({ ok: false });
    await act(rotator, 1, 'test');
    expect((await rotator.keys()).map(({ blocks }) => blocks)).toEqual(before);
  });
});

describe('the operator', () => {
  test('resets a key, and it serves at once', async () => {
    await using upstream = await startUpstream({ keys: { one: [limited(3600), answer('one')], two: answer('two') } });
    await using rotator = await startRotator({ upstream });
    await rotator.chat();
    await act(rotator, 0, 'reset');
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'two', 'one']);
  });

  test('disables a key at once, while its open stream runs on, and enables it again', async () => {
    const held = gate();
    const slow = stream([textFrame('a'), held, textFrame('z'), finishFrame(), doneFrame()]);
    await using upstream = await startUpstream({ keys: { one: [slow, answer('one')], two: answer('two') } });
    await using rotator = await startRotator({ upstream });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('a');
    await act(rotator, 0, 'disable');
    await rotator.chat();
    expect((await keyAt(rotator, 0)).state).toBe('disabled');
    held.open();
    expect(await tap.rest()).toContain('"z"');
    await act(rotator, 0, 'enable');
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'two', 'one']);
  });

  test('wakes who waits by a reset', async () => {
    await using upstream = await startUpstream({ keys: { one: [limited(20), answer('ok')] } });
    await using rotator = await startRotator({ upstream, rotation: { wait_same_key: '30s' } });
    const pending = rotator.chat();
    await eventually('it waits', async () => (await rotator.status()).waiting === 1);
    await act(rotator, 0, 'reset');
    expect((await pending).status).toBe(200);
  });
});

describe('a new day', () => {
  test('clears ladders and guesses; a vendor’s time, a missing credit and the count of rejections stay', async () => {
    const clock = new LeapingClock(Date.UTC(2026, 0, 15, 23, 59, 0));
    await using upstream = await startUpstream({
      keys: { odd, bad: [badKey, badKey], poor: outOfCredit, told: limited(3000), good: answer('ok') },
    });
    await using rotator = await startRotator({
      upstream,
      clock,
      random: () => 0.5,
      rotation: { cooldowns: { ladder: ['5m'] } },
    });
    await rotator.chat();
    clock.leap(MINUTE);
    const kinds = (await rotator.keys()).map(({ blocks }) => blocks.map(({ kind }) => kind));
    expect(kinds).toEqual([[], [], ['billing'], ['rate_limit'], []]);
    await rotator.chat();
    expect(await restOf(rotator, 1, clock)).toBeWithin(29 * MINUTE, 30 * MINUTE + 1);
    expect(upstream.keysUsed).toEqual(['odd', 'bad', 'poor', 'told', 'good', 'odd', 'bad', 'good']);
  });

  test('begins in the zone that was named', async () => {
    const clock = new LeapingClock(Date.UTC(2026, 0, 15, 7, 59, 30));
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    await using rotator = await startRotator({
      upstream,
      clock,
      keys: [{ key: 'one', limits: { rpd: 1 } }],
      rotation: { daily_reset: '00:00', timezone: 'America/Los_Angeles', wait_same_key: '0s' },
      timeouts: { acquire: '1ms' },
    });
    await rotator.chat();
    expect(expectRetryAfter(await rotator.chat())).toBeLessThanOrEqual(30);
    clock.leap(30 * SECOND);
    expect((await rotator.chat()).status).toBe(200);
    expect((await rotator.status()).today).toMatchObject({ since: '2026-01-15T08:00:00.000Z', requests: 1 });
  });
});

describe('a reload', () => {
  test('keeps counters, windows, blocks, conversations, leases and streams', async () => {
    const held = gate();
    const slow = stream([textFrame('a'), held, finishFrame(), doneFrame()]);
    await using upstream = await startUpstream({
      keys: { one: limited(600), two: [answer('2'), slow, answer('2')], three: answer('3') },
    });
    const keys = inOrder('one', 'two').map((key) => ({ ...key, limits: { rpm: 10, concurrency: 2 } }));
    const options = { upstream, keys, clock: new LeapingClock() };
    await using rotator = await startRotator(options);
    const headers = { 'x-session-id': 's' };
    await rotator.chat({}, { headers });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('a');
    const before = (await rotator.status()).keys;
    rotator.apply({ ...options, keys: [{ key: 'three', priority: 1 }, ...keys], timeouts: { idle: '1m' } });
    expect((await rotator.status()).keys.slice(1)).toEqual([...before]);
    expect(before[1]).toMatchObject({ in_flight: 1, windows: [{ name: 'rpm', used: 2 }] });
    await rotator.chat({}, { headers });
    expect(upstream.keysUsed.at(-1)).toBe('two');
    held.open();
    await tap.rest();
    await eventually('the stream is settled', async () => (await keyAt(rotator, 2)).in_flight === 0);
    expect((await keyAt(rotator, 2)).usage.requests).toBe(3);
  });

  test('takes a key out: it finishes what it has, gets nothing new, and whoever waits for it is refused', async () => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: after(held, answer('one')), two: answer('two') } });
    const provider = { concurrency: { max_per_key: 1 } };
    await using rotator = await startRotator({ upstream, keys: ['one'], provider });
    const first = rotator.chat();
    await held.reached;
    const second = rotator.chat();
    await eventually('it waits', async () => (await rotator.status()).waiting === 1);
    rotator.apply({ upstream, keys: ['two'], provider });
    expect((await second).status).toBe(200);
    held.open();
    expect((await first).status).toBe(200);
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });
});

describe('a stream that breaks off', () => {
  const breaks = [
    ['before its first word', [roleFrame()], 'fin'],
    ['without a frame', [], 'reset'],
    ['in the middle', [roleFrame(), textFrame('part')], 'half-chunk'],
  ] as const;
  test.each(breaks)('%s is one step up the ladder, and the next goes elsewhere', async (_, frames, end) => {
    await using upstream = await startUpstream({
      keys: { one: stream([...frames], { end }), two: chatStream('whole') },
    });
    await using rotator = await startRotator({ upstream, clock: new LeapingClock() });
    await (await rotator.stream()).text();
    const key = await keyAt(rotator, 0);
    expect(key.blocks).toMatchObject([{ scope: 'model:m', kind: 'ladder' }]);
    expect(await (await rotator.stream()).text()).toContain('whole');
    expect(upstream.keysUsed.filter((used) => used === 'one')).toHaveLength(1);
  });

  test('no whole answer is one: a reply that is cut short blames no key', async () => {
    const half: Answer = async (wire) => {
      await wire.head(200, { 'content-type': 'application/json', 'content-length': '500' });
      await wire.raw('{"choices":[');
      wire.fin();
    };
    await using upstream = await startUpstream({ keys: { one: half, two: answer('whole') } });
    await using rotator = await startRotator({ upstream });
    expect((await rotator.chat()).status).toBe(200);
    expect((await keyAt(rotator, 0)).blocks).toEqual([]);
  });
});
