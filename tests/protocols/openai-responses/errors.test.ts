import { describe, expect, test } from 'bun:test';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import type { Problem } from '../../../src/protocols/problem.ts';
import { eventsOf, frames, record, recordedStream, withOpenAi } from '../../support/responses-fixtures.ts';

const limited: Problem = { kind: 'rate-limited', status: 429, message: 'all 3 credentials of openai are limited' };
const broken: Problem = { kind: 'upstream-broken', status: 502, message: 'the stream broke' };
const detail = { requestId: 'req-1', target: 'openai/gpt-5.1', attempts: [], retryAt: null };

describe('a failure', () => {
  test('before the answer has OpenAI’s envelope', () => {
    const { status, body } = openAiResponses.encodeError(limited, detail);
    expect(status).toBe(429);
    expect(record(body)).toEqual({
      error: {
        message: limited.message,
        type: 'rate_limit_error',
        param: null,
        code: null,
        rotator: { request_id: 'req-1', target: 'openai/gpt-5.1', attempts: [], retry_at: null },
      },
    });
  });

  test('before the answer reaches users of the official client as an exception with the status', async () => {
    const { status, body } = openAiResponses.encodeError(limited, null);
    const asked = withOpenAi({ status, body, isStream: false }, (client) =>
      client.responses.create({ model: 'm', input: 'x' }),
    );
    expect(await asked.catch((error: unknown) => error)).toMatchObject({ status: 429, type: 'rate_limit_error' });
  });

  test('inside the answer is response.failed, with the answer’s id and the next number', () => {
    const reader = openAiResponses.streamReader();
    for (const one of frames(recordedStream('reasoning-text-calls')).slice(0, 17)) reader.push(one);
    const events = eventsOf(openAiResponses.errorFrames(broken, detail, reader.progress ?? null));
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      type: 'response.failed',
      sequence_number: 17,
      response: {
        id: 'resp_68af4030592c81938ec0a5fbab4a3e9f',
        status: 'failed',
        created_at: 1_756_315_696,
        model: 'gpt-5.1-2025-11-13',
        error: { code: 'server_error', message: 'the stream broke', rotator: { request_id: 'req-1' } },
      },
    });
  });

  const codes: readonly [Problem, string][] = [
    [limited, 'rate_limit_exceeded'],
    [{ kind: 'context-too-long', status: 400, message: 'x' }, 'context_length_exceeded'],
    [{ kind: 'upstream-overloaded', status: 503, message: 'x' }, 'overloaded'],
    [{ kind: 'upstream-rejected', status: 400, message: 'x', code: 'invalid_image' }, 'invalid_image'],
    [broken, 'server_error'],
  ];
  for (const [problem, code] of codes) {
    test(`${problem.kind} is told by the code ${code}`, () => {
      const [, failed] = eventsOf(openAiResponses.errorFrames(problem, null, null));
      expect(failed).toMatchObject({ response: { error: { code } } });
    });
  }

  test('before any frame is a response that is created and fails', async () => {
    const stream = openAiResponses.errorFrames(limited, detail, null);
    expect(eventsOf(stream).map(({ type, sequence_number }) => [type, sequence_number])).toEqual([
      ['response.created', 0],
      ['response.failed', 1],
    ]);
    const heard = await withOpenAi({ body: `: rotator\n\n${stream}`, isStream: true }, (client) =>
      client.responses.stream({ model: 'm', input: 'x' }).finalResponse(),
    );
    expect([heard.status, heard.error?.message]).toEqual(['failed', limited.message]);
  });

  test('in the middle of a message is heard by the official client', async () => {
    const cut = frames(recordedStream('incomplete')).slice(0, 4);
    const reader = openAiResponses.streamReader();
    for (const one of cut) reader.push(one);
    const sent = cut.map(({ event, data }) => `event: ${event}\ndata: ${data}\n\n`).join('');
    const stream = sent + openAiResponses.errorFrames(broken, null, reader.progress ?? null);
    const heard = await withOpenAi({ body: stream, isStream: true }, (client) =>
      client.responses.stream({ model: 'm', input: 'x' }).finalResponse(),
    );
    expect([heard.status, heard.error?.message]).toEqual(['failed', 'the stream broke']);
  });
});
