import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { DecodeContext } from '../../../src/protocols/codec.ts';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import { gemini } from '../../../src/protocols/gemini/index.ts';
import type { ChatEvent, JsonRecord } from '../../../src/protocols/ir.ts';
import { isObject, parseJson } from '../../../src/shared/json-shape.ts';

const context: DecodeContext = { toolNames: new Map([['a_b', 'a/b']]), answerTool: null, seed: 'S' };
const reply = (parts: readonly object[], more: object = {}, top: object = {}): JsonRecord => ({
  candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0, ...more }],
  ...top,
});
const choice = (json: JsonRecord) => gemini.decodeReply(json, context).choices[0];

function events(...payloads: readonly unknown[]): readonly ChatEvent[] {
  const decoder = gemini.streamDecoder(context);
  return [...payloads.flatMap((json) => decoder.push({ event: null, json })), ...decoder.end()];
}

const recorded = readFileSync(
  join(import.meta.dir, '..', '..', 'fixtures', 'gemini', 'thinking-and-call.chunks.txt'),
  'utf8',
);

describe('a stream', () => {
  test('becomes events: usage as it grows, whole calls, and the finish at the end', () => {
    const payloads = [...framesOf(recorded)]
      .filter(({ data }) => data !== null)
      .map(({ data }) => parseJson(data ?? ''));
    const seen = events(...payloads);
    expect(seen.filter(({ type }) => type !== 'usage')).toEqual([
      { type: 'start', id: 'r-1', model: 'gemini-3-pro', created: null },
      { type: 'reasoning-delta', choice: 0, text: 'The user wants the weather.' },
      { type: 'text-delta', choice: 0, text: 'Let me ' },
      { type: 'text-delta', choice: 0, text: 'look.' },
      {
        type: 'tool-call-start',
        choice: 0,
        call: 0,
        id: 'call_S_0',
        name: 'weather',
        kind: 'function',
        signature: { protocol: 'gemini', value: 'U0lHMQ==' },
      },
      { type: 'tool-call-delta', choice: 0, call: 0, text: '{"city":"A"}' },
      { type: 'tool-call-end', choice: 0, call: 0 },
      { type: 'tool-call-start', choice: 0, call: 1, id: 'call_S_1', name: 'weather', kind: 'function' },
      { type: 'tool-call-delta', choice: 0, call: 1, text: '{"city":"B"}' },
      { type: 'tool-call-end', choice: 0, call: 1 },
      { type: 'finish', choice: 0, finish: { unified: 'tool-calls', raw: 'STOP' } },
    ]);
    const counted = seen.filter((event) => event.type === 'usage').map(({ usage }) => usage.outputTokens);
    expect(counted).toEqual([4, 6, 7, 18, 18]);
    expect(seen.findLast((event) => event.type === 'usage')?.usage.cachedTokens).toBe(3);
  });

  test('counts its calls over all chunks, and keeps the ids that it is given', () => {
    const called = (id: string | undefined) => ({
      candidates: [{ content: { parts: [{ functionCall: { name: 'f', ...(id && { id }) } }] } }],
    });
    const starts = events(called(undefined), called('given'), called(undefined), reply([])).filter(
      (event) => event.type === 'tool-call-start',
    );
    expect(starts.map(({ call, id }) => [call, id])).toEqual([
      [0, 'call_S_0'],
      [1, 'given'],
      [2, 'call_S_2'],
    ]);
  });

  test('with finish reasons in every chunk finishes once', () => {
    const seen = events(reply([{ text: 'a' }]), reply([{ text: 'b' }]), reply([], { finishReason: 'MAX_TOKENS' }));
    expect(seen.filter(({ type }) => type === 'finish')).toEqual([
      { type: 'finish', choice: 0, finish: { unified: 'length', raw: 'MAX_TOKENS' } },
    ]);
  });

  test('of two candidates keeps them apart', () => {
    const two = {
      candidates: [
        { index: 1, content: { parts: [{ text: 'b' }] }, finishReason: 'STOP' },
        { index: 0, content: { parts: [{ text: 'a' }] }, finishReason: 'MAX_TOKENS' },
      ],
    };
    const { choices } = gemini.decodeReply(two, context);
    expect(choices.map(({ parts, finish }) => [parts, finish.unified])).toEqual([
      [[{ type: 'text', text: 'a' }], 'length'],
      [[{ type: 'text', text: 'b' }], 'stop'],
    ]);
  });

  test('whose prompt was refused ends by the content filter', () => {
    expect(events({ promptFeedback: { blockReason: 'SAFETY', blockReasonMessage: 'no' } })).toEqual([
      { type: 'start', id: null, model: null, created: null },
      { type: 'refusal-delta', choice: 0, text: 'no' },
      { type: 'finish', choice: 0, finish: { unified: 'content-filter', raw: 'SAFETY' } },
    ]);
  });
});

