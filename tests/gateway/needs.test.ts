import { describe, expect, test } from 'bun:test';
import { lacking, needsOf } from '../../src/gateway/needs.ts';
import { openAiChat } from '../../src/protocols/openai-chat/index.ts';
import { JsonIndex } from '../../src/shared/json-bytes.ts';

const { layout } = openAiChat;

function needs(body: object, conversation = 'messages') {
  const index = JsonIndex.of(new TextEncoder().encode(JSON.stringify(body)));
  if (!index) throw new Error('not an object');
  const { usesTools, usesImages, usesSchema } = needsOf(index, { ...layout, conversation });
  const uses = { usesTools, usesImages, usesSchema };
  return Object.entries(uses).flatMap(([name, isUsed]) => (isUsed ? [name] : []));
}

const said = (content: unknown) => [{ role: 'user', content }];

describe('a request uses', () => {
  test.each([
    ['nothing but words', { messages: said('"image_url" and {"type":"image"} in a text'), tools: [] }, []],
    ['tools', { messages: said('x'), tools: [{ type: 'function' }] }, ['usesTools']],
    ['tools as they were once called', { messages: said('x'), functions: [{ name: 'f' }] }, ['usesTools']],
    ['an image in chat', { messages: said([{ type: 'image_url', image_url: { url: 'x' } }]) }, ['usesImages']],
    ['an image in Messages', { messages: said([{ type: 'image', source: {} }]) }, ['usesImages']],
    ['a schema in chat', { messages: [], response_format: { type: 'json_schema' } }, ['usesSchema']],
    ['no schema, but JSON', { messages: [], response_format: { type: 'json_object' } }, []],
    ['a schema in Responses', { messages: [], text: { format: { type: 'json_schema' } } }, ['usesSchema']],
    ['a schema in Messages', { messages: [], output_config: { format: { type: 'json_schema' } } }, ['usesSchema']],
    ['a schema in Gemini', { messages: [], generationConfig: { responseSchema: {} } }, ['usesSchema']],
    [
      'no image, but a tool’s field of that name',
      { messages: said([{ type: 'tool_use', input: { image: 'x' } }]) },
      [],
    ],
  ])('%s', (_, body, expected) => {
    expect(needs(body)).toEqual(expected);
  });

  test('an image in Responses and in Gemini, where the conversation has another name', () => {
    expect(needs({ input: said([{ type: 'input_image', image_url: 'x' }]) }, 'input')).toEqual(['usesImages']);
    const parts = [{ inlineData: { mimeType: 'image/png', data: '' } }];
    expect(needs({ contents: [{ role: 'user', parts }] }, 'contents')).toEqual(['usesImages']);
  });

  test('as many tokens as its bytes make likely', () => {
    const index = JsonIndex.of(new TextEncoder().encode(JSON.stringify({ messages: said('x'.repeat(4000)) })));
    if (!index) throw new Error('not an object');
    expect(needsOf(index, layout).inputTokens).toBeWithin(1000, 1020);
  });
});

describe('a model lacks', () => {
  const all = { inputTokens: 100, usesTools: true, usesImages: true, usesSchema: true };
  test.each([
    ['nothing that nobody knows of', null, null],
    ['nothing that is not said', {}, null],
    ['a window that is large enough', { contextLength: 99 }, 'context'],
    ['tools', { contextLength: 100, takesTools: false }, 'capability'],
    ['eyes', { inputModalities: ['text'] }, 'capability'],
    ['structured output', { hasStructuredOutput: false }, 'capability'],
    [
      'nothing',
      { contextLength: 100, takesTools: true, inputModalities: ['text', 'image'], hasStructuredOutput: true },
      null,
    ],
  ] as const)('%s', (_, abilities, expected) => {
    expect(lacking(() => all, abilities)).toBe(expected);
  });

  test('nothing that the request does not use', () => {
    const nothing = { inputTokens: 1, usesTools: false, usesImages: false, usesSchema: false };
    expect(lacking(() => nothing, { takesTools: false, inputModalities: [], hasStructuredOutput: false })).toBeNull();
  });
});
