import { describe, expect, test } from 'bun:test';
import type { AssistantPart, JsonRecord, ToolResultPart, Turn } from '../../../src/protocols/ir.ts';
import { encode } from './requests.ts';

const user = (text: string): Turn => ({ role: 'user', parts: [{ type: 'text', text }] });
const assistant = (...parts: AssistantPart[]): Turn => ({ role: 'assistant', parts });
const text = (said: string, ttl?: string | null) =>
  ({ type: 'text', text: said, ...(ttl !== undefined && { cache: { ttl } }) }) as const;
const call = (id: string, name = 'f', args = '{}'): AssistantPart => ({
  type: 'tool-call',
  id,
  name,
  arguments: args,
  kind: 'function',
});
const result = (callId: string, said: string, more: Partial<ToolResultPart> = {}): ToolResultPart => ({
  type: 'tool-result',
  callId,
  name: null,
  content: [{ type: 'text', text: said }],
  isError: false,
  kind: 'function',
  ...more,
});
const tool = (...parts: ToolResultPart[]): Turn => ({ role: 'tool', parts });
const fn = { type: 'function', name: 'f', description: null, parameters: null, isStrict: null } as const;
const own = (value: string) => ({ protocol: 'anthropic-messages', value }) as const;

describe('messages', () => {
  test('results stand first in the one user message behind their calls, an image and an error with them', () => {
    const image = { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'aGk=' } } as const;
    const { body } = encode({
      tools: [fn],
      turns: [
        user('a'),
        assistant(call('b'), call('c'), text('both')),
        user('and more'),
        tool(result('c', 'second', { isError: true }), result('b', '', { content: [text('one'), image] })),
      ],
    });
    expect(body.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'a' }] },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'both' },
          { type: 'tool_use', id: 'b', name: 'f', input: {} },
          { type: 'tool_use', id: 'c', name: 'f', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: 'b',
            content: [
              { type: 'text', text: 'one' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } },
            ],
          },
          { type: 'tool_result', tool_use_id: 'c', content: 'second', is_error: true },
          { type: 'text', text: 'and more' },
        ],
      },
    ]);
  });

  test('a missing result is filled in, a repeated one counts once with its last content', () => {
    const { body, warnings } = encode({
      tools: [fn],
      turns: [user('a'), assistant(call('b'), call('c')), tool(result('b', 'old'), result('b', 'new'))],
    });
    expect(body.messages).toMatchObject([
      {},
      {},
      {
        content: [
          { tool_use_id: 'b', content: 'new' },
          { tool_use_id: 'c', is_error: true },
        ],
      },
    ]);
    expect(warnings).toEqual(['repeated tool result removed', 'missing tool result filled in']);
  });

  test('ids the vendor refuses are written anew, alike in call and result, and no id is used twice', () => {
    const { body } = encode({
      tools: [fn],
      turns: [
        user('a'),
        assistant(call('functions.f:0')),
        tool(result('functions.f:0', '1')),
        assistant(call('functions.f:0'), call('')),
        tool(result('functions.f:0', '2'), result('', '3')),
      ],
    });
    expect(body.messages).toMatchObject([
      {},
      { content: [{ id: 'functions_f_0' }] },
      { content: [{ tool_use_id: 'functions_f_0', content: '1' }] },
      { content: [{ id: 'functions_f_0_2' }, { id: 'toolu_0' }] },
      {
        content: [
          { tool_use_id: 'functions_f_0_2', content: '2' },
          { tool_use_id: 'toolu_0', content: '3' },
        ],
      },
    ]);
  });

  const inputs: readonly [string, object][] = [
    ['', {}],
    ['null', {}],
    ['"{\\"a\\":1}"', { a: 1 }],
    ['[1]', { input: [1] }],
    ['{"a":', { input: '{"a":' }],
  ];
  for (const [args, input] of inputs) {
    test(`arguments ${args || 'that are empty'} are the object ${JSON.stringify(input)}`, () => {
      const { body } = encode({
        tools: [fn],
        turns: [user('a'), assistant(call('b', 'f', args)), tool(result('b', ''))],
      });
      expect(body.messages).toMatchObject([{}, { content: [{ input }] }, {}]);
    });
  }

  test('take turns, begin with the user and hold no empty text', () => {
    const { body } = encode({
      turns: [assistant(text('hello')), user(' '), assistant(text('again')), user('a'), user('b')],
    });
    expect(body.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: '.' }] },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'hello' },
          { type: 'text', text: 'again' },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
    ]);
  });

  test('instructions alone still have a user to answer', () => {
    const { body } = encode({ turns: [], instructions: [text('be kind')] });
    expect(body).toMatchObject({
      system: [{ type: 'text', text: 'be kind' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: '.' }] }],
    });
  });

  test('instructions given midway stand with the others', () => {
    const { body, warnings } = encode({
      instructions: [text('first')],
      turns: [user('a'), { role: 'system', parts: [text('then')] }, user('b')],
    });
    expect(body.system).toEqual([
      { type: 'text', text: 'first' },
      { type: 'text', text: 'then' },
    ]);
    expect(warnings).toEqual(['instructions given midway moved to the front']);
  });

  test('an answer that the client began is kept, without the white space at its end', () => {
    const { body } = encode({ turns: [user('a'), assistant(text('{ '))] });
    expect(body.messages).toMatchObject([{}, { role: 'assistant', content: [{ text: '{' }] }]);
  });

  test('signed thoughts stay where they were; unsigned and foreign ones do not', () => {
    const { body, warnings } = encode({
      tools: [fn],
      turns: [
        user('a'),
        assistant(
          { type: 'reasoning', text: 'hm', signature: own('S') },
          { type: 'redacted-reasoning', signature: own('D') },
          call('b'),
          { type: 'reasoning', text: 'x', signature: null },
          { type: 'reasoning', text: 'y', signature: { protocol: 'gemini', value: 'G' } },
        ),
        tool(result('b', 'r')),
      ],
    });
    expect(body.messages).toMatchObject([
      {},
      {
        content: [
          { type: 'thinking', thinking: 'hm', signature: 'S' },
          { type: 'redacted_thinking', data: 'D' },
          { type: 'tool_use' },
        ],
      },
      {},
    ]);
    expect(warnings).toEqual(['thinking without a signature removed']);
  });

  test('thoughts are dropped when thinking is off', () => {
    const { body } = encode({
      reasoning: { amount: { kind: 'off' }, isShown: null },
      turns: [user('a'), assistant({ type: 'reasoning', text: 'hm', signature: own('S') }, text('b')), user('c')],
    });
    expect(body.thinking).toEqual({ type: 'disabled' });
    expect(body.messages).toMatchObject([{}, { content: [{ type: 'text', text: 'b' }] }, {}]);
  });

  const media: readonly [object, object | null, string | null][] = [
    [
      { type: 'image', source: { kind: 'url', url: 'https://e.example/a.png' } },
      { type: 'image', source: { type: 'url', url: 'https://e.example/a.png' } },
      null,
    ],
    [{ type: 'image', source: { kind: 'url', url: 'gs://a/b' } }, null, 'image by URL removed'],
    [
      { type: 'image', source: { kind: 'data', mediaType: 'image/jpg', data: 'aGk=' } },
      { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: 'aGk=' } },
      null,
    ],
    [
      { type: 'image', source: { kind: 'data', mediaType: 'image/bmp', data: 'aGk=' } },
      null,
      'image of type image/bmp removed',
    ],
    [
      { type: 'file', filename: 'a.pdf', source: { kind: 'data', mediaType: 'application/pdf', data: 'aGk=' } },
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'aGk=' }, title: 'a.pdf' },
      null,
    ],
    [
      { type: 'file', filename: null, source: { kind: 'data', mediaType: 'text/markdown', data: 'aGk=' } },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'hi' } },
      null,
    ],
    [
      { type: 'file', filename: 'a.zip', source: { kind: 'data', mediaType: 'application/zip', data: 'aGk=' } },
      null,
      'file of type application/zip removed',
    ],
    [
      { type: 'file', filename: null, source: { kind: 'file-id', protocol: 'openai-responses', id: 'file-1' } },
      null,
      'file by id removed',
    ],
    [{ type: 'audio', source: { kind: 'data', mediaType: 'audio/wav', data: 'aGk=' } }, null, 'audio removed'],
  ];
  for (const [part, block, warning] of media) {
    test(`${JSON.stringify(part)} is ${JSON.stringify(block)}`, () => {
      const turn = { role: 'user', parts: [{ type: 'text', text: 'a' }, part] } as Turn;
      const { body, warnings } = encode({ turns: [turn] });
      expect(body.messages).toEqual([
        { role: 'user', content: [{ type: 'text', text: 'a' }, ...(block ? [block] : [])] },
      ]);
      expect(warnings).toEqual(warning ? [warning] : []);
    });
  }
});

