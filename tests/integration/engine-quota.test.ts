// Quotas: groups of models, keys of one project, days and minutes, and what can never be had.
import { describe, expect, test } from 'bun:test';
import type { StatusReport } from '../../src/gateway/operations.ts';
import { expectRetryAfter } from '../support/expect-error.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import {
  type Answer,
  answer,
  refusal,
  reply,
  type ScriptedUpstream,
  startUpstream,
} from '../support/scripted-upstream.ts';
import { clientKey, inOrder, type Rotator, startRotator } from '../support/server.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const limited = (seconds: number, message = 'Rate limit reached') =>
  refusal(429, { message }, { 'retry-after': `${seconds}` });
const keyAt = async (rotator: Rotator, at: number): Promise<StatusReport['keys'][number]> => {
  const key = (await rotator.status()).keys[at];
  if (!key) throw new Error(`no key ${at}`);
  return key;
};

describe('a quota group', () => {
  const provider = { quota_groups: { pro: ['big-*', 'bigger'] } };

  test('rests as a whole when one of its models is refused; the others go on', async () => {
    await using upstream = await startUpstream({
      answer: ({ key, text }) => (key === 'one' && text.includes('"big-1"') ? limited(600) : answer('ok')),
    });
    await using rotator = await startRotator({ upstream, keys: inOrder('one', 'two'), provider });
    for (const model of ['big-1', 'big-2', 'bigger', 'small']) await rotator.chat({ model: `mock/${model}` });
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two', 'two', 'one']);
    expect((await keyAt(rotator, 0)).blocks).toMatchObject([{ scope: 'group:pro' }]);
  });

  test('comes back as a whole, with one request first', async () => {
    await using upstream = await startUpstream({ keys: { one: [limited(600), answer('ok')] } });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, clock, provider });
    expect(expectRetryAfter(await rotator.chat({ model: 'mock/big-1' }))).toBeWithin(590, 601);
    expect((await rotator.chat({ model: 'mock/big-2' })).status).toBe(429);
    expect(upstream.calls).toHaveLength(1);
    clock.leap(600 * SECOND);
    expect((await rotator.chat({ model: 'mock/big-2' })).status).toBe(200);
    expect((await rotator.chat({ model: 'mock/big-1' })).status).toBe(200);
  });
});

describe('a quota pool', () => {
  const daily = refusal(
    429,
    { message: 'You exceeded your current quota: requests per day' },
    { 'retry-after': '7200' },
  );
  const keys = [
    { key: 'one', priority: 1, quota_pool: 'project' },
    { key: 'two', priority: 2, quota_pool: 'project' },
    { key: 'three', priority: 3 },
  ];

  test('shares a quota that one of its keys has used up, and no other key does', async () => {
    await using upstream = await startUpstream({
      answer: ({ key, text }) => (key === 'one' && text.includes('"m"') ? daily : answer('ok')),
    });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, keys, clock });
    await rotator.chat();
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'three', 'three']);
    const [one, two, three] = (await rotator.status()).keys;
    expect(one?.blocks).toMatchObject([{ scope: 'model:m', kind: 'quota' }]);
    expect(two?.blocks).toEqual([...(one?.blocks ?? [])]);
    expect(three?.blocks).toEqual([]);
    await rotator.chat({ model: 'mock/other' });
    expect(upstream.keysUsed.at(-1)).toBe('one');
    clock.leap(2 * HOUR);
    expect((await keyAt(rotator, 1)).blocks).toEqual([]);
  });

  test('does not share a mere rate limit, nor a rejected key', async () => {
    await using upstream = await startUpstream({ keys: { one: limited(30), two: refusal(401), three: answer('ok') } });
    await using rotator = await startRotator({ upstream, keys });
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'two', 'three']);
  });

  test('tells a key that joins it later', async () => {
    await using upstream = await startUpstream({ keys: { one: daily, two: answer('2'), three: answer('3') } });
    await using rotator = await startRotator({ upstream, keys: keys.filter(({ key }) => key !== 'two') });
    await rotator.chat();
    rotator.apply({ upstream, keys });
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'three', 'three']);
  });
});

/** An answer of Gemini's. */
const says = (text: string): Answer =>
  reply(200, {
    candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
  });

/** Google's own words. */
function googleQuota(id: string, more: { retryDelay?: string; message?: string } = {}): Answer {
  return reply(429, [
    {
      error: {
        code: 429,
        message: more.message ?? 'You exceeded your current quota, please check your plan and billing details.',
        status: 'RESOURCE_EXHAUSTED',
        details: [
          { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [{ quotaId: id, quotaValue: '20' }] },
          ...(more.retryDelay
            ? [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: more.retryDelay }]
            : []),
        ],
      },
    },
  ]);
}

/** The first call for the model gets one answer, and everything else the other. */
const onFirstCallOf =
  (model: string, first: Answer, other: Answer): Answer =>
  (wire, request) =>
    (request.path.includes(model) && request.call === 1 ? first : other)(wire, request);

const PER_DAY = 'GenerateRequestsPerDayPerProjectPerModel-FreeTier';
const PER_MINUTE = 'GenerateRequestsPerMinutePerProjectPerModel-FreeTier';

