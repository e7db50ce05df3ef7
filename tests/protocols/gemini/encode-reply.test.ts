import { describe, expect, test } from 'bun:test';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import { gemini } from '../../../src/protocols/gemini/index.ts';
import type { AssistantPart, ChatEvent, ChatReply, FinishReason, ReasoningWish } from '../../../src/protocols/ir.ts';
import { replyEvents } from '../../../src/protocols/reply-events.ts';
import { chatRequest } from './chat-request.ts';

const context = (reasoning: ReasoningWish | null = null) => ({
  request: chatRequest({ reasoning }),
  seed: 'S',
  model: 'asked',
  now: 1,
});
const stop: FinishReason = { unified: 'stop', raw: 'stop' };
const replyOf = (parts: readonly AssistantPart[], finish: FinishReason = stop): ChatReply => ({
  id: 'r',
  model: 'm',
  created: 1,
  choices: [{ parts, finish }],
  usage: {
    inputTokens: 9,
    outputTokens: 9,
    cachedTokens: 3,
    cacheWriteTokens: null,
    reasoningTokens: 4,
    audioInputTokens: null,
    audioOutputTokens: null,
    costUsd: null,
  },
});
const whole = (parts: readonly AssistantPart[], finish?: FinishReason) =>
  gemini.encodeReply(replyOf(parts, finish), context());
const candidate = (parts: readonly AssistantPart[], finish?: FinishReason) => {
  const { candidates } = whole(parts, finish).value;
  return Array.isArray(candidates) ? candidates[0] : undefined;
};
function streamed(events: Iterable<ChatEvent>): readonly unknown[] {
  const encoder = gemini.streamEncoder(context());
  let text = '';
  for (const event of events) text += encoder.push(event);
  text += encoder.end();
  return [...framesOf(text)].flatMap(({ data }) => (data === null ? [] : [JSON.parse(data)]));
}

const call = (id: string, args: string): AssistantPart => ({
  type: 'tool-call',
  id,
  name: 'f',
  arguments: args,
  kind: 'function',
});

