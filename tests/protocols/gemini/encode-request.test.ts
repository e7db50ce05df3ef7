import { describe, expect, test } from 'bun:test';
import type { EncodeContext } from '../../../src/protocols/codec.ts';
import type {
  ChatRequest,
  MediaSource,
  ReasoningWish,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../../../src/protocols/ir.ts';
import { encoded } from './chat-request.ts';

const user = (text: string): Turn => ({ role: 'user', parts: [{ type: 'text', text }] });
const model = (text: string): Turn => ({ role: 'assistant', parts: [{ type: 'text', text }] });
const call = (id: string, args: string, more: Partial<ToolCallPart> = {}): ToolCallPart => ({
  type: 'tool-call',
  id,
  name: 'w',
  arguments: args,
  kind: 'function',
  ...more,
});
const result = (callId: string, text: string, more: Partial<ToolResultPart> = {}): ToolResultPart => ({
  type: 'tool-result',
  callId,
  name: null,
  content: [{ type: 'text', text }],
  isError: false,
  kind: 'function',
  ...more,
});
const signed = { signature: { protocol: 'gemini', value: 'SIG' } } as const;
const bypass = 'skip_thought_signature_validator';

describe('turns', () => {
  test('of one role are one content, and system text midway stands where it was said', () => {
    const { body, warnings } = encoded({
      instructions: [{ type: 'text', text: 'S' }],
      turns: [
        user('a'),
        user('b'),
        { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
        model('c'),
        user('d'),
      ],
    });
    expect(body).toEqual({
      systemInstruction: { role: 'user', parts: [{ text: 'S' }] },
      contents: [
        { role: 'user', parts: [{ text: 'a' }, { text: 'b' }, { text: '<system>\nbe brief\n</system>' }] },
        { role: 'model', parts: [{ text: 'c' }] },
        { role: 'user', parts: [{ text: 'd' }] },
      ],
    });
    expect(warnings).toEqual(['system message inside the conversation sent as text of the user']);
  });

  test('that are none: the instructions are what the user says', () => {
    const { body } = encoded({ instructions: [{ type: 'text', text: 'S' }], turns: [] });
    expect(body).toEqual({ contents: [{ role: 'user', parts: [{ text: 'S' }] }] });
  });

  test('that begin with the model get a user in front', () => {
    const { body } = encoded({ turns: [model('a'), user('b')] });
    expect(body.contents).toMatchObject([{ role: 'user' }, { role: 'model' }, { role: 'user' }]);
  });

  test('that end with the model are kept where an answer can be continued, else continued by a wish', () => {
    const turns = [user('a'), model('b')];
    expect(encoded({ turns }).body.contents).toHaveLength(2);
    const thinking = encoded({ turns }, { reasoning: { kind: 'levels', levels: ['low', 'high'], allowsOff: false } });
    expect(thinking.body.contents).toMatchObject([{ role: 'user' }, { role: 'model' }, { role: 'user' }]);
    expect(thinking.warnings).toEqual(['started answer followed by a wish to continue it']);
  });

  test('without content are left out', () => {
    const empty: Turn = { role: 'assistant', parts: [{ type: 'text', text: '' }] };
    expect(encoded({ turns: [user('a'), empty, user('b')] }).body.contents).toEqual([
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
    ]);
  });
});

describe('calls', () => {
  test('made at once and answered in another order are answered in one content, in the order of the calls', () => {
    const { body } = encoded({
      turns: [
        user('weather in A and B'),
        { role: 'assistant', parts: [call('c1', '{"q":"A"}', signed), call('c2', '{"q":"B"}')] },
        { role: 'tool', parts: [result('c2', '{"t":2}')] },
        { role: 'tool', parts: [result('c1', 'sunny')] },
      ],
    });
    expect(body.contents).toEqual([
      { role: 'user', parts: [{ text: 'weather in A and B' }] },
      {
        role: 'model',
        parts: [
          { functionCall: { name: 'w', args: { q: 'A' }, id: 'c1' }, thoughtSignature: 'SIG' },
          { functionCall: { name: 'w', args: { q: 'B' }, id: 'c2' } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'w', id: 'c1', response: { result: 'sunny' } } },
          { functionResponse: { name: 'w', id: 'c2', response: { result: { t: 2 } } } },
        ],
      },
    ]);
  });

  test.each<[string, readonly ToolResultPart[], readonly unknown[], string]>([
    [
      'a missing result is filled in',
      [result('c1', 'x')],
      [{ result: 'x' }, { error: 'The result of this call is not known.' }],
      'missing tool result filled in',
    ],
    [
      'a result without a call is dropped',
      [result('c1', 'x'), result('c2', 'y'), result('c9', 'z')],
      [{ result: 'x' }, { result: 'y' }],
      'tool result without a call removed',
    ],
    [
      'of a repeated result the last content is kept',
      [result('c1', 'x'), result('c2', 'y'), result('c1', 'x2')],
      [{ result: 'x2' }, { result: 'y' }],
      'repeated tool result removed',
    ],
    [
      'results without ids are matched by order',
      [result('', 'x'), result('', 'y')],
      [{ result: 'x' }, { result: 'y' }],
      '',
    ],
  ])('%s', (_, results, responses, warning) => {
    const { body, warnings } = encoded({
      turns: [
        user('q'),
        { role: 'assistant', parts: [call('c1', '{}'), call('c2', '{}')] },
        { role: 'tool', parts: results },
      ],
    });
    const last = (body.contents as readonly { parts: readonly { functionResponse: { response: unknown } }[] }[]).at(-1);
    expect(last?.parts.map((part) => part.functionResponse.response)).toEqual([...responses]);
    expect(warnings).toEqual(warning === '' ? [] : [warning]);
  });

  test.each<[string, object]>([
    ['', {}],
    ['null', {}],
    ['"{\\"a\\":1}"', { a: 1 }],
    ['""', {}],
    ['[1,2]', { value: [1, 2] }],
    ['7', { value: 7 }],
    ["{a: 'x',}", { a: 'x' }],
    ['{"a":', {}],
  ])('arguments %j are %j', (text, args) => {
    const { body, warnings } = encoded({
      turns: [
        user('q'),
        { role: 'assistant', parts: [call('c1', text)] },
        { role: 'tool', parts: [result('c1', 'x')] },
      ],
    });
    expect(body.contents).toMatchObject([{}, { parts: [{ functionCall: { args } }] }, {}]);
    expect(warnings.includes('unreadable arguments of a tool call removed')).toBe(text === '{"a":');
  });

  test.each<[string, unknown]>([
    ['sunny', 'sunny'],
    ['{"t":1}', { t: 1 }],
    ['[1]', [1]],
    ['42', 42],
    ['1e400', '1e400'],
    ['007', '007'],
    ['{"id":1234567890123456789}', '{"id":1234567890123456789}'],
    ['', ''],
  ])('the result %j is %j', (text, value) => {
    const { body } = encoded({
      turns: [
        user('q'),
        { role: 'assistant', parts: [call('c1', '{}')] },
        { role: 'tool', parts: [result('c1', text)] },
      ],
    });
    expect(body.contents).toMatchObject([{}, {}, { parts: [{ functionResponse: { response: { result: value } } }] }]);
  });

  test('an image in a result stands in it where the model takes that, else behind all results', () => {
    const image = { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AAAA' } } as const;
    const turns: readonly Turn[] = [
      user('q'),
      { role: 'assistant', parts: [call('c1', '{}', signed), call('c2', '{}')] },
      {
        role: 'tool',
        parts: [result('c1', 'x', { content: [{ type: 'text', text: 'x' }, image] }), result('c2', 'y')],
      },
    ];
    const inlineData = { mimeType: 'image/png', data: 'AAAA' };
    expect(encoded({ turns }, { model: 'gemini-3-pro' }).body.contents).toMatchObject([
      {},
      {},
      { parts: [{ functionResponse: { id: 'c1', parts: [{ inlineData }] } }, { functionResponse: { id: 'c2' } }] },
    ]);
    expect(encoded({ turns }, { model: 'gemini-2.5-pro' }).body.contents).toMatchObject([
      {},
      {},
      { parts: [{ functionResponse: { id: 'c1' } }, { functionResponse: { id: 'c2' } }, { inlineData }] },
    ]);
  });

  test('of a custom tool carry their free text in one field', () => {
    const { body } = encoded({
      tools: [{ type: 'custom', name: 'patch', description: 'd', format: null }],
      turns: [
        user('q'),
        { role: 'assistant', parts: [call('c1', '*** begin', { kind: 'custom', name: 'patch' })] },
        { role: 'tool', parts: [result('c1', 'ok', { kind: 'custom' })] },
      ],
    });
    expect(body.contents).toMatchObject([{}, { parts: [{ functionCall: { args: { input: '*** begin' } } }] }, {}]);
  });
});

describe('signatures', () => {
  const step = (id: string, parts: readonly ToolCallPart[]): readonly Turn[] => [
    { role: 'assistant', parts },
    { role: 'tool', parts: parts.map((one) => result(one.id, id)) },
  ];
  const signatures = (turns: readonly Turn[], name: string) => {
    const { body } = encoded({ turns }, { model: name });
    return (body.contents as readonly { parts: readonly { functionCall?: object; thoughtSignature?: string }[] }[])
      .flatMap(({ parts }) => parts)
      .filter(({ functionCall }) => functionCall)
      .map(({ thoughtSignature }) => thoughtSignature ?? null);
  };

  test('that are lost are asked to be let through: of the first call of each step since the user spoke', () => {
    const turns = [
      user('first'),
      ...step('old', [call('a', '{}')]),
      model('done'),
      user('second'),
      ...step('new', [call('b', '{}'), call('c', '{}')]),
      ...step('newer', [call('d', '{}', signed), call('e', '{}')]),
    ];
    expect(signatures(turns, 'gemini-3-pro-preview')).toEqual([null, bypass, null, 'SIG', null]);
    expect(signatures(turns, 'gemini-2.5-pro')).toEqual([null, null, null, 'SIG', null]);
  });

  test('are asked to be let through as well where a word stands behind the results', () => {
    const turns = [user('q'), ...step('s', [call('a', '{}')]), user('mind the gap')];
    expect(signatures(turns, 'gemini-3-pro-preview')).toEqual([bypass]);
  });

  test('of another protocol are dropped', () => {
    const foreign = { signature: { protocol: 'anthropic-messages', value: 'X' } } as const;
    const turns = [user('q'), ...step('s', [call('a', '{}', foreign)])];
    expect(signatures(turns, 'gemini-3.1-pro')).toEqual([bypass]);
    expect(signatures(turns, 'gemini-2.5-pro')).toEqual([null]);
  });

  test('of text and images go back, and an image that lost its own is let through', () => {
    const image = { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AAAA' } } as const;
    const { body } = encoded(
      {
        turns: [
          user('q'),
          { role: 'assistant', parts: [{ type: 'text', text: 't', ...signed }, { ...image, ...signed }, image] },
          user('r'),
        ],
      },
      { model: 'gemini-3-pro-image' },
    );
    expect(body.contents).toMatchObject([
      {},
      {
        parts: [
          { text: 't', thoughtSignature: 'SIG' },
          { inlineData: {}, thoughtSignature: 'SIG' },
          { inlineData: {}, thoughtSignature: bypass },
        ],
      },
      {},
    ]);
  });

  test.each<[string, EncodeContext['reasoning'], 'gemini' | 'anthropic-messages' | null, number]>([
    ['of Gemini', { kind: 'unknown' }, 'gemini', 2],
    ['of nobody in particular', { kind: 'unknown' }, null, 2],
    ['of another protocol', { kind: 'unknown' }, 'anthropic-messages', 1],
    ['at a model that does not think', { kind: 'none' }, 'gemini', 1],
  ])('thoughts %s', (_, reasoning, protocol, count) => {
    const signature = protocol && { protocol, value: 'T' };
    const { body, warnings } = encoded(
      {
        turns: [
          user('q'),
          {
            role: 'assistant',
            parts: [
              { type: 'reasoning', text: 'hm', signature },
              { type: 'text', text: 'a' },
            ],
          },
          user('r'),
        ],
      },
      { reasoning },
    );
    const parts = (body.contents as readonly { parts: readonly object[] }[])[1]?.parts;
    expect(parts).toHaveLength(count);
    if (count === 2) expect(parts?.[0]).toMatchObject({ text: 'hm', thought: true });
    expect(warnings).toEqual(count === 2 ? [] : ['reasoning in the history removed']);
  });
});

describe('media', () => {
  const part = (source: MediaSource, type: 'image' | 'audio' = 'image') => {
    const { body, warnings } = encoded({
      turns: [
        {
          role: 'user',
          parts: [
            { type: 'text', text: 'q' },
            { type, source },
          ],
        },
      ],
    });
    return [(body.contents as readonly { parts: readonly unknown[] }[])[0]?.parts[1], ...warnings];
  };

  test.each<[string, MediaSource, readonly unknown[]]>([
    [
      'data',
      { kind: 'data', mediaType: 'image/png', data: 'AAAA' },
      [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
    ],
    [
      'a URL with an extension',
      { kind: 'url', url: 'https://example.com/a.webp?x=1.png' },
      [{ fileData: { mimeType: 'image/webp', fileUri: 'https://example.com/a.webp?x=1.png' } }],
    ],
    [
      'a URL without one',
      { kind: 'url', url: 'https://example.com/a' },
      [{ fileData: { mimeType: 'image/jpeg', fileUri: 'https://example.com/a' } }],
    ],
    [
      'a file of the Files API',
      { kind: 'file-id', protocol: 'gemini', id: 'https://g/v1beta/files/abc', mediaType: 'image/heic' },
      [{ fileData: { mimeType: 'image/heic', fileUri: 'https://g/v1beta/files/abc' } }],
    ],
    [
      'another vendor’s file',
      { kind: 'file-id', protocol: 'anthropic-messages', id: 'file_1' },
      [undefined, 'image by id removed'],
    ],
  ])('%s', (_, source, expected) => {
    expect(part(source)).toEqual([...expected]);
  });

  test('files are told by their type, or by their name, and what nobody can tell is removed', () => {
    const file = (mediaType: string, filename: string | null) => {
      const source = { kind: 'data', mediaType, data: 'AAAA' } as const;
      const { body, warnings } = encoded({
        turns: [
          {
            role: 'user',
            parts: [
              { type: 'text', text: 'q' },
              { type: 'file', source, filename },
            ],
          },
        ],
      });
      const [content] = body.contents as readonly { parts: readonly { inlineData?: { mimeType: string } }[] }[];
      return [content?.parts[1]?.inlineData?.mimeType ?? null, ...warnings];
    };
    expect(file('application/pdf', null)).toEqual(['application/pdf']);
    expect(file('application/octet-stream', 'a.pdf')).toEqual(['application/pdf', 'file name removed']);
    expect(file('application/json', null)).toEqual(['text/plain']);
    expect(file('application/octet-stream', null)).toEqual([null, 'file of unknown type removed']);
  });
});

describe('tools', () => {
  const tool = (name: string) =>
    ({
      type: 'function',
      name,
      description: null,
      parameters: { type: 'object', properties: { a: { type: 'string' } } },
      isStrict: null,
    }) as const;

  test('stand in one entry, Google’s own beside it, another vendor’s nowhere', () => {
    const { body, warnings } = encoded({
      tools: [
        tool('f'),
        { type: 'foreign', protocol: 'gemini', name: 'googleSearch', value: { googleSearch: {} } },
        { type: 'foreign', protocol: 'openai-chat', name: 'url_context', value: { url_context: {} } },
        { type: 'foreign', protocol: 'openai-responses', name: 'web_search', value: { type: 'web_search' } },
        { ...tool('g'), description: 'G', parameters: null },
      ],
    });
    expect(body.tools).toEqual([
      {
        functionDeclarations: [
          { name: 'f', parameters: { type: 'OBJECT', properties: { a: { type: 'STRING' } } } },
          { name: 'g', description: 'G' },
        ],
      },
      { googleSearch: {} },
      { urlContext: {} },
    ]);
    expect(warnings).toEqual(['tool web_search removed']);
  });

  test('are renamed where Gemini takes no such name, in declarations, history and choice alike, and known by the way back', () => {
    const long = 'n'.repeat(70);
    const { body, trace } = encoded({
      tools: [tool('a/b'), tool('a b'), tool('ünï'), tool('1st'), tool(long), tool('ok.name:x-1')],
      toolChoice: { type: 'tool', name: 'a b' },
      turns: [
        user('q'),
        { role: 'assistant', parts: [call('c1', '{}', { name: 'a b' })] },
        { role: 'tool', parts: [result('c1', 'x')] },
      ],
    });
    const [entry] = body.tools as readonly { functionDeclarations: readonly { name: string }[] }[];
    const names = entry?.functionDeclarations.map(({ name }) => name) ?? [];
    expect(names).toEqual(['a_b', 'a_b_2', '_n_', '_1st', 'n'.repeat(64), 'ok.name:x-1']);
    expect(body.contents).toMatchObject([
      {},
      { parts: [{ functionCall: { name: 'a_b_2' } }] },
      { parts: [{ functionResponse: { name: 'a_b_2' } }] },
    ]);
    expect(body.toolConfig).toEqual({ functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['a_b_2'] } });
    expect(Object.fromEntries(trace.toolNames)).toEqual({
      a_b: 'a/b',
      a_b_2: 'a b',
      _n_: 'ünï',
      _1st: '1st',
      ['n'.repeat(64)]: long,
    });
  });

  test.each<[NonNullable<ChatRequest['toolChoice']>['type'], string]>([
    ['auto', 'AUTO'],
    ['none', 'NONE'],
    ['required', 'ANY'],
  ])('the choice %s is the mode %s', (type, mode) => {
    if (type === 'tool') throw new Error('has a name');
    expect(encoded({ tools: [tool('f')], toolChoice: { type } }).body.toolConfig).toEqual({
      functionCallingConfig: { mode },
    });
    expect(encoded({ toolChoice: { type } }).body.toolConfig).toBeUndefined();
  });
});

describe('the config', () => {
  test('has all that Gemini knows', () => {
    const { body, warnings } = encoded(
      {
        maxOutputTokens: 100_000,
        temperature: 0,
        topP: 0.5,
        topK: 4,
        seed: 1,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        choices: 2,
        stop: ['1', '2', '3', '4', '5', '6'],
        logprobs: 3,
        modalities: ['text', 'image'],
        output: { type: 'json' },
      },
      { maxOutputTokens: 65_536 },
    );
    expect(body.generationConfig).toEqual({
      maxOutputTokens: 65_536,
      temperature: 0,
      topP: 0.5,
      topK: 4,
      seed: 1,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      candidateCount: 2,
      stopSequences: ['1', '2', '3', '4', '5'],
      responseLogprobs: true,
      logprobs: 3,
      responseModalities: ['TEXT', 'IMAGE'],
      responseMimeType: 'application/json',
    });
    expect(warnings).toEqual(['stop sequences beyond 5 removed', 'maximum of output tokens lowered to 65536']);
  });

  test('asks for a schema in the cleaned form, with the order of its properties', () => {
    const schema = {
      type: 'object',
      properties: { b: { type: 'string' }, a: { type: ['number', 'null'] } },
      required: ['b', 'a'],
      additionalProperties: false,
    };
    const { body } = encoded({
      output: { type: 'json-schema', name: 'n', description: null, schema, isStrict: true },
    });
    expect(body.generationConfig).toEqual({
      responseMimeType: 'application/json',
      responseSchema: {
        type: 'OBJECT',
        properties: { b: { type: 'STRING' }, a: { type: 'NUMBER', nullable: true } },
        required: ['b', 'a'],
        propertyOrdering: ['b', 'a'],
      },
    });
  });

  test('tells the form of the answer in words where the model takes none beside tools', () => {
    const wish: Partial<ChatRequest> = {
      output: { type: 'json-schema', name: null, description: null, schema: { type: 'object' }, isStrict: null },
      tools: [{ type: 'function', name: 'f', description: null, parameters: null, isStrict: null }],
    };
    const old = encoded(wish, { model: 'gemini-2.5-pro' });
    expect(old.body.generationConfig).toBeUndefined();
    expect(JSON.stringify(old.body.systemInstruction)).toContain('valid under this JSON Schema');
    expect(old.warnings).toEqual(['output format beside tools sent as an instruction']);
    const young = encoded(wish, { model: 'gemini-3-pro' });
    expect(young.body).toMatchObject({ generationConfig: { responseMimeType: 'application/json' } });
    expect(young.warnings).toEqual([]);
    expect(encoded({ ...wish, tools: [] }).body).toMatchObject({
      generationConfig: { responseMimeType: 'application/json' },
    });
  });

  test.each([
    [2 ** 31 - 1, true],
    [2 ** 40, false],
    [0.5, false],
  ])('has the seed %p: %p', (seed, isTaken) => {
    const { body, warnings } = encoded({ seed });
    expect(body.generationConfig).toEqual(isTaken ? { seed } : undefined);
    expect(warnings).toEqual(isTaken ? [] : ['seed removed']);
  });

  const budget = { kind: 'budget', min: 128, max: 32_768, allowsZero: false, allowsDynamic: true } as const;
  const levels = { kind: 'levels', levels: ['low', 'high'], allowsOff: false } as const;
  const level = (name: 'minimal' | 'medium' | 'high' | 'max'): ReasoningWish => ({
    amount: { kind: 'level', level: name },
    isShown: null,
  });
  test.each<[string, ReasoningWish, EncodeContext['reasoning'], string, unknown]>([
    ['a level as a budget', level('high'), budget, 'gemini-2.5-pro', { thinkingBudget: 24_576, includeThoughts: true }],
    ['a level as a level', level('medium'), levels, 'gemini-3-pro', { thinkingLevel: 'LOW', includeThoughts: true }],
    [
      'a budget as a level',
      { amount: { kind: 'budget', tokens: 20_000 }, isShown: false },
      levels,
      'gemini-3-pro',
      { thinkingLevel: 'HIGH', includeThoughts: false },
    ],
    [
      'off where it cannot be',
      { amount: { kind: 'off' }, isShown: null },
      budget,
      'gemini-2.5-pro',
      { thinkingBudget: 128, includeThoughts: true },
    ],
    [
      'off where it can',
      { amount: { kind: 'off' }, isShown: null },
      { ...budget, allowsZero: true },
      'gemini-2.5-flash',
      { thinkingBudget: 0 },
    ],
    [
      'as the model likes',
      { amount: { kind: 'dynamic' }, isShown: null },
      budget,
      'gemini-2.5-pro',
      { thinkingBudget: -1, includeThoughts: true },
    ],
    [
      'as the model likes, by levels',
      { amount: { kind: 'dynamic' }, isShown: null },
      levels,
      'gemini-3-pro',
      { includeThoughts: true },
    ],
    ['only to be shown', { amount: null, isShown: true }, levels, 'gemini-3-pro', { includeThoughts: true }],
    ['nothing at a model that does not think', level('high'), { kind: 'none' }, 'gemma-3', undefined],
    [
      'a level at an unknown model of the third generation',
      level('max'),
      { kind: 'unknown' },
      'gemini-3-new',
      { thinkingLevel: 'HIGH', includeThoughts: true },
    ],
    [
      'a level at an unknown model',
      level('minimal'),
      { kind: 'unknown' },
      'my-model',
      { thinkingBudget: 512, includeThoughts: true },
    ],
  ])('asks for thinking: %s', (_, reasoning, traits, name, config) => {
    const { body } = encoded({ reasoning }, { reasoning: traits, model: name });
    expect((body.generationConfig as { thinkingConfig?: unknown } | undefined)?.thinkingConfig).toEqual(config);
  });

  test('says what of a request has no place', () => {
    const { warnings } = encoded({
      user: 'u',
      metadata: {},
      verbosity: 'low',
      cacheKey: 'k',
      serviceTier: 'flex',
      allowsParallelCalls: false,
      foreign: { protocol: 'openai-chat', fields: { logit_bias: {} } },
      turns: [{ role: 'user', parts: [{ type: 'text', text: 'a', cache: { ttl: null } }] }],
    });
    expect(warnings).toEqual([
      'cache marks removed',
      'user removed',
      'metadata removed',
      'verbosity removed',
      'prompt_cache_key removed',
      'parallel_tool_calls removed',
      'logit_bias removed',
      'service_tier removed',
    ]);
  });
});
