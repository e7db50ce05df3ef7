import { describe, expect, test } from 'bun:test';
import { openAiChat } from '../../src/protocols/openai-chat/index.ts';
import { affinityOf } from '../../src/gateway/affinity-hint.ts';
import { openingOf } from '../../src/gateway/opening.ts';
import type { Affinity } from '../../src/pool/pool.ts';
import { JsonIndex } from '../../src/shared/json-bytes.ts';

const encode = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

function hint(body: unknown, headers: Record<string, string> = {}, client: string | null = 'laptop'): Affinity | null {
  const index = JsonIndex.of(encode(body));
  if (!index) throw new Error('no JSON object');
  return affinityOf(new Headers(headers), index, openAiChat.layout, client ?? '');
}

const keyOf = (...given: Parameters<typeof hint>) => hint(...given)?.key;

const system = { role: 'system', content: 'You help.' };
const user = { role: 'user', content: 'Hello' };
const assistant = { role: 'assistant', content: 'Hi' };
const chat = (...messages: unknown[]) => ({ model: 'm', messages });
const plain = chat(system, user);

describe('a conversation that the client names', () => {
  test.each([
    'x-session-id',
    'x-claude-code-session-id',
    'session-id',
    'thread-id',
    'session_id',
    'conversation_id',
    'x-session-affinity',
    'X-Session-Id',
  ])('in the header %s is honoured from the first turn', (name) => {
    expect(hint(plain, { [name]: 's-1' })).toMatchObject({ isExplicit: true, isHonoured: true });
    expect(keyOf(plain, { [name]: 's-1' })).toBe(keyOf(chat(user), { [name]: 's-1' }));
    expect(keyOf(plain, { [name]: 's-1' })).not.toBe(keyOf(plain, { [name]: 's-2' }));
  });

  test.each([
    'prompt_cache_key',
    'session_id',
    'conversation_id',
    'conversationId',
    'thread_id',
    'threadId',
    'chat_id',
    'chatId',
  ])('in the field %s is honoured from the first turn', (name) => {
    expect(hint({ ...plain, [name]: 's-1' })).toMatchObject({ isExplicit: true, isHonoured: true });
    expect(keyOf({ ...plain, [name]: 's-1' })).toBe(keyOf({ ...chat(user), [name]: 's-1' }));
    expect(keyOf({ ...plain, [name]: 's-1' })).not.toBe(keyOf({ ...plain, [name]: 's-2' }));
    expect(hint({ ...plain, [name]: 12 })).toMatchObject({ isExplicit: true });
  });

  test('is the same by whichever way it is named', () => {
    expect(keyOf({ ...plain, prompt_cache_key: 's-1' })).toBe(keyOf(plain, { 'x-session-id': 's-1' }));
  });

  test('is taken from a header before a field, and from the better known field', () => {
    const both = { ...plain, chat_id: 'c', prompt_cache_key: 'p' };
    expect(keyOf(both)).toBe(keyOf({ ...plain, prompt_cache_key: 'p' }));
    expect(keyOf(both, { 'x-session-id': 'h' })).toBe(keyOf(plain, { 'x-session-id': 'h' }));
  });

  test('is the last of a repeated field, as JSON.parse has it', () => {
    const body = '{"model":"m","chat_id":"a","chat_id":"b","messages":[{"role":"user","content":"x"}]}';
    expect(keyOf(body)).toBe(keyOf({ ...plain, chat_id: 'b' }));
  });

  test.each([[''], ['  '], [null], [true], [[]], [{}]])('is not %j', (value) => {
    expect(hint({ ...plain, session_id: value })).toMatchObject({ isExplicit: false });
    expect(hint({ ...plain, session_id: value, chat_id: 'c' })).toMatchObject({ isExplicit: true });
    if (typeof value === 'string') expect(hint(plain, { 'x-session-id': value })).toMatchObject({ isExplicit: false });
  });

  test('is not whoever uses it', () => {
    const named = { ...plain, user: 'u-1', metadata: { user_id: 'u-1', session_id: 's' } };
    expect(hint(named)).toEqual(hint(plain));
  });
});

