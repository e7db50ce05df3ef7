import { describe, expect, test } from 'bun:test';
import { isProblem } from '../../../src/protocols/codec.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import { bytesOf } from '../../support/responses-fixtures.ts';

const read = (body: string) => openAiResponses.readRequest(bytesOf(body), null);

describe('a request', () => {
  const wrong: readonly [string, string, string | null][] = [
    ['', 'is empty', null],
    ['[]', 'not a valid JSON object', null],
    ['{"input":"x"}', 'model is missing', 'model'],
    ['{"model":7,"input":"x"}', 'model must be', 'model'],
    ['{"model":"a"}', 'input is missing', 'input'],
    ['{"model":"a","input":null}', 'input is missing', 'input'],
    ['{"model":"a","input":{}}', 'input must be a string or an array', 'input'],
    ['{"model":"a","input":7}', 'input must be a string or an array', 'input'],
    ['{"model":"a","input":"x","stream":"yes"}', 'stream must be true or false', 'stream'],
  ];
  for (const [body, message, param] of wrong) {
    test(`${body || 'nothing'} is refused: ${message}`, () => {
      const problem = read(body);
      if (!isProblem(problem)) throw new Error('accepted');
      expect([problem.status, problem.param ?? null]).toEqual([400, param]);
      expect(problem.message).toContain(message);
    });
  }

  const right: readonly [string, string][] = [
    ['a string', '{"model":"a","input":"hi"}'],
    ['a list', '{"model":"a","input":[{"role":"user","content":"hi"}]}'],
    ['a conversation that the vendor has', '{"model":"a","previous_response_id":"resp_1"}'],
    ['a template that the vendor has', '{"model":"a","prompt":{"id":"pmpt_1"}}'],
  ];
  for (const [name, body] of right) {
    test(`${name} is an input`, () => {
      const envelope = read(body);
      if (isProblem(envelope)) throw new Error(envelope.message);
      expect([envelope.model, envelope.isStream, envelope.wantsUsage]).toEqual(['a', false, false]);
    });
  }

  test('a stream always carries its usage', () => {
    const envelope = read('{"model":"a","input":"hi","stream":true}');
    expect(envelope).toMatchObject({ isStream: true, wantsUsage: true });
  });

  test('the limit for the answer is told', () => {
    const limit = (body: string) => {
      const envelope = read(body);
      return isProblem(envelope) ? undefined : openAiResponses.layout.maxOutputTokens(envelope.index);
    };
    expect(limit('{"model":"a","input":"x","max_output_tokens":64}')).toBe(64);
    expect(limit('{"model":"a","input":"x"}')).toBeNull();
    expect(limit('{"model":"a","input":"x","max_output_tokens":"many"}')).toBeNull();
  });

  test('only the name of the model is patched, and every occurrence of it', () => {
    const envelope = read('{"model":"a","input":"x","model":"b","stream":false}');
    if (isProblem(envelope)) throw new Error(envelope.message);
    const set = openAiResponses.patch(envelope, { model: 'b', asksUsage: true });
    expect(new TextDecoder().decode(envelope.index.edit({ set }))).toBe(
      '{"model":"b","input":"x","model":"b","stream":false}',
    );
    const other = read('{"model":"a","input":"x"}');
    if (isProblem(other)) throw new Error(other.message);
    expect(openAiResponses.patch(other, { model: 'a', asksUsage: true })).toEqual({});
    expect(openAiResponses.patch(other, { model: 'up', asksUsage: true })).toEqual({ model: 'up' });
  });
});
