import { describe, expect, test } from 'bun:test';
import { AnswerReader, readError, readWhole } from '../../src/cli/chat-answer.ts';
import { chatFailure } from '../../src/cli/chat-failure.ts';

const STREAM = [
  ': rotator\n\n',
  'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
  'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}\n\n',
  'data: {"choices":[{"index":0,"delta":{"content":"grüß"}}]}\r\n\r\n',
  'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n',
  'data: [DONE]\n\n',
].join('');

const EVENTS = [
  { kind: 'reasoning', text: 'hm' },
  { kind: 'text', text: 'grüß' },
  { kind: 'finish', reason: 'stop' },
  { kind: 'usage', usage: { inputTokens: 3, outputTokens: 4, cachedTokens: null, cost: null } },
];

describe('an answer', () => {
  test('is read the same wherever its stream is cut', () => {
    const bytes = Buffer.from(STREAM);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new AnswerReader();
      const events: unknown[] = [...reader.push(bytes.subarray(0, cut)), ...reader.push(bytes.subarray(cut))];
      expect(events).toEqual(EVENTS);
    }
  });

  test('an error inside a stream is an error', () => {
    const reader = new AnswerReader();
    const bytes = Buffer.from('data: {"error":{"message":"broke","type":"upstream_error","code":null}}\n\n');
    expect(reader.push(bytes)).toEqual([
      { kind: 'error', error: { type: 'upstream_error', code: null, message: 'broke' } },
    ]);
  });

  test('a whole reply says the same', () => {
    const reply = {
      choices: [{ message: { content: 'hi' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: null },
    };
    expect(readWhole(reply)).toEqual([
      { kind: 'text', text: 'hi' },
      { kind: 'finish', reason: 'stop' },
      { kind: 'usage', usage: { inputTokens: 1, outputTokens: null, cachedTokens: null, cost: null } },
    ]);
    expect(readError({ error: 'plain words' })).toEqual({ type: null, code: null, message: 'plain words' });
    expect(readError({ error: null })).toBeNull();
  });
});

describe('the exit code of a refused chat', () => {
  test.each([
    [429, 'rate_limit_error', null, 3],
    [503, 'server_error', 'no_credential', 3],
    [503, 'upstream_error', 'overloaded', 1],
    [401, 'authentication_error', null, 4],
    [403, 'permission_error', null, 4],
    [502, 'upstream_error', 'upstream_authentication', 4],
    [502, 'upstream_error', null, 1],
    [404, 'invalid_request_error', 'model_not_found', 2],
    [400, 'invalid_request_error', null, 1],
    [504, 'timeout_error', null, 1],
    [null, 'rate_limit_error', null, 3],
    [null, 'upstream_error', null, 1],
  ] as const)('%s %s %s is %d', (status, type, code, exitCode) => {
    expect(chatFailure('m', status, { type, code, message: 'x' }, null).exitCode).toBe(exitCode);
  });

  test('the hint says when to come back', () => {
    const failure = chatFailure('groq/x', 429, { type: 'rate_limit_error', code: null, message: 'x' }, 41);
    expect(failure.hint).toBe('try again in 41 s; rotator test-route groq/x shows why');
  });
});

test('of several choices only the first is the answer', () => {
  const piece = (index: number, content: string) =>
    `data: ${JSON.stringify({ choices: [{ index, delta: { content } }] })}\n\n`;
  const events = new AnswerReader().push(new TextEncoder().encode(piece(0, 'one') + piece(1, 'two')));
  expect(events).toEqual([{ kind: 'text', text: 'one' }]);
});
