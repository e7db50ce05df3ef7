import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { expectError, expectRetryAfter } from '../support/expect-error.ts';
import {
  type Answer,
  after,
  answer,
  chatStream,
  type Gate,
  gate,
  hangUp,
  refusal,
  resetAtOnce,
  silence,
  startUpstream,
} from '../support/scripted-upstream.ts';
import { inOrder, type Rotator, startRotator } from '../support/server.ts';
import { textOf } from '../support/stream-tap.ts';

const badKey = refusal(401, { message: 'Incorrect API key provided', code: 'invalid_api_key' });
const broken = refusal(500, { message: 'The server had an error', type: 'server_error' });
const limited = (headers: Record<string, string> = {}) => refusal(429, { message: 'Rate limit reached' }, headers);
const oneTry = { retries_same_key: 0 };

async function contentOf(response: Response): Promise<string> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return JSON.parse(text).choices[0].message.content;
}

/** A reference to the environment, as the config file writes it. */
const variable = (name: string) => `\${${name}}`;

const credential = async (rotator: Rotator, at: number) => {
  const view = (await rotator.keys())[at];
  if (!view) throw new Error(`no credential ${at}`);
  return view;
};

describe('a request that is wrong', () => {
  test.each([400, 413, 422])('with %i and five keys is exactly one upstream call', async (status) => {
    await using upstream = await startUpstream({
      answer: () => refusal(status, { message: 'no', type: 'invalid_request_error' }),
    });
    await using rotator = await startRotator({ upstream, keys: ['a', 'b', 'c', 'd', 'e'] });
    expect((await rotator.chat()).status).toBe(status);
    expect((await rotator.stream()).status).toBe(status);
    expect(upstream.calls).toHaveLength(2);
    for (const key of await rotator.keys()) expect(key).toMatchObject({ state: 'ready', blocks: [], in_flight: 0 });
  });
});

describe('a key that is refused', () => {
  test('with 401 is benched, the client sees only the success, and the next request starts elsewhere', async () => {
    await using upstream = await startUpstream({ keys: { one: badKey, two: answer('from two') } });
    await using rotator = await startRotator({ upstream });
    const first = await rotator.chat();
    expect(first.headers.get('x-rotator-attempts')).toBe('2');
    expect(first.headers.get('x-rotator-credential')).toBe((await credential(rotator, 1)).id);
    expect(await contentOf(first)).toBe('from two');
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two']);
    const benched = await credential(rotator, 0);
    expect(benched).toMatchObject({ state: 'blocked', blocks: [{ scope: 'key', kind: 'auth' }] });
    expect(Date.parse(benched.blocks[0]?.until ?? '')).toBeGreaterThan(Date.now() + 200_000);
  });

  test('with 403 for the account is benched for every model', async () => {
    await using upstream = await startUpstream({
      keys: { one: refusal(403, { message: 'Your account is suspended' }), two: answer('ok') },
    });
    await using rotator = await startRotator({ upstream });
    await contentOf(await rotator.chat({ model: 'mock/first' }));
    await contentOf(await rotator.chat({ model: 'mock/second' }));
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two']);
  });

  test('with 403 for a model is passed over for that model only', async () => {
    const notAllowed = refusal(403, {
      message: 'Project does not have access to model `gold`',
      type: 'invalid_request_error',
      code: 'model_not_found',
    });
    await using upstream = await startUpstream({
      answer: (request) => (request.key === 'one' && request.text.includes('"gold"') ? notAllowed : answer('ok')),
    });
    await using rotator = await startRotator({ upstream, keys: inOrder('one', 'two') });
    await contentOf(await rotator.chat({ model: 'mock/gold' }));
    await contentOf(await rotator.chat({ model: 'mock/gold' }));
    await contentOf(await rotator.chat({ model: 'mock/silver' }));
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two', 'one']);
    expect((await credential(rotator, 0)).state).toBe('ready');
  });

  test('with 402 is out until a probe or the operator', async () => {
    await using upstream = await startUpstream({
      keys: { one: [refusal(402, { message: 'Insufficient Balance' }), answer('paid')], two: answer('from two') },
    });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(await contentOf(await rotator.chat({ model: 'mock/other' }))).toBe('from two');
    const spent = await credential(rotator, 0);
    expect(spent).toMatchObject({ blocks: [{ scope: 'key', kind: 'billing' }] });
    expect(['blocked', 'disabled']).toContain(spent.state);
    expect((await rotator.admin(`keys/${spent.id}/reset`, { method: 'POST' })).status).toBe(200);
    expect(await contentOf(await rotator.chat())).toBe('paid');
  });
});

