import { describe, expect, test } from 'bun:test';
import { isProblem } from '../../../src/protocols/codec.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import { wellFormedTurns } from '../../../src/protocols/well-formed-turns.ts';
import { bytesOf } from '../../support/responses-fixtures.ts';
import { decoded } from '../../support/responses-hub.ts';

const turns = (input: unknown) => decoded({ input }).value.turns;
const call = (id: string, name = 'w') => ({ type: 'function_call', call_id: id, name, arguments: '{"q":1}' });
const output = (id: string, text: unknown = 'sunny') => ({ type: 'function_call_output', call_id: id, output: text });
const user = (text: string) => ({ role: 'user', content: text });

describe('a decoded request', () => {
  test('takes a string, a list of strings and a message without a type for the same', () => {
    const hi = [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }] as const;
    expect(turns('hi')).toEqual(hi);
    expect(turns(['hi'])).toEqual(hi);
    expect(turns([user('hi')])).toEqual(hi);
    expect(turns([{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] }])).toEqual(hi);
  });

  test('puts instructions and the system messages before the conversation in front of it, later ones where they stand', () => {
    const { value } = decoded({
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'In French.' },
        { role: 'system', content: [{ type: 'input_text', text: 'No jokes.' }] },
        user('hi'),
        { role: 'developer', content: 'In German now.' },
      ],
    });
    expect(value.instructions).toEqual([
      { type: 'text', text: 'Be brief.' },
      { type: 'text', text: 'In French.' },
      { type: 'text', text: 'No jokes.' },
    ]);
    expect(value.turns.map(({ role }) => role)).toEqual(['user', 'system']);
  });

  test('keeps two messages of an assistant apart, and a message with its calls together', () => {
    const said = (text: string) => ({ role: 'assistant', content: [{ type: 'output_text', text }] });
    const read = turns([user('hi'), said('I look.'), said('It rains.'), call('c'), output('c')]);
    expect(read.map(({ role, parts }) => [role, parts.map(({ type }) => type)])).toEqual([
      ['user', ['text']],
      ['assistant', ['text']],
      ['assistant', ['text', 'tool-call']],
      ['tool', ['tool-result']],
    ]);
  });

  test('reads every kind of content', () => {
    const content = [
      { type: 'input_text', text: 'look', prompt_cache_breakpoint: { mode: 'explicit', ttl: '30m' } },
      { type: 'input_image', image_url: 'data:IMAGE/PNG;charset=x;base64,iVBO', detail: 'original' },
      { type: 'input_image', image_url: 'https://a.example/x.jpg', detail: 'low' },
      { type: 'input_image', file_id: 'file-1' },
      { type: 'input_file', filename: 'a.pdf', file_data: 'JVBERi0=' },
      { type: 'input_file', filename: 'b.txt', file_data: 'data:text/plain;base64,aGk=' },
      { type: 'input_file', file_url: 'https://a.example/c.pdf' },
      { type: 'input_audio', input_audio: { data: 'UklG', format: 'mp3' } },
    ];
    expect(turns([{ role: 'user', content }])[0]?.parts).toEqual([
      { type: 'text', text: 'look', cache: { ttl: '30m' } },
      {
        type: 'image',
        source: { kind: 'data', mediaType: 'image/png', data: 'iVBO' },
        detail: 'high',
        foreign: { protocol: 'openai-responses', fields: { detail: 'original' } },
      },
      { type: 'image', source: { kind: 'url', url: 'https://a.example/x.jpg' }, detail: 'low' },
      { type: 'image', source: { kind: 'file-id', protocol: 'openai-responses', id: 'file-1' } },
      { type: 'file', source: { kind: 'data', mediaType: 'application/pdf', data: 'JVBERi0=' }, filename: 'a.pdf' },
      { type: 'file', source: { kind: 'data', mediaType: 'text/plain', data: 'aGk=' }, filename: 'b.txt' },
      { type: 'file', source: { kind: 'url', url: 'https://a.example/c.pdf' }, filename: null },
      { type: 'audio', source: { kind: 'data', mediaType: 'audio/mpeg', data: 'UklG' } },
    ]);
  });

  test('tells of an image that nobody can read', () => {
    const content = [{ type: 'input_image', image_url: 'data:image/png;base64,***' }];
    expect(decoded({ input: [{ role: 'user', content }] }).warnings).toEqual(['unreadable image removed']);
  });

  test('makes one turn of consecutive calls, and one of their results, named by the history', () => {
    const [, assistant, tool] = turns([user('hi'), call('a'), call('b', 'v'), output('a'), output('b', { t: 2 })]);
    expect(assistant?.parts).toMatchObject([
      { type: 'tool-call', id: 'a', name: 'w', arguments: '{"q":1}', kind: 'function' },
      { type: 'tool-call', id: 'b', name: 'v' },
    ]);
    expect(tool?.parts).toMatchObject([
      { type: 'tool-result', callId: 'a', name: 'w', content: [{ type: 'text', text: 'sunny' }] },
      { type: 'tool-result', callId: 'b', name: 'v', content: [{ type: 'text', text: '{"t":2}' }] },
    ]);
  });

  test('with a message between a call and its output becomes a history in which the message comes after', () => {
    const history = turns([user('hi'), call('a'), user('and?'), output('a')]);
    expect(wellFormedTurns(history).turns.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'user']);
  });

  test('keeps reasoning with its paragraphs, its encrypted form and its id before the call it led to', () => {
    const reasoning = (id: string, texts: readonly string[], encrypted: string | null) => ({
      type: 'reasoning',
      id,
      summary: texts.map((text) => ({ type: 'summary_text', text })),
      encrypted_content: encrypted,
    });
    const input = [user('hi'), reasoning('rs_1', ['one', 'two'], 'ENC'), reasoning('rs_2', [], 'ENC2'), call('a')];
    const signed = (itemId: string, value: string) => ({ protocol: 'openai-responses', value, itemId });
    expect(turns(input)[1]?.parts.slice(0, 3) as unknown[]).toEqual([
      { type: 'reasoning', text: 'one', signature: null },
      { type: 'reasoning', text: 'two', signature: signed('rs_1', 'ENC') },
      { type: 'reasoning', text: '', signature: signed('rs_2', 'ENC2') },
    ]);
  });

  test('reads the thoughts of open models, which have no summary', () => {
    const open = { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] };
    expect(turns([user('hi'), open])[1]?.parts).toMatchObject([{ type: 'reasoning', text: 'hm' }]);
  });

  test('reads custom tools, their calls and their outputs', () => {
    const { value } = decoded({
      tools: [{ type: 'custom', name: 'patch', description: 'edits', format: { type: 'grammar', syntax: 'lark' } }],
      input: [
        user('hi'),
        { type: 'custom_tool_call', call_id: 'c', name: 'patch', input: '*** Begin' },
        { type: 'custom_tool_call_output', call_id: 'c', output: 'done' },
      ],
      tool_choice: { type: 'custom', name: 'patch' },
    });
    expect(value.tools).toEqual([
      { type: 'custom', name: 'patch', description: 'edits', format: { type: 'grammar', syntax: 'lark' } },
    ]);
    expect(value.toolChoice).toEqual({ type: 'tool', name: 'patch' });
    expect(value.turns.slice(1)).toEqual([
      {
        role: 'assistant',
        parts: [{ type: 'tool-call', id: 'c', name: 'patch', arguments: '*** Begin', kind: 'custom' }],
      },
      {
        role: 'tool',
        parts: [
          {
            type: 'tool-result',
            callId: 'c',
            name: 'patch',
            content: [{ type: 'text', text: 'done' }],
            isError: false,
            kind: 'custom',
          },
        ],
      },
    ]);
  });

  test('flattens namespaces into functions with qualified names, in tools, choices and the history', () => {
    const find = { type: 'function', name: 'find', parameters: { type: 'object' }, strict: true };
    const { value } = decoded({
      tools: [
        { type: 'namespace', name: 'crm', description: 'customers', tools: [find] },
        { type: 'namespace', name: 'mcp__docs__', description: 'docs', tools: [{ ...find, name: 'search' }] },
      ],
      tool_choice: { type: 'function', name: 'find', namespace: 'crm' },
      input: [user('hi'), { ...call('a', 'find'), namespace: 'crm' }],
    });
    expect(value.tools).toMatchObject([
      { type: 'function', name: 'crm__find', isStrict: true },
      { type: 'function', name: 'mcp__docs__search' },
    ]);
    expect(value.toolChoice).toEqual({ type: 'tool', name: 'crm__find' });
    expect(value.turns[1]?.parts[0]).toMatchObject({ name: 'crm__find' });
  });

  test('keeps an output’s images, also when they came as text', () => {
    const parts = [
      { type: 'input_text', text: 'a cat' },
      { type: 'input_image', image_url: 'data:image/png;base64,iVBO' },
    ];
    for (const given of [parts, JSON.stringify(parts)]) {
      expect(turns([call('a'), output('a', given)])[1]?.parts[0]).toMatchObject({
        content: [
          { type: 'text', text: 'a cat' },
          { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'iVBO' } },
        ],
      });
    }
    expect(turns([call('a'), output('a', '["input_image"]')])[1]?.parts[0]).toMatchObject({
      content: [{ type: 'text', text: '["input_image"]' }],
    });
  });

  test('keeps the vendor’s own tools and their items as foreign ones', () => {
    const { value, warnings } = decoded({
      tools: [
        { type: 'web_search', search_context_size: 'low' },
        { type: 'mcp', server_label: 'x' },
      ],
      tool_choice: { type: 'web_search' },
      input: [
        user('hi'),
        { type: 'web_search_call', id: 'ws_1', status: 'completed' },
        { type: 'local_shell_call_output', id: 'x' },
      ],
    });
    expect(value.tools.map(({ type, name }) => [type, name])).toEqual([
      ['foreign', 'web_search'],
      ['foreign', 'mcp'],
    ]);
    expect([value.toolChoice, warnings]).toEqual([null, ['tool_choice web_search removed']]);
    expect(value.turns.map(({ role, parts }) => [role, parts[0]?.type])).toEqual([
      ['user', 'text'],
      ['assistant', 'foreign'],
      ['tool', 'foreign'],
    ]);
  });

  test('offers only the allowed tools', () => {
    const tools = ['a', 'b', 'c'].map((name) => ({ type: 'function', name, parameters: null }));
    const allowed = { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'b' }] };
    const { value } = decoded({ tools, tool_choice: allowed });
    expect(value.tools.map(({ name }) => name)).toEqual(['b']);
    expect(value.toolChoice).toEqual({ type: 'required' });
  });

  test('reads what was wished for', () => {
    const { value } = decoded({
      stream: true,
      max_output_tokens: 500,
      temperature: 0.2,
      top_p: 0.9,
      parallel_tool_calls: false,
      reasoning: { effort: 'xhigh', summary: 'detailed' },
      text: {
        verbosity: 'low',
        format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true, description: 'd' },
      },
      top_logprobs: 3,
      service_tier: 'flex',
      metadata: { a: 'b' },
      prompt_cache_key: 'k',
      safety_identifier: 'u1',
      include: ['reasoning.encrypted_content'],
      store: false,
      truncation: 'auto',
      client_metadata: { session: 's' },
    });
    expect(value).toMatchObject({
      isStream: true,
      wantsUsage: true,
      maxOutputTokens: 500,
      temperature: 0.2,
      topP: 0.9,
      allowsParallelCalls: false,
      reasoning: { amount: { kind: 'level', level: 'xhigh' }, isShown: true },
      output: { type: 'json-schema', name: 'n', description: 'd', schema: { type: 'object' }, isStrict: true },
      verbosity: 'low',
      logprobs: 3,
      serviceTier: 'flex',
      metadata: { a: 'b' },
      cacheKey: 'k',
      user: 'u1',
    });
    // What other protocols have to tell as lost is only what means something here alone.
    expect(value.foreign?.fields).toEqual({ truncation: 'auto', client_metadata: { session: 's' } });
  });

  const wishes: readonly [object, unknown][] = [
    [{ effort: 'none' }, { amount: { kind: 'off' }, isShown: null }],
    [
      { effort: null, summary: 'auto' },
      { amount: null, isShown: true },
    ],
    [{ effort: null, summary: null }, null],
    [{ effort: 'minimal' }, { amount: { kind: 'level', level: 'minimal' }, isShown: null }],
  ];
  for (const [reasoning, wish] of wishes) {
    test(`reads the wish for reasoning ${JSON.stringify(reasoning)}`, () => {
      expect(decoded({ reasoning }).value.reasoning as unknown).toEqual(wish);
    });
  }

  const refused: readonly [object, string, string][] = [
    [{ previous_response_id: 'resp_9' }, 'previous_response_id', 'the response "resp_9" is not known here'],
    [{ conversation: 'conv_1' }, 'conversation', 'send the whole conversation in input'],
    [{ prompt: { id: 'pmpt_1' } }, 'prompt', 'send the whole conversation in input'],
    [{ background: true }, 'background', 'background is not supported'],
    [{ input: [7] }, 'input[0]', 'input[0] must be an object'],
  ];
  for (const [body, param, message] of refused) {
    test(`with ${param} is refused: ${message}`, () => {
      const envelope = openAiResponses.readRequest(bytesOf({ model: 'm', input: 'hi', ...body }), null);
      if (isProblem(envelope)) throw new Error(envelope.message);
      const problem = openAiResponses.decodeRequest(envelope);
      if (!isProblem(problem)) throw new Error('accepted');
      expect([problem.status, problem.param]).toEqual([400, param]);
      expect(problem.message).toContain(message);
    });
  }
});
