// Which key a conversation stays with, seen from the upstream.
import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { after, answer, gate, type Received, refusal, startUpstream } from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, startRotator } from '../support/server.ts';

const HOUR = 3_600_000;
const keys = ['a', 'b', 'c', 'd', 'e'];
/** Strictly the least used: without a conversation five requests go to five keys. */
const rotation = { tolerance: 0 };
const ok = () => answer('ok');

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

async function ask(rotator: Rotator, body: object, headers: Record<string, string> = {}, key = clientKey) {
  const response = await rotator.chat(body, { headers, key });
  expect(response.status).toBe(200);
  await response.text();
}

/** A name is for people: whoever gives none still has a key of their own. */
const twoClients: [string, object[]][] = [
  [
    'with names',
    [
      { name: 'test', key: clientKey },
      { name: 'other', key: 'sk-rotator-other-client' },
    ],
  ],
  ['without names', [{ key: clientKey }, { key: 'sk-rotator-other-client' }]],
];

const distinct = (calls: readonly (string | null)[]) => new Set(calls).size;

describe('a conversation that the client names stays with one key', () => {
  const names: [string, Record<string, string>, object][] = [
    ['x-session-id', { 'x-session-id': 's1' }, {}],
    ['Claude Code’s header', { 'x-claude-code-session-id': 's1' }, {}],
    ['Codex’ thread-id', { 'thread-id': 's1' }, {}],
    ['Codex’ session-id', { 'session-id': 's1' }, {}],
    ['the session_id of older Codex', { session_id: 's1' }, {}],
    ['OpenCode’s header', { 'x-session-affinity': 's1' }, {}],
    ['prompt_cache_key', {}, { prompt_cache_key: 's1' }],
    ['conversation_id', {}, { conversation_id: 's1' }],
  ];
  test.each(names)('by %s', async (_, headers, body) => {
    await using upstream = await startUpstream({ answer: ok });
    await using rotator = await startRotator({ upstream, keys, rotation });
    for (let i = 0; i < 5; i++) await ask(rotator, { ...body, messages: [user(`turn ${i}`)] }, headers);
    expect(distinct(upstream.keysUsed)).toBe(1);
    await ask(rotator, { messages: [user('without a name')] });
    expect(distinct(upstream.keysUsed)).toBe(2);
  });

  test('also when its requests come together', async () => {
    const held = gate();
    await using upstream = await startUpstream({ answer: () => after(held, answer('ok')) });
    await using rotator = await startRotator({ upstream, keys, rotation });
    const all = Array.from({ length: 5 }, () => ask(rotator, {}, { 'x-session-id': 's' }));
    await eventually('all are there', () => upstream.calls.length === 5);
    held.open();
    await Promise.all(all);
    expect(distinct(upstream.keysUsed)).toBe(1);
  });

  test('also when another key has a better priority', async () => {
    await using upstream = await startUpstream({ answer: ok });
    const both = (first: string) => [
      { key: 'one', priority: first === 'one' ? 1 : 2 },
      { key: 'two', priority: first === 'two' ? 1 : 2 },
    ];
    await using rotator = await startRotator({ upstream, keys: both('one') });
    await ask(rotator, {}, { 'x-session-id': 's' });
    rotator.apply({ upstream, keys: both('two') });
    await ask(rotator, {}, { 'x-session-id': 's' });
    await ask(rotator, {});
    expect(upstream.keysUsed).toEqual(['one', 'one', 'two']);
  });

  test('for an hour of silence', async () => {
    await using upstream = await startUpstream({ answer: ok });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, keys: ['a', 'b'], rotation, clock });
    const named = { 'x-session-id': 's' };
    await ask(rotator, {}, named);
    clock.leap(HOUR - 60_000);
    await ask(rotator, {}, named);
    expect(distinct(upstream.keysUsed)).toBe(1);
    clock.leap(HOUR + 1);
    await ask(rotator, {}, named);
    expect(distinct(upstream.keysUsed)).toBe(2);
  });

  test.each(twoClients)('not across client keys %s, and not across conversations', async (_, client_keys) => {
    await using upstream = await startUpstream({ answer: ok });
    const server = { client_keys };
    await using rotator = await startRotator({ upstream, keys, rotation, server });
    const named = { 'x-session-id': 's' };
    await ask(rotator, {}, named);
    await ask(rotator, {}, named, 'sk-rotator-other-client');
    await ask(rotator, {}, { 'x-session-id': 't' });
    expect(distinct(upstream.keysUsed)).toBe(3);
    await ask(rotator, {}, named, 'sk-rotator-other-client');
    expect(upstream.keysUsed[3]).toBe(upstream.keysUsed[1] ?? null);
  });

  test('unless `affinity: false`', async () => {
    await using upstream = await startUpstream({ answer: ok });
    await using rotator = await startRotator({ upstream, keys, rotation: { ...rotation, affinity: false } });
    for (let i = 0; i < 5; i++) await ask(rotator, { prompt_cache_key: 'k' }, { 'x-session-id': 's' });
    expect(distinct(upstream.keysUsed)).toBe(5);
  });

  test('is never named by `user`, which names a person', async () => {
    await using upstream = await startUpstream({ answer: ok });
    await using rotator = await startRotator({ upstream, keys, rotation });
    for (let i = 0; i < 5; i++) await ask(rotator, { user: 'me', metadata: { user_id: 'me' } });
    expect(distinct(upstream.keysUsed)).toBe(5);
  });
});

