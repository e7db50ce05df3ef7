// Limits of the user's own, and what providers tell of theirs when they are asked: over real sockets.
import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QuotaRefresh, RouteReport, StatusReport } from '../../src/gateway/operations.ts';
import { eventually } from '../support/eventually.ts';
import { expectError, expectRetryAfter } from '../support/expect-error.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { answer, gate, after, refusal, reply, type Received, startUpstream } from '../support/scripted-upstream.ts';
import { inOrder, type Rotator, startRotator } from '../support/server.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const keysOf = async (rotator: Rotator): Promise<StatusReport['keys']> => (await rotator.status()).keys;

describe('a cap of the config', () => {
  test('is not passed by requests that come together, and the next key takes over', async () => {
    const open = gate();
    await using upstream = await startUpstream({ answer: () => after(open, answer('ok')) });
    await using rotator = await startRotator({
      upstream,
      keys: inOrder('one', 'two'),
      provider: { caps: [{ max_requests: 2, window: '1h' }] },
    });
    const replies = Array.from({ length: 4 }, () => rotator.chat());
    await eventually('all four are there', () => upstream.calls.length === 4);
    open.open();
    for (const one of replies) expect((await one).status).toBe(200);
    expect(upstream.keysUsed.filter((key) => key === 'one')).toHaveLength(2);
    const refused = await rotator.chat();
    await expectError(refused, { status: 429, type: 'rate_limit_error' });
    expect(upstream.calls).toHaveLength(4);
  });

  test('says when it is over, and is over then; status and test-route tell of it', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('ok') } });
    const clock = new LeapingClock();
    const caps = [{ models: ['m'], tier_name: 'free', max_requests: '50%', on_reached: 'until_reset+1h' }];
    const keys = [{ key: 'one', tier_name: 'free', limits: { rpd: 3 } }];
    await using rotator = await startRotator({ upstream, clock, keys, provider: { caps } });
    expect((await rotator.chat()).status).toBe(200);
    // Noon: twelve hours to midnight, and one more.
    expect(expectRetryAfter(await rotator.chat())).toBeWithin(13 * 3600 - 10, 13 * 3600 + 1);
    expect((await rotator.chat({ model: 'mock/other' })).status).toBe(200);
    const status = (await (await rotator.admin('status')).json()) as StatusReport;
    expect(status.keys[0]?.blocks).toMatchObject([{ scope: 'model:m', kind: 'custom_cap', source: 'config' }]);
    expect(status.keys[0]?.caps).toMatchObject([
      {
        scope: 'model:m',
        models: ['m'],
        tier_name: 'free',
        max_requests: '50%',
        window: 'daily',
        used: 1,
        limit: 1,
        remaining: 0,
        reset_at: '2026-01-16T00:00:00.000Z',
        rests_until: '2026-01-16T01:00:00.000Z',
        note: null,
      },
    ]);
    const route = await rotator.admin('test-route', { method: 'POST', body: { model: 'mock/m' } });
    expect(JSON.stringify(await route.json())).toContain('custom_cap for 13 h (config)');
    clock.leap(13 * HOUR);
    expect((await rotator.chat()).status).toBe(200);
  });

  test('survives a restart and a reload', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'rotator-caps-'));
    try {
      await using upstream = await startUpstream({ keys: { one: answer('ok') } });
      const clock = new LeapingClock();
      const options = { upstream, clock, stateDir, provider: { caps: [{ max_requests: 2 }] } };
      const first = await startRotator(options);
      await first.chat();
      await first.chat();
      await first.stop();
      await using second = await startRotator(options);
      expect((await second.chat()).status).toBe(429);
      second.apply({ ...options, provider: { caps: [{ max_requests: 3 }] } });
      expect((await second.chat()).status).toBe(200);
      expect((await second.chat()).status).toBe(429);
    } finally {
      rmSync(stateDir, { recursive: true, force: true });
    }
  });
});

