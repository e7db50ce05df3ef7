import { describe, expect, test } from 'bun:test';
import type { ChatEvent, JsonRecord } from '../../../src/protocols/ir.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import { ReplyBuilder } from '../../../src/protocols/reply-builder.ts';
import { recordedReply, recordedStream } from '../../support/responses-fixtures.ts';
import { decodeContext, heard } from '../../support/responses-hub.ts';

const streamOf = (...events: readonly object[]) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
const completed = { type: 'response.completed', response: { id: 'resp_1', status: 'completed', output: [] } };

function built(events: readonly ChatEvent[]) {
  const builder = new ReplyBuilder();
  for (const event of events) builder.push(event);
  return builder.reply();
}

describe('a stream of Responses', () => {
  test('says start, thoughts, text and calls as they come, then usage and why it ended', () => {
    const signature = { protocol: 'openai-responses', value: 'gAAAAABor0Ay', itemId: 'rs_68af4032baa48193' } as const;
    expect(heard(recordedStream('reasoning-text-calls'))).toEqual([
      {
        type: 'start',
        id: 'resp_68af4030592c81938ec0a5fbab4a3e9f',
        model: 'gpt-5.1-2025-11-13',
        created: 1_756_315_696,
      },
      { type: 'reasoning-delta', choice: 0, text: '**Greeting**\n\n' },
      { type: 'reasoning-delta', choice: 0, text: 'The user says hi.' },
      { type: 'reasoning-break', choice: 0 },
      { type: 'reasoning-delta', choice: 0, text: 'Call the tool too.' },
      { type: 'reasoning-signature', choice: 0, signature },
      { type: 'text-delta', choice: 0, text: 'Hello' },
      { type: 'text-delta', choice: 0, text: ', wörld' },
      { type: 'tool-call-start', choice: 0, call: 0, id: 'call_a1', name: 'get_weather', kind: 'function' },
      { type: 'tool-call-delta', choice: 0, call: 0, text: '{"city":' },
      { type: 'tool-call-delta', choice: 0, call: 0, text: '"Paris"}' },
      { type: 'tool-call-end', choice: 0, call: 0 },
      { type: 'tool-call-start', choice: 0, call: 1, id: 'call_a2', name: 'get_time', kind: 'function' },
      // This one came without pieces.
      { type: 'tool-call-delta', choice: 0, call: 1, text: '{}' },
      { type: 'tool-call-end', choice: 0, call: 1 },
      {
        type: 'usage',
        usage: {
          inputTokens: 75,
          outputTokens: 144,
          cachedTokens: 50,
          cacheWriteTokens: 0,
          reasoningTokens: 128,
          audioInputTokens: null,
          audioOutputTokens: null,
          costUsd: null,
        },
      },
      { type: 'finish', choice: 0, finish: { unified: 'tool-calls', raw: 'completed' } },
    ]);
  });

  for (const name of ['reasoning-text-calls', 'search-image-custom']) {
    test(`${name}: is the same answer as its whole form`, () => {
      const whole = openAiResponses.decodeReply(recordedReply(name), decodeContext);
      expect(built(heard(recordedStream(name)))).toEqual(whole);
    });

    test(`${name}: is the same answer when its server sends nothing but its end`, () => {
      const end = streamOf({ type: 'response.completed', response: recordedReply(name) });
      expect(built(heard(end))).toEqual(openAiResponses.decodeReply(recordedReply(name), decodeContext));
    });

    test(`${name}: is the same answer when its server sends whole items only`, () => {
      const reply = recordedReply(name);
      const items = Array.isArray(reply.output) ? reply.output : [];
      const events = [
        { type: 'response.created', response: reply },
        ...items.map((item, at) => ({ type: 'response.output_item.done', output_index: at, item })),
        { type: 'response.completed', response: { ...reply, output: [] } },
      ];
      expect(built(heard(streamOf(...events)))).toEqual(openAiResponses.decodeReply(reply, decodeContext));
    });
  }

  test('brings searches as foreign parts, citations, images and custom calls', () => {
    const parts = built(heard(recordedStream('search-image-custom'))).choices[0]?.parts ?? [];
    expect(parts).toMatchObject([
      { type: 'foreign', name: 'web_search_call' },
      {
        type: 'text',
        text: 'Cats are cats',
        citations: [{ url: 'https://cats.example/', title: 'Cats', range: { start: 0, end: 5 } }],
      },
      { type: 'image', source: { mediaType: 'image/png', data: 'iVBORw0KGgo=' } },
      { type: 'tool-call', kind: 'custom', name: 'apply_patch', arguments: '*** Begin Patch\n*** End Patch' },
    ]);
  });

  test('that is incomplete ends for length', () => {
    expect(heard(recordedStream('incomplete')).at(-1)).toEqual({
      type: 'finish',
      choice: 0,
      finish: { unified: 'length', raw: 'max_output_tokens' },
    });
  });

  test('brings refusals', () => {
    expect(built(heard(recordedStream('refusal'))).choices[0]?.parts).toEqual([
      { type: 'refusal', text: "I can't help." },
    ]);
  });

  test('that is cut has its calls closed and one finish', () => {
    const cut = recordedStream('reasoning-text-calls').split('\n\n').slice(0, 22).join('\n\n');
    expect(heard(`${cut}\n\n`).slice(-3)).toEqual([
      { type: 'tool-call-delta', choice: 0, call: 0, text: '{"city":' },
      { type: 'tool-call-end', choice: 0, call: 0 },
      { type: 'finish', choice: 0, finish: { unified: 'other', raw: null } },
    ]);
  });

  test('gives tools back the names the client knows, and namespaces theirs', () => {
    const call = (name: string, more: JsonRecord = {}) => ({
      type: 'response.output_item.done',
      output_index: name.length,
      item: { type: 'function_call', call_id: name, name, arguments: '{}', ...more },
    });
    const context = { ...decodeContext, toolNames: new Map([['mcp_x', 'mcp/x']]) };
    const events = heard(streamOf(call('mcp_x'), call('find', { namespace: 'crm' }), completed), context);
    expect(events.flatMap((event) => (event.type === 'tool-call-start' ? event.name : []))).toEqual([
      'mcp/x',
      'crm__find',
    ]);
  });

  test('brings the log probabilities that came with no piece of the text once', () => {
    const place = { output_index: 0, content_index: 0 };
    const token = (word: string) => ({ token: word, logprob: -1, top_logprobs: [] });
    const events = heard(
      streamOf(
        { type: 'response.output_text.delta', ...place, delta: 'a', logprobs: [token('a')] },
        { type: 'response.output_text.delta', ...place, delta: 'b' },
        { type: 'response.output_text.done', ...place, text: 'ab', logprobs: [token('a'), token('b')] },
        completed,
      ),
    );
    const [part] = built(events).choices[0]?.parts ?? [];
    expect(part).toMatchObject({ type: 'text', text: 'ab', logprobs: [{ token: 'a' }, { token: 'b' }] });
  });

  test('without ids of calls gets some, each its own', () => {
    const item = { type: 'function_call', name: 'f', arguments: '{}' };
    const done = (at: number) => ({ type: 'response.output_item.done', output_index: at, item });
    const events = heard(streamOf(done(0), done(1), completed));
    expect(events.flatMap((event) => (event.type === 'tool-call-start' ? event.id : []))).toEqual([
      'call_s1_0',
      'call_s1_1',
    ]);
  });

  test('tells a summary and the full thoughts of one item once', () => {
    const id = { item_id: 'rs_1', output_index: 0 };
    const events = heard(
      streamOf(
        { type: 'response.reasoning_text.delta', content_index: 0, delta: 'long', ...id },
        { type: 'response.reasoning_summary_text.delta', summary_index: 0, delta: 'short', ...id },
        completed,
      ),
    );
    expect(events.flatMap((event) => (event.type === 'reasoning-delta' ? event.text : []))).toEqual(['long']);
  });

  test('never throws on what no server should send', () => {
    const odd: readonly unknown[] = [null, 7, [], {}, { type: 7 }, { type: 'response.output_item.done' }];
    const decoder = openAiResponses.streamDecoder(decodeContext);
    expect(odd.flatMap((json) => decoder.push({ event: null, json }))).toEqual([]);
    expect(decoder.push({ event: null, json: { type: 'response.completed' } })).toEqual([
      { type: 'start', id: null, model: null, created: null },
      { type: 'finish', choice: 0, finish: { unified: 'stop', raw: null } },
    ]);
    expect(decoder.end()).toEqual([]);
  });
});
