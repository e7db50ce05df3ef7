import { describe, expect, test } from 'bun:test';
import type { ChatRequest, ToolResultPart, Turn } from '../../../src/protocols/ir.ts';
import { decoded, encoded, there } from '../../support/chat-codec.ts';

/** As another protocol's codec would have read it. */
const empty: ChatRequest = { ...decoded({}).request, foreign: null };
const request = (fields: Partial<ChatRequest>): ChatRequest => ({ ...empty, ...fields });
const messages = (turns: readonly Turn[], model = 'm') => encoded(request({ turns }), { model }).body.messages;
const text = (value: string) => ({ type: 'text', text: value }) as const;
const call = (id: string, name = 'f', args = '{}') =>
  ({ type: 'tool-call', id, name, arguments: args, kind: 'function' }) as const;
const result = (
  callId: string,
  content: ToolResultPart['content'] = [text('ok')],
  isError = false,
): ToolResultPart => ({
  type: 'tool-result',
  callId,
  name: null,
  content,
  isError,
  kind: 'function',
});
const image = { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AAAA' } } as const;

const hasNull = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.values(value).some(hasNull));

describe('a request that came as chat', () => {
  const body = {
    messages: [
      { role: 'system', content: 'S' },
      {
        role: 'user',
        content: [text('look'), { type: 'image_url', image_url: { url: 'https://x/a.png', detail: 'low' } }],
      },
      {
        role: 'assistant',
        content: 'so',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"q":"A"}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'sunny' },
    ],
    tools: [
      { type: 'function', function: { name: 'f', description: 'D', parameters: { type: 'object' }, strict: true } },
    ],
    tool_choice: { type: 'function', function: { name: 'f' } },
    parallel_tool_calls: false,
    response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
    reasoning_effort: 'high',
    max_tokens: 10,
    stop: ['END'],
    top_k: 40,
    temperature: 0,
    top_p: 0.5,
    seed: 7,
    n: 2,
    logprobs: true,
    top_logprobs: 3,
    verbosity: 'low',
    user: 'u',
    prompt_cache_key: 'k',
    service_tier: 'flex',
    metadata: { a: 'b' },
    logit_bias: { '1': 2 },
    provider: { sort: 'price' },
  };

  test('goes home as it came, unknown fields included', () => {
    const { body: home, warnings } = there(body);
    expect<unknown>(home).toEqual({ ...body, model: 'm' });
    expect(warnings).toEqual([]);
  });

  test('keeps its cache marks, its name for the limit and Gemini’s signatures, whatever the model', () => {
    const marks = { cache_control: { type: 'ephemeral' } };
    const body = {
      messages: [
        { role: 'user', content: [{ ...text('a'), ...marks }] },
        {
          role: 'assistant',
          content: '',
          tool_calls: [
            {
              id: 'c',
              type: 'function',
              function: { name: 'f', arguments: '{}' },
              extra_content: { google: { thought_signature: 'SIG' } },
            },
          ],
        },
        { role: 'tool', tool_call_id: 'c', content: 'ok', ...marks },
      ],
      tools: [{ type: 'function', function: { name: 'f', parameters: {} }, ...marks }],
      max_completion_tokens: 9,
    };
    expect<unknown>(there(body)).toMatchObject({ body: { ...body, model: 'm' }, warnings: [] });
  });

  test('never holds a null', () => {
    const nulls = { temperature: null, tools: null, tool_choice: null, stop: null, seed: null, logit_bias: null };
    expect(hasNull(there({ ...nulls, messages: [{ role: 'assistant', content: null }] }).body)).toBe(false);
  });

  test('asks for usage in a stream, and keeps the other stream options', () => {
    const { body: home } = there({ stream_options: { include_obfuscation: false } }, { isStream: true });
    expect(home).toMatchObject({ stream: true, stream_options: { include_obfuscation: false, include_usage: true } });
    expect(there({}).body).toEqual({ model: 'm', messages: [] });
  });

  test('with functions of old becomes one with tools', () => {
    const { body: home } = there({
      functions: [{ name: 'f', parameters: { type: 'object' } }],
      function_call: { name: 'f' },
      messages: [
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
        { role: 'function', name: 'f', content: 'done' },
      ],
    });
    expect<unknown>(home).toEqual({
      model: 'm',
      messages: [
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ id: 'call_legacy_0', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'call_legacy_0', content: 'done' },
      ],
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
      tool_choice: { type: 'function', function: { name: 'f' } },
    });
  });
});