describe('a whole reply', () => {
  test('has thoughts, text, calls and usage as Gemini writes them', () => {
    const signature = { protocol: 'gemini', value: 'SIG' } as const;
    expect(
      whole(
        [
          { type: 'reasoning', text: 'hm', signature: { protocol: 'anthropic-messages', value: 'X' } },
          { type: 'text', text: 'a', signature },
          { type: 'text', text: 'b' },
          { ...call('c1', '{"q":1}'), signature } as AssistantPart,
          call('c2', ''),
          { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AA==' }, signature },
          { type: 'refusal', text: 'no' },
        ],
        { unified: 'tool-calls', raw: 'tool_calls' },
      ),
    ).toEqual({
      value: {
        candidates: [
          {
            content: {
              parts: [
                { text: 'hm', thought: true },
                { text: 'a', thoughtSignature: 'SIG' },
                { text: 'b' },
                { functionCall: { name: 'f', args: { q: 1 }, id: 'c1' }, thoughtSignature: 'SIG' },
                { functionCall: { name: 'f', args: {}, id: 'c2' } },
                { inlineData: { mimeType: 'image/png', data: 'AA==' }, thoughtSignature: 'SIG' },
                { text: 'no' },
              ],
              role: 'model',
            },
            finishReason: 'STOP',
            index: 0,
          },
        ],
        usageMetadata: {
          promptTokenCount: 9,
          candidatesTokenCount: 5,
          thoughtsTokenCount: 4,
          totalTokenCount: 18,
          cachedContentTokenCount: 3,
        },
        modelVersion: 'm',
        responseId: 'r',
      },
      warnings: [],
    });
  });

  test('shows no thoughts to a client that wants none', () => {
    const reply = replyOf([{ type: 'reasoning', text: 'hm', signature: null }]);
    const { value } = gemini.encodeReply(reply, context({ amount: null, isShown: false }));
    expect(value.candidates).toMatchObject([{ content: { parts: [] } }]);
  });

  test.each<[FinishReason, string]>([
    [{ unified: 'stop', raw: 'end_turn' }, 'STOP'],
    [{ unified: 'tool-calls', raw: 'tool_calls' }, 'STOP'],
    [{ unified: 'length', raw: 'length' }, 'MAX_TOKENS'],
    [{ unified: 'content-filter', raw: 'content_filter' }, 'SAFETY'],
    [{ unified: 'content-filter', raw: 'RECITATION' }, 'RECITATION'],
    [{ unified: 'other', raw: null }, 'OTHER'],
    [{ unified: 'other', raw: 'constructor' }, 'OTHER'],
  ])('that ended by %j says %s', (finish, word) => {
    expect(candidate([], finish)).toMatchObject({ finishReason: word });
  });

  test('with arguments that nobody can read makes no call of them', () => {
    const finish: FinishReason = { unified: 'tool-calls', raw: null };
    expect(candidate([call('c', '{"a":')], finish)).toEqual({
      content: { parts: [], role: 'model' },
      finishReason: 'MALFORMED_FUNCTION_CALL',
      finishMessage: 'Malformed function call: call:default_api:f{"a":',
      index: 0,
    });
    expect(whole([call('c', '{"a":')], finish).warnings).toEqual(['unreadable arguments: call of f removed']);
    expect(candidate([call('c', '{"a":')], { unified: 'length', raw: null })).toMatchObject({
      finishReason: 'MAX_TOKENS',
    });
    expect(candidate([call('c', "{a: 'x'}")], finish)).toMatchObject({
      content: { parts: [{ functionCall: { args: { a: 'x' } } }] },
      finishReason: 'STOP',
    });
  });

  test('with free text for a custom tool makes a call with one text of it', () => {
    const custom: AssistantPart = { type: 'tool-call', id: 'c', name: 'f', arguments: 'a b', kind: 'custom' };
    expect(candidate([custom], { unified: 'tool-calls', raw: null })).toMatchObject({
      content: { parts: [{ functionCall: { args: { input: 'a b' } } }] },
      finishReason: 'STOP',
    });
  });

  test('names its sources, in bytes', () => {
    const citation = { url: 'https://a', title: 'A', citedText: null, range: { start: 2, end: 5 } };
    const citations = [citation, { ...citation, range: null }];
    expect(candidate([{ type: 'text', text: 'é abc', citations }])).toMatchObject({
      groundingMetadata: {
        groundingChunks: [{ web: { uri: 'https://a', title: 'A' } }],
        groundingSupports: [{ segment: { startIndex: 3, endIndex: 6, text: 'abc' }, groundingChunkIndices: [0] }],
      },
    });
  });

  test('keeps what is Gemini’s own, and says what is another’s', () => {
    const code = { executableCode: { code: '1' } };
    const { value, warnings } = whole([
      { type: 'foreign', protocol: 'gemini', name: 'executableCode', value: code },
      { type: 'foreign', protocol: 'gemini', name: 'groundingMetadata', value: { groundingMetadata: { x: 1 } } },
      { type: 'foreign', protocol: 'openai-responses', name: 'web_search_call', value: {} },
    ]);
    expect(value.candidates).toMatchObject([{ content: { parts: [code] }, groundingMetadata: { x: 1 } }]);
    expect(warnings).toEqual(['web_search_call removed']);
  });

  test('without a name of its own gets one', () => {
    const { value } = gemini.encodeReply({ ...replyOf([]), id: null, model: null, usage: null }, context());
    expect(value).toMatchObject({ responseId: 'resp_S', modelVersion: 'asked' });
    expect(value.usageMetadata).toBeUndefined();
  });
});

describe('a stream', () => {
  test('has text as it comes, and the finish and the usage in its last chunk alone', () => {
    const head = { modelVersion: 'm', responseId: 'r' };
    expect(streamed(replyEvents(replyOf([{ type: 'text', text: 'a' }])))).toEqual([
      { candidates: [{ content: { parts: [{ text: 'a' }], role: 'model' }, index: 0 }], ...head },
      {
        candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
        usageMetadata: {
          promptTokenCount: 9,
          candidatesTokenCount: 5,
          thoughtsTokenCount: 4,
          totalTokenCount: 18,
          cachedContentTokenCount: 3,
        },
        ...head,
      },
    ]);
  });

  test('has whole calls, in order, however their pieces came', () => {
    const start = (number: number) =>
      ({ type: 'tool-call-start', choice: 0, call: number, id: `c${number}`, name: 'f', kind: 'function' }) as const;
    const delta = (number: number, text: string) =>
      ({ type: 'tool-call-delta', choice: 0, call: number, text }) as const;
    const end = (number: number) => ({ type: 'tool-call-end', choice: 0, call: number }) as const;
    const frames = streamed([
      start(0),
      delta(0, '{"a'),
      start(1),
      delta(1, '{"b":2}'),
      end(1),
      delta(0, '":1}'),
      end(0),
      { type: 'finish', choice: 0, finish: stop },
    ]);
    expect(frames).toMatchObject([
      {
        candidates: [
          {
            content: {
              parts: [
                { functionCall: { name: 'f', args: { a: 1 }, id: 'c0' } },
                { functionCall: { name: 'f', args: { b: 2 }, id: 'c1' } },
              ],
            },
          },
        ],
      },
      { candidates: [{ finishReason: 'STOP' }] },
    ]);
  });

  test('that said nothing still ends like one', () => {
    expect(streamed([])).toMatchObject([{ candidates: [{ finishReason: 'OTHER', index: 0 }] }]);
  });

  test('of two candidates ends with both', () => {
    const one = replyOf([{ type: 'text', text: 'a' }]);
    const two = { ...one, choices: [...one.choices, { parts: [], finish: { unified: 'length', raw: null } as const }] };
    expect(streamed(replyEvents(two)).at(-1)).toMatchObject({
      candidates: [
        { finishReason: 'STOP', index: 0 },
        { finishReason: 'MAX_TOKENS', index: 1 },
      ],
    });
  });
});
