// Faults that key-rotating proxies are known for, each with the test that shows it does not happen here. The tests of the
// second half are those that stand nowhere else.
import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { expectError } from '../support/expect-error.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import {
  after,
  answer,
  chatStream,
  doneFrame,
  finishFrame,
  gate,
  refusal,
  roleFrame,
  silence,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { clientKey, inOrder, startRotator } from '../support/server.ts';
import { StreamTap, textOf } from '../support/stream-tap.ts';

/** Number, fault, and where a test of which name shows that it is not one of this program's. */
const faults: readonly (readonly [number, string, readonly (readonly [file: string, name: string])[]])[] = [
  [1, 'a wrong request goes to every key', [['rotation', 'with %i and five keys is exactly one upstream call']]],
  [
    2,
    'failures have the wrong status',
    [
      ['errors', '%i keeps status, message, type, code and param'],
      ['errors', 'every credential refused is 502 upstream_authentication, and never 401 or 403'],
      ['errors', 'is 429 with the time of the soonest credential'],
    ],
  ],
  [3, 'an error looks like an empty answer', [['streams', '%s on every key is an error with a real status']]],
  [
    4,
    'a dead or limited key is offered again at once, and preferred for its use',
    [
      ['rotation', 'with 401 is benched, the client sees only the success, and the next request starts elsewhere'],
      ['rotation', 'without a time moves on at once and benches the key on that model'],
      ['engine-sequence', 'never prefers a failing key, however much it was used'],
      ['engine-sequence', 'never comes back to a key that is rejected, nor to one with a bare 429, while they rest'],
    ],
  ],
  [
    5,
    'embeddings are advertised and do not work',
    [
      ['embeddings', 'rotate, and are counted'],
      ['embeddings', 'of many requests at once go together, each with its own vector and its own share of the usage'],
      ['engine-faults', 'a surface that is not there says so'],
    ],
  ],
  [
    6,
    'a stream is repeated in the middle',
    [['engine-faults', 'nothing is sent again once a word has reached the client: %s']],
  ],
  [
    7,
    'the time to find a key also ends slow calls, or nothing does',
    [
      ['engine-faults', 'a failure after 45 s moves on to the next key while the request has time'],
      ['engine-faults', 'a hung upstream is given up after `total`, and the request after `request`'],
    ],
  ],
  [8, 'a conversation is lost under load', [['engine-faults', 'conversations stay with their keys under load']]],
  [
    9,
    'a fair cycle turns itself off',
    [
      [
        'engine-caps',
        'keeps who was used up out until the others are, also over a restart, and begins again after its time',
      ],
    ],
  ],
  [
    10,
    'a fair cycle looks at a part of the keys',
    [['engine-caps', 'does not end because one request has tried all but one']],
  ],
  [
    11,
    'caps do nothing',
    [
      ['engine-caps', 'is not passed by requests that come together, and the next key takes over'],
      ['engine-caps', 'says when it is over, and is over then; status and test-route tell of it'],
    ],
  ],
  [
    12,
    'priorities are not known at the start',
    [
      ['engine-faults', 'priorities, limits and multipliers hold from the very first request'],
      ['engine-limits', 'grow with a better priority'],
    ],
  ],
  [
    13,
    'a client that leaves counts as success or failure, and its tokens are lost',
    [
      ['engine-books', '%s is nobody’s failure, in no view'],
      ['engine-limits', 'of a stream that the client leaves are those named so far, else the estimate'],
    ],
  ],
  [14, 'a minute’s headers overwrite the day', [['engine-faults', 'headers of a minute leave the day alone']]],
  [
    15,
    'an open server takes no call, or any key',
    [['engine-faults', 'an open server takes calls with and without a key']],
  ],
  [
    16,
    'a context that is too long, 403 and 404 go from key to key',
    [
      ['errors', 'a context that is too long is 400 context_length_exceeded, after one call'],
      ['rotation', 'is asked for with one credential only, and remembered'],
      ['rotation', 'with 403 for a model is passed over for that model only'],
    ],
  ],
  [17, 'a time to wait is misread', [['engine-faults', 'a time to wait is read as it is meant: %s']]],
  [18, 'an error inside a stream is an answer', [['engine-faults', 'an error in a 200 rotates: %s']]],
  [
    19,
    'a reload loses what is known',
    [
      ['engine-recovery', 'keeps counters, windows, blocks, conversations, leases and streams'],
      [
        'engine-memory',
        'a provider that leaves the config and comes back is as it was when it left, not as at the start',
      ],
    ],
  ],
  [
    20,
    'a finish reason is lost',
    [['engine-faults', 'a finish reason arrives, with usage behind it, before it, or none']],
  ],
  [
    21,
    'costs are counted twice or as nothing',
    [
      ['costs', 'stands in the request log, the totals, the status and the log line'],
      ['costs', 'of a stream comes from its usage frame, which the client did not ask for'],
      ['engine-faults', 'a cost that nobody knows is null, never 0'],
    ],
  ],
  [
    22,
    'settings have no effect',
    [
      ['engine-faults', 'tolerance decides how even the load is'],
      ['engine-faults', 'weights share the load'],
      ['engine-faults', 'cooldowns are those of the config, and of the provider where it has its own'],
      ['rotation', 'of one provider alone can be set'],
      ['engine-quota', 'rests as a whole when one of its models is refused; the others go on'],
    ],
  ],
  [
    23,
    'a model list is kept for ever, also an empty one',
    [
      ['engine-faults', 'a model list that failed is asked for again'],
      ['models', 'is not held up by a provider that never answers'],
    ],
  ],
  [24, 'a filter hides and does not block', [['models', '%s hold on the list and on calls']]],
];