describe('fields of another protocol', () => {
  test('are named as they are left out', () => {
    const foreign = { protocol: 'anthropic-messages', fields: { context_management: {} } } as const;
    expect(encoded(request({ foreign, topK: 5, serviceTier: 'standard_only' })).warnings).toEqual([
      'context_management removed',
      'top_k removed',
      'service_tier removed',
    ]);
  });

  test('parts and tools too', () => {
    const { body, warnings } = encoded(
      request({
        turns: [
          {
            role: 'user',
            parts: [{ type: 'foreign', protocol: 'gemini', name: 'executableCode', value: {} }, text('a')],
          },
        ],
        tools: [{ type: 'foreign', protocol: 'anthropic-messages', name: 'web_search', value: {} }],
        toolChoice: { type: 'tool', name: 'web_search' },
      }),
    );
    expect<unknown>(body).toEqual({ model: 'm', messages: [{ role: 'user', content: 'a' }] });
    expect(warnings).toEqual(['executableCode removed', 'tool web_search removed']);
  });
});

describe('texts of an assistant', () => {
  const said = (...turns: readonly Turn[]) => {
    const list = messages([{ role: 'user', parts: [text('u')] }, ...turns]);
    return (Array.isArray(list) ? list : []).flatMap(({ role, content }) => (role === 'assistant' ? [content] : []));
  };

  test('that follow each other are pieces of one: vendors cut them where a citation begins', () => {
    expect(said({ role: 'assistant', parts: [text('It '), text('rains'), text('.')] })).toEqual(['It rains.']);
  });

  test('of two messages are two paragraphs of one', () => {
    const one = { role: 'assistant', parts: [text('I look.')] } as const;
    const other = { role: 'assistant', parts: [text('It rains.')] } as const;
    expect(said(one, { role: 'user', parts: [] }, other)).toEqual(['I look.\n\nIt rains.']);
    expect(said({ role: 'assistant', parts: [call('c')] }, other)).toEqual(['It rains.']);
  });

  test('with a call or a thought between them are two paragraphs', () => {
    const thought = { type: 'reasoning', text: 'hm', signature: null } as const;
    const turn = {
      role: 'assistant',
      parts: [thought, text('One.'), call('c'), text('Two'), text('.'), thought],
    } as const;
    expect(said(turn, { role: 'assistant', parts: [text('Three.')] })).toEqual(['One.\n\nTwo.\n\nThree.']);
  });
});

