import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isProblem } from '../../../src/protocols/codec.ts';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import { gemini } from '../../../src/protocols/gemini/index.ts';
import type { Problem } from '../../../src/protocols/problem.ts';
import type { SseFrame } from '../../../src/shared/sse.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const json = (value: unknown) => bytes(JSON.stringify(value));
const frame = (data: unknown, event: string | null = null): SseFrame => ({
  bytes: bytes('x'),
  event,
  data: typeof data === 'string' ? data : JSON.stringify(data),
});
const chunk = (parts: readonly object[], finishReason?: string, index = 0) => ({
  candidates: [{ content: { role: 'model', parts }, index, ...(finishReason && { finishReason }) }],
});
const recorded = readFileSync(
  join(import.meta.dir, '..', '..', 'fixtures', 'gemini', 'thinking-and-call.chunks.txt'),
  'utf8',
);
const path = { model: 'gemini-2.5-flash', isStream: true };

describe('a request', () => {
  test('takes its model and its wish for a stream from the path', () => {
    const envelope = gemini.readRequest(json({ contents: [], model: 'another', stream: false }), path);
    if (isProblem(envelope)) throw new Error(envelope.message);
    expect([envelope.model, envelope.isStream, envelope.wantsUsage]).toEqual(['gemini-2.5-flash', true, true]);
  });

  test.each([
    ['no body', '', 'the request body is empty'],
    ['no JSON', '{"contents":[}', 'valid JSON object'],
    ['a list', '[]', 'valid JSON object'],
    ['no contents', '{}', 'contents is missing'],
    ['contents that are no list', '{"contents":"hi"}', 'contents must be an array'],
  ])('with %s names what is wrong', (_, body, message) => {
    const problem = gemini.readRequest(bytes(body), path);
    if (!isProblem(problem)) throw new Error('was read');
    expect([problem.status, problem.kind]).toEqual([400, 'bad-request']);
    expect(problem.message).toContain(message);
  });

  test('without a model in its path is refused', () => {
    for (const nowhere of [null, { model: ' ', isStream: false }]) {
      expect(gemini.readRequest(json({ contents: [] }), nowhere)).toMatchObject({ status: 400, param: 'model' });
    }
  });

  test('goes as it came: there is nothing to set in its body', () => {
    const envelope = gemini.readRequest(json({ contents: [] }), path);
    if (isProblem(envelope)) throw new Error(envelope.message);
    expect(gemini.patch(envelope, { model: 'other', asksUsage: true })).toEqual({});
  });

  test.each([
    [{ generationConfig: { maxOutputTokens: 5 } }, 5],
    [{ generation_config: { max_output_tokens: 6 } }, 6],
    [{ generationConfig: { maxOutputTokens: '7' } }, null],
    [{}, null],
  ])('%j limits its answer to %p tokens', (body, limit) => {
    const envelope = gemini.readRequest(json({ contents: [], ...body }), path);
    if (isProblem(envelope)) throw new Error(envelope.message);
    expect(gemini.layout.maxOutputTokens(envelope.index)).toBe(limit);
  });
});