test.each(faults.map(([number, fault, proofs]) => [number, fault, proofs] as const))(
  'fault %i (%s) has a test against it',
  (_, __, proofs) => {
    for (const [file, name] of proofs) {
      const source = readFileSync(join(import.meta.dir, `${file}.test.ts`), 'utf8');
      expect([file, name, source.includes(`('${name}'`)]).toEqual([file, name, true]);
    }
  },
);

test('a surface that is not there says so', async () => {
  await using upstream = await startUpstream({ answer: () => answer('ok') });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  const response = await fetch(`${rotator.url}/v1/batches`, {
    method: 'POST',
    headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'mock/m', input: 'x' }),
  });
  expect(response.status).toBe(404);
  expect(upstream.calls).toHaveLength(0);
});

const ends: [string, readonly string[], Parameters<typeof stream>[1]][] = [
  ['an error event', ['data: {"error":{"message":"overloaded"}}\n\n'], {}],
  ['an error as text', ['data: {"error":"rate limit"}\n\n'], {}],
  ['a reset', [], { end: 'reset' }],
  ['a clean end too early', [], {}],
];
test.each(ends)('nothing is sent again once a word has reached the client: %s', async (_, last, options) => {
  const held = gate();
  const broken = stream([roleFrame(), textFrame('once'), held, ...last], options);
  await using upstream = await startUpstream({ keys: { one: broken, two: chatStream('twice') } });
  await using rotator = await startRotator({ upstream });
  const tap = new StreamTap(await rotator.stream());
  await tap.until('once');
  held.open();
  const text = await tap.rest();
  expect(textOf(text)).toBe('once');
  expect(text).toContain('"error"');
  expect(upstream.keysUsed).toEqual(['one']);
});

