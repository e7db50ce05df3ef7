import { describe, expect, test } from 'bun:test';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import { bytesOf, recordedReply } from '../../support/responses-fixtures.ts';

const read = (value: unknown) => openAiResponses.readReply(bytesOf(value));

describe('a reply', () => {
  test('with output is an answer with its usage', () => {
    expect(read(recordedReply('reasoning-text-calls'))).toMatchObject({
      state: 'answer',
      usage: { inputTokens: 75, outputTokens: 144, cachedTokens: 50, cacheWriteTokens: 0, reasoningTokens: 128 },
    });
  });

  test('that is incomplete or still empty is an answer', () => {
    expect(read({ status: 'incomplete', output: [], incomplete_details: { reason: 'content_filter' } }).state).toBe(
      'answer',
    );
    expect(read({ status: 'queued', output: [] })).toEqual({ state: 'answer', usage: null });
  });

  test('that failed is an error although its status is 200', () => {
    const failed = { status: 'failed', output: [], error: { code: 'server_error', message: 'no' } };
    expect(read(failed)).toEqual({ state: 'error', error: failed });
  });

  test('that holds an error envelope is an error', () => {
    expect(read({ error: { message: 'no' } })).toEqual({ state: 'error', error: { error: { message: 'no' } } });
    expect(read({ detail: 'Not found' }).state).toBe('error');
    expect(read({ code: 404, message: 'no such model' }).state).toBe('error');
  });

  test('that is neither is unreadable, and says so', () => {
    expect(read('')).toEqual({ state: 'unreadable', reason: 'the reply is empty' });
    expect(read('<html>')).toEqual({ state: 'unreadable', reason: 'the reply is not JSON' });
    expect(read({ object: 'chat.completion', choices: [] })).toEqual({
      state: 'unreadable',
      reason: 'the reply has no output',
    });
  });
});
