import { describe, expect, test } from 'bun:test';
import { ReasoningMemory } from '../../src/gateway/reasoning-memory.ts';
import type { AssistantPart, ChatReply, ChatRequest, Signature, ToolCallPart } from '../../src/protocols/ir.ts';
import { replyEvents } from '../../src/protocols/reply-events.ts';
import { codecOf } from '../../src/protocols/index.ts';
import { isProblem } from '../../src/protocols/codec.ts';

const HOUR = 3_600_000;
const signed = (value: string): Signature => ({ protocol: 'gemini', value });

const call = (id: string, signature?: Signature): ToolCallPart => ({
  type: 'tool-call',
  id,
  name: 'run',
  arguments: '{}',
  kind: 'function',
  ...(signature && { signature }),
});
const thought = (text: string, signature: Signature | null = null): AssistantPart => ({
  type: 'reasoning',
  text,
  signature,
});

const replyOf = (...parts: AssistantPart[]): ChatReply => ({
  id: null,
  model: null,
  created: null,
  choices: [{ parts, finish: { unified: 'tool-calls', raw: null } }],
  usage: null,
});

function requestOf(...parts: AssistantPart[]): ChatRequest {
  const codec = codecOf('openai-chat');
  const envelope = codec.readRequest(new TextEncoder().encode('{"model":"m","messages":[]}'), null);
  if (isProblem(envelope)) throw new Error(envelope.message);
  const decoded = codec.decodeRequest(envelope);
  if (isProblem(decoded)) throw new Error(decoded.message);
  return { ...decoded.value, turns: [{ role: 'assistant', parts }] };
}

const partsOf = (request: ChatRequest) => request.turns[0]?.parts;

function remember(memory: ReasoningMemory, reply: ChatReply, how: 'whole' | 'streamed', client = 'me', now = 0): void {
  const witness = memory.witness('vendor', client, () => now);
  if (how === 'whole') witness.reply(reply);
  else for (const event of replyEvents(reply)) witness.event(event);
}

describe.each(['whole', 'streamed'] as const)('a %s answer', (how) => {
  test('gives its thoughts back before the call that they led to', () => {
    const memory = new ReasoningMemory();
    remember(memory, replyOf(thought('why'), call('a'), call('b')), how);
    for (const id of ['a', 'b']) {
      const restored = memory.restore(requestOf(call(id)), 'vendor', 'me', 1);
      expect(partsOf(restored)).toEqual([thought('why'), call(id)]);
    }
  });

  test('gives the call its signature back, also where the client put a mark of its own', () => {
    const memory = new ReasoningMemory();
    remember(memory, replyOf(call('a', signed('S'))), how);
    const marked = call('a', { protocol: 'openai-responses', value: '', itemId: 'fc_1' });
    for (const part of [call('a'), marked]) {
      expect(partsOf(memory.restore(requestOf(part), 'vendor', 'me', 1))).toEqual([call('a', signed('S'))]);
    }
  });

  test('leaves alone what came back as it was issued', () => {
    const memory = new ReasoningMemory();
    remember(memory, replyOf(thought('why', signed('T')), call('a', signed('S'))), how);
    const whole = requestOf(thought('why', signed('T')), call('a', signed('S')));
    expect(memory.restore(whole, 'vendor', 'me', 1)).toBe(whole);
  });

  test('replaces thoughts that came back without their signature', () => {
    const memory = new ReasoningMemory();
    remember(memory, replyOf(thought('why', signed('T')), call('a')), how);
    const restored = memory.restore(requestOf(thought('why'), call('a')), 'vendor', 'me', 1);
    expect(partsOf(restored)).toEqual([thought('why', signed('T')), call('a')]);
  });

  test('is given to nobody else: another provider, another client, a call it does not know', () => {
    const memory = new ReasoningMemory();
    remember(memory, replyOf(thought('why'), call('a')), how);
    const asked = requestOf(call('a'));
    expect(memory.restore(asked, 'other', 'me', 1)).toBe(asked);
    expect(memory.restore(asked, 'vendor', 'you', 1)).toBe(asked);
    const unknown = requestOf(call('b'));
    expect(memory.restore(unknown, 'vendor', 'me', 1)).toBe(unknown);
  });
});

test('what nobody asks for is forgotten after a day, and what is asked for is kept', () => {
  const memory = new ReasoningMemory();
  remember(memory, replyOf(thought('why'), call('a'), call('b')), 'whole');
  const asked = requestOf(call('a'));
  expect(memory.restore(asked, 'vendor', 'me', 23 * HOUR)).not.toBe(asked);
  expect(memory.restore(asked, 'vendor', 'me', 46 * HOUR)).not.toBe(asked);
  const late = requestOf(call('b'));
  expect(memory.restore(late, 'vendor', 'me', 25 * HOUR)).toBe(late);
});

test('holds at most so many calls, and forgets the oldest', () => {
  const memory = new ReasoningMemory();
  for (let i = 0; i < 20_100; i++) remember(memory, replyOf(thought('t'), call(`c${i}`)), 'whole');
  expect(memory.size).toBe(20_000);
  const [first, last] = [requestOf(call('c0')), requestOf(call('c20099'))];
  expect(memory.restore(first, 'vendor', 'me', 1)).toBe(first);
  expect(memory.restore(last, 'vendor', 'me', 1)).not.toBe(last);
});

test('holds at most so many bytes', () => {
  const memory = new ReasoningMemory();
  const long = 'x'.repeat(900_000);
  for (let i = 0; i < 60; i++) remember(memory, replyOf(thought(long), call(`c${i}`)), 'whole');
  expect(memory.size).toBeLessThan(40);
});