describe('tools', () => {
  test('long and odd names are brought into shape, alike in definition, choice and history, and back', () => {
    const name = `mcp.server/${'x'.repeat(80)}`;
    const { body, trace } = encode({
      tools: [{ ...fn, name }],
      toolChoice: { type: 'tool', name },
      turns: [user('a'), assistant(call('b', name)), tool(result('b', 'r'))],
    });
    const clean = `mcp_server_${'x'.repeat(53)}`;
    expect(clean).toHaveLength(64);
    expect(body).toMatchObject({
      tools: [{ name: clean }],
      tool_choice: { type: 'tool', name: clean },
      messages: [{}, { content: [{ name: clean }] }, {}],
    });
    expect(trace.toolNames).toEqual(new Map([[clean, name]]));
  });

  test('a schema has an object at its root', () => {
    const schemas: readonly [JsonRecord | null, object][] = [
      [null, { type: 'object', properties: {} }],
      [{ properties: { a: {} } }, { type: 'object', properties: { a: {} } }],
      [
        {
          anyOf: [
            { type: 'object', properties: { a: {}, b: {} }, required: ['a', 'b'] },
            { type: 'object', properties: { a: {} }, required: ['a'] },
          ],
        },
        { type: 'object', properties: { a: {}, b: {} }, required: ['a'] },
      ],
    ];
    for (const [parameters, schema] of schemas) {
      const { body } = encode({ tools: [{ ...fn, parameters: parameters }] });
      expect(body.tools).toEqual([{ name: 'f', input_schema: schema }]);
    }
  });

  test('strict is said to models that know it', () => {
    const strict = {
      ...fn,
      isStrict: true,
      parameters: { type: 'object', properties: { a: { type: 'string', maxLength: 3 } } },
    };
    expect(encode({ tools: [strict] }).body.tools).toEqual([
      {
        name: 'f',
        strict: true,
        input_schema: {
          type: 'object',
          properties: { a: { type: 'string', description: 'maxLength: 3' } },
          additionalProperties: false,
        },
      },
    ]);
    const old = encode({ tools: [strict] }, { model: 'claude-3-5-haiku-20241022' });
    expect(old.body.tools).toEqual([{ name: 'f', input_schema: strict.parameters }]);
    expect(old.warnings).toEqual(['strict of f removed']);
  });

  const choices: readonly [Parameters<typeof encode>[0], object | undefined][] = [
    [{}, undefined],
    [{ toolChoice: { type: 'none' } }, { type: 'none' }],
    [
      { toolChoice: { type: 'required' }, allowsParallelCalls: false },
      { type: 'any', disable_parallel_tool_use: true },
    ],
    [{ allowsParallelCalls: false }, { type: 'auto', disable_parallel_tool_use: true }],
    [{ toolChoice: { type: 'tool', name: 'f' } }, { type: 'tool', name: 'f' }],
  ];
  for (const [change, choice] of choices) {
    test(`${JSON.stringify(change)} is ${JSON.stringify(choice)}`, () => {
      expect<unknown>(encode({ tools: [fn], ...change }).body.tool_choice).toEqual(choice);
      if (!change.allowsParallelCalls) expect(encode(change).body.tool_choice).toBeUndefined();
    });
  }

  test('of other vendors are dropped, custom ones become functions, and a history with calls has tools', () => {
    const foreign = { type: 'foreign', protocol: 'openai-responses', name: 'web_search', value: {} } as const;
    const custom = { type: 'custom', name: 'patch', description: 'd', format: null } as const;
    const { body, warnings } = encode({ tools: [foreign, custom] });
    expect(body.tools).toMatchObject([{ name: 'patch', input_schema: { required: ['input'] } }]);
    expect(warnings).toEqual(['tool web_search removed']);
    const history = encode({ turns: [user('a'), assistant(call('b')), tool(result('b', 'r')), user('c')] });
    expect(history.body).toMatchObject({ tools: [{ name: 'f' }], tool_choice: { type: 'none' } });
  });
});

