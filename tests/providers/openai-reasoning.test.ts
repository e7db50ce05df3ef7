import { expect, test } from 'bun:test';
import { editForReasoning } from '../../src/providers/openai-reasoning.ts';
import { JsonIndex } from '../../src/shared/json-bytes.ts';

const editOf = (model: string, body: object) => {
  const index = JsonIndex.of(new TextEncoder().encode(JSON.stringify({ model, input: 'hi', ...body })));
  return index && editForReasoning(index, { model, isStream: false, protocol: 'openai-responses' });
};

// https://platform.openai.com/docs/guides/latest-model#parameter-compatibility
test('what is not sampled takes no wishes for it in Responses either', () => {
  expect(editOf('gpt-5-pro', { temperature: 0.2, top_p: 1, include: ['message.output_text.logprobs'] })).toEqual({
    remove: ['temperature'],
    changes: ['temperature removed'],
  });
  expect(editOf('o1-pro', { top_p: 0.5 })).toEqual({ remove: ['top_p'], changes: ['top_p removed'] });
});

test.each([
  ['gpt-5.1', { temperature: 0.2, reasoning: { effort: 'none' } }],
  ['gpt-4o', { temperature: 0.2 }],
  ['gpt-5-pro', { temperature: 1 }],
])('%s takes %p', (model, body) => {
  expect(editOf(model, body)).toBeUndefined();
});