describe('a conversation whose key', () => {
  test('is blocked goes at once to another, and stays there when the first is back', async () => {
    let isLimited = false;
    let first: string | null = null;
    await using upstream = await startUpstream({
      answer: ({ key }: Received) =>
        isLimited && key === first ? refusal(429, {}, { 'retry-after': '30' }) : answer('ok'),
    });
    const clock = new LeapingClock();
    await using rotator = await startRotator({ upstream, keys, rotation, clock });
    const named = { 'x-session-id': 's' };
    await ask(rotator, {}, named);
    first = upstream.keysUsed[0] ?? null;
    isLimited = true;
    await ask(rotator, {}, named);
    const second = upstream.keysUsed[2] ?? null;
    expect(second).not.toBe(first);
    isLimited = false;
    clock.leap(31_000);
    for (let i = 0; i < 3; i++) await ask(rotator, {}, named);
    expect(upstream.keysUsed).toEqual([first, first, second, second, second, second]);
  });

  test('is full goes to another', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      answer: ({ text }) => (text.includes('"slow"') ? after(held, answer('ok')) : answer('ok')),
    });
    const provider = { concurrency: { max_per_key: 1 } };
    await using rotator = await startRotator({ upstream, keys: ['a', 'b'], rotation, provider });
    const named = { 'x-session-id': 's' };
    const slow = ask(rotator, { model: 'mock/slow' }, named);
    await eventually('it is there', () => upstream.calls.length === 1);
    await ask(rotator, {}, named);
    held.open();
    await slow;
    expect(distinct(upstream.keysUsed)).toBe(2);
  });

  test('is at a limit of its own goes to another', async () => {
    await using upstream = await startUpstream({ answer: ok });
    const limited = ['a', 'b'].map((key) => ({ key, limits: { rpm: 2 } }));
    await using rotator = await startRotator({ upstream, keys: limited, rotation, clock: new LeapingClock() });
    for (let i = 0; i < 4; i++) await ask(rotator, {}, { 'x-session-id': 's' });
    const [one, , two] = upstream.keysUsed;
    expect(upstream.keysUsed).toEqual([one ?? '', one ?? '', two ?? '', two ?? '']);
    expect(one).not.toBe(two);
  });

  test('is disabled or removed goes to another', async () => {
    await using upstream = await startUpstream({ answer: ok });
    await using rotator = await startRotator({ upstream, keys: ['a', 'b', 'c'], rotation });
    const named = { 'x-session-id': 's' };
    await ask(rotator, {}, named);
    const at = keys.indexOf(upstream.keysUsed[0] ?? '');
    const view = (await rotator.keys())[at];
    await rotator.admin(`keys/${view?.id}/disable`, { method: 'POST' });
    await ask(rotator, {}, named);
    const left = upstream.keysUsed[1] ?? '';
    expect(left).not.toBe(upstream.keysUsed[0] ?? '');
    rotator.apply({ upstream, keys: ['a', 'b', 'c'].filter((key) => key !== left), rotation });
    await ask(rotator, {}, named);
    expect(distinct(upstream.keysUsed)).toBe(3);
  });

  test('fails is the conversation of the one that served in its place', async () => {
    await using upstream = await startUpstream({
      keys: { one: [answer('1'), refusal(500), answer('never')], two: answer('2') },
    });
    await using rotator = await startRotator({
      upstream,
      rotation: { retries_same_key: 0, cooldowns: { transient: '1ms' } },
    });
    for (let i = 0; i < 4; i++) await ask(rotator, {}, { 'x-session-id': 's' });
    expect(upstream.keysUsed).toEqual(['one', 'one', 'two', 'two', 'two']);
  });
});

describe('a conversation that is only inferred', () => {
  const first = [{ role: 'system', content: 'You are helpful.' }, user('hello')];
  const next = [...first, assistant('hi'), user('and now?')];

  test('is recorded from its first turn, and honoured once it holds an answer', async () => {
    await using upstream = await startUpstream({ answer: ok });
    await using rotator = await startRotator({ upstream, keys, rotation });
    for (let i = 0; i < 3; i++) await ask(rotator, { messages: first });
    expect(distinct(upstream.keysUsed)).toBe(3);
    for (let i = 0; i < 4; i++) await ask(rotator, { messages: next });
    expect(new Set(upstream.keysUsed.slice(2))).toEqual(new Set([upstream.keysUsed[2] ?? null]));
  });

  test('counts a tool’s result as an answer', async () => {
    await using upstream = await startUpstream({ answer: ok });
    await using rotator = await startRotator({ upstream, keys, rotation });
    await ask(rotator, { messages: first });
    const called = {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
    };
    for (let i = 0; i < 3; i++) {
      await ask(rotator, { messages: [...first, called, { role: 'tool', tool_call_id: 'c', content: '1' }] });
    }
    expect(distinct(upstream.keysUsed)).toBe(1);
  });

  test('yields while its key is busy and a peer is not', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      answer: ({ text }) => (text.includes('"slow"') ? after(held, answer('ok')) : answer('ok')),
    });
    await using rotator = await startRotator({ upstream, keys: ['a', 'b'], rotation });
    await ask(rotator, { messages: first });
    const slow = ask(rotator, { model: 'mock/slow', messages: next });
    await eventually('it is there', () => upstream.calls.length === 2);
    await ask(rotator, { messages: next });
    held.open();
    await slow;
    const [one, again, other] = upstream.keysUsed;
    expect(again).toBe(one ?? null);
    expect(other).not.toBe(one ?? null);
  });

  test.each(twoClients)('is no other client’s: keys %s', async (_, client_keys) => {
    await using upstream = await startUpstream({ answer: ok });
    const server = { client_keys };
    await using rotator = await startRotator({ upstream, keys, rotation, server });
    await ask(rotator, { messages: first });
    await ask(rotator, { messages: next }, {}, 'sk-rotator-other-client');
    expect(distinct(upstream.keysUsed)).toBe(2);
  });
});