describe('a reply', () => {
  test('has thoughts by either kind of true, and signatures with what they sign', () => {
    expect(
      choice(
        reply([
          { text: 'a', thought: true },
          { text: 'b', thought: 'true' },
          { text: 'c' },
          { text: '', thoughtSignature: 'T' },
          { text: 'd', thoughtSignature: 'U' },
        ]),
      )?.parts,
    ).toEqual([
      { type: 'reasoning', text: 'ab', signature: null },
      { type: 'text', text: 'c', signature: { protocol: 'gemini', value: 'T' } },
      { type: 'text', text: 'd', signature: { protocol: 'gemini', value: 'U' } },
    ]);
  });

  test('has calls without arguments, and under the names that the client knows', () => {
    expect(choice(reply([{ functionCall: { name: 'a_b' } }]))).toEqual({
      parts: [{ type: 'tool-call', id: 'call_S_0', name: 'a/b', arguments: '{}', kind: 'function' }],
      finish: { unified: 'tool-calls', raw: 'STOP' },
    });
  });

  test('has images with their signatures, sounds, and code that only Gemini knows', () => {
    expect(
      choice(
        reply([
          { inlineData: { mimeType: 'image/png', data: 'AA==' }, thoughtSignature: 'I' },
          { inlineData: { mimeType: 'audio/L16;rate=24000', data: 'AA==' } },
          { executableCode: { language: 'PYTHON', code: '1' } },
        ]),
      )?.parts,
    ).toEqual([
      {
        type: 'image',
        source: { kind: 'data', mediaType: 'image/png', data: 'AA==' },
        signature: { protocol: 'gemini', value: 'I' },
      },
      { type: 'audio', source: { kind: 'data', mediaType: 'audio/l16', data: 'AA==' } },
      {
        type: 'foreign',
        protocol: 'gemini',
        name: 'executableCode',
        value: { executableCode: { language: 'PYTHON', code: '1' } },
      },
    ]);
  });

  test.each<[string, string, string]>([
    ['STOP', 'stop', 'tool-calls'],
    ['MAX_TOKENS', 'length', 'tool-calls'],
    ['SAFETY', 'content-filter', 'content-filter'],
    ['RECITATION', 'content-filter', 'content-filter'],
    ['PROHIBITED_CONTENT', 'content-filter', 'content-filter'],
    ['IMAGE_SAFETY', 'content-filter', 'content-filter'],
    ['OTHER', 'other', 'tool-calls'],
    ['SOMETHING_NEW', 'other', 'tool-calls'],
  ])('that ends with %s ended by %s, with calls by %s', (finishReason, plain, withCalls) => {
    expect(choice(reply([{ text: 'a' }], { finishReason }))?.finish).toEqual({
      unified: plain,
      raw: finishReason,
    } as never);
    expect(choice(reply([{ functionCall: { name: 'f' } }], { finishReason }))?.finish.unified).toBe(withCalls as never);
  });

  test('tells its sources: citations in characters, and all of it for the way home', () => {
    const groundingMetadata = {
      groundingChunks: [{ web: { uri: 'https://a', title: 'A' } }, { web: { uri: 'https://b' } }],
      groundingSupports: [
        { segment: { startIndex: 3, endIndex: 6, text: 'abc' }, groundingChunkIndices: [0, 1] },
        { segment: { endIndex: 3 }, groundingChunkIndices: [7] },
      ],
      searchEntryPoint: { renderedContent: '<p>' },
    };
    const range = { start: 2, end: 5 };
    expect(choice(reply([{ text: 'é abc' }], { groundingMetadata }))?.parts).toEqual([
      {
        type: 'text',
        text: 'é abc',
        citations: [
          { url: 'https://a', title: 'A', citedText: 'abc', range },
          { url: 'https://b', title: null, citedText: 'abc', range },
        ],
      },
      { type: 'foreign', protocol: 'gemini', name: 'groundingMetadata', value: { groundingMetadata } },
    ]);
  });

  test('with sources and no words for them cites them for the whole text', () => {
    const groundingMetadata = { groundingChunks: [{ web: { uri: 'https://a', title: 'A' } }] };
    expect(choice(reply([{ text: 'a' }], { groundingMetadata }))?.parts[0]).toMatchObject({
      citations: [{ url: 'https://a', title: 'A', citedText: null, range: null }],
    });
  });

  test('says who gave it, and when', () => {
    const top = { responseId: 'r', modelVersion: 'm', createTime: '2026-01-01T00:00:00.5Z' };
    expect(gemini.decodeReply(reply([], {}, top), context)).toMatchObject({
      id: 'r',
      model: 'm',
      created: 1_767_225_600,
      usage: null,
    });
  });
});

