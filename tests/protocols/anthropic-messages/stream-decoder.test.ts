import { describe, expect, test } from 'bun:test';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import type { DecodeContext } from '../../../src/protocols/codec.ts';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import type { ChatEvent, ChatReply } from '../../../src/protocols/ir.ts';
import { ReplyBuilder } from '../../../src/protocols/reply-builder.ts';
import { parseJson } from '../../../src/shared/json-shape.ts';
import { fixture } from './fixture.ts';
import { decodeContext } from './requests.ts';

function eventsOf(stream: string, context: Partial<DecodeContext> = {}): readonly ChatEvent[] {
  const decoder = anthropicMessages.streamDecoder({ ...decodeContext, ...context });
  const pushed = [...framesOf(stream)].flatMap(({ event, data }) =>
    data === null ? [] : decoder.push({ event, json: parseJson(data) }),
  );
  return [...pushed, ...decoder.end()];
}

const frames = (...events: readonly object[]) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
const begin = (index: number, block: object) => ({ type: 'content_block_start', index, content_block: block });
const delta = (index: number, fields: object) => ({ type: 'content_block_delta', index, delta: fields });
const stop = (index: number) => ({ type: 'content_block_stop', index });
const ended = (reason: string, fields: object = {}) => ({
  type: 'message_delta',
  delta: { stop_reason: reason, stop_sequence: null, ...fields },
  usage: { output_tokens: 3 },
});
const built = (events: readonly ChatEvent[]): ChatReply => {
  const builder = new ReplyBuilder();
  for (const event of events) builder.push(event);
  return builder.reply();
};
const finishOf = (events: readonly ChatEvent[]) =>
  events.flatMap((event) => (event.type === 'finish' ? [event.finish] : []));