describe('time', () => {
  test('a failure after 45 s moves on to the next key while the request has time', async () => {
    const held = gate();
    const clock = new LeapingClock();
    await using upstream = await startUpstream({ keys: { one: after(held, refusal(500)), two: answer('two') } });
    await using rotator = await startRotator({ upstream, clock, rotation: { retries_same_key: 0 } });
    const pending = rotator.chat();
    await held.reached;
    clock.leap(45_000);
    held.open();
    expect((await pending).status).toBe(200);
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test('a hung upstream is given up after `total`, and the request after `request`', async () => {
    const clock = new LeapingClock();
    await using upstream = await startUpstream({ answer: () => silence });
    await using rotator = await startRotator({
      upstream,
      clock,
      keys: inOrder('one', 'two', 'three'),
      timeouts: { total: '1m', request: '90s' },
    });
    const pending = rotator.chat();
    await eventually('it hangs', () => upstream.calls.length === 1);
    clock.leap(60_000);
    await eventually('the next hangs', () => upstream.calls.length === 2);
    clock.leap(30_000);
    await expectError(await pending, { status: 504, type: 'timeout_error' });
    expect(upstream.keysUsed).toEqual(['one', 'two']);
    await eventually('nothing is left open', () => upstream.open === 0);
  });
});

test('conversations stay with their keys under load', async () => {
  await using upstream = await startUpstream({ answer: () => answer('ok') });
  await using rotator = await startRotator({ upstream, keys: ['a', 'b', 'c', 'd'], rotation: { tolerance: 0 } });
  const turns = async (session: string) => {
    for (let i = 0; i < 6; i++) {
      await (await rotator.chat({ user: session }, { headers: { 'x-session-id': session } })).text();
    }
  };
  const sessions = Array.from({ length: 12 }, (_, i) => `session-${i}-`);
  await Promise.all(sessions.map(turns));
  for (const session of sessions) {
    const keys = upstream.calls.filter(({ text }) => text.includes(session)).map(({ key }) => key);
    expect([session, keys.length, new Set(keys).size]).toEqual([session, 6, 1]);
  }
  expect(new Set(upstream.keysUsed).size).toBe(4);
});

test('a field that is another vendor’s alone is refused by name', async () => {
  await using upstream = await startUpstream();
  await expect(startRotator({ upstream, keys: ['one'], provider: { path_style: 'v1' } })).rejects.toThrow(
    /providers\.mock\.path_style: "mock" has no such field; it is for g4f/,
  );
});

test('priorities, limits and multipliers hold from the very first request', async () => {
  const held = gate();
  await using upstream = await startUpstream({ answer: () => after(held, answer('ok')) });
  await using rotator = await startRotator({
    upstream,
    keys: [
      { key: 'free', priority: 2 },
      { key: 'paid', priority: 1, limits: { rpm: 3 } },
    ],
    provider: { concurrency: { max_per_key: 2, priority_multipliers: { 1: 2 } } },
  });
  const all = Promise.all(Array.from({ length: 5 }, () => rotator.chat()));
  await eventually('all are there', () => upstream.calls.length === 5);
  expect([upstream.mostAtOnce('paid'), upstream.mostAtOnce('free')]).toEqual([3, 2]);
  held.open();
  await all;
});

test('headers of a minute leave the day alone', async () => {
  const headers = { 'x-ratelimit-limit-requests': '5', 'x-ratelimit-remaining-requests': '4' };
  await using upstream = await startUpstream({ answer: () => answer('ok', {}, headers) });
  const clock = new LeapingClock();
  await using rotator = await startRotator({ upstream, clock, keys: [{ key: 'one', limits: { rpd: 100 } }] });
  for (let i = 0; i < 7; i++) {
    expect((await rotator.chat()).status).toBe(200);
    clock.leap(61_000);
  }
  const [key] = await rotator.status().then(({ keys }) => keys);
  expect(key?.windows).toMatchObject([{ name: 'rpd', used: 7, limit: 100, remaining: 93, source: 'config' }]);
});

test('an open server takes calls with and without a key', async () => {
  await using upstream = await startUpstream({ answer: () => answer('ok') });
  await using rotator = await startRotator({ upstream, keys: ['one'], server: { client_keys: 'none' } });
  for (const key of [null, 'anything', 'None']) expect((await rotator.chat({}, { key })).status).toBe(200);
});

describe('waiting', () => {
  const clockStart = Date.UTC(2026, 0, 15, 12);
  const times: [string, Record<string, string>, string, number][] = [
    ['seconds', { 'retry-after': '90' }, 'slow down', 90],
    ['a part of a second', { 'retry-after': '61.5' }, 'slow down', 61.5],
    ['milliseconds', { 'retry-after-ms': '61500' }, 'slow down', 61.5],
    ['an HTTP date', { 'retry-after': new Date(clockStart + 120_000).toUTCString() }, 'slow down', 120],
    ['a moment in seconds', { 'x-ratelimit-reset': String((clockStart + 300_000) / 1000) }, 'slow down', 300],
    ['a moment in milliseconds', { 'x-ratelimit-reset': String(clockStart + 300_000) }, 'slow down', 300],
    ['words', {}, 'Please try again in 2m59.56s.', 179.56],
    ['words with days', {}, 'Please try again in 1d2h.', 26 * 3600],
    ['nothing that can be read', { 'retry-after': 'soon' }, 'slow down', 60],
  ];
  test.each(times)('a time to wait is read as it is meant: %s', async (_, headers, message, seconds) => {
    await using upstream = await startUpstream({ keys: { one: refusal(429, { message }, headers) } });
    const clock = new LeapingClock(clockStart);
    await using rotator = await startRotator({
      upstream,
      clock,
      random: () => 0.5,
      timeouts: { acquire: '1ms' },
      rotation: { wait_same_key: '0s' },
    });
    await rotator.chat();
    const [key] = await rotator.keys();
    const wait = (Date.parse(key?.blocks[0]?.until ?? '') - clockStart) / 1000;
    // The request itself took a moment; a date stands still.
    expect(wait).toBeWithin(seconds - 1, seconds + 3);
  });
});

describe('an error inside a success', () => {
  const bodies: [string, string][] = [
    ['an object', 'data: {"error":{"message":"Rate limit reached","code":429}}\n\n'],
    ['a text', 'data: {"error":"Rate limit reached"}\n\n'],
    [
      'behind the role',
      `${roleFrame()}data: {"error":{"message":"The engine is overloaded","code":"overloaded_error"}}\n\n`,
    ],
    ['as an event', 'event: error\ndata: {"error":{"message":"boom","type":"server_error"}}\n\n'],
    [
      'model capacity',
      'data: {"error":{"code":503,"status":"UNAVAILABLE","message":"No capacity","details":[{"reason":"MODEL_CAPACITY_EXHAUSTED"}]}}\n\n',
    ],
  ];
  test.each(bodies)('an error in a 200 rotates: %s', async (_, frames) => {
    await using upstream = await startUpstream({ keys: { one: stream([frames]), two: chatStream('from two') } });
    await using rotator = await startRotator({ upstream, rotation: { retries_same_key: 0 } });
    const response = await rotator.stream();
    expect(response.status).toBe(200);
    expect(textOf(await response.text())).toBe('from two');
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test('and a model without capacity is never the key’s fault', async () => {
    const full = refusal(
      503,
      { message: 'No capacity available', code: 'MODEL_CAPACITY_EXHAUSTED' },
      { 'retry-after': '5' },
    );
    await using upstream = await startUpstream({ keys: { one: full } });
    await using rotator = await startRotator({ upstream, rotation: { wait_same_key: '0s' } });
    await expectError(await rotator.chat(), { status: 503, type: 'upstream_error', code: 'overloaded' });
    expect((await rotator.keys())[0]).toMatchObject({ state: 'ready', blocks: [], usage: { requests: 1 } });
    expect((await rotator.status()).providers[0]?.blocks).toMatchObject([
      { scope: 'provider+model:m', kind: 'overload' },
    ]);
  });
});

test('a finish reason arrives, with usage behind it, before it, or none', async () => {
  const usage =
    'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"u","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n';
  for (const end of [
    [finishFrame('tool_calls'), usage],
    [usage, finishFrame('tool_calls')],
    [finishFrame('tool_calls')],
  ]) {
    await using upstream = await startUpstream({
      keys: { one: stream([roleFrame(), textFrame('a'), ...end, doneFrame()]) },
    });
    await using rotator = await startRotator({ upstream });
    const text = await (await rotator.stream()).text();
    expect(text).toContain('"finish_reason":"tool_calls"');
    await eventually('it is settled', async () => (await rotator.status()).in_flight === 0);
    expect((await rotator.keys())[0]?.usage.input_tokens).toBe(end.includes(usage) ? 7 : 0);
  }
});

test('a cost that nobody knows is null, never 0', async () => {
  await using upstream = await startUpstream({ keys: { one: answer('ok') } });
  await using rotator = await startRotator({ upstream });
  await rotator.chat();
  expect((await rotator.keys())[0]?.usage.cost_usd).toBeNull();
  expect((await rotator.status()).today.cost_usd).toBeNull();
});

describe('settings', () => {
  /** Draws as if by chance, and the same in every run. */
  const seeded = () => {
    let state = 1;
    return () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
  };
  const spread = async (rotation: Record<string, unknown>, keys: readonly Readonly<Record<string, unknown>>[]) => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    await using rotator = await startRotator({ upstream, keys, rotation, random: seeded() });
    for (let i = 0; i < 60; i++) await (await rotator.chat()).text();
    return ['a', 'b', 'c'].map((name) => upstream.keysUsed.filter((key) => key === name).length);
  };
  const even = [{ key: 'a' }, { key: 'b' }, { key: 'c' }];

  test('tolerance decides how even the load is', async () => {
    expect(await spread({ tolerance: 0 }, even)).toEqual([20, 20, 20]);
    expect(await spread({ tolerance: 1_000_000 }, even)).not.toEqual([20, 20, 20]);
  });

  test('weights share the load', async () => {
    expect(await spread({ tolerance: 0 }, [{ key: 'a', weight: 4 }, { key: 'b', weight: 1 }, { key: 'c' }])).toEqual([
      40, 10, 10,
    ]);
  });

  test('cooldowns are those of the config, and of the provider where it has its own', async () => {
    await using upstream = await startUpstream({ answer: () => refusal(429) });
    const clock = new LeapingClock();
    const cooldowns = { rate_limit: '90s', ladder: ['1s'] };
    await using rotator = await startRotator({
      upstream,
      clock,
      keys: ['one'],
      random: () => 0.5,
      rotation: { cooldowns, wait_same_key: '0s' },
      timeouts: { acquire: '1ms' },
      providers: {
        other: { base_url: upstream.baseUrl, keys: ['two'], rotation: { cooldowns: { rate_limit: '5m' } } },
      },
    });
    for (const provider of ['mock', 'other']) await rotator.chat({ model: `${provider}/m` });
    const rests = (await rotator.keys()).map(({ blocks }) =>
      Math.round((Date.parse(blocks[0]?.until ?? '') - clock.now()) / 1000),
    );
    expect(rests[0]).toBeWithin(87, 91);
    expect(rests[1]).toBeWithin(297, 301);
  });
});

test('a model list that failed is asked for again', async () => {
  let isUp = false;
  await using upstream = await startUpstream({
    keys: { one: answer('ok') },
    models: (wire, request) => (isUp ? answer('', { data: [{ id: 'm' }] }) : refusal(500))(wire, request),
  });
  const clock = new LeapingClock();
  await using rotator = await startRotator({ upstream, clock });
  const listed = async () => (await (await rotator.get('/v1/models')).text()).includes('mock/m');
  expect(await listed()).toBe(false);
  isUp = true;
  clock.leap(11 * 60_000);
  await eventually('it is listed', listed);
});

test('a stream that nobody reads to its end is settled all the same', async () => {
  await using upstream = await startUpstream({ answer: () => stream([textFrame('a'), gate()]) });
  await using rotator = await startRotator({ upstream, keys: ['one'] });
  const tap = new StreamTap(await rotator.stream());
  await tap.until('a');
  await tap.cancel();
  await eventually('nothing is in flight', async () => (await rotator.status()).in_flight === 0);
});
