// What a client key may use is kept before anything is sent, and counted when it is over: what arrives is the proof.
import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StatusReport } from '../../src/gateway/operations.ts';
import { eventually } from '../support/eventually.ts';
import { expectError, expectRetryAfter } from '../support/expect-error.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import {
  type Answer,
  answer,
  chatStream,
  gate,
  refusal,
  reply,
  roleFrame,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, type RotatorOptions, startRotator } from '../support/server.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const limited = (limits: object, more: object = {}): RotatorOptions => ({
  server: { client_keys: [{ name: 'test', key: clientKey, limits, ...more }] },
});
const withUsage = (total: number): Answer =>
  answer('ok', { usage: { prompt_tokens: total - 1, completion_tokens: 1, total_tokens: total } });
const priced = { sections: { pricing: { refresh: 0, overrides: { 'mock/*': { input: 1e6, output: 1e6 } } } } };

const logged = (rotator: Rotator) =>
  rotator.app.operations.requests({ limit: 10, failedOnly: false, before: null, after: null });

async function isRefused(response: Response): Promise<number> {
  const seconds = expectRetryAfter(response);
  const error = await expectError(response, { status: 429, type: 'rate_limit_error', code: 'client_limit' });
  expect(error.message).toContain('the client key "test" has used up its limit of');
  return seconds;
}

describe('a client over its requests per minute', () => {
  test('is refused before anything is sent, in a burst too, and served again a minute later', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, keys: ['one'], clock, ...limited({ rpm: 5 }) });
    for (let minute = 1; minute <= 2; minute++) {
      const responses = await Promise.all(Array.from({ length: 30 }, () => rotator.chat()));
      expect(responses.filter(({ status }) => status === 200)).toHaveLength(5);
      for (const response of responses) {
        if (response.status !== 200) expect(await isRefused(response)).toBeWithin(55, 61);
      }
      expect(upstream.calls).toHaveLength(5 * minute);
      clock.leap(MINUTE);
    }
  });

  test('says so in the log, and blames no credential', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    await using rotator = await startRotator({ upstream, keys: ['one'], ...limited({ rpm: 1 }) });
    await rotator.chat();
    await isRefused(await rotator.chat());
    const [line] = await logged(rotator);
    expect(line).toMatchObject({ client: 'test', status: 429, failure: 'client-limit', attempts: [] });
    expect((await rotator.keys())[0]).toMatchObject({ state: 'ready', blocks: [] });
  });

  test('is refused with its real status on a stream', async () => {
    await using upstream = await startUpstream({ answer: () => chatStream('ok') });
    await using rotator = await startRotator({ upstream, keys: ['one'], ...limited({ rpm: 1 }) });
    expect(await (await rotator.stream()).text()).toContain('[DONE]');
    await isRefused(await rotator.stream());
  });

  test('pays nothing for what never reached an upstream', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    await using rotator = await startRotator({ upstream, keys: ['one'], ...limited({ rpm: 1 }) });
    expect((await rotator.chat({ model: 'mock' })).status).toBe(404);
    expect((await rotator.chat('{')).status).toBe(400);
    expect((await rotator.chat()).status).toBe(200);
    await isRefused(await rotator.chat());
  });

  test('pays for what an upstream refused', async () => {
    await using upstream = await startUpstream({ answer: () => refusal(400) });
    await using rotator = await startRotator({ upstream, keys: ['one'], ...limited({ rpm: 1 }) });
    expect((await rotator.chat()).status).toBe(400);
    await isRefused(await rotator.chat());
  });
});