describe('a stream', () => {
  const read = (...frames: readonly SseFrame[]) => {
    const reader = gemini.streamReader();
    return { reader, facts: frames.map((one) => reader.push(one)) };
  };

  test('is complete when every candidate that was seen has its finish reason', () => {
    const { reader } = read(frame(chunk([{ text: 'a' }])), frame(chunk([{ text: 'b' }], undefined, 1)));
    expect(reader.end().state).toBe('broken');
    reader.push(frame(chunk([], 'STOP')));
    expect(reader.end().state).toBe('broken');
    reader.push(frame(chunk([], 'MAX_TOKENS', 1)));
    expect(reader.end()).toEqual({ state: 'complete', isEndSeen: false });
    expect(reader.finishReason).toBe('STOP');
  });

  test('without any candidate is broken, with or without usage', () => {
    expect(read().reader.end().state).toBe('broken');
    expect(read(frame({ usageMetadata: { promptTokenCount: 1 } })).reader.end().state).toBe('broken');
  });

  test('whose prompt was refused is a whole answer: nobody else would say otherwise', () => {
    const { reader, facts } = read(frame({ promptFeedback: { blockReason: 'SAFETY' } }));
    expect(facts[0]?.error).toBeUndefined();
    expect(reader.end().state).toBe('complete');
    expect(reader.finishReason).toBe('SAFETY');
  });

  test.each([
    ['text', { text: 'a' }, true],
    ['a thought', { text: 'a', thought: true }, true],
    ['a call', { functionCall: { name: 'f' } }, true],
    ['an image', { inlineData: { mimeType: 'image/png', data: 'AA==' } }, true],
    ['code', { executableCode: { code: '1' } }, true],
    ['empty text', { text: '' }, false],
    ['a signature alone', { text: '', thoughtSignature: 'AA==' }, false],
  ])('holds content when it holds %s', (_, part, isContent) => {
    expect(read(frame(chunk([part]))).facts[0]?.isContent).toBe(isContent);
  });

  test.each([
    ['an error object', { error: { code: 503, message: 'm', status: 'UNAVAILABLE' } }],
    ['an error in a list', [{ error: { code: 429, message: 'm', status: 'RESOURCE_EXHAUSTED' } }]],
  ])('that holds %s fails with it', (_, payload) => {
    expect(read(frame(payload)).facts[0]?.error).toEqual(Array.isArray(payload) ? payload[0] : payload);
  });

  test('that is no JSON fails', () => {
    expect(read(frame('{"candidates":')).facts[0]?.error).toBeDefined();
  });

  test('counts with its last usage, thoughts among the output and tools’ finds among the input', () => {
    const { reader } = read(
      ...framesOf(recorded),
      frame({ usageMetadata: { promptTokenCount: 9, toolUsePromptTokenCount: 2, thoughtsTokenCount: 4 } }),
    );
    expect(reader.usage).toMatchObject({ inputTokens: 11, outputTokens: 4, reasoningTokens: 4, cachedTokens: null });
  });

  test('reports audio by its modality', () => {
    const { reader } = read(
      frame({
        usageMetadata: {
          promptTokenCount: 9,
          candidatesTokenCount: 3,
          promptTokensDetails: [
            { modality: 'TEXT', tokenCount: 4 },
            { modality: 'AUDIO', tokenCount: 5 },
          ],
        },
      }),
    );
    expect(reader.usage).toMatchObject({ audioInputTokens: 5, audioOutputTokens: null });
  });

  test('collected is the whole answer, what it said beside its parts included', () => {
    const whole = gemini.collect(bytes(recorded));
    expect(JSON.parse(new TextDecoder().decode(whole ?? undefined))).toEqual({
      candidates: [
        {
          content: {
            parts: [
              { text: 'The user wants the weather.', thought: true },
              { text: 'Let me look.' },
              { functionCall: { name: 'weather', args: { city: 'A' } }, thoughtSignature: 'U0lHMQ==' },
              { functionCall: { name: 'weather', args: { city: 'B' } } },
            ],
            role: 'model',
          },
          finishReason: 'STOP',
          index: 0,
        },
      ],
      usageMetadata: {
        promptTokenCount: 9,
        candidatesTokenCount: 14,
        totalTokenCount: 27,
        thoughtsTokenCount: 4,
        cachedContentTokenCount: 3,
      },
      modelVersion: 'gemini-3-pro',
      responseId: 'r-1',
    });
  });

  test('collected keeps a signature with its own piece of text', () => {
    const stream = [
      chunk([{ text: 'a' }]),
      chunk([{ text: 'b', thoughtSignature: 'S' }]),
      chunk([{ text: 'c' }], 'STOP'),
    ]
      .map((one) => `data: ${JSON.stringify(one)}\r\n\r\n`)
      .join('');
    const whole = JSON.parse(new TextDecoder().decode(gemini.collect(bytes(stream)) ?? undefined));
    expect(whole.candidates[0].content.parts).toEqual([
      { text: 'a' },
      { text: 'b', thoughtSignature: 'S' },
      { text: 'c' },
    ]);
  });

  test('collected keeps the log probabilities of every chunk', () => {
    const likely = (token: string) => ({
      topCandidates: [{ candidates: [{ token, logProbability: -1 }] }],
      chosenCandidates: [{ token, logProbability: -1 }],
    });
    const said = (token: string) => ({
      candidates: [{ content: { parts: [{ text: token }] }, logprobsResult: likely(token) }],
    });
    const stream = [said('a'), said('b'), chunk([], 'STOP')].map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
    const whole = JSON.parse(new TextDecoder().decode(gemini.collect(bytes(stream)) ?? undefined));
    expect(whole.candidates[0].logprobsResult).toEqual({
      topCandidates: [...likely('a').topCandidates, ...likely('b').topCandidates],
      chosenCandidates: [...likely('a').chosenCandidates, ...likely('b').chosenCandidates],
    });
  });

  test('that is no whole answer cannot be collected', () => {
    expect(gemini.collect(bytes(recorded.slice(0, recorded.length / 2)))).toBeNull();
    expect(gemini.collect(bytes('data: {"error":{"code":500}}\n\n'))).toBeNull();
    expect(gemini.collect(bytes(''))).toBeNull();
  });
});

