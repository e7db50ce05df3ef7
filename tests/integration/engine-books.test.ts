// What the server says it did, against what the upstream saw.
import { describe, expect, test } from 'bun:test';
import { openAiChat } from '../../src/protocols/openai-chat/index.ts';
import type { EngineEvent, RequestView, StatusReport, UsageReport } from '../../src/gateway/operations.ts';
import { eventually } from '../support/eventually.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import {
  type Answer,
  answer,
  completion,
  doneFrame,
  finishFrame,
  gate,
  refusal,
  reply,
  resetAtOnce,
  roleFrame,
  startUpstream,
  stream,
  textFrame,
  usageFrame,
} from '../support/scripted-upstream.ts';
import { chatBody, inOrder, type Rotator, startRotator } from '../support/server.ts';
import { StreamTap } from '../support/stream-tap.ts';

async function read<Shape>(rotator: Rotator, path: string): Promise<Shape> {
  const response = await rotator.admin(path);
  expect(response.status).toBe(200);
  return (await response.json()) as Shape;
}

/** Numbers that look random and are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('200 requests at once, streams and whole answers, served, refused, broken and given up', () => {
  test('add up, by every view of them, to what the upstream saw', async () => {
    const random = seeded(7);
    const truth = { calls: new Map<string, number>(), input: 0, output: 0 };
    const held = gate();
    const tokens = () => ({ input: 1 + Math.floor(random() * 50), output: 1 + Math.floor(random() * 50) });
    const usageOf = ({ input, output }: { input: number; output: number }) => ({
      prompt_tokens: input,
      completion_tokens: output,
      total_tokens: input + output,
    });
    const counted = (used: { input: number; output: number }) => {
      truth.input += used.input;
      truth.output += used.output;
      return used;
    };
    const whole = (): Answer => reply(200, completion('ok', { usage: usageOf(counted(tokens())) }));
    const frames = (more: readonly Parameters<typeof stream>[0][number][]): Answer => {
      const usage = `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'u', choices: [], usage: usageOf(counted(tokens())) })}\n\n`;
      return stream([roleFrame(), textFrame('hello'), usage, ...more]);
    };
    await using upstream = await startUpstream({
      answer: (request) => {
        truth.calls.set(request.key ?? '', (truth.calls.get(request.key ?? '') ?? 0) + 1);
        if (request.text.includes('"wrong"')) return refusal(400);
        if (request.text.includes('"lost"')) return resetAtOnce;
        if (request.text.includes('"limited"')) return refusal(429, {}, { 'retry-after': '600' });
        if (request.text.includes('"leaves"')) return frames([textFrame('more'), held]);
        if (request.text.includes('"stream":true')) return frames([finishFrame(), doneFrame()]);
        return whole();
      },
    });
    await using rotator = await startRotator({ upstream, keys: ['a', 'b', 'c', 'd', 'e'], clock: new LeapingClock() });
    const ask = async (index: number) => {
      const roll = random();
      if (roll < 0.1) return void (await (await rotator.chat({ model: 'mock/wrong' })).text());
      if (roll < 0.15) return void (await (await rotator.chat({ model: `mock/lost`, n: index })).text());
      if (roll < 0.2) return void (await (await rotator.chat({ model: 'mock/limited' })).text());
      if (roll < 0.4) {
        const tap = new StreamTap(await rotator.stream({ model: 'mock/leaves' }));
        await tap.until('more');
        return tap.cancel();
      }
      return void (await (await rotator.chat({ stream: roll < 0.7 })).text());
    };
    await Promise.all(Array.from({ length: 200 }, (_, index) => ask(index)));
    await eventually('nothing is in flight', async () => (await rotator.status()).in_flight === 0);
    await eventually('all are logged', async () => {
      const logged = await read<readonly RequestView[]>(rotator, 'requests?limit=500');
      return logged.length === 200;
    });

    const calls = upstream.calls.length;
    const total = { requests: calls, input_tokens: truth.input, output_tokens: truth.output };
    for (const by of ['provider', 'model', 'key', 'client', 'day']) {
      expect((await read<UsageReport>(rotator, `usage?by=${by}&since=1d`)).total).toMatchObject(total);
    }
    const status = await read<StatusReport>(rotator, 'status');
    expect(status.today).toMatchObject(total);
    const byKey = new Map(
      (await read<UsageReport>(rotator, 'usage?by=key&since=1d')).rows.map((row) => [row.name, row]),
    );
    const seen: number[] = [];
    for (const key of status.keys) {
      const { requests, failures, input_tokens, output_tokens } = key.usage;
      expect(byKey.get(key.id)).toMatchObject({ requests, input_tokens, output_tokens });
      expect(key.today.requests).toBe(requests);
      expect(failures).toBeLessThanOrEqual(key.today.failures);
      seen.push(requests);
    }
    expect(seen.sort()).toEqual([...truth.calls.values()].sort());
    const logged = await read<readonly RequestView[]>(rotator, 'requests?limit=500');
    expect(logged.reduce((sum, { attempts }) => sum + attempts.length, 0)).toBe(calls);
    expect(logged.reduce((sum, { output_tokens }) => sum + (output_tokens ?? 0), 0)).toBe(truth.output);
    expect(new Set(logged.map(({ seq }) => seq)).size).toBe(200);
  });
});

describe('a client that leaves', () => {
  test.each(['before the answer', 'inside a stream'])('%s is nobody’s failure, in no view', async (when) => {
    const isStream = when === 'inside a stream';
    await using upstream = await startUpstream({
      answer: () => (isStream ? stream([textFrame('a'), usageFrame(), textFrame('b'), gate()]) : (_, { gone }) => gone),
    });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    if (isStream) {
      const tap = new StreamTap(await rotator.stream());
      await tap.until('"b"');
      await tap.cancel();
    } else {
      const leaving = new AbortController();
      const left = rotator.chat({}, { signal: leaving.signal });
      await eventually('it is there', () => upstream.calls.length === 1);
      leaving.abort();
      await expect(left).rejects.toThrow();
    }
    await eventually('it is logged', async () => (await read<RequestView[]>(rotator, 'requests')).length === 1);
    const [logged] = await read<RequestView[]>(rotator, 'requests');
    expect(logged).toMatchObject({ failure: 'client-gone', output_tokens: isStream ? 3 : null });
    const [key] = (await rotator.status()).keys;
    const counts = { requests: 1, failures: 0, output_tokens: isStream ? 3 : 0 };
    expect(key).toMatchObject({ blocks: [], usage: counts });
    expect(key?.today).toMatchObject(counts);
    for (const by of ['provider', 'model', 'key', 'client', 'day']) {
      expect((await read<UsageReport>(rotator, `usage?by=${by}&since=1d`)).total).toMatchObject(counts);
    }
    await eventually('the upstream call has ended', () => upstream.open === 0);
  });
});

describe('an answer that came when nobody was there to read it', () => {
  const whole = answer('ok');
  const inOnePiece = stream([[roleFrame(), textFrame('a'), finishFrame(), usageFrame(), doneFrame()].join('')]);
  test.each([
    ['whole', whole],
    ['streamed', inOnePiece],
  ])('%s: its tokens are counted, and nobody is blamed', async (_, script) => {
    await using upstream = await startUpstream({ keys: { one: script } });
    await using rotator = await startRotator({ upstream });
    const leaving = new AbortController();
    // Without a server in between: the body is there, and its reader never comes.
    const response = await rotator.app.gateway.handle({
      requestId: 'unread',
      codec: openAiChat,
      path: null,
      framing: 'events',
      body: new TextEncoder().encode(JSON.stringify(chatBody({ stream: true }))),
      headers: new Headers(),
      client: { id: '', name: null, models: [] },
      signal: leaving.signal,
      arrivedAt: Date.now(),
      isFallbackOff: false,
      timeoutMs: null,
      showsRoute: true,
    });
    expect(response.status).toBe(200);
    leaving.abort();
    await eventually('it is logged', async () => (await read<RequestView[]>(rotator, 'requests')).length === 1);
    const [logged] = await read<RequestView[]>(rotator, 'requests');
    expect(logged).toMatchObject({ failure: 'client-gone', input_tokens: 7, output_tokens: 3 });
    const counts = { requests: 1, failures: 0, input_tokens: 7, output_tokens: 3 };
    const [key] = (await rotator.status()).keys;
    expect(key?.usage).toMatchObject(counts);
    expect(key?.today).toMatchObject(counts);
    expect(key?.in_flight).toBe(0);
  });
});

describe('/admin/status', () => {
  test('has the windows and blocks of every key, of its groups and models, and of the provider', async () => {
    const headers = { 'x-ratelimit-limit-tokens': '1000', 'x-ratelimit-remaining-tokens': '400' };
    await using upstream = await startUpstream({
      answer: (request) => {
        if (request.text.includes('"pro-1"')) return refusal(429, {}, { 'retry-after': '3600' });
        if (request.text.includes('"gone"')) return refusal(404, { message: 'The model `gone` does not exist' });
        return answer('ok', {}, headers);
      },
    });
    await using rotator = await startRotator({
      upstream,
      clock: new LeapingClock(),
      keys: [{ key: 'one', limits: { rpm: 60, rpd: 100 } }],
      provider: { quota_groups: { pro: ['pro-*'] } },
    });
    for (const model of ['m', 'pro-1', 'gone']) await rotator.chat({ model: `mock/${model}` });
    const status = await read<StatusReport>(rotator, 'status');
    const [key] = status.keys;
    expect(key?.windows).toMatchObject([
      { scope: 'key', name: 'rpm', used: 3, limit: 60, remaining: 57, source: 'config' },
      { scope: 'key', name: 'rpd', used: 3, limit: 100, remaining: 97, reset_at: '2026-01-16T00:00:00.000Z' },
      { scope: 'model:m', name: 'tpm', limit: 1000, remaining: 400, used: 600, source: 'learned' },
    ]);
    expect(key).toMatchObject({
      state: 'ready',
      blocks: [{ scope: 'group:pro', kind: 'rate_limit', source: 'retry-after' }],
    });
    const until = Date.parse(key?.blocks[0]?.until ?? '');
    expect(until).toBeGreaterThan(Date.UTC(2026, 0, 15, 12, 59));
    expect(status.providers[0]?.blocks).toMatchObject([{ scope: 'provider+model:gone', kind: 'model_missing' }]);
  });
});

describe('/admin/events', () => {
  test('tells of every block, its end, every lease and every request, in order', async () => {
    await using upstream = await startUpstream({
      keys: { one: [refusal(429, {}, { 'retry-after': '30' }), answer('1')], two: answer('2') },
    });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, clock, keys: inOrder('one', 'two') });
    const tap = new StreamTap(await rotator.admin('events'));
    await rotator.chat();
    clock.leap(31_000);
    await rotator.chat();
    await tap.until((text) => text.split('event: request-finished').length === 3);
    await tap.cancel();
    const events = tap.text
      .split('\n')
      .flatMap((line) => (line.startsWith('data: ') ? [JSON.parse(line.slice(6)) as EngineEvent] : []));
    expect(events.map(({ type }) => type)).toEqual([
      'credential-blocked',
      'lease-settled',
      'lease-settled',
      'request-finished',
      'credential-unblocked',
      'lease-settled',
      'request-finished',
    ]);
    const [one] = await rotator.keys();
    expect(events[0]).toMatchObject({ credential: one?.id, block: { scope: 'model:m', kind: 'rate_limit' } });
    expect(events[4]).toMatchObject({ credential: one?.id, scope: 'model:m' });
    expect(events[5]).toMatchObject({ credential: one?.id, outcome: 'success', input_tokens: 7, output_tokens: 3 });
  });
});

test('the status tells windows, blocks, caps and totals of each group and model of a credential', async () => {
  const told = { 'x-ratelimit-limit-tokens': '40000', 'x-ratelimit-remaining-tokens': '30000' };
  await using upstream = await startUpstream({
    answer: ({ text }) =>
      text.includes('"alone"') ? refusal(429, {}, { 'retry-after': '600' }) : answer('ok', {}, told),
  });
  await using rotator = await startRotator({
    upstream,
    keys: ['one', { key: 'two', enabled: false }],
    clock: new LeapingClock(),
    provider: {
      quota_groups: { pro: ['pro-*'] },
      caps: [
        { models: ['pro'], max_requests: 3, window: 'daily' },
        { models: ['alone'], max_requests: 9, window: '1h' },
      ],
    },
  });
  for (const model of ['pro-1', 'pro-2', 'pro-2', 'plain', 'alone']) {
    await (await rotator.chat({ model: `mock/${model}` }, { headers: { 'x-rotator-timeout-ms': '2000' } })).text();
  }
  const { keys } = await read<StatusReport>(rotator, 'status');
  expect(keys.map(({ groups }) => groups.map(({ scope }) => scope))).toEqual([
    ['group:pro', 'model:alone', 'model:plain'],
    // Nothing was used, but its caps are known.
    ['group:pro', 'model:alone'],
  ]);
  const [pro, alone, plain] = keys[0]?.groups ?? [];
  expect(pro).toMatchObject({
    models: ['pro-1', 'pro-2'],
    blocks: [{ kind: 'custom_cap', scope: 'group:pro', until: '2026-01-16T00:00:00.000Z' }],
    caps: [{ scope: 'group:pro', used: 3, limit: 3, remaining: 0, reset_at: '2026-01-16T00:00:00.000Z' }],
    windows: [{ scope: 'group:pro', name: 'tpm', used: 10_000, limit: 40_000, remaining: 30_000, source: 'learned' }],
    today: { requests: 3, failures: 0, input_tokens: 21, output_tokens: 9 },
  });
  expect(alone).toMatchObject({
    models: ['alone'],
    blocks: [{ kind: 'rate_limit', scope: 'model:alone' }],
    caps: [{ scope: 'model:alone', used: 1, limit: 9 }],
    windows: [],
    today: { requests: 1, failures: 1 },
  });
  expect(plain).toMatchObject({ blocks: [], caps: [], today: { requests: 1, input_tokens: 7 } });
});