describe('what is left of the limits', () => {
  const left = async (rotator: Rotator) => ((await (await rotator.admin('status')).json()) as StatusReport).clients;

  test('is told to the operator: used up by a burst, and there again when its time has come', async () => {
    await using upstream = await startUpstream({ answer: () => withUsage(100) });
    const clock = new LeapingClock();
    const client_keys = [
      { name: 'free', key: 'sk-rotator-free' },
      { name: 'test', key: clientKey, limits: { rpm: 3, tpm: '20k', rpd: 10, usd_per_day: 1000, usd_per_month: 2000 } },
    ];
    await using rotator = await startRotator({ upstream, keys: ['one'], clock, ...priced, server: { client_keys } });
    const midnight = '2026-01-16T00:00:00.000Z';
    expect(await left(rotator)).toMatchObject([
      { name: 'test', windows: Array.from({ length: 5 }, () => ({ used: 0, reset_at: null })) },
    ]);
    const responses = await Promise.all(Array.from({ length: 5 }, () => rotator.chat({ max_tokens: 10 })));
    const waits = responses.filter(({ status }) => status === 429).map((response) => expectRetryAfter(response));
    expect(waits).toHaveLength(2);
    const minute = expect.stringMatching(/^2026-01-15T12:01:/);
    const about = { scope: 'key', source: 'config', room_at: null } as const;
    await eventually('all are over', async () => (await logged(rotator)).length === 5);
    expect(await left(rotator)).toEqual([
      {
        name: 'test',
        windows: [
          {
            ...about,
            name: 'rpm',
            unit: 'requests',
            used: 3,
            limit: 3,
            remaining: 0,
            reset_at: minute,
            room_at: minute,
          },
          { ...about, name: 'tpm', unit: 'tokens', used: 300, limit: 20_000, remaining: 19_700, reset_at: minute },
          { ...about, name: 'rpd', unit: 'requests', used: 3, limit: 10, remaining: 7, reset_at: midnight },
          { ...about, name: 'usd_per_day', unit: 'usd', used: 300, limit: 1000, remaining: 700, reset_at: midnight },
          {
            ...about,
            name: 'usd_per_month',
            unit: 'usd',
            used: 300,
            limit: 2000,
            remaining: 1700,
            reset_at: '2026-02-01T00:00:00.000Z',
          },
        ],
      },
    ]);
    clock.leap(Math.max(...waits) * SECOND);
    const remaining = async () => (await left(rotator))[0]?.windows.map((window) => window.remaining);
    expect(await remaining()).toEqual([3, 20_000, 7, 700, 1700]);
    expect((await rotator.chat({ max_tokens: 10 })).status).toBe(200);
    clock.leap(12 * 60 * MINUTE);
    expect(await remaining()).toEqual([3, 20_000, 10, 1000, 1600]);
  });

  test('is told of those that a reload gives limits, with what they had used before', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    await rotator.chat();
    expect(await left(rotator)).toEqual([]);
    rotator.apply({ upstream, keys: ['one'], ...limited({ rpd: 3 }) });
    expect(await left(rotator)).toMatchObject([{ name: 'test', windows: [{ name: 'rpd', used: 1, remaining: 2 }] }]);
    rotator.apply({ upstream, keys: ['one'] });
    expect(await left(rotator)).toEqual([]);
  });
});

type Surface = {
  readonly path: (isStream: boolean) => string;
  readonly body: (isStream: boolean) => object;
  /** Of its envelope for a client over its limit. */
  readonly refusal: object;
};