describe('a stream', () => {
  test('of thoughts, text and two calls is told piece by piece', async () => {
    const events = eventsOf(await fixture('thinking-text-tool.chunks.txt'));
    const signature = (value: string) => ({ protocol: 'anthropic-messages', value }) as const;
    expect(events).toEqual([
      { type: 'start', id: 'msg_01A', model: 'claude-sonnet-4-5-20250929', created: null },
      { type: 'reasoning-delta', choice: 0, text: 'Both ' },
      { type: 'reasoning-delta', choice: 0, text: 'cities.' },
      { type: 'reasoning-signature', choice: 0, signature: signature('EqQBCgIYAhIM') },
      { type: 'redacted-reasoning', choice: 0, signature: signature('EmwKAhgBEgy3') },
      { type: 'text-delta', choice: 0, text: 'Let me look.' },
      { type: 'tool-call-start', choice: 0, call: 0, id: 'toolu_01', name: 'get_weather', kind: 'function' },
      { type: 'tool-call-delta', choice: 0, call: 0, text: '{"city":' },
      { type: 'tool-call-delta', choice: 0, call: 0, text: '"Oslo"}' },
      { type: 'tool-call-end', choice: 0, call: 0 },
      { type: 'tool-call-start', choice: 0, call: 1, id: 'toolu_02', name: 'get_weather', kind: 'function' },
      { type: 'tool-call-delta', choice: 0, call: 1, text: '{"city":"Rome"}' },
      { type: 'tool-call-end', choice: 0, call: 1 },
      { type: 'finish', choice: 0, finish: { unified: 'tool-calls', raw: 'tool_use' } },
      {
        type: 'usage',
        usage: {
          inputTokens: 142,
          outputTokens: 57,
          cachedTokens: 100,
          cacheWriteTokens: 30,
          reasoningTokens: 21,
          audioInputTokens: null,
          audioOutputTokens: null,
          costUsd: null,
        },
      },
    ]);
  });

  test('has the vendor’s own tools as foreign parts, and citations by their place in the text', async () => {
    const reply = built(eventsOf(await fixture('search-citations.chunks.txt')));
    expect(reply.choices[0]?.parts).toMatchObject([
      { type: 'foreign', name: 'server_tool_use', value: { input: { query: 'oslo weather' } } },
      { type: 'foreign', name: 'web_search_tool_result' },
      {
        type: 'text',
        text: 'I looked. It is cold.',
        citations: [{ url: 'https://w.example/oslo', title: 'Oslo', range: { start: 10, end: 20 } }],
      },
    ]);
  });

  for (const name of ['text', 'thinking-text-tool', 'search-citations']) {
    test(`${name} says what the whole message says`, async () => {
      const whole = anthropicMessages.decodeReply(JSON.parse(await fixture(`${name}.json`)), decodeContext);
      expect(built(eventsOf(await fixture(`${name}.chunks.txt`)))).toEqual(whole);
    });
  }

  const finishes: readonly [string, object, object][] = [
    ['end_turn', {}, { unified: 'stop', raw: 'end_turn' }],
    ['stop_sequence', { stop_sequence: 'END' }, { unified: 'stop', raw: 'stop_sequence', stopSequence: 'END' }],
    ['max_tokens', {}, { unified: 'length', raw: 'max_tokens' }],
    ['model_context_window_exceeded', {}, { unified: 'length', raw: 'model_context_window_exceeded' }],
    ['pause_turn', {}, { unified: 'stop', raw: 'pause_turn' }],
    ['refusal', {}, { unified: 'content-filter', raw: 'refusal' }],
    ['tool_use', {}, { unified: 'stop', raw: 'tool_use' }],
    ['something_new', {}, { unified: 'other', raw: 'something_new' }],
  ];
  for (const [reason, fields, finish] of finishes) {
    test(`that ends with ${reason} and calls nothing`, () => {
      expect<unknown>(finishOf(eventsOf(frames(ended(reason, fields))))).toEqual([finish]);
    });
  }

  test('that is refused says why', () => {
    const details = { type: 'refusal', category: 'bio', explanation: 'Not this.' };
    const { parts, finish } = built(eventsOf(frames(ended('refusal', { stop_details: details })))).choices[0] ?? {};
    expect(parts).toEqual([{ type: 'refusal', text: 'Not this.' }]);
    expect(finish?.unified).toBe('content-filter');
  });

  test('that ends twice has one end', () => {
    expect(finishOf(eventsOf(frames(ended('end_turn'), ended('max_tokens'))))).toHaveLength(1);
  });

  test('that never says how it ends has its calls closed and an end', () => {
    const events = eventsOf(frames(begin(0, { type: 'tool_use', id: 'a', name: 'f', input: {} })));
    expect(events.map(({ type }) => type)).toEqual([
      'start',
      'tool-call-start',
      'tool-call-delta',
      'tool-call-end',
      'finish',
    ]);
    expect(finishOf(events)).toEqual([{ unified: 'tool-calls', raw: null }]);
  });

  test('of a compatible server may bring a call’s input at once, forget its id, or leave out that a text begins', () => {
    const events = eventsOf(
      frames(
        delta(0, { type: 'text_delta', text: 'a' }),
        begin(1, { type: 'tool_use', name: 'f', input: { q: 1 } }),
        stop(1),
        ended('end_turn'),
      ),
    );
    const { parts, finish } = built(events).choices[0] ?? {};
    expect(parts).toEqual([
      { type: 'text', text: 'a' },
      { type: 'tool-call', id: 'toolu_seed_0', name: 'f', arguments: '{"q":1}', kind: 'function' },
    ]);
    expect(finish?.unified).toBe('tool-calls');
  });

  test('gives tools the names that the client knows', () => {
    const toolNames = new Map([['mcp_x', 'mcp.x']]);
    const events = eventsOf(frames(begin(0, { type: 'tool_use', id: 'a', name: 'mcp_x', input: {} }), stop(0)), {
      toolNames,
    });
    expect(events).toContainEqual(expect.objectContaining({ type: 'tool-call-start', name: 'mcp.x' }));
  });

  test('tells two thoughts without signatures apart', () => {
    const thought = (index: number, text: string) => [
      begin(index, { type: 'thinking', thinking: '' }),
      delta(index, { type: 'thinking_delta', thinking: text }),
      stop(index),
    ];
    const reply = built(eventsOf(frames(...thought(0, 'a'), ...thought(1, 'b'), ended('end_turn'))));
    expect(reply.choices[0]?.parts).toMatchObject([{ text: 'a' }, { text: 'b' }]);
  });

  test('of anything else throws nothing', () => {
    const odd = [
      null,
      7,
      [],
      {},
      { type: 'content_block_start' },
      { type: 'message_start', message: 3 },
      { type: 'x' },
    ];
    const decoder = anthropicMessages.streamDecoder(decodeContext);
    for (const json of odd) decoder.push({ event: null, json });
    expect(decoder.end().map(({ type }) => type)).toEqual(['finish']);
    expect(anthropicMessages.decodeReply({ content: [{}, { type: 'text' }, 3] }, decodeContext).choices).toHaveLength(
      1,
    );
  });
});