describe('results', () => {
  test('stand behind their calls in the order of the calls, whatever came between', () => {
    const written = messages([
      { role: 'assistant', parts: [call('a'), call('b')] },
      { role: 'user', parts: [text('hm')] },
      { role: 'tool', parts: [result('b', [text('B')]), result('a', [text('A')])] },
    ]);
    expect(written).toMatchObject([
      { role: 'assistant', tool_calls: [{ id: 'a' }, { id: 'b' }] },
      { role: 'tool', tool_call_id: 'a', content: 'A' },
      { role: 'tool', tool_call_id: 'b', content: 'B' },
      { role: 'user', content: 'hm' },
    ]);
  });

  test('with images show them in the user message that follows', () => {
    const { body, warnings } = encoded(
      request({
        turns: [
          { role: 'assistant', parts: [call('a'), call('b')] },
          { role: 'tool', parts: [result('a', [text('see'), image]), result('b', [image])] },
          { role: 'user', parts: [text('well?')] },
        ],
      }),
    );
    const url = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    expect<unknown>(body.messages).toMatchObject([
      { role: 'assistant' },
      { role: 'tool', content: 'see' },
      { role: 'tool', content: 'The result is shown in the next user message.' },
      {
        role: 'user',
        content: [
          text('Content of the result of f (a):'),
          url,
          text('Content of the result of f (b):'),
          url,
          text('well?'),
        ],
      },
    ]);
    expect(warnings).toEqual(['media of a tool result moved into a user message']);
  });

  test('that are failures say so', () => {
    const written = messages([
      { role: 'assistant', parts: [call('a')] },
      { role: 'tool', parts: [result('a', [text('no such file')], true)] },
    ]);
    expect(written).toMatchObject([{}, { content: 'Error: no such file' }]);
  });

  test('that are missing are said to be, and those without a call are left out', () => {
    const { body, warnings } = encoded(
      request({
        turns: [
          { role: 'tool', parts: [result('z')] },
          { role: 'assistant', parts: [call('a')] },
          { role: 'user', parts: [text('next')] },
        ],
      }),
    );
    expect(body.messages).toMatchObject([
      { role: 'assistant' },
      { role: 'tool', tool_call_id: 'a', content: 'Error: The result of this call is not known.' },
      { role: 'user', content: 'next' },
    ]);
    expect([...warnings].sort()).toEqual(['missing tool result filled in', 'tool result without a call removed']);
  });

  test('of calls without ids are tied to them by ids made here', () => {
    const written = messages([
      { role: 'assistant', parts: [call(''), call('', 'g')] },
      {
        role: 'tool',
        parts: [
          { ...result(''), name: 'f' },
          { ...result(''), name: 'g' },
        ],
      },
    ]);
    expect(written).toMatchObject([
      { tool_calls: [{ id: 'call_0' }, { id: 'call_1' }] },
      { tool_call_id: 'call_0' },
      { tool_call_id: 'call_1' },
    ]);
  });
});

describe('ids of calls', () => {
  const ids = (model: string, ...calls: readonly string[]) => {
    const turns: readonly Turn[] = [
      { role: 'assistant', parts: calls.map((id) => call(id)) },
      { role: 'tool', parts: calls.map((id) => result(id)) },
    ];
    return [...JSON.stringify(messages(turns, model)).matchAll(/"(?:id|tool_call_id)":"([^"]*)"/g)].map(([, id]) => id);
  };

  test('stay as their issuer wrote them', () => {
    const long = `call_1__thought__${'x'.repeat(80)}`;
    expect(ids('kimi-k3', 'functions.f:0', long)).toEqual(['functions.f:0', long, 'functions.f:0', long]);
  });

  test('are cut to the 40 characters that OpenAI takes, each to one of its own', () => {
    const [one, two] = [`call_${'x'.repeat(50)}1`, `call_${'x'.repeat(50)}2`];
    const short = [`call_${'x'.repeat(35)}`, `call_${'x'.repeat(33)}_2`];
    expect(ids('gpt-5.5', one, two)).toEqual([...short, ...short]);
  });

  test('that are used twice in a turn are told apart', () => {
    expect(ids('m', 'a', 'a')).toEqual(['a', 'a_2', 'a', 'a_2']);
  });
});