const surfaces: Readonly<Record<string, Surface>> = {
  chat: {
    path: () => '/v1/chat/completions',
    body: (stream) => ({ model: 'mock/m', stream, messages: [{ role: 'user', content: 'hi' }] }),
    refusal: { error: { type: 'rate_limit_error', code: 'client_limit' } },
  },
  responses: {
    path: () => '/v1/responses',
    body: (stream) => ({ model: 'mock/m', stream, input: 'hi' }),
    refusal: { error: { type: 'rate_limit_error', code: 'client_limit' } },
  },
  messages: {
    path: () => '/v1/messages',
    body: (stream) => ({ model: 'mock/m', stream, max_tokens: 400, messages: [{ role: 'user', content: 'hi' }] }),
    refusal: { type: 'error', error: { type: 'rate_limit_error' } },
  },
  gemini: {
    path: (isStream) => `/v1beta/models/mock/m:${isStream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: () => ({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }),
    refusal: { error: { code: 429, status: 'RESOURCE_EXHAUSTED' } },
  },
};

const call = (rotator: Rotator, surface: Surface, isStream: boolean, signal?: AbortSignal) =>
  fetch(`${rotator.url}${surface.path(isStream)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': clientKey },
    body: JSON.stringify(surface.body(isStream)),
    ...(signal && { signal }),
  });

describe('all surfaces together', () => {
  test.each([false, true])(
    'share one limit under concurrency, and each says so in its own words (streams: %p)',
    async (isStream) => {
      await using upstream = await startUpstream({ answer: () => (isStream ? chatStream('ok') : answer('ok')) });
      await using rotator = await startRotator({ upstream, keys: ['one'], ...limited({ rpm: 6 }) });
      const asked = Array.from({ length: 8 }, () => Object.values(surfaces)).flat();
      const answers = await Promise.all(
        asked.map(async (surface) => {
          const response = await call(rotator, surface, isStream);
          return { surface, response, text: await response.text() };
        }),
      );
      expect(upstream.calls).toHaveLength(6);
      expect(answers.filter(({ response }) => response.status === 200)).toHaveLength(6);
      for (const { surface, response, text } of answers) {
        if (response.status === 200) continue;
        expect(response.status).toBe(429);
        expect(expectRetryAfter(response)).toBeWithin(55, 61);
        expect(JSON.parse(text)).toMatchObject(surface.refusal);
      }
    },
  );

  test.each(Object.entries(surfaces))('count a stream of %s that its client left', async (_, surface) => {
    const rest = gate();
    const long = stream([roleFrame(), ...Array.from({ length: 300 }, () => textFrame('word ')), rest]);
    await using upstream = await startUpstream({ answer: () => long });
    const options = { upstream, keys: ['one'], ...limited({ tpm: 600 }) };
    await using rotator = await startRotator(options);
    const leaving = new AbortController();
    const response = await call(rotator, surface, true, leaving.signal);
    const reader = response.body?.getReader();
    let seen = 0;
    while (seen < 300) seen += new TextDecoder().decode((await reader?.read())?.value).split('word ').length - 1;
    leaving.abort();
    await eventually('it is over', async () => (await logged(rotator)).length === 1);
    const refused = await call(rotator, surface, true);
    expect({ status: refused.status, calls: upstream.calls.length }).toEqual({ status: 429, calls: 1 });
    rest.open();
  });
});

test('counts that a vendor is asked for are requests; with no room left they are counted here', async () => {
  const path = '/v1/messages/count_tokens';
  await using upstream = await startUpstream({
    answer: (request) => (request.path === path ? reply(200, { input_tokens: 41 }) : refusal(500)),
  });
  await using rotator = await startRotator({
    providers: { anthropic: { base_url: upstream.baseUrl, keys: ['one'] } },
    ...limited({ rpm: 2 }),
  });
  const count = async () => {
    const response = await fetch(`${rotator.url}/v1/token-count`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'anthropic/claude-sonnet-4-5', messages: [{ role: 'user', content: 'hello' }] }),
    });
    const told: unknown = await response.json();
    return told;
  };
  expect(await count()).toMatchObject({ source: 'provider' });
  expect(await count()).toMatchObject({ source: 'provider' });
  expect(await count()).toMatchObject({ source: expect.stringMatching(/^(tokenizer|estimate)$/) });
  expect(upstream.calls).toHaveLength(2);
  await isRefused(await rotator.chat({ model: 'anthropic/claude-sonnet-4-5' }));
});

test('embeddings keep the same limits, and count their input alone', async () => {
  const usage = { prompt_tokens: 300, total_tokens: 300 };
  const data = [{ object: 'embedding', index: 0, embedding: [0.5, 0.25] }];
  await using upstream = await startUpstream({ answer: () => reply(200, { object: 'list', model: 'm', data, usage }) });
  await using rotator = await startRotator({ upstream, keys: ['one'], ...limited({ tpm: 920 }) });
  const embed = () =>
    fetch(`${rotator.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}` },
      body: JSON.stringify({ model: 'mock/m', input: 'x '.repeat(200) }),
    });
  for (let i = 0; i < 3; i++) expect((await embed()).status).toBe(200);
  await isRefused(await embed());
});