describe('cache marks', () => {
  test('more than four: the oldest go', () => {
    const { body, warnings } = encode({
      tools: [{ ...fn, cache: { ttl: null } }],
      instructions: [text('s', null)],
      turns: [{ role: 'user', parts: ['a', 'b', 'c'].map((said) => text(said, '5m')) }],
    });
    const mark = { cache_control: { type: 'ephemeral' } };
    const short = { cache_control: { type: 'ephemeral', ttl: '5m' } };
    expect(body.tools).toEqual([{ name: 'f', input_schema: { type: 'object', properties: {} } }]);
    expect(body.system).toEqual([{ type: 'text', text: 's', ...mark }]);
    expect(body.messages).toEqual([
      { role: 'user', content: ['a', 'b', 'c'].map((said) => ({ type: 'text', text: said, ...short })) },
    ]);
    expect(warnings).toEqual(['cache marks above 4 removed']);
  });

  test('an hour behind five minutes is shortened, in front of them it is not', () => {
    const { body } = encode({
      instructions: [text('s', '1h')],
      turns: [{ role: 'user', parts: [text('a', '5m'), text('b', '1h')] }],
    });
    expect(body.system).toMatchObject([{ cache_control: { ttl: '1h' } }]);
    expect(body.messages).toMatchObject([
      { content: [{ cache_control: { ttl: '5m' } }, { cache_control: { type: 'ephemeral' } }] },
    ]);
    expect(JSON.stringify(body.messages)).not.toContain('1h');
  });

  test('on empty text go with it', () => {
    const { body } = encode({ turns: [{ role: 'user', parts: [text('a'), text('', null)] }] });
    expect(JSON.stringify(body)).not.toContain('cache_control');
  });

  test('inside results count too, and so does the automatic one', () => {
    const { body } = encode({
      tools: [fn],
      foreign: { protocol: 'anthropic-messages', fields: { cache_control: { type: 'ephemeral' } } },
      turns: [
        user('a'),
        assistant(call('b')),
        tool(result('b', '', { content: [text('x', null), text('y', null)], cache: { ttl: null } })),
        { role: 'user', parts: [text('z', null)] },
      ],
    });
    expect(body.messages).toMatchObject([
      {},
      {},
      {
        content: [
          { content: [{ type: 'text', text: 'x' }, { cache_control: {} }], cache_control: {} },
          { cache_control: {} },
        ],
      },
    ]);
    expect(JSON.stringify(body.messages).match(/cache_control/g)).toHaveLength(3);
  });
});

describe('around the conversation', () => {
  test('what has no place here is told', () => {
    const { body, warnings } = encode({
      seed: 1,
      presencePenalty: 1,
      frequencyPenalty: 1,
      choices: 2,
      logprobs: 0,
      modalities: ['text', 'audio'],
      verbosity: 'low',
      cacheKey: 'k',
      metadata: { a: 'b' },
      serviceTier: 'flex',
      stop: ['END', ' \n'],
      user: 'u'.repeat(257),
      foreign: { protocol: 'openai-chat', fields: { logit_bias: {} } },
    });
    expect(warnings.toSorted()).toEqual([
      'blank stop sequence removed',
      'frequency_penalty removed',
      'logit_bias removed',
      'logprobs removed',
      'metadata removed',
      'modalities removed',
      'n removed',
      'presence_penalty removed',
      'prompt_cache_key removed',
      'seed removed',
      'service tier flex removed',
      'user removed: it is too long',
      'verbosity removed',
    ]);
    expect(body).toEqual({
      model: 'claude-sonnet-4-5',
      max_tokens: 32000,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      stop_sequences: ['END'],
    });
  });
});
