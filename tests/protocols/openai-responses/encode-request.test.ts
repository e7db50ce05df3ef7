import { describe, expect, test } from 'bun:test';
import type { ChatRequest, ToolResultPart, Turn } from '../../../src/protocols/ir.ts';
import { decoded, encoded, fromElsewhere } from '../../support/responses-hub.ts';

const user: Turn = { role: 'user', parts: [{ type: 'text', text: 'hi' }] };
const call = (id: string, name = 'w') => ({ type: 'tool-call', id, name, arguments: '', kind: 'function' }) as const;
const result = (callId: string, content: string) =>
  ({
    type: 'tool-result',
    callId,
    name: null,
    content: [{ type: 'text', text: content }],
    isError: false,
    kind: 'function',
  }) as const;

const input = (turns: readonly Turn[], more: Partial<ChatRequest> = {}) =>
  encoded(fromElsewhere({}, { turns, ...more })).body.input as readonly Record<string, unknown>[];

describe('a request of another protocol', () => {
  test('is stored nowhere and asks for reasoning that can be given back', () => {
    const { body } = encoded(fromElsewhere({ instructions: 'A', input: [{ role: 'system', content: 'B' }, 'hi'] }));
    expect(body).toEqual({
      model: 'gpt-5.1',
      instructions: 'A\n\nB',
      input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] }],
      include: ['reasoning.encrypted_content'],
      store: false,
    });
  });

  test('with instructions and nothing else asks them, since an empty input is refused', () => {
    const { body } = encoded(fromElsewhere({ instructions: 'A' }, { turns: [] }));
    expect(body.instructions).toBeUndefined();
    expect(body.input).toEqual([{ type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'A' }] }]);
  });

  test('to a model that does not think asks for no reasoning at all', () => {
    const request = fromElsewhere({ reasoning: { effort: 'high' } });
    const { body } = encoded(request, { reasoning: { kind: 'none' } });
    expect([body.include, body.reasoning]).toEqual([undefined, undefined]);
  });

  const efforts: readonly [ChatRequest['reasoning'], unknown][] = [
    [
      { amount: { kind: 'level', level: 'high' }, isShown: null },
      { effort: 'high', summary: 'auto' },
    ],
    [
      { amount: { kind: 'budget', tokens: 9000 }, isShown: null },
      { effort: 'high', summary: 'auto' },
    ],
    [{ amount: { kind: 'level', level: 'low' }, isShown: false }, { effort: 'low' }],
    [{ amount: { kind: 'off' }, isShown: null }, { effort: 'none' }],
    [{ amount: { kind: 'dynamic' }, isShown: null }, { summary: 'auto' }],
    [{ amount: null, isShown: false }, undefined],
  ];
  for (const [reasoning, effort] of efforts) {
    test(`asks for ${JSON.stringify(effort)} where ${JSON.stringify(reasoning)} was wished`, () => {
      expect(encoded(fromElsewhere({}, { reasoning })).body.reasoning).toEqual(effort);
    });
  }

  test('has its levels fitted to the model', () => {
    const request = fromElsewhere({}, { reasoning: { amount: { kind: 'level', level: 'max' }, isShown: false } });
    const traits = { kind: 'levels', levels: ['low', 'medium', 'high'], allowsOff: false } as const;
    expect(encoded(request, { reasoning: traits }).body.reasoning).toEqual({ effort: 'high' });
  });

  test('has the names of its tools cleaned alike everywhere, and says the way back', () => {
    const long = `mcp/${'n'.repeat(80)}`;
    const request = fromElsewhere(
      {
        tools: [
          { type: 'function', name: long },
          { type: 'function', name: 'ok' },
        ],
      },
      {
        toolChoice: { type: 'tool', name: long },
        turns: [user, { role: 'assistant', parts: [call('c', long)] }, { role: 'tool', parts: [result('c', 'x')] }],
      },
    );
    const { body, trace } = encoded(request);
    const short = `mcp_${'n'.repeat(60)}`;
    expect(short).toHaveLength(64);
    expect(body.tools).toEqual([
      { type: 'function', name: short, parameters: { type: 'object', properties: {} }, strict: false },
      { type: 'function', name: 'ok', parameters: { type: 'object', properties: {} }, strict: false },
    ]);
    expect(body.tool_choice).toEqual({ type: 'function', name: short });
    expect(body.input).toMatchObject([{}, { type: 'function_call', name: short }, {}]);
    expect([...trace.toolNames]).toEqual([[short, long]]);
  });

  test('has ids made where they are missing, doubled or too long, the same for call and result', () => {
    const long = 'x'.repeat(70);
    const turns: readonly Turn[] = [
      user,
      { role: 'assistant', parts: [call(''), call('a')] },
      { role: 'tool', parts: [result('a', 'of a'), result('', 'of the first')] },
      user,
      { role: 'assistant', parts: [call('a'), call(long)] },
      { role: 'tool', parts: [result('a', 'again'), result(long, 'long')] },
    ];
    const items = input(turns).filter(({ call_id }) => call_id !== undefined);
    const calls = items.filter(({ type }) => type === 'function_call').map(({ call_id }) => call_id);
    expect(calls).toEqual(['call_missing_1_0', 'a', 'a_2', 'x'.repeat(64)]);
    const outputs = items.filter(({ type }) => type === 'function_call_output');
    expect(outputs.map(({ call_id, output }) => [call_id, output])).toEqual([
      ['call_missing_1_0', 'of the first'],
      ['a', 'of a'],
      ['a_2', 'again'],
      ['x'.repeat(64), 'long'],
    ]);
  });

  test('says texts before calls, and nothing where an assistant said nothing', () => {
    const turns: readonly Turn[] = [
      user,
      { role: 'assistant', parts: [{ type: 'text', text: '' }] },
      { role: 'assistant', parts: [{ type: 'text', text: 'Looking.' }, call('a'), { type: 'refusal', text: 'no' }] },
      { role: 'tool', parts: [result('a', '')] },
      { role: 'system', parts: [{ type: 'text', text: 'Hurry.' }] },
    ];
    expect(input(turns)).toEqual([
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
      {
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Looking.', annotations: [] }],
      },
      { type: 'function_call', call_id: 'a', name: 'w', arguments: '{}' },
      { type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'no' }] },
      { type: 'function_call_output', call_id: 'a', output: '' },
      { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Hurry.' }] },
    ]);
  });

  test('sends images, files and sound, and tells what it cannot send', () => {
    const data = (mediaType: string) => ({ kind: 'data', mediaType, data: 'AAAA' }) as const;
    const parts: Extract<Turn, { role: 'user' }>['parts'] = [
      { type: 'image', source: data('image/webp'), detail: 'low' },
      { type: 'image', source: { kind: 'url', url: 'https://a.example/x.png' } },
      { type: 'file', source: data('text/csv'), filename: null },
      { type: 'file', source: { kind: 'url', url: 'https://a.example/x.pdf' }, filename: 'x.pdf' },
      { type: 'audio', source: data('audio/wav') },
      { type: 'audio', source: data('audio/flac') },
      { type: 'file', source: { kind: 'file-id', protocol: 'anthropic-messages', id: 'f' }, filename: null },
    ];
    const { body, warnings } = encoded(fromElsewhere({}, { turns: [{ role: 'user', parts }] }));
    expect(body.input).toEqual([
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_image', detail: 'low', image_url: 'data:image/webp;base64,AAAA' },
          { type: 'input_image', detail: 'auto', image_url: 'https://a.example/x.png' },
          { type: 'input_file', filename: 'file.csv', file_data: 'data:text/csv;base64,AAAA' },
          { type: 'input_file', file_url: 'https://a.example/x.pdf' },
          { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
        ],
      },
    ]);
    expect(warnings).toEqual([
      'audio that is neither wav nor mp3 removed',
      'file uploaded to another provider removed',
    ]);
  });

  test('gives a tool’s images back as parts', () => {
    const image = { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'iVBO' } } as const;
    const seen = { ...result('a', 'a cat'), content: [{ type: 'text', text: 'a cat' }, image] } as const;
    const turns: readonly Turn[] = [user, { role: 'assistant', parts: [call('a')] }, { role: 'tool', parts: [seen] }];
    expect(input(turns).at(-1)).toEqual({
      type: 'function_call_output',
      call_id: 'a',
      output: [
        { type: 'input_text', text: 'a cat' },
        { type: 'input_image', detail: 'auto', image_url: 'data:image/png;base64,iVBO' },
      ],
    });
  });

  test('says of a failed result that it is one, as no field does', () => {
    const failed = (id: string, content: ToolResultPart['content']): ToolResultPart => ({
      ...result(id, ''),
      content,
      isError: true,
    });
    const png = { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AAAA' } } as const;
    const text = (value: string) => ({ type: 'text', text: value }) as const;
    const parts = [failed('a', [text('no such file')]), failed('b', [text('error: denied')]), failed('c', [png])];
    const items = input([
      user,
      { role: 'assistant', parts: [call('a'), call('b'), call('c')] },
      { role: 'tool', parts },
    ]);
    expect(items.filter(({ type }) => type === 'function_call_output').map(({ output }) => output)).toMatchObject([
      'Error: no such file',
      'error: denied',
      [{ type: 'input_text', text: 'Error: ' }, { type: 'input_image' }],
    ]);
  });

  test('sends reasoning only in the form that its reader trusts', () => {
    const turns: readonly Turn[] = [
      user,
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'one', signature: null },
          { type: 'reasoning', text: 'two', signature: { protocol: 'openai-responses', value: 'ENC' } },
          { type: 'reasoning', text: 'not ours', signature: { protocol: 'anthropic-messages', value: 'SIG' } },
          { type: 'reasoning', text: 'unsigned', signature: null },
          { type: 'text', text: 'so' },
        ],
      },
    ];
    const { body, warnings } = encoded(fromElsewhere({}, { turns }));
    expect(body.input).toMatchObject([
      { role: 'user' },
      {
        type: 'reasoning',
        summary: [
          { type: 'summary_text', text: 'one' },
          { type: 'summary_text', text: 'two' },
        ],
        encrypted_content: 'ENC',
      },
      { role: 'assistant' },
    ]);
    expect(warnings).toEqual(['reasoning of another provider removed', 'unsigned reasoning removed']);
  });

  test('has its formats, limits and wishes in this protocol’s places', () => {
    const { body, warnings } = encoded(
      fromElsewhere(
        { tools: [{ type: 'custom', name: 'patch' }], tool_choice: { type: 'custom', name: 'patch' } },
        {
          output: { type: 'json-schema', name: null, description: null, schema: { type: 'object' }, isStrict: true },
          verbosity: 'high',
          maxOutputTokens: 5,
          logprobs: 2,
          allowsParallelCalls: false,
          user: 'u',
          stop: ['x'],
          topK: 4,
          seed: 1,
          choices: 2,
          foreign: { protocol: 'openai-chat', fields: { logit_bias: {} } },
        },
      ),
      { isStream: true },
    );
    expect(body).toMatchObject({
      stream: true,
      max_output_tokens: 16,
      top_logprobs: 2,
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
      parallel_tool_calls: false,
      tools: [{ type: 'custom', name: 'patch' }],
      tool_choice: { type: 'custom', name: 'patch' },
      text: {
        format: { type: 'json_schema', name: 'answer', schema: { type: 'object' }, strict: true },
        verbosity: 'high',
      },
      user: 'u',
    });
    expect(warnings).toEqual([
      'stop removed',
      'top_k removed',
      'seed removed',
      'n removed',
      'logit_bias removed',
      'max_output_tokens raised to 16',
    ]);
  });

  test('tells what came beside its tools and calls and means something elsewhere alone', () => {
    const foreign = { protocol: 'anthropic-messages', fields: { input_examples: [] } } as const;
    const weather = {
      type: 'function',
      name: 'w',
      description: null,
      parameters: null,
      isStrict: null,
      foreign,
    } as const;
    expect(encoded(fromElsewhere({}, { tools: [weather] })).warnings).toEqual(['input_examples removed']);
  });

  test('without tools chooses none', () => {
    const { body } = encoded(fromElsewhere({}, { toolChoice: { type: 'auto' }, allowsParallelCalls: true }));
    expect([body.tool_choice, body.parallel_tool_calls]).toEqual([undefined, undefined]);
  });

  test('asks for no more than the model can say', () => {
    const { body, warnings } = encoded(fromElsewhere({}, { maxOutputTokens: 9000 }), { maxOutputTokens: 4096 });
    expect([body.max_output_tokens, warnings]).toEqual([4096, ['max_output_tokens lowered to 4096']]);
  });
});

