import { describe, expect, test } from 'bun:test';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import { isProblem } from '../../../src/protocols/codec.ts';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import type { Problem } from '../../../src/protocols/problem.ts';
import { fixture } from './fixture.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const json = (value: object) => bytes(JSON.stringify(value));

describe('a request', () => {
  const wrong: readonly [string, string, string | null][] = [
    ['', 'is empty', null],
    ['[]', 'not a valid JSON object', null],
    ['{"messages":[]}', 'model is missing', 'model'],
    ['{"model":"a"}', 'messages is missing', 'messages'],
    ['{"model":"a","messages":"hi"}', 'messages must be an array', 'messages'],
    ['{"model":"a","messages":[],"stream":1}', 'stream must be true or false', 'stream'],
  ];
  for (const [body, message, param] of wrong) {
    test(`${body || 'nothing'} is refused: ${message}`, () => {
      const read = anthropicMessages.readRequest(bytes(body), null);
      if (!isProblem(read)) throw new Error('accepted');
      expect(read.status).toBe(400);
      expect(read.message).toContain(message);
      expect(read.param ?? null).toBe(param);
    });
  }

  const envelopeOf = (body: string) => {
    const read = anthropicMessages.readRequest(bytes(body), null);
    if (isProblem(read)) throw new Error(read.message);
    return read;
  };

  test('says its model, its stream and its limit', () => {
    const envelope = envelopeOf('{"model":"claude-x","messages":[],"stream":true,"max_tokens":7}');
    expect([envelope.model, envelope.isStream, envelope.wantsUsage]).toEqual(['claude-x', true, true]);
    expect(anthropicMessages.layout.maxOutputTokens(envelope.index)).toBe(7);
  });

  test('passes as it came when the model keeps its name', () => {
    const envelope = envelopeOf('{"model":"m","messages":[],"stream":true}');
    expect(anthropicMessages.patch(envelope, { model: 'm', asksUsage: true })).toEqual({});
    expect(anthropicMessages.patch(envelope, { model: 'n', asksUsage: true })).toEqual({ model: 'n' });
  });

  test('has repeated fields written alike', () => {
    const envelope = envelopeOf('{"model":"m","messages":[],"stream":false,"stream":true,"model":"m"}');
    expect(anthropicMessages.patch(envelope, { model: 'm', asksUsage: false })).toEqual({ model: 'm', stream: true });
  });
});

describe('a stream', () => {
  const readAll = (stream: string) => {
    const reader = anthropicMessages.streamReader();
    const facts = [...framesOf(stream)].map((frame) => reader.push(frame));
    return { reader, facts };
  };

  test('is content from its first words on, not from its frame', async () => {
    const { facts } = readAll(await fixture('thinking-text-tool.chunks.txt'));
    // message_start, thinking opens, then the first thought.
    expect(facts.findIndex(({ isContent }) => isContent)).toBe(3);
  });

  test('is whole at message_stop, with the usage of both its reports', async () => {
    const { reader, facts } = readAll(await fixture('thinking-text-tool.chunks.txt'));
    expect(facts.filter(({ isEnd }) => isEnd)).toHaveLength(1);
    expect(reader.end()).toEqual({ state: 'complete', isEndSeen: true });
    expect(reader.finishReason).toBe('tool_use');
    expect(reader.usage).toMatchObject({
      inputTokens: 12 + 30 + 100,
      cachedTokens: 100,
      cacheWriteTokens: 30,
      outputTokens: 57,
      reasoningTokens: 21,
    });
  });

  test('is whole after a stop reason and a clean end, and gets its end mark', async () => {
    const whole = await fixture('text.chunks.txt');
    const { reader } = readAll(whole.slice(0, whole.indexOf('event: message_stop')));
    expect(reader.end()).toEqual({ state: 'complete', isEndSeen: false });
    expect(anthropicMessages.endFrame(reader)).toBe('event: message_stop\ndata: {"type":"message_stop"}\n\n');
  });

  const broken: readonly [string, string, string][] = [
    ['nothing', '', 'without an answer'],
    ['message_stop', 'event: message_stop\ndata: {"type":"message_stop"}\n\n', 'without an answer'],
    [
      'a delta',
      'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n',
      'without a stop reason',
    ],
  ];
  for (const [name, stream, reason] of broken) {
    test(`with ${name} alone is broken: ${reason}`, () => {
      const { reader } = readAll(stream);
      expect(reader.end()).toEqual({ state: 'broken', reason: expect.stringContaining(reason) });
    });
  }

  test('reports its failures', () => {
    const said = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const { facts } = readAll(
      `event: error\ndata: ${JSON.stringify(said)}\n\ndata: {"error":{"message":"x"}}\n\nevent: a\ndata: {\n\n`,
    );
    expect(facts[0]?.error).toEqual(said);
    expect(facts[1]?.error).toEqual({ error: { message: 'x' } });
    expect(facts[2]?.error).toEqual({ message: 'a frame of the stream is not JSON' });
  });

  test('may hold pings, comments and foreign end marks', () => {
    const { facts } = readAll(
      'event: ping\ndata: {"type":"ping"}\n\n: waiting\n\ndata: [DONE]\n\nevent: ping\ndata: \n\n',
    );
    expect(facts.some(({ isContent, isEnd, error }) => isContent || isEnd || error !== undefined)).toBe(false);
  });

  test('fills a zero in for nothing that was counted before', () => {
    const { reader } = readAll(
      'data: {"type":"message_start","message":{"usage":{"input_tokens":40,"cache_read_input_tokens":2,"output_tokens":1}}}\n\n' +
        'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"output_tokens":9}}\n\n',
    );
    expect(reader.usage).toMatchObject({ inputTokens: 42, outputTokens: 9 });
  });
});

