import { describe, expect, test } from 'bun:test';
import { answerText } from '../../../src/protocols/anthropic-messages/answer-tool.ts';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import { messageEvents } from '../../../src/protocols/anthropic-messages/stream-of.ts';
import { strictSchema } from '../../../src/protocols/anthropic-messages/strict-schema.ts';
import type { ChatRequest, JsonRecord, OutputFormat } from '../../../src/protocols/ir.ts';
import { decodeContext, encode } from './requests.ts';

const schema = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] };
const format = (of: JsonRecord): OutputFormat => ({
  type: 'json-schema',
  name: null,
  description: null,
  schema: of,
  isStrict: true,
});
const fn = { type: 'function', name: 'f', description: null, parameters: null, isStrict: null } as const;
const old = { model: 'claude-3-7-sonnet-20250219' };

describe('a wish for structured output', () => {
  test('is the model’s own where it has that', () => {
    const closed = { ...schema, additionalProperties: false };
    for (const context of [{}, { hasStructuredOutput: true, model: 'other' }]) {
      const { body, trace } = encode({ output: format(schema) }, context);
      expect(body.output_config).toEqual({ format: { type: 'json_schema', schema: closed } });
      expect([body.tools, trace.answerTool]).toEqual([undefined, null]);
    }
  });

  test('is a forced tool where it has not', () => {
    for (const context of [old, { hasStructuredOutput: false }]) {
      const { body, trace } = encode({ output: format(schema) }, context);
      expect(trace.answerTool).toBe('json_answer');
      expect(body).toMatchObject({
        tools: [{ name: 'json_answer', input_schema: schema }],
        tool_choice: { type: 'tool', name: 'json_answer', disable_parallel_tool_use: true },
      });
      expect(body.output_config).toBeUndefined();
    }
  });

  test('lets the client’s own tools be called first', () => {
    const { body } = encode({ output: format(schema), tools: [fn] }, old);
    expect(body).toMatchObject({ tools: [{ name: 'f' }, { name: 'json_answer' }], tool_choice: { type: 'any' } });
  });

  const fallbacks: readonly [string, Partial<ChatRequest>, string | null][] = [
    ['any JSON', { output: { type: 'json' } }, 'json_answer'],
    [
      'a map of any keys',
      { output: format({ type: 'object', additionalProperties: { type: 'string' } }) },
      'json_answer',
    ],
    ['a list', { output: format({ type: 'array', items: {} }) }, 'json_answer_value'],
    ['a name that is taken', { output: { type: 'json' }, tools: [{ ...fn, name: 'json_answer' }] }, 'json_answer_2'],
    ['a call that is forced', { output: { type: 'json' }, tools: [fn], toolChoice: { type: 'tool', name: 'f' } }, null],
  ];
  for (const [name, change, tool] of fallbacks) {
    test(`for ${name} is the tool ${tool}`, () => {
      expect(encode(change).trace.answerTool).toBe(tool);
    });
  }
});

describe('the answer of the tool', () => {
  const message = (...content: readonly object[]) => ({ type: 'message', content, stop_reason: 'tool_use' });
  const answer = { type: 'tool_use', id: 't', name: 'json_answer', input: { a: 1 } };
  const context = { ...decodeContext, answerTool: 'json_answer' };

  test('is text, whole and streamed, and words before it are none', () => {
    const reply = message({ type: 'text', text: 'Here it is:' }, answer);
    const { choices } = anthropicMessages.decodeReply(reply, context);
    expect(choices).toEqual([
      { parts: [{ type: 'text', text: '{"a":1}' }], finish: { unified: 'stop', raw: 'tool_use' } },
    ]);
    const decoder = anthropicMessages.streamDecoder(context);
    const events = [...messageEvents(reply)].flatMap((json) => decoder.push({ event: null, json }));
    const said = [...events, ...decoder.end()].flatMap((event) => (event.type === 'text-delta' ? [event.text] : []));
    expect(said.join('')).toBe('{"a":1}');
  });

  test('is what was said where the tool was not called', () => {
    const { choices } = anthropicMessages.decodeReply(message({ type: 'text', text: '{}' }), context);
    expect(choices[0]?.parts).toEqual([{ type: 'text', text: '{}' }]);
  });

  test('leaves calls of other tools what they are', () => {
    const reply = message({ type: 'text', text: 'First' }, { ...answer, name: 'f' });
    const { choices } = anthropicMessages.decodeReply(reply, context);
    expect(choices[0]).toMatchObject({ parts: [{ text: 'First' }, { name: 'f' }], finish: { unified: 'tool-calls' } });
  });

  test('is unwrapped where it is no object', () => {
    const reply = message({ ...answer, name: 'json_answer_value', input: { value: [1, 2] } });
    const { choices } = anthropicMessages.decodeReply(reply, { ...context, answerTool: 'json_answer_value' });
    expect(choices[0]?.parts).toEqual([{ type: 'text', text: '[1,2]' }]);
    expect(answerText('json_answer_value', '{"value":')).toBe('{"value":');
    expect(answerText('json_answer', '')).toBe('{}');
  });
});

describe('a closed schema', () => {
  const rows: readonly [string, JsonRecord, JsonRecord | null][] = [
    [
      'closes every object, by structure and not by name',
      { type: 'object', properties: { type: { type: 'object', properties: {} } } },
      {
        type: 'object',
        properties: { type: { type: 'object', properties: {}, additionalProperties: false } },
        additionalProperties: false,
      },
    ],
    [
      'says its limits in words',
      { type: 'integer', minimum: 1, maximum: 5, description: 'How many.' },
      { type: 'integer', description: 'How many. minimum: 1, maximum: 5' },
    ],
    ['keeps the formats that hold', { type: 'string', format: 'date' }, { type: 'string', format: 'date' }],
    [
      'makes one of many any of many',
      { oneOf: [{ type: 'string' }, { type: 'null' }] },
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
    ],
    [
      'keeps references',
      { $ref: '#/$defs/a', $defs: { a: { enum: [1] } } },
      { $ref: '#/$defs/a', $defs: { a: { enum: [1] } } },
    ],
    ['is none of a map', { type: 'object', additionalProperties: { type: 'string' } }, null],
    ['is none of anything', { type: 'array', items: {} }, null],
    ['is none of a tuple', { type: 'array', prefixItems: [{ type: 'string' }] }, null],
  ];
  for (const [name, open, closed] of rows) {
    test(name, () => {
      expect(strictSchema(open)).toEqual(closed);
    });
  }

  test('is none of one that never ends', () => {
    let deep: JsonRecord = { type: 'string' };
    for (let depth = 0; depth < 200; depth++) deep = { type: 'array', items: deep };
    expect(strictSchema(deep)).toBeNull();
  });
});