describe('tokens per minute', () => {
  test('are those that the upstream counted, not those that were guessed', async () => {
    await using upstream = await startUpstream({ answer: () => withUsage(400) });
    await using rotator = await startRotator({ upstream, keys: ['one'], ...limited({ tpm: 1000 }) });
    const ask = () => rotator.chat({ max_tokens: 10 });
    for (let i = 0; i < 3; i++) expect((await ask()).status).toBe(200);
    await isRefused(await ask());
    expect(upstream.calls).toHaveLength(3);
  });

  test('are reserved while requests are under way', async () => {
    await using upstream = await startUpstream({ answer: () => withUsage(10) });
    await using rotator = await startRotator({ upstream, keys: ['one'], ...limited({ tpm: 1000 }) });
    // Each may answer with 400 tokens as far as anybody knows.
    const responses = await Promise.all(Array.from({ length: 10 }, () => rotator.chat({ max_tokens: 400 })));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(2);
    for (let i = 0; i < 3; i++) expect((await rotator.chat({ max_tokens: 400 })).status).toBe(200);
  });

  test('of a stream that its client left are what was guessed, or what had come', async () => {
    const rest = gate();
    const long = stream([roleFrame(), ...Array.from({ length: 950 }, () => textFrame('a')), rest]);
    await using upstream = await startUpstream({ keys: { one: [long, chatStream('ok')] } });
    await using rotator = await startRotator({ upstream, ...limited({ tpm: 1000 }) });
    const leaving = new AbortController();
    const response = await rotator.stream({ max_tokens: 20 }, { signal: leaving.signal });
    const reader = response.body?.getReader();
    let seen = 0;
    while (seen < 950)
      seen += new TextDecoder().decode((await reader?.read())?.value).split('"content":"a"').length - 1;
    leaving.abort();
    await eventually('it is over', async () => (await logged(rotator)).length === 1);
    // 970 of 1000 are used; the whole guess of 20 and the prompt do not fit any more.
    await isRefused(await rotator.stream({ max_tokens: 60 }));
  });
});

describe('US dollars', () => {
  test('per day are counted by the prices of the config, and gone with the day', async () => {
    await using upstream = await startUpstream({ answer: () => withUsage(4) });
    const clock = new LeapingClock();
    const options = { upstream, keys: ['one'], clock, ...priced, ...limited({ usd_per_day: 1000 }) };
    await using rotator = await startRotator(options);
    // Every token costs a dollar. A guess of some thirty, four in truth.
    for (let i = 0; i < 3; i++) expect((await rotator.chat({ max_tokens: 1 })).status).toBe(200);
    expect(
      (await rotator.chat({ max_tokens: 400, messages: [{ role: 'user', content: 'x'.repeat(4000) }] })).status,
    ).toBe(429);
    const { rows } = await rotator.app.operations.usage({ by: 'client', since: 0 });
    expect(rows).toMatchObject([{ name: 'test', requests: 3, cost_usd: 12 }]);
    clock.leap(12 * 60 * MINUTE);
    const body = { max_tokens: 400, messages: [{ role: 'user', content: 'x'.repeat(4000) }] };
    expect((await rotator.chat(body)).status).toBe(200);
  });
});

describe('a restart', () => {
  test('gives a client nothing back', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'rotator-limits-'));
    try {
      await using upstream = await startUpstream({ answer: () => answer('ok') });
      const clock = new LeapingClock();
      const options = { upstream, keys: ['one'], clock, stateDir, ...limited({ rpd: 3 }) };
      {
        await using rotator = await startRotator(options);
        for (let i = 0; i < 2; i++) expect((await rotator.chat()).status).toBe(200);
      }
      await using rotator = await startRotator(options);
      expect((await rotator.chat()).status).toBe(200);
      expect(await isRefused(await rotator.chat())).toBeWithin(11 * 3600, 12 * 3600 + 1);
      expect(upstream.calls).toHaveLength(3);
    } finally {
      rmSync(stateDir, { recursive: true, force: true });
    }
  });

  test('counts what was used before there was a limit', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, keys: ['one'], clock });
    for (let i = 0; i < 3; i++) expect((await rotator.chat()).status).toBe(200);
    rotator.apply({ upstream, keys: ['one'], ...limited({ rpd: 3 }) });
    await isRefused(await rotator.chat());
    rotator.apply({ upstream, keys: ['one'], ...limited({ rpd: 4 }) });
    expect((await rotator.chat()).status).toBe(200);
    await isRefused(await rotator.chat());
  });
});
