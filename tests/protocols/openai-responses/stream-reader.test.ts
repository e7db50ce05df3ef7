import { describe, expect, test } from 'bun:test';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import type { SseFrame } from '../../../src/shared/sse.ts';
import { bytesOf, frames, record, recordedReply, recordedStream } from '../../support/responses-fixtures.ts';

const frame = (data: unknown, event: string | null = null): SseFrame => ({
  bytes: bytesOf('x'),
  event,
  data: typeof data === 'string' ? data : JSON.stringify(data),
});
const facts = (data: unknown, event: string | null = null) => openAiResponses.streamReader().push(frame(data, event));

function readAll(stream: string) {
  const reader = openAiResponses.streamReader();
  const seen = frames(stream).map((one) => reader.push(one));
  return { reader, seen };
}

describe('an event', () => {
  const content: readonly [string, object][] = [
    ['text', { type: 'response.output_text.delta', delta: 'hi' }],
    ['a refusal', { type: 'response.refusal.delta', delta: 'no' }],
    ['a summary of reasoning', { type: 'response.reasoning_summary_text.delta', delta: 'hm' }],
    ['reasoning', { type: 'response.reasoning_text.delta', delta: 'hm' }],
    ['arguments', { type: 'response.function_call_arguments.delta', delta: '{' }],
    ['the input of a custom tool', { type: 'response.custom_tool_call_input.delta', delta: '*' }],
    ['a call', { type: 'response.output_item.added', item: { type: 'function_call', name: 'f', arguments: '' } }],
    ['a custom call', { type: 'response.output_item.added', item: { type: 'custom_tool_call', input: '' } }],
    ['a search', { type: 'response.output_item.added', item: { type: 'web_search_call' } }],
    ['a whole message', { type: 'response.output_item.done', item: { type: 'message', content: [{}] } }],
    ['an image', { type: 'response.output_item.done', item: { type: 'image_generation_call', result: 'iVBO' } }],
    ['a part of an image', { type: 'response.image_generation_call.partial_image', partial_image_b64: 'iVBO' }],
  ];
  for (const [name, event] of content) {
    test(`with ${name} commits the answer`, () => expect(facts(event).isContent).toBe(true));
  }

  const nothing: readonly [string, object][] = [
    ['response.created', { type: 'response.created', response: { id: 'resp_1', output: [] } }],
    ['response.in_progress', { type: 'response.in_progress', response: { id: 'resp_1' } }],
    ['an empty message', { type: 'response.output_item.added', item: { type: 'message', content: [] } }],
    ['empty reasoning', { type: 'response.output_item.added', item: { type: 'reasoning', summary: [] } }],
    ['an image to come', { type: 'response.output_item.added', item: { type: 'image_generation_call', result: null } }],
    ['an opened part', { type: 'response.content_part.added', part: { type: 'output_text', text: '' } }],
    ['an empty delta', { type: 'response.output_text.delta', delta: '' }],
    ['an unknown type', { type: 'response.something.new' }],
  ];
  for (const [name, event] of nothing) {
    test(`with ${name} does not`, () => {
      expect(facts(event)).toMatchObject({ isContent: false, isEnd: false, error: undefined });
    });
  }

  test('of a keep-alive or a comment means nothing', () => {
    expect(facts('{"type":"keepalive"}', 'keepalive').json).toBeUndefined();
    expect(
      openAiResponses.streamReader().push({ bytes: bytesOf(': x'), event: null, data: null }).json,
    ).toBeUndefined();
  });

  test('that is not JSON is an error of the stream', () => {
    expect(facts('{"type":').error).toEqual({ message: 'a frame of the stream is not JSON' });
  });
});

describe('a stream', () => {
  test('is complete with its last event, which carries usage, reason and the whole answer', () => {
    const { reader, seen } = readAll(recordedStream('reasoning-text-calls'));
    expect(reader.end()).toEqual({ state: 'complete', isEndSeen: true });
    expect(seen.filter(({ isEnd }) => isEnd)).toHaveLength(1);
    expect(reader.finishReason).toBe('completed');
    expect(reader.usage).toMatchObject({ inputTokens: 75, outputTokens: 144, cachedTokens: 50, reasoningTokens: 128 });
    expect(reader.progress).toMatchObject({
      announced: { id: 'resp_68af4030592c81938ec0a5fbab4a3e9f', status: 'in_progress' },
      nextSequence: 29,
      final: recordedReply('reasoning-text-calls'),
    });
  });

  test('that is cut is broken, however far it came', () => {
    const whole = frames(recordedStream('reasoning-text-calls'));
    for (let cut = 0; cut < whole.length; cut++) {
      const reader = openAiResponses.streamReader();
      for (const one of whole.slice(0, cut)) reader.push(one);
      expect(reader.end().state).toBe('broken');
      expect(reader.progress?.nextSequence).toBe(cut);
    }
  });

  test('of a server that ends with [DONE] and nothing else is broken', () => {
    const reader = openAiResponses.streamReader();
    expect(reader.push(frame('[DONE]')).isEnd).toBe(true);
    expect(reader.end().state).toBe('broken');
  });

  test('ends as well when it is incomplete, and says why', () => {
    const { reader } = readAll(recordedStream('incomplete'));
    expect([reader.end().state, reader.finishReason]).toEqual(['complete', 'max_output_tokens']);
  });

  test('that fails is an error with the upstream’s own words', () => {
    const { reader, seen } = readAll(recordedStream('failed-after-created'));
    expect(seen.at(-1)).toMatchObject({
      isEnd: false,
      error: { response: { error: { code: 'rate_limit_exceeded' } } },
    });
    expect([reader.end().state, reader.progress?.nextSequence]).toEqual(['broken', 3]);
  });

  test('with an error event is an error', () => {
    const { seen } = readAll(recordedStream('error-event'));
    expect(seen.at(-1)?.error).toMatchObject({ code: 'server_error', message: 'The server had an error.' });
    expect(facts({ error: { message: 'no' } }).error).toEqual({ error: { message: 'no' } });
  });

  test('whose last event repeats no item is put together from the items it had', () => {
    const stream = recordedStream('empty-final-output');
    const { reader } = readAll(stream);
    const whole = recordedReply('reasoning-text-calls');
    const [, message, call] = Array.isArray(whole.output) ? whole.output : [];
    expect(reader.progress?.final?.output).toEqual([message, call]);
    const collected = openAiResponses.collect(bytesOf(stream));
    expect(record(new TextDecoder().decode(collected ?? bytesOf('{}'))).output).toEqual([message, call]);
  });

  test('is collected into its last event’s response, unknown fields included', () => {
    const collected = openAiResponses.collect(bytesOf(recordedStream('reasoning-text-calls')));
    expect(record(new TextDecoder().decode(collected ?? bytesOf('{}')))).toEqual(recordedReply('reasoning-text-calls'));
  });

  test('that failed or was cut is no whole answer', () => {
    expect(openAiResponses.collect(bytesOf(recordedStream('failed-after-created')))).toBeNull();
    expect(openAiResponses.collect(bytesOf(recordedStream('incomplete').slice(0, 900)))).toBeNull();
  });
});