describe('a fair cycle', () => {
  const quota = refusal(429, { message: 'You exceeded your current quota' }, { 'retry-after': '600' });
  const cycling = (more: object = {}) => ({ rotation: { mode: 'sequential' }, ...more });
  const verdicts = async (rotator: Rotator) => {
    const route = await rotator.admin('test-route', { method: 'POST', body: { model: 'mock/m' } });
    const { targets } = (await route.json()) as RouteReport;
    return targets[0]?.credentials.map(({ verdict }) => verdict);
  };

  test('keeps who was used up out until the others are, also over a restart, and begins again after its time', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'rotator-cycle-'));
    try {
      await using upstream = await startUpstream({
        keys: { one: [quota, answer('ok')], two: [answer('ok'), answer('ok'), quota] },
      });
      const clock = new LeapingClock();
      const options = {
        upstream,
        clock,
        stateDir,
        keys: ['one', 'two'],
        provider: cycling({ fair_cycle: { duration: '1d' } }),
      };
      const first = await startRotator(options);
      expect((await first.chat()).status).toBe(200);
      clock.leap(11 * MINUTE);
      expect(await verdicts(first)).toEqual(['fair_cycle', 'chosen']);
      await first.stop();
      await using second = await startRotator(options);
      expect((await second.chat()).status).toBe(200);
      expect(upstream.keysUsed).toEqual(['one', 'two', 'two']);
      expect(await verdicts(second)).toEqual(['fair_cycle', 'chosen']);
      // The cycle is over. The next one begins with the next that is used up, as the first did.
      clock.leap(24 * HOUR);
      expect(await verdicts(second)).toEqual(['ready', 'chosen']);
      expect((await second.chat()).status).toBe(200);
      expect(upstream.keysUsed.slice(3)).toEqual(['two', 'one']);
      clock.leap(11 * MINUTE);
      expect(await verdicts(second)).toEqual(['chosen', 'fair_cycle']);
    } finally {
      rmSync(stateDir, { recursive: true, force: true });
    }
  });

  test('does not end because one request has tried all but one', async () => {
    await using upstream = await startUpstream({
      keys: {
        one: [quota, answer('ok')],
        two: [answer('ok'), refusal(500, { message: 'oops' }), answer('ok')],
      },
    });
    const clock = new LeapingClock();
    await using rotator = await startRotator({
      upstream,
      clock,
      keys: ['one', 'two'],
      provider: cycling({ rotation: { mode: 'sequential', retries_same_key: 0 } }),
    });
    await rotator.chat();
    clock.leap(11 * MINUTE);
    // The only one that is not used up fails with 500: one that sits out serves, and goes on sitting out.
    expect((await rotator.chat()).status).toBe(200);
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two', 'one']);
    clock.leap(MINUTE);
    expect(await verdicts(rotator)).toEqual(['fair_cycle', 'chosen']);
  });

  test('is off in mode balanced unless it is asked for', async () => {
    for (const [provider, expected] of [
      [{}, false],
      [{ fair_cycle: { enabled: true } }, true],
      [cycling({ fair_cycle: { enabled: false } }), false],
    ] as const) {
      await using upstream = await startUpstream({ keys: { one: [quota, answer('ok')], two: answer('ok') } });
      const clock = new LeapingClock();
      await using rotator = await startRotator({ upstream, clock, keys: ['one', 'two'], random: () => 0, provider });
      await rotator.chat();
      expect(upstream.keysUsed).toEqual(['one', 'two']);
      clock.leap(11 * MINUTE);
      expect((await verdicts(rotator))?.[0] === 'fair_cycle').toBe(expected);
    }
  });
});

