import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { isProblem } from '../../../src/protocols/codec.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import { bytesOf, eventsOf } from '../../support/responses-fixtures.ts';
import { decodeContext, encodeContext, replyContext, said } from '../../support/responses-hub.ts';

const TYPES = [
  'message',
  'reasoning',
  'function_call',
  'custom_tool_call',
  'function_call_output',
  'image_generation_call',
  'item_reference',
  'response.output_item.added',
  'response.output_item.done',
  'response.output_text.delta',
  'response.function_call_arguments.delta',
  'response.completed',
];
const NAMES = [
  'id',
  'role',
  'content',
  'summary',
  'call_id',
  'name',
  'arguments',
  'output',
  'item',
  'response',
  'delta',
];

/** Objects that look like the protocol's own, with anything in their fields. */
const odd = fc
  .tuple(fc.constantFrom(...TYPES, undefined), fc.dictionary(fc.constantFrom(...NAMES), fc.jsonValue({ maxDepth: 3 })))
  .map(([type, fields]) => ({ ...fields, ...(type !== undefined && { type }) }));

describe('whatever comes', () => {
  test('as a request is decoded and encoded again, or refused', () => {
    fc.assert(
      fc.property(fc.array(odd, { maxLength: 6 }), fc.jsonValue(), fc.jsonValue(), (input, tools, field) => {
        const body = { model: 'm', input, tools, tool_choice: field, text: field, reasoning: field, metadata: field };
        const envelope = openAiResponses.readRequest(bytesOf(body), null);
        const request = isProblem(envelope) ? envelope : openAiResponses.decodeRequest(envelope);
        if (isProblem(request)) return;
        expect(openAiResponses.encodeRequest(request.value, encodeContext).value.body.model).toBe('gpt-5.1');
        const elsewhere = { ...request.value, foreign: null };
        expect(openAiResponses.encodeRequest(elsewhere, encodeContext).value.body.store).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test('as a reply or a stream becomes an answer that can be told in full', () => {
    fc.assert(
      fc.property(fc.array(odd, { maxLength: 8 }), (items) => {
        const reply = openAiResponses.decodeReply({ output: items }, decodeContext);
        const { value } = openAiResponses.encodeReply(reply, replyContext());
        expect(value.object).toBe('response');
        const decoder = openAiResponses.streamDecoder(decodeContext);
        const heard = [...items.flatMap((json) => decoder.push({ event: null, json })), ...decoder.end()];
        expect(heard.filter(({ type }) => type === 'finish')).toHaveLength(1);
        const events = eventsOf(said(heard).stream);
        expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
        const added = events.filter(({ type }) => type === 'response.output_item.added');
        const done = events.filter(({ type }) => type === 'response.output_item.done');
        expect(new Set(done.map(({ output_index }) => output_index)).size).toBe(added.length);
        expect(openAiResponses.streamOf(bytesOf({ output: items }), true)).toContain('response.completed');
      }),
      { numRuns: 200 },
    );
  });
});