describe('a request that comes home', () => {
  test('means what it meant: items with their ids, namespaces, the vendor’s own things and unknown fields', () => {
    const body = {
      instructions: 'Be brief.',
      input: [
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'In French.' }] },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'hi', prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } },
            { type: 'input_image', detail: 'original', file_id: 'file-1' },
          ],
        },
        { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'x' } },
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'hm' }], encrypted_content: 'ENC' },
        { type: 'reasoning', id: 'rs_2', summary: [] },
        {
          type: 'message',
          role: 'assistant',
          id: 'msg_1',
          status: 'completed',
          phase: 'commentary',
          content: [{ type: 'output_text', text: 'one', annotations: [{ type: 'file_path', file_id: 'f', index: 2 }] }],
        },
        {
          type: 'message',
          role: 'assistant',
          id: 'msg_2',
          status: 'completed',
          content: [{ type: 'output_text', text: 'two', annotations: [] }],
        },
        {
          type: 'function_call',
          id: 'fc_1',
          status: 'completed',
          call_id: 'c',
          name: 'find',
          namespace: 'crm',
          arguments: '{}',
        },
        { type: 'custom_tool_call', id: 'ctc_1', status: 'completed', call_id: 'p', name: 'patch', input: '*** Begin' },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'meanwhile' }] },
        { type: 'function_call_output', call_id: 'c', output: 'found' },
        {
          type: 'custom_tool_call_output',
          call_id: 'p',
          output: [
            { type: 'input_text', text: 'a' },
            { type: 'input_text', text: 'b' },
          ],
        },
        { type: 'image_generation_call', id: 'ig_1', status: 'completed', result: 'iVBO', output_format: 'png' },
        { type: 'item_reference', id: 'msg_9' },
        { type: 'mcp_approval_response', approval_request_id: 'r', approve: true },
      ],
      tools: [
        {
          type: 'namespace',
          name: 'crm',
          description: 'd',
          tools: [{ type: 'function', name: 'find', strict: false, parameters: null }],
        },
        { type: 'custom', name: 'patch' },
        { type: 'web_search' },
        { type: 'function', name: 'late', parameters: {}, strict: true, defer_loading: true },
      ],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'custom', name: 'patch' }] },
      reasoning: { effort: 'low', summary: 'detailed' },
      text: { format: { type: 'text' }, verbosity: 'low' },
      include: ['reasoning.encrypted_content'],
      parallel_tool_calls: true,
      max_output_tokens: 100,
      metadata: { a: 'b' },
      safety_identifier: 'u',
      truncation: 'auto',
      something_new: { x: 1 },
    };
    const { body: again, warnings } = encoded(decoded(body).value, { isStream: true });
    expect(again as unknown).toEqual({ ...body, model: 'gpt-5.1', stream: true });
    expect(warnings).toEqual([]);
  });

  test('keeps the namespace of a call whose tool is no longer offered, and who called', () => {
    const call = {
      type: 'function_call',
      call_id: 'c',
      name: 'find',
      namespace: 'crm',
      arguments: '{}',
      caller: { type: 'program', caller_id: 'p' },
    };
    expect(encoded(decoded({ input: [call] }).value).body.input as unknown).toEqual([call]);
  });

  test('has another amount of reasoning where one was asked for since', () => {
    const { value } = decoded({ reasoning: { effort: 'low', summary: 'detailed' } });
    const request = { ...value, reasoning: { amount: { kind: 'level', level: 'high' }, isShown: true } } as const;
    expect(encoded(request).body.reasoning).toEqual({ effort: 'high', summary: 'detailed' });
  });
});