describe('a rate limit', () => {
  test('without a time moves on at once and benches the key on that model', async () => {
    await using upstream = await startUpstream({ keys: { one: limited(), two: answer('from two') } });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two']);
    const view = await credential(rotator, 0);
    expect(view).toMatchObject({ state: 'ready', blocks: [{ scope: 'model:m', kind: 'rate_limit' }] });
    const wait = Date.parse(view.blocks[0]?.until ?? '') - Date.now();
    expect(wait).toBeGreaterThan(45_000);
    expect(wait).toBeLessThan(70_000);
  });

  test('on one model leaves the key to the others', async () => {
    await using upstream = await startUpstream({
      answer: (request) => (request.text.includes('"busy"') ? limited() : answer(`by ${request.key}`)),
    });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    expect((await rotator.chat({ model: 'mock/busy' })).status).toBe(429);
    expect(await contentOf(await rotator.chat({ model: 'mock/calm' }))).toBe('by one');
  });

  test.each(['0', 'Thu, 01 Jan 2026 00:00:00 GMT'])(
    'that is over at once (%s) goes to another ready key first',
    async (over) => {
      const done = refusal(429, {}, { 'retry-after': over });
      await using upstream = await startUpstream({
        keys: { one: [done, answer('from one')], two: [answer('from two'), done] },
      });
      await using rotator = await startRotator({ upstream });
      expect(await contentOf(await rotator.chat())).toBe('from two');
      expect((await credential(rotator, 0)).blocks).toEqual([]);
      expect(await contentOf(await rotator.chat())).toBe('from one');
      expect(upstream.keysUsed).toEqual(['one', 'two', 'one']);
    },
  );

  test('that is over at once is tried again by the only key', async () => {
    const done = refusal(429, {}, { 'retry-after': '0' });
    await using upstream = await startUpstream({ keys: { one: [done, answer('from one')] } });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('from one');
    expect(upstream.keysUsed).toEqual(['one', 'one']);
  });

  test('with a short time and a single key is waited for', async () => {
    await using upstream = await startUpstream({
      keys: { one: [limited({ 'retry-after-ms': '300' }), answer('after the wait')] },
    });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('after the wait');
    expect(upstream.keysUsed).toEqual(['one', 'one']);
  });

  test('with a short time is not waited for while another key is ready', async () => {
    await using upstream = await startUpstream({
      keys: { one: limited({ 'retry-after': '5' }), two: answer('from two') },
    });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test('that lasts wait_same_key or longer is told to the client at once', async () => {
    await using upstream = await startUpstream({ keys: { one: limited({ 'retry-after': '2' }) } });
    await using rotator = await startRotator({ upstream, rotation: { wait_same_key: '1s' } });
    const response = await rotator.chat();
    expect(expectRetryAfter(response)).toBeGreaterThanOrEqual(1);
    expect(response.status).toBe(429);
    expect(upstream.calls).toHaveLength(1);
  });
});

describe('a 5xx', () => {
  test('is tried once more with the same key, then with the next', async () => {
    await using upstream = await startUpstream({ keys: { one: broken, two: answer('from two') } });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['one', 'one', 'two']);
  });

  test('is cured by the second try with the same key', async () => {
    await using upstream = await startUpstream({ keys: { one: [broken, answer('second try')], two: answer('never') } });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('second try');
    expect(upstream.keysUsed).toEqual(['one', 'one']);
    expect(await credential(rotator, 0)).toMatchObject({ state: 'ready', blocks: [] });
  });

  test('never counts against a credential', async () => {
    await using upstream = await startUpstream({ keys: { one: broken, two: broken } });
    await using rotator = await startRotator({ upstream, rotation: oneTry });
    expect((await rotator.chat()).status).toBe(502);
    for (const key of await rotator.keys()) expect(key).toMatchObject({ state: 'ready', blocks: [], in_flight: 0 });
  });

  test('lets the credential rest when a sibling succeeds meanwhile', async () => {
    await using upstream = await startUpstream({ keys: { one: broken, two: answer('from two') } });
    await using rotator = await startRotator({ upstream, rotation: oneTry });
    await contentOf(await rotator.chat());
    await contentOf(await rotator.chat());
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two']);
    expect(await credential(rotator, 0)).toMatchObject({
      state: 'ready',
      blocks: [{ scope: 'model:m', kind: 'transient' }],
    });
  });

  test('opens the breaker after three failures of the only key; another model goes on', async () => {
    await using upstream = await startUpstream({
      answer: (request) => (request.text.includes('"sick"') ? broken : answer('healthy')),
    });
    await using rotator = await startRotator({
      upstream,
      keys: ['one'],
      rotation: oneTry,
      timeouts: { acquire: '1s' },
    });
    for (let i = 0; i < 3; i++) expect((await rotator.chat({ model: 'mock/sick' })).status).toBe(502);
    const refused = await rotator.chat({ model: 'mock/sick' });
    expect([502, 503]).toContain(refused.status);
    expect(await refused.json()).toMatchObject({ error: { type: 'upstream_error' } });
    expect(upstream.calls).toHaveLength(3);
    expect(await contentOf(await rotator.chat({ model: 'mock/healthy' }))).toBe('healthy');
  });

  test('of one credential of several does not open the breaker', async () => {
    await using upstream = await startUpstream({
      keys: { one: broken, two: [answer('1'), answer('2'), answer('3'), answer('4'), answer('5')] },
    });
    await using rotator = await startRotator({
      upstream,
      rotation: { ...oneTry, cooldowns: { transient: '1ms' } },
    });
    for (let i = 1; i <= 5; i++) expect(await contentOf(await rotator.chat())).toBe(String(i));
  });
});

describe('a request that did not get through', () => {
  test('because the connection was refused is sent again until the upstream is up', async () => {
    const place = await startUpstream();
    await place.close();
    await using rotator = await startRotator({ upstream: place, keys: ['one'], rotation: { retries_same_key: 3 } });
    const response = rotator.chat();
    // A round trip later the first try has been refused.
    await rotator.get('/health');
    await using late = await startUpstream({ keys: { one: answer('up') }, port: place.port });
    expect(await contentOf(await response)).toBe('up');
    expect(late.calls).toHaveLength(1);
  });

  test('because its way out is closed is sent by another credential', async () => {
    const gone = await startUpstream();
    await gone.close();
    await using upstream = await startUpstream({ keys: { two: answer('from two') } });
    await using rotator = await startRotator({
      upstream,
      keys: [
        { key: 'one', priority: 1, proxy: `http://127.0.0.1:${gone.port}` },
        { key: 'two', priority: 2 },
      ],
    });
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['two']);
  });

  const losses: [string, Answer][] = [
    ['closed', hangUp],
    ['reset', resetAtOnce],
  ];
  test.each(losses)('and was lost (%s) is sent once more, with another credential', async (_, lost) => {
    await using upstream = await startUpstream({ keys: { one: lost, two: answer('from two') } });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test.each(losses)('and was lost twice (%s) is given up, whatever keys are left', async (_, lost) => {
    await using upstream = await startUpstream({ answer: () => lost });
    await using rotator = await startRotator({ upstream, keys: inOrder('a', 'b', 'c', 'd', 'e') });
    await expectError(await rotator.chat(), { status: 502, type: 'upstream_error' });
    expect(upstream.keysUsed).toEqual(['a', 'b']);
  });

  test('and was lost with a single key is not sent twice', async () => {
    await using upstream = await startUpstream({ keys: { one: [resetAtOnce, answer('billed twice')] } });
    await using rotator = await startRotator({ upstream });
    await expectError(await rotator.chat(), { status: 502, type: 'upstream_error' });
    expect(upstream.calls).toHaveLength(1);
  });
});

describe('a timeout', () => {
  test('before the first byte of a stream tries one other credential, once', async () => {
    await using upstream = await startUpstream({ keys: { one: silence, two: chatStream('from two') } });
    await using rotator = await startRotator({ upstream, timeouts: { first_byte: '100ms' } });
    expect(textOf(await (await rotator.stream()).text())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test('of the second credential too is the end', async () => {
    await using upstream = await startUpstream({ answer: () => silence });
    await using rotator = await startRotator({
      upstream,
      keys: inOrder('a', 'b', 'c', 'd'),
      timeouts: { first_byte: '100ms', total: '100ms' },
    });
    await expectError(await rotator.stream(), { status: 504, type: 'timeout_error' });
    expect(upstream.keysUsed).toEqual(['a', 'b']);
  });

  test('of a whole answer tries one other credential too', async () => {
    await using upstream = await startUpstream({ keys: { one: silence, two: answer('from two') } });
    await using rotator = await startRotator({ upstream, timeouts: { total: '100ms' } });
    expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test('of one provider alone can be set', async () => {
    await using upstream = await startUpstream({ keys: { one: silence } });
    await using rotator = await startRotator({ upstream, provider: { timeouts: { total: '100ms' } } });
    expect((await rotator.chat()).status).toBe(504);
  });

  test('of the whole request covers all attempts together', async () => {
    await using upstream = await startUpstream({ answer: () => silence });
    await using rotator = await startRotator({
      upstream,
      keys: inOrder('a', 'b', 'c'),
      timeouts: { request: '150ms', first_byte: '100ms' },
    });
    await expectError(await rotator.stream(), { status: 504, type: 'timeout_error' });
    expect(upstream.calls.length).toBeLessThanOrEqual(2);
    await eventually('every call is cancelled', () => upstream.open === 0);
  });

  test('is shortened by x-rotator-timeout-ms', async () => {
    await using upstream = await startUpstream({ keys: { one: silence } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat({}, { headers: { 'x-rotator-timeout-ms': '100' } });
    await expectError(response, { status: 504, type: 'timeout_error' });
  });

  test('is never lengthened by x-rotator-timeout-ms', async () => {
    await using upstream = await startUpstream({ keys: { one: silence } });
    await using rotator = await startRotator({ upstream, timeouts: { request: '100ms' } });
    const response = await rotator.chat({}, { headers: { 'x-rotator-timeout-ms': '600000' } });
    await expectError(response, { status: 504, type: 'timeout_error' });
  });

  test('of the request does not end a stream that has begun', async () => {
    const more = gate();
    await using upstream = await startUpstream({
      answer: (request) =>
        request.key === 'one'
          ? async (wire) => {
              await wire.head(200, { 'content-type': 'text/event-stream', connection: 'close' });
              await wire.raw('data: {"choices":[{"index":0,"delta":{"content":"early "},"finish_reason":null}]}\n\n');
              await wire.pause(more);
              await wire.raw('data: {"choices":[{"index":0,"delta":{"content":"late"},"finish_reason":"stop"}]}\n\n');
              await wire.raw('data: [DONE]\n\n');
              wire.fin();
            }
          : silence,
    });
    await using rotator = await startRotator({
      upstream,
      keys: [
        { key: 'one', models: ['m'] },
        { key: 'two', models: ['clock'] },
      ],
      timeouts: { request: '100ms' },
    });
    const response = await rotator.stream();
    // A second request on the same deadline tells when it has passed for the first.
    expect((await rotator.chat({ model: 'mock/clock' })).status).toBe(504);
    more.open();
    expect(textOf(await response.text())).toBe('early late');
  });
});

describe('a model the provider does not have', () => {
  const missing = refusal(404, {
    message: 'The model `gone` does not exist or you do not have access to it.',
    type: 'invalid_request_error',
    code: 'model_not_found',
  });

  test('is asked for with one credential only, and remembered', async () => {
    await using upstream = await startUpstream({
      answer: (request) => (request.text.includes('"gone"') ? missing : answer('here')),
    });
    await using rotator = await startRotator({ upstream, keys: inOrder('one', 'two') });
    for (const _again of [1, 2]) {
      await expectError(await rotator.chat({ model: 'mock/gone' }), {
        status: 404,
        type: 'invalid_request_error',
        code: 'model_not_found',
      });
    }
    expect(upstream.keysUsed).toEqual(['one']);
    expect(await contentOf(await rotator.chat({ model: 'mock/here' }))).toBe('here');
  });

  test('is not held against another provider with a model of that name', async () => {
    await using upstream = await startUpstream({ answer: () => missing });
    await using other = await startUpstream({ keys: { two: answer('from the other') } });
    await using rotator = await startRotator({
      upstream,
      keys: ['one'],
      providers: { other: { base_url: other.baseUrl, keys: ['two'] } },
    });
    expect((await rotator.chat({ model: 'mock/gone' })).status).toBe(404);
    expect(await contentOf(await rotator.chat({ model: 'other/gone' }))).toBe('from the other');
  });
});

describe('concurrency', () => {
  test('ten requests over two keys of one place each are served in the order they came', async () => {
    const gates: Gate[] = Array.from({ length: 10 }, () => gate());
    const numberOf = (text: string) => Number(/number (\d+)/.exec(text)?.[1]);
    await using upstream = await startUpstream({
      answer: (request) => {
        const number = numberOf(request.text);
        const mine = gates[number];
        if (!mine) throw new Error(`no gate for ${request.text}`);
        return after(mine, answer(`answer ${number}`));
      },
    });
    await using rotator = await startRotator({
      upstream,
      keys: ['one', 'two'],
      provider: { concurrency: { max_per_key: 1 } },
    });
    const answers: Promise<Response>[] = [];
    for (let i = 0; i < 10; i++) {
      answers.push(rotator.chat({ messages: [{ role: 'user', content: `number ${i}` }] }));
      await eventually(`request ${i} is in`, async () => {
        const status = await rotator.status();
        return status.in_flight === Math.min(i + 1, 2) && status.waiting === Math.max(0, i - 1);
      });
      if (i < 2) await gates[i]?.reached;
    }
    for (const [i, mine] of gates.entries()) {
      // Both that are in flight must have arrived: calls on two connections may overtake each other on the way.
      await mine.reached;
      await gates[i + 1]?.reached;
      mine.open();
      const response = await answers[i];
      if (!response) throw new Error('no response');
      expect(await contentOf(response)).toBe(`answer ${i}`);
    }
    expect(upstream.calls.map((request) => numberOf(request.text))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(upstream.mostAtOnce('one')).toBe(1);
    expect(upstream.mostAtOnce('two')).toBe(1);
    expect(upstream.keysUsed.filter((key) => key === 'one').length).toBeGreaterThan(0);
    expect(await rotator.status()).toMatchObject({ in_flight: 0, waiting: 0 });
  });

  test('a full queue is 503 at once', async () => {
    const held = gate();
    await using upstream = await startUpstream({ answer: () => after(held, answer('done')) });
    await using rotator = await startRotator({
      upstream,
      keys: ['one'],
      provider: { concurrency: { max_per_key: 1 } },
      rotation: { max_waiting: 1 },
    });
    const first = rotator.chat();
    await held.reached;
    const second = rotator.chat();
    await eventually('the second waits', async () => (await rotator.status()).waiting === 1);
    const third = await rotator.chat();
    expectRetryAfter(third);
    await expectError(third, { status: 503, type: 'server_error', code: 'no_credential' });
    held.open();
    expect((await first).status).toBe(200);
    expect((await second).status).toBe(200);
  });

  test('a client that leaves the line leaves no place taken', async () => {
    const held = gate();
    await using upstream = await startUpstream({ answer: () => after(held, answer('done')) });
    await using rotator = await startRotator({
      upstream,
      keys: ['one'],
      provider: { concurrency: { max_per_key: 1 } },
    });
    const first = rotator.chat();
    await held.reached;
    const leaving = new AbortController();
    const second = rotator.chat({}, { signal: leaving.signal });
    second.catch(() => {});
    await eventually('the second waits', async () => (await rotator.status()).waiting === 1);
    leaving.abort();
    await eventually('the line is empty', async () => (await rotator.status()).waiting === 0);
    held.open();
    expect((await first).status).toBe(200);
    expect(await contentOf(await rotator.chat())).toBe('done');
    expect(upstream.calls).toHaveLength(2);
  });

  test('load is spread before it is stacked', async () => {
    const gates = { one: gate(), two: gate(), three: gate() };
    await using upstream = await startUpstream({
      keys: {
        one: after(gates.one, answer('1')),
        two: after(gates.two, answer('2')),
        three: after(gates.three, answer('3')),
      },
    });
    await using rotator = await startRotator({ upstream, keys: ['one', 'two', 'three'] });
    const answers = [rotator.chat(), rotator.chat(), rotator.chat()];
    await Promise.all(Object.values(gates).map((each) => each.reached));
    for (const each of Object.values(gates)) each.open();
    for (const response of answers) expect((await response).status).toBe(200);
    expect(upstream.keysUsed.toSorted()).toEqual(['one', 'three', 'two']);
  });
});

describe('keys as the user wrote them', () => {
  test('a key with enabled: false is never used', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('never'), two: answer('from two') } });
    await using rotator = await startRotator({
      upstream,
      keys: [
        { key: 'one', priority: 1, enabled: false },
        { key: 'two', priority: 2 },
      ],
    });
    for (let i = 0; i < 5; i++) expect(await contentOf(await rotator.chat())).toBe('from two');
    expect(await credential(rotator, 0)).toMatchObject({ enabled: false, state: 'disabled' });
  });

  test('a key with a list of models serves only those', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('from one'), two: answer('from two') } });
    await using rotator = await startRotator({
      upstream,
      keys: [
        { key: 'one', priority: 1, models: ['small-*'] },
        { key: 'two', priority: 2 },
      ],
    });
    expect(await contentOf(await rotator.chat({ model: 'mock/SMALL-1' }))).toBe('from one');
    expect(await contentOf(await rotator.chat({ model: 'mock/large-1' }))).toBe('from two');
  });

  test('a better priority is used up before the next one is touched', async () => {
    await using upstream = await startUpstream({
      keys: { paid: [answer('1'), answer('2'), limited()], free: answer('free') },
    });
    await using rotator = await startRotator({
      upstream,
      keys: [
        { key: 'free', priority: 5 },
        { key: 'paid', priority: 1 },
      ],
    });
    const contents = [];
    for (let i = 0; i < 4; i++) contents.push(await contentOf(await rotator.chat()));
    expect(contents).toEqual(['1', '2', 'free', 'free']);
  });

  test('keys of one priority share the load', async () => {
    await using upstream = await startUpstream({ answer: (request) => answer(request.key ?? '') });
    await using rotator = await startRotator({ upstream, keys: ['one', 'two', 'three'], rotation: { tolerance: 0 } });
    for (let i = 0; i < 9; i++) await contentOf(await rotator.chat());
    expect(upstream.keysUsed.toSorted()).toEqual(['one', 'one', 'one', 'three', 'three', 'three', 'two', 'two', 'two']);
  });

  test('a server without keys gets no Authorization header, not even the client key', async () => {
    await using upstream = await startUpstream({ answer: () => answer('open') });
    await using rotator = await startRotator({ upstream, keys: 'none' });
    const response = await rotator.chat();
    expect(response.headers.get('x-rotator-credential')).toBe('mock-none');
    expect(await contentOf(response)).toBe('open');
    expect(upstream.calls[0]?.headers.get('authorization')).toBeNull();
  });

  test('keys from the environment rotate like any other', async () => {
    await using upstream = await startUpstream({ keys: { 'env-one': badKey, 'env-two': answer('from env two') } });
    await using rotator = await startRotator({
      yaml: JSON.stringify({
        server: { client_keys: [{ name: 'test', key: 'sk-rotator-integration' }] },
        providers: {
          mock: {
            base_url: upstream.baseUrl,
            keys: [
              { key: variable('FIRST'), priority: 1 },
              { key: variable('SECOND'), priority: 2 },
              variable('UNSET'),
            ],
          },
        },
      }),
      env: { FIRST: 'env-one', SECOND: 'env-two' },
    });
    expect(await contentOf(await rotator.chat())).toBe('from env two');
    expect(upstream.keysUsed).toEqual(['env-one', 'env-two']);
    expect(await rotator.keys()).toHaveLength(2);
  });
});