describe('names', () => {
  const long = 'n'.repeat(70);
  const tool = (name: string) =>
    ({ type: 'function', name, description: null, parameters: null, isStrict: null }) as const;

  test('that are refused are cleaned everywhere, told apart, and traced back', () => {
    const { body, trace } = encoded(
      request({
        tools: [tool('a/b'), tool('a_b'), tool(long)],
        toolChoice: { type: 'tool', name: 'a/b' },
        turns: [{ role: 'assistant', parts: [call('1', 'a/b')] }],
      }),
    );
    expect(body).toMatchObject({
      tools: [{ function: { name: 'a_b_2' } }, { function: { name: 'a_b' } }, { function: { name: 'n'.repeat(64) } }],
      tool_choice: { function: { name: 'a_b_2' } },
      messages: [{ tool_calls: [{ function: { name: 'a_b_2' } }] }, {}],
    });
    expect([...trace.toolNames]).toEqual([
      ['a_b_2', 'a/b'],
      ['n'.repeat(64), long],
    ]);
  });
});

test('custom tools and their calls are functions with one text', () => {
  const custom = { ...call('a', 'c', 'x "y"'), kind: 'custom' } as const;
  const { body, warnings } = encoded(
    request({
      tools: [{ type: 'custom', name: 'c', description: 'C', format: { type: 'grammar' } }],
      turns: [{ role: 'assistant', parts: [custom] }],
    }),
  );
  expect(body).toMatchObject({
    tools: [{ type: 'function', function: { name: 'c', parameters: { required: ['input'] } } }],
    messages: [{ tool_calls: [{ type: 'function', function: { name: 'c', arguments: '{"input":"x \\"y\\""}' } }] }, {}],
  });
  expect(warnings).toContain('grammar of c removed');
});

describe('thoughts', () => {
  const thought = { type: 'reasoning', text: 'hm', signature: null } as const;
  const loop = (model: string) => messages([{ role: 'assistant', parts: [thought, call('a')] }], model);

  test('go back as text in a tool loop alone', () => {
    expect(loop('deepseek-v4')).toMatchObject([{ reasoning_content: 'hm' }, {}]);
    expect(messages([{ role: 'assistant', parts: [thought, text('a')] }])).toEqual([
      { role: 'assistant', content: 'a' },
    ]);
  });

  test('that are not given back are told of', () => {
    const warned = (model: string) =>
      encoded(request({ turns: [{ role: 'assistant', parts: [thought, call('a')] }] }), { model });
    expect(warned('gpt-5.5').warnings).toContain('reasoning in the history removed');
    expect(warned('deepseek-v4').warnings).not.toContain('reasoning in the history removed');
  });

  for (const model of ['gpt-5.5', 'openai/o3', 'gpt-4o']) {
    test(`never go to ${model}`, () => expect(JSON.stringify(loop(model))).not.toContain('reasoning_content'));
  }

  test('go to gpt-oss, which others serve', () =>
    expect(loop('openai/gpt-oss-120b')).toMatchObject([{ reasoning_content: 'hm' }, {}]));

  test('that a server of this protocol signed go back as it sent them; another’s signature does not', () => {
    const details = [{ type: 'reasoning.encrypted', data: 'X', index: 0 }];
    const own = { protocol: 'openai-chat', value: JSON.stringify({ reasoning_details: details }) } as const;
    const signed = [
      { type: 'redacted-reasoning', signature: own },
      { type: 'redacted-reasoning', signature: { protocol: 'anthropic-messages', value: 'Y' } },
      text('a'),
    ] as const;
    expect(messages([{ role: 'assistant', parts: signed }])).toEqual([
      { role: 'assistant', content: 'a', reasoning_details: details },
    ]);
  });

  test('Gemini’s signature of a call goes to Gemini models alone', () => {
    const turns: readonly Turn[] = [
      { role: 'assistant', parts: [{ ...call('a'), signature: { protocol: 'gemini', value: 'SIG' } }] },
    ];
    expect(messages(turns, 'gemini-3-pro')).toMatchObject([
      { tool_calls: [{ extra_content: { google: { thought_signature: 'SIG' } } }] },
      {},
    ]);
    expect(JSON.stringify(messages(turns, 'llama'))).not.toContain('SIG');
  });
});

