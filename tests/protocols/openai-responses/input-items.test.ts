import { describe, expect, test } from 'bun:test';
import { expandedInput, expandedRequest, inputItems } from '../../../src/protocols/openai-responses/input-items.ts';
import { JsonIndex } from '../../../src/shared/json-bytes.ts';
import { bytesOf } from '../../support/responses-fixtures.ts';

const message = (text: string) => ({ type: 'message', role: 'user', content: [{ type: 'input_text', text }] });
const earlier = {
  input: [message('first')],
  output: [
    { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'ENC' },
    { type: 'function_call', id: 'fc_1', call_id: 'c', name: 'f', arguments: '{}' },
  ],
};

describe('an input', () => {
  test('is a list of items, however it was written', () => {
    expect(inputItems('hi')).toEqual([message('hi')]);
    expect(inputItems(['hi', { role: 'user', content: 'x' }])).toEqual([message('hi'), { role: 'user', content: 'x' }]);
    expect(inputItems(undefined)).toEqual([]);
  });

  test('goes on from an earlier response: what was asked, what was said with its reasoning, what is asked now', () => {
    const output = { type: 'function_call_output', call_id: 'c', output: 'x' };
    expect(expandedInput(earlier, [output])).toEqual([...earlier.input, ...earlier.output, output]);
  });

  test('takes the place of the earlier response’s id in the request’s bytes, and changes nothing else', () => {
    const body = '{"model": "m", "previous_response_id":"resp_1","input":"now",  "stream":true,"unknown":[1, 2]}';
    const index = JsonIndex.of(bytesOf(body));
    if (!index) throw new Error('no object');
    const input = expandedInput(earlier, index.get('input'));
    const whole = JSON.stringify([...earlier.input, ...earlier.output, message('now')]);
    expect(new TextDecoder().decode(expandedRequest(index, input))).toBe(
      `{"model": "m","input":${whole},  "stream":true,"unknown":[1, 2]}`,
    );
  });
});