describe('a conversation that is inferred', () => {
  test('is recorded, and honoured once it holds an answer', () => {
    expect(hint(plain)).toMatchObject({ isExplicit: false, isHonoured: false });
    expect(hint(chat(system, user, assistant, user))).toEqual({
      key: keyOf(plain) ?? '',
      isExplicit: false,
      isHonoured: true,
    });
    expect(hint(chat(system, user, { role: 'tool', tool_call_id: 'x', content: '1' }))).toMatchObject({
      isHonoured: true,
    });
    expect(hint(chat(system, user, user))).toMatchObject({ isHonoured: false });
  });

  test('is not honoured for what is only written about answers', () => {
    const about = { role: 'user', content: 'What is {"role":"assistant"}, or "role": "tool"?' };
    expect(hint(chat(user, about))).toMatchObject({ isHonoured: false });
    expect(hint(chat(assistant, user))).toMatchObject({ isHonoured: false });
  });

  test('is told by the system prompt, the tools and the first user message', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const keys = [
      keyOf(plain),
      keyOf(chat({ ...system, content: 'You hinder.' }, user)),
      keyOf(chat(system, { ...user, content: 'Hallo' })),
      keyOf(chat(user)),
      keyOf({ ...plain, tools }),
      keyOf({ ...plain, tools: [] }),
      keyOf(chat({ role: 'developer', content: 'You help.' }, user)),
      keyOf(chat({ role: 'system', content: 'You help.Hello' }, { role: 'user', content: '' })),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(keyOf({ temperature: 1, ...plain, model: 'other' })).toBe(keyOf(plain));
  });

  test('stays the same when the marks of a cache move through it', () => {
    const marked = [
      { role: 'system', content: [{ type: 'text', text: 'You help.', cache_control: { type: 'ephemeral' } }] },
      { role: 'user', content: [{ type: 'text', text: 'Hello' }], cache_control: { type: 'ephemeral' } },
    ];
    expect(keyOf(chat(...marked))).toBe(keyOf(plain));
  });

  test('is one client’s own, named or inferred', () => {
    expect(keyOf(plain, {}, 'laptop')).not.toBe(keyOf(plain, {}, 'phone'));
    expect(keyOf(plain, {}, 'laptop')).not.toBe(keyOf(plain, {}, null));
    expect(keyOf(plain, { 'x-session-id': 's' }, 'laptop')).not.toBe(keyOf(plain, { 'x-session-id': 's' }, 'phone'));
  });

  test.each([
    ['no user message', chat(system)],
    ['no message', chat()],
    ['no messages', { model: 'm' }],
    ['messages of another form', { model: 'm', messages: 'Hello' }],
    ['a message of another form', chat('Hello')],
  ])('is none with %s', (_, body) => {
    expect(hint(body)).toBeNull();
  });
});

describe('a long beginning', () => {
  const long = (bytes: number) => 'say "it" \n'.repeat(Math.ceil(bytes / 10)).slice(0, bytes);

  test('of the user is known by its first 16 KB', () => {
    const one = chat(system, { role: 'user', content: long(300_000) });
    expect(keyOf(one)).toBe(keyOf(chat(system, { role: 'user', content: `${long(200_000)} and more` })));
    expect(keyOf(one)).not.toBe(keyOf(chat(system, { role: 'user', content: `!${long(300_000)}` })));
    expect(hint(one)).toMatchObject({ isHonoured: false });
    const going = chat(system, { role: 'user', content: long(300_000) }, assistant, user);
    expect<unknown>(hint(going)).toEqual({ ...hint(one), isHonoured: true });
  });

  test('of the system is passed over, up to 128 KB', () => {
    expect(hint(chat({ role: 'system', content: long(90_000) }, user))).not.toBeNull();
    expect(keyOf(chat({ role: 'system', content: long(90_000) }, user))).not.toBe(
      keyOf(chat({ role: 'system', content: long(90_000) }, { role: 'user', content: 'Hi' })),
    );
    expect(hint(chat({ role: 'system', content: long(200_000) }, user))).toBeNull();
  });

  test('of many texts is read to its end', () => {
    const parts = Array.from({ length: 8 }, (_, i) => ({ type: 'text', text: `${i} ${'x'.repeat(15_000)}` }));
    const keys = [parts, parts.slice(0, 7), [...parts].reverse()].map((content) =>
      keyOf(chat({ role: 'user', content })),
    );
    expect(new Set(keys).size).toBe(3);
  });

  test('ends the reading with the user’s text, wherever its role stands', () => {
    const bytes = encode(`[{"role":"user","content":"${'x'.repeat(40_000)}"}]`);
    expect(openingOf(bytes)?.end).toBeLessThan(17_000);
    const behind = encode(`[{"content":"${'x'.repeat(40_000)}","role":"user"}]`);
    expect(openingOf(behind)?.end).toBe(behind.length - 1);
  });
});