describe('the limit for the answer', () => {
  const cases: readonly [string, object][] = [
    ['gpt-5.5', { max_completion_tokens: 100 }],
    ['openai/o4-mini', { max_completion_tokens: 100 }],
    ['gpt-4o', { max_tokens: 100 }],
    ['openai/gpt-oss-20b', { max_tokens: 100 }],
    ['llama-3.3', { max_tokens: 100 }],
  ];
  for (const [model, expected] of cases) {
    test(`of ${model} is ${Object.keys(expected)[0]}`, () => {
      expect<unknown>(encoded(request({ maxOutputTokens: 100 }), { model }).body).toEqual({
        model,
        messages: [],
        ...expected,
      });
    });
  }

  test('never exceeds what the model can say', () => {
    expect(encoded(request({ maxOutputTokens: 100 }), { maxOutputTokens: 60 }).body.max_tokens).toBe(60);
  });
});

describe('how much to think', () => {
  const effort = (body: object, reasoning: Parameters<typeof encoded>[1] = {}) => there(body, reasoning);
  const levels = { reasoning: { kind: 'levels', levels: ['low', 'high'], allowsOff: false } } as const;

  test('is a level: budgets become the level that reaches so far', () => {
    expect(effort({ reasoning: { max_tokens: 8192 } }).body.reasoning_effort).toBe('medium');
    expect(effort({ thinking: { type: 'disabled' } }).body.reasoning_effort).toBe('none');
    expect(effort({ reasoning_effort: 'auto' }).body.reasoning_effort).toBeUndefined();
  });

  test('is fitted to what the model takes', () => {
    expect(effort({ reasoning_effort: 'max' }, levels).body.reasoning_effort).toBe('high');
    expect(effort({ reasoning_effort: 'none' }, levels).body.reasoning_effort).toBe('low');
  });

  test('is not said to a model that does not think', () => {
    const { body, warnings } = effort({ reasoning_effort: 'high' }, { reasoning: { kind: 'none' } });
    expect(body.reasoning_effort).toBeUndefined();
    expect(warnings).toEqual(['reasoning effort removed']);
  });
});

test('a schema that the model cannot keep to by itself becomes an instruction', () => {
  const output = {
    type: 'json-schema',
    name: 'n',
    description: null,
    schema: { type: 'object' },
    isStrict: true,
  } as const;
  const { body, warnings } = encoded(request({ output }), { hasStructuredOutput: false });
  expect(body).toMatchObject({ response_format: { type: 'json_object' }, messages: [{ role: 'system' }] });
  expect(JSON.stringify(body.messages)).toContain('{\\"type\\":\\"object\\"}');
  expect(warnings).toEqual(['response schema written as an instruction']);
});

test('cache marks go to the models that take them', () => {
  const turns: readonly Turn[] = [{ role: 'user', parts: [{ ...text('a'), cache: { ttl: '1h' } }] }];
  expect(messages(turns, 'anthropic/claude-opus-4.8')).toEqual([
    { role: 'user', content: [{ ...text('a'), cache_control: { type: 'ephemeral', ttl: '1h' } }] },
  ]);
  expect(encoded(request({ turns }))).toMatchObject({
    body: { messages: [{ content: 'a' }] },
    warnings: ['cache_control removed'],
  });
});

test('more than four stop sequences are cut to four', () => {
  const { body, warnings } = encoded(request({ stop: ['a', 'b', 'c', 'd', 'e'] }));
  expect(body.stop).toEqual(['a', 'b', 'c', 'd']);
  expect(warnings).toEqual(['stop sequences after the first 4 removed']);
});

test('an image that the model made is shown to it again by the user', () => {
  const written = messages([
    { role: 'assistant', parts: [image] },
    { role: 'user', parts: [text('bluer')] },
  ]);
  expect(written).toMatchObject([
    { role: 'user', content: [text('Images of the answer above:'), { type: 'image_url' }, text('bluer')] },
  ]);
});