describe('a malformed call', () => {
  const malformed = (finishMessage: string) =>
    choice(reply([], { finishReason: 'MALFORMED_FUNCTION_CALL', finishMessage }));

  test.each<[string, string, string]>([
    ['call:default_api:w{"city":"A"}', 'w', '{"city":"A"}'],
    ["call:default_api:w{city: 'A', days: 3, exact: True,}", 'w', '{"city":"A","days":3,"exact":true}'],
    ['call:default_api:a_b{list: [a, "b\nc"], deep: {x: null}}', 'a/b', '{"list":["a","b\\nc"],"deep":{"x":null}}'],
    ['call:w{path: "C:\\dir"}', 'w', '{"path":"C:\\\\dir"}'],
  ])('that is %s is made', (text, name, args) => {
    expect(malformed(`Malformed function call: ${text}`)).toEqual({
      parts: [{ type: 'tool-call', id: 'call_S_0', name, arguments: args, kind: 'function' }],
      finish: { unified: 'tool-calls', raw: 'MALFORMED_FUNCTION_CALL' },
    });
  });

  test.each([
    'Malformed function call: call:default_api:w{"city":"A',
    'Malformed function call: call:default_api:w{"city"}',
    'Malformed function call: print(default_api.w())',
    '',
  ])('that is cut off or no call at all is none: %j', (message) => {
    expect(malformed(message)).toEqual({
      // Why there is no call is all that there is to say.
      parts: message === '' ? [] : [{ type: 'text', text: message }],
      finish: { unified: 'other', raw: 'MALFORMED_FUNCTION_CALL' },
    });
  });

  test('that is none adds nothing to an answer in words', () => {
    const finishMessage = 'Malformed function call: print(default_api.w())';
    expect(
      choice(reply([{ text: 'I look.' }], { finishReason: 'MALFORMED_FUNCTION_CALL', finishMessage }))?.parts,
    ).toEqual([{ type: 'text', text: 'I look.' }]);
  });
});

test('nothing that an upstream says makes the decoder fail', () => {
  const anything = () => fc.jsonValue({ maxDepth: 2 });
  const part = fc.record(
    {
      text: anything(),
      thought: anything(),
      thoughtSignature: anything(),
      functionCall: anything(),
      inlineData: anything(),
      fileData: anything(),
    },
    { requiredKeys: [] },
  );
  const payload = fc.record(
    {
      candidates: fc.oneof(
        anything(),
        fc.array(
          fc.record({
            content: fc.record({ parts: fc.array(part, { maxLength: 4 }) }),
            finishReason: anything(),
            index: anything(),
          }),
        ),
      ),
      usageMetadata: anything(),
      promptFeedback: anything(),
      createTime: anything(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(payload, anything()), { maxLength: 4 }), (payloads) => {
      const seen = events(...payloads);
      expect(seen[0]?.type).toBe('start');
      expect(seen.filter(({ type }) => type === 'start')).toHaveLength(1);
      for (const one of payloads) if (isObject(one)) gemini.decodeReply(one, context);
    }),
    { numRuns: 200 },
  );
});