function gemini(upstream: ScriptedUpstream, clock: LeapingClock, rotation: object = {}): Promise<Rotator> {
  return startRotator({
    clock,
    yaml: JSON.stringify({
      server: { client_keys: [{ name: 'test', key: clientKey }] },
      rotation: { wait_same_key: '0s', ...rotation },
      providers: { gemini: { base_url: upstream.baseUrl, keys: inOrder(...upstream.keys) } },
    }),
  });
}

const model = { model: 'gemini/gemini-2.5-flash' };

describe('a limit that is called “per day”', () => {
  test('and is said to be over in 36 s is asked again then, and held until the reset when it is named again', async () => {
    await using upstream = await startUpstream({ keys: { one: googleQuota(PER_DAY, { retryDelay: '36s' }) } });
    const clock = new LeapingClock();
    await using rotator = await gemini(upstream, clock);
    expect(expectRetryAfter(await rotator.chat(model))).toBeWithin(30, 37);
    expect((await rotator.chat(model)).status).toBe(429);
    expect(upstream.calls).toHaveLength(1);
    clock.leap(37 * SECOND);
    const again = await rotator.chat(model);
    expect(upstream.calls).toHaveLength(2);
    expect(expectRetryAfter(again)).toBeGreaterThan((3 * HOUR) / SECOND);
    const [block] = (await keyAt(rotator, 0)).blocks;
    expect(block).toMatchObject({ kind: 'quota', source: 'daily-reset' });
    clock.leap(6 * HOUR);
    await rotator.chat(model);
    expect(upstream.calls).toHaveLength(2);
    clock.leap(24 * HOUR);
    await rotator.chat(model);
    expect(upstream.calls).toHaveLength(3);
  });

  test('and was over in 36 s indeed leaves nothing behind', async () => {
    const perDay = googleQuota(PER_DAY, { retryDelay: '36s' });
    await using upstream = await startUpstream({ keys: { one: [perDay, says('ok'), perDay, says('ok')] } });
    const clock = new LeapingClock();
    await using rotator = await gemini(upstream, clock);
    for (let i = 0; i < 2; i++) {
      expect(expectRetryAfter(await rotator.chat(model))).toBeWithin(30, 37);
      clock.leap(37 * SECOND);
      expect((await rotator.chat(model)).status).toBe(200);
    }
    expect((await keyAt(rotator, 0)).blocks).toEqual([]);
  });

  test('with a long time is believed: until then', async () => {
    await using upstream = await startUpstream({ keys: { one: googleQuota(PER_DAY, { retryDelay: '17100s' }) } });
    const clock = new LeapingClock();
    await using rotator = await gemini(upstream, clock);
    await rotator.chat(model);
    const [block] = (await keyAt(rotator, 0)).blocks;
    expect(block?.kind).toBe('quota');
    expect(Date.parse(block?.until ?? '') - clock.now()).toBeWithin(17_090 * SECOND, 17_101 * SECOND);
  });
});

test('a limit of a minute without a time ends after a minute, however often it is met', async () => {
  await using upstream = await startUpstream({ keys: { one: googleQuota(PER_MINUTE) } });
  const clock = new LeapingClock();
  await using rotator = await gemini(upstream, clock);
  for (let i = 0; i < 4; i++) {
    expect(expectRetryAfter(await rotator.chat(model))).toBeWithin(50, 67);
    clock.leap(67 * SECOND);
  }
});

describe('“limit: 0”', () => {
  const none = googleQuota(PER_DAY, { retryDelay: '36s', message: 'Quota exceeded, limit: 0, model: gemini-2.5-pro' });

  test('takes that model from that key for good, and leaves the others', async () => {
    await using upstream = await startUpstream({
      // Calls are counted for each path, and each model has its own.
      keys: { one: onFirstCallOf('gemini-2.5-pro', none, says('one')), two: says('two') },
    });
    const clock = new LeapingClock();
    await using rotator = await gemini(upstream, clock);
    expect((await rotator.chat({ model: 'gemini/gemini-2.5-pro' })).status).toBe(200);
    clock.leap(48 * HOUR);
    await rotator.chat({ model: 'gemini/gemini-2.5-pro' });
    await rotator.chat(model);
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two', 'one']);
    const key = await keyAt(rotator, 0);
    expect(key.blocks).toMatchObject([{ scope: 'model:gemini-2.5-pro', until: null }]);
    await rotator.admin(`keys/${key.id}/reset`, { method: 'POST' });
    await rotator.chat({ model: 'gemini/gemini-2.5-pro' });
    expect(upstream.keysUsed.at(-1)).toBe('one');
  });

  test.each(['limit: 0.5', 'limit: 10'])('is not read into “%s”', async (words) => {
    await using upstream = await startUpstream({
      keys: { one: googleQuota(PER_MINUTE, { retryDelay: '36s', message: `Quota exceeded, ${words}` }) },
    });
    await using rotator = await gemini(upstream, new LeapingClock());
    await rotator.chat(model);
    expect((await keyAt(rotator, 0)).blocks[0]?.until).not.toBeNull();
  });
});