describe('a whole reply', () => {
  const read = (value: unknown) => gemini.readReply(json(value));

  test.each([
    ['an answer', chunk([{ text: 'a' }], 'STOP'), 'answer'],
    ['an empty answer with a finish reason', chunk([], 'STOP'), 'answer'],
    ['a refused prompt', { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }, 'answer'],
    ['nothing said', chunk([]), 'unreadable'],
    ['no candidates', { usageMetadata: {} }, 'unreadable'],
    ['an error', { error: { code: 400, message: 'm', status: 'INVALID_ARGUMENT' } }, 'error'],
    ['an error in a list', [{ error: { code: 400, message: 'm' } }], 'error'],
  ])('with %s is read', (_, reply, state) => {
    expect(read(reply).state).toBe(state as ReturnType<typeof read>['state']);
  });

  test('that is no JSON is unreadable', () => {
    expect(gemini.readReply(bytes('<html>')).state).toBe('unreadable');
    expect(gemini.readReply(bytes(''))).toEqual({ state: 'unreadable', reason: 'the reply is empty' });
  });

  test('is counted also when an image makes it long', () => {
    const image = { inlineData: { mimeType: 'image/png', data: 'A'.repeat(50_000) } };
    expect(
      read({ ...chunk([image], 'STOP'), usageMetadata: { promptTokenCount: 1, totalTokenCount: 9 } }),
    ).toMatchObject({ state: 'answer', usage: { inputTokens: 1, outputTokens: 8 } });
  });

  test('streamed is its own only chunk', () => {
    const reply = { ...chunk([{ text: 'a' }], 'STOP'), unknown: 1 };
    expect(gemini.streamOf(json(reply), true)).toBe(`data: ${JSON.stringify(reply)}\n\n`);
    expect(gemini.streamOf(bytes('<html>'), true)).toBe('');
  });
});

describe('an error', () => {
  const detail = { requestId: 'q', target: 'gemini/x', attempts: null, retryAt: null };
  const problem: Problem = { kind: 'rate-limited', status: 429, message: 'wait', retryAfterMs: 1200 };

  test('has Google’s envelope, with the wait where its clients look for it', () => {
    const { status, body } = gemini.encodeError(problem, null);
    expect(status).toBe(429);
    expect(JSON.parse(body)).toEqual({
      error: {
        code: 429,
        message: 'wait',
        status: 'RESOURCE_EXHAUSTED',
        details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2s' }],
      },
    });
  });

  test('names the field that is wrong', () => {
    const wrong: Problem = { kind: 'bad-request', status: 400, message: 'contents is missing', param: 'contents' };
    expect(JSON.parse(gemini.encodeError(wrong, null).body).error.details).toEqual([
      {
        '@type': 'type.googleapis.com/google.rpc.BadRequest',
        fieldViolations: [{ field: 'contents', description: 'contents is missing' }],
      },
    ]);
  });

  test('tells of routes beside the error', () => {
    expect(JSON.parse(gemini.encodeError(problem, detail).body).rotator).toEqual({
      request_id: 'q',
      target: 'gemini/x',
      retry_at: null,
    });
  });

  test('ends a stream as its last event', () => {
    const text = gemini.errorFrames({ kind: 'upstream-broken', status: 502, message: 'cut' }, null, null);
    expect(text).toBe('data: {"error":{"code":502,"message":"cut","status":"UNAVAILABLE"}}\n\n');
  });
});