describe('a whole reply', () => {
  const rows: readonly [string, Uint8Array, object][] = [
    [
      'an answer',
      json({ type: 'message', content: [{ type: 'text', text: 'a' }], stop_reason: null }),
      { state: 'answer' },
    ],
    [
      'an empty answer with a reason',
      json({ type: 'message', content: [], stop_reason: 'end_turn' }),
      { state: 'answer' },
    ],
    ['an empty answer without one', json({ content: [], stop_reason: null }), { state: 'unreadable' }],
    ['no content', json({ id: 'x' }), { state: 'unreadable', reason: 'the reply has no content' }],
    ['nothing', bytes(''), { state: 'unreadable', reason: 'the reply is empty' }],
    ['a page', bytes('<html>'), { state: 'unreadable', reason: 'the reply is not JSON' }],
    ['an error', json({ type: 'error', error: { type: 'api_error', message: 'x' } }), { state: 'error' }],
    ['a bare error', json({ error: { message: 'x' } }), { state: 'error', error: { error: { message: 'x' } } }],
  ];
  for (const [name, reply, facts] of rows) {
    test(`that is ${name}`, () => {
      expect(anthropicMessages.readReply(reply)).toMatchObject(facts);
    });
  }

  for (const name of ['text', 'thinking-text-tool', 'search-citations']) {
    test(`${name}: collected from its stream, told as a stream again, collected again: the same`, async () => {
      const collected = anthropicMessages.collect(bytes(await fixture(`${name}.chunks.txt`)));
      if (!collected) throw new Error('not collected');
      expect(JSON.parse(text(collected))).toEqual(JSON.parse(await fixture(`${name}.json`)));
      const again = anthropicMessages.collect(bytes(anthropicMessages.streamOf(collected, true)));
      expect(again && JSON.parse(text(again))).toEqual(JSON.parse(text(collected)));
      expect(anthropicMessages.readReply(collected)).toMatchObject({ state: 'answer' });
    });
  }

  test('is not made of a stream that broke', async () => {
    const whole = await fixture('text.chunks.txt');
    expect(anthropicMessages.collect(bytes(whole.slice(0, whole.indexOf('event: message_delta'))))).toBeNull();
    expect(anthropicMessages.collect(bytes('event: error\ndata: {"type":"error"}\n\n'))).toBeNull();
  });
});

describe('a failure', () => {
  const rows: readonly [Problem['kind'], number, number, string][] = [
    ['bad-request', 400, 400, 'invalid_request_error'],
    ['body-too-large', 413, 413, 'request_too_large'],
    ['unauthenticated', 401, 401, 'authentication_error'],
    ['forbidden', 403, 403, 'permission_error'],
    ['model-not-found', 404, 404, 'not_found_error'],
    ['upstream-rejected', 422, 422, 'invalid_request_error'],
    ['upstream-rejected', 413, 413, 'request_too_large'],
    ['context-too-long', 400, 400, 'invalid_request_error'],
    ['rate-limited', 429, 429, 'rate_limit_error'],
    ['no-credential', 503, 503, 'overloaded_error'],
    ['upstream-authentication', 502, 502, 'api_error'],
    ['upstream-broken', 502, 502, 'api_error'],
    ['upstream-overloaded', 503, 529, 'overloaded_error'],
    ['timeout', 504, 504, 'timeout_error'],
    ['credential-unavailable', 409, 409, 'invalid_request_error'],
    ['loop', 508, 508, 'api_error'],
  ];
  for (const [kind, given, status, type] of rows) {
    test(`${kind} (${given}) is ${status} ${type}`, () => {
      const encoded = anthropicMessages.encodeError({ kind, status: given, message: 'm' }, null);
      expect(encoded.status).toBe(status);
      expect(JSON.parse(encoded.body)).toEqual({ type: 'error', error: { type, message: 'm' }, request_id: null });
    });
  }

  test('tells its route beside the error', () => {
    const detail = { requestId: 'r1', target: 'a/b', attempts: [], retryAt: null };
    const { body } = anthropicMessages.encodeError({ kind: 'timeout', status: 504, message: 'm' }, detail);
    expect(JSON.parse(body)).toEqual({
      type: 'error',
      error: { type: 'timeout_error', message: 'm' },
      rotator: { request_id: 'r1', target: 'a/b', attempts: [], retry_at: null },
      request_id: 'r1',
    });
  });

  test('in a stream is an error event and nothing behind it', () => {
    const frames = anthropicMessages.errorFrames({ kind: 'upstream-broken', status: 502, message: 'm' }, null, null);
    expect(frames).toBe(
      'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"m"},"request_id":null}\n\n',
    );
  });
});