describe('a provider that can be asked', () => {
  const isQuestion = ({ method, path }: Received) => method === 'GET' && path === '/users/me/quota_usage/me';
  /** Chutes as a stand-in under another address: `used` of 300 by key. */
  const chutes = (used: Record<string, number>) =>
    startUpstream({
      answer: (request) => {
        if (!isQuestion(request)) return answer('ok');
        const spent = used[request.key ?? ''];
        return spent === undefined
          ? refusal(401, { message: 'Invalid token' })
          : reply(200, { quota: 300, used: spent });
      },
    });
  const start = (upstream: { baseUrl: string }, clock: LeapingClock, more: object = {}) =>
    startRotator({
      clock,
      providers: {
        chutes: { base_url: upstream.baseUrl, keys: inOrder('one', 'two'), ...more },
        mock: { base_url: upstream.baseUrl, keys: ['three'] },
      },
    });
  const chat = (rotator: Rotator) => rotator.chat({ model: 'chutes/m' });

  test('is asked now by quota/refresh; who cannot be asked and what went wrong are named', async () => {
    await using upstream = await chutes({ one: 136.2 });
    await using rotator = await start(upstream, new LeapingClock());
    const refreshed = (await (await rotator.admin('quota/refresh', { method: 'POST' })).json()) as QuotaRefresh;
    const [one, two] = await keysOf(rotator);
    expect(refreshed).toEqual({
      refreshed: [{ provider: 'chutes', credentials: 1 }],
      unsupported: ['mock'],
      errors: [{ provider: 'chutes', credential: two?.id ?? '', message: expect.stringContaining('Invalid token') }],
    });
    expect(one?.windows).toEqual([
      {
        scope: 'key',
        name: 'day',
        unit: 'requests',
        used: 136.2,
        limit: 300,
        remaining: 163.8,
        reset_at: '2026-01-16T00:00:00.000Z',
        room_at: null,
        source: 'polled',
      },
    ]);
    // A question is no traffic: a key that may not ask is not blocked for it.
    expect(two?.blocks).toEqual([]);
    const [question] = upstream.requests.filter(isQuestion);
    expect(question?.headers.get('user-agent')).toStartWith('rotator/');
    expect(question?.headers.get('content-type')).toBeNull();
  });

  test('is asked every 300 s for the keys in use, and only for those', async () => {
    const used = { one: 299, two: 0 };
    await using upstream = await chutes(used);
    const clock = new LeapingClock();
    await using rotator = await start(upstream, clock);
    const asked = () => upstream.requests.filter(isQuestion).map(({ key }) => key);
    clock.leap(301 * SECOND);
    await chat(rotator);
    expect(asked()).toEqual([]);
    used.one = 300;
    clock.leap(301 * SECOND);
    await eventually('its answer is known', async () => ((await keysOf(rotator))[0]?.blocks.length ?? 0) > 0);
    expect(asked()).toEqual(['one']);
    expect((await keysOf(rotator))[0]?.blocks).toMatchObject([
      { scope: 'key', kind: 'quota', until: '2026-01-16T00:00:00.000Z', source: 'quota-poll' },
    ]);
    await chat(rotator);
    expect(upstream.keysUsed).toEqual(['one', 'two']);
    clock.leap(301 * SECOND);
    await eventually('the other is asked', () => asked().length === 2);
    expect(asked()).toEqual(['one', 'two']);
    // More was bought meanwhile.
    used.one = 10;
    await rotator.admin('quota/refresh', { method: 'POST' });
    await chat(rotator);
    expect(upstream.keysUsed).toEqual(['one', 'two', 'one']);
  });

  test('is what an authoritative cap goes by', async () => {
    await using upstream = await chutes({ one: 238, two: 0 });
    await using rotator = await start(upstream, new LeapingClock(), {
      caps: [{ max_requests: '80%', window: 'authoritative' }],
    });
    await rotator.admin('quota/refresh', { method: 'POST' });
    for (let i = 0; i < 3; i++) await chat(rotator);
    expect(upstream.keysUsed).toEqual(['one', 'one', 'two']);
    expect((await keysOf(rotator))[0]?.blocks).toMatchObject([
      { kind: 'custom_cap', until: '2026-01-16T00:00:00.000Z' },
    ]);
  });

  test('and does not answer is an error with its name, in time', async () => {
    await using rotator = await start({ baseUrl: 'http://127.0.0.1:1/v1' }, new LeapingClock());
    const { errors } = (await (await rotator.admin('quota/refresh', { method: 'POST' })).json()) as QuotaRefresh;
    expect(errors).toHaveLength(2);
    for (const { message } of errors) expect(message).toStartWith('chutes: ');
  });
});
