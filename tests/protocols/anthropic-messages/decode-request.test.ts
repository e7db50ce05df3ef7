import { describe, expect, test } from 'bun:test';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import { isProblem } from '../../../src/protocols/codec.ts';
import { decode } from './requests.ts';

const base = { model: 'claude-x', max_tokens: 100 };
const messages = [{ role: 'user', content: 'hi' }];

describe('a conversation', () => {
  test('has results in front of the text they came with, and knows whose they are', () => {
    const { turns } = decode({
      ...base,
      messages: [
        { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'look', input: { q: 1 } }] },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'here' },
            { type: 'tool_result', tool_use_id: 't1', content: 'seen', is_error: true },
          ],
        },
      ],
    });
    expect(turns).toEqual([
      {
        role: 'assistant',
        parts: [{ type: 'tool-call', id: 't1', name: 'look', arguments: '{"q":1}', kind: 'function' }],
      },
      {
        role: 'tool',
        parts: [
          {
            type: 'tool-result',
            callId: 't1',
            name: 'look',
            content: [{ type: 'text', text: 'seen' }],
            isError: true,
            kind: 'function',
          },
        ],
      },
      { role: 'user', parts: [{ type: 'text', text: 'here' }] },
    ]);
  });

  test('has images and documents inside results', () => {
    const { turns } = decode({
      ...base,
      messages: [
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 't1',
              content: [
                { type: 'image', source: { type: 'base64', media_type: 'IMAGE/PNG', data: 'aGk=' } },
                { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'hé' }, title: 'a.txt' },
                { type: 'tool_reference', tool_name: 'x' },
              ],
            },
          ],
        },
      ],
    });
    expect(turns[0]?.parts[0]).toMatchObject({
      content: [
        { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'aGk=' } },
        {
          type: 'file',
          filename: 'a.txt',
          source: { kind: 'data', mediaType: 'text/plain', data: Buffer.from('hé').toString('base64') },
        },
        { type: 'foreign', name: 'tool_reference' },
      ],
    });
  });

  const sources: readonly [object, object][] = [
    [
      { type: 'url', url: 'https://e.example/a.png' },
      { kind: 'url', url: 'https://e.example/a.png' },
    ],
    [
      { type: 'file', file_id: 'file_1' },
      { kind: 'file-id', protocol: 'anthropic-messages', id: 'file_1' },
    ],
    [
      { type: 'base64', media_type: 'image/png', data: 'data:image/gif;base64,aGk=' },
      { kind: 'data', mediaType: 'image/gif', data: 'aGk=' },
    ],
  ];
  for (const [source, neutral] of sources) {
    test(`has an image of ${JSON.stringify(source)}`, () => {
      const { turns } = decode({ ...base, messages: [{ role: 'user', content: [{ type: 'image', source }] }] });
      expect<unknown>(turns[0]?.parts).toEqual([{ type: 'image', source: neutral }]);
    });
  }

  test('keeps what it cannot read as foreign', () => {
    const odd = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: '%%%' } };
    const { turns } = decode({ ...base, messages: [{ role: 'user', content: [odd, { type: 'search_result' }] }] });
    expect(turns[0]?.parts).toMatchObject([
      { type: 'foreign', name: 'image', value: odd },
      { type: 'foreign', name: 'search_result' },
    ]);
  });

  test('keeps thoughts with their signatures, and hidden ones as they are', () => {
    const { turns } = decode({
      ...base,
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'S' },
            { type: 'thinking', thinking: 'lost', signature: '' },
            { type: 'redacted_thinking', data: 'D' },
          ],
        },
      ],
    });
    expect(turns[0]?.parts).toEqual([
      { type: 'reasoning', text: 'hm', signature: { protocol: 'anthropic-messages', value: 'S' } },
      { type: 'reasoning', text: 'lost', signature: null },
      { type: 'redacted-reasoning', signature: { protocol: 'anthropic-messages', value: 'D' } },
    ]);
  });

  test('may hold instructions given midway, as Claude Code gives them', () => {
    const { turns } = decode({
      ...base,
      messages: [
        ...messages,
        { role: 'system', content: [{ type: 'text', text: 'left: 9', cache_control: { type: 'ephemeral' } }] },
      ],
    });
    expect(turns[1]).toEqual({ role: 'system', parts: [{ type: 'text', text: 'left: 9', cache: { ttl: null } }] });
  });

  test('with something that is no message is refused by its place', () => {
    const bytes = new TextEncoder().encode('{"model":"m","messages":[{"role":"user","content":"a"},"b"]}');
    const envelope = anthropicMessages.readRequest(bytes, null);
    if (isProblem(envelope)) throw new Error(envelope.message);
    expect(anthropicMessages.decodeRequest(envelope)).toMatchObject({
      kind: 'bad-request',
      message: 'messages[1] must be an object',
    });
  });
});

describe('around the conversation', () => {
  test('the billing header of Claude Code is foreign, the other instructions are not', () => {
    const header = { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1; cch=00000;' };
    const { instructions } = decode({ ...base, messages, system: [header, { type: 'text', text: 'You are' }] });
    expect(instructions).toEqual([
      { type: 'foreign', protocol: 'anthropic-messages', name: 'billing header', value: header },
      { type: 'text', text: 'You are' },
    ]);
  });

  test('tools are functions, and those the vendor runs are foreign', () => {
    const search = { type: 'web_search_20250305', name: 'web_search', max_uses: 3 };
    const { tools } = decode({
      ...base,
      messages,
      tools: [
        { name: 'f', input_schema: { type: 'object' }, strict: true, cache_control: { type: 'ephemeral', ttl: '1h' } },
        { type: 'custom', name: 'g', description: 'd', input_schema: { type: 'object' }, input_examples: [{}] },
        search,
      ],
    });
    expect(tools).toEqual([
      {
        type: 'function',
        name: 'f',
        description: null,
        parameters: { type: 'object' },
        isStrict: true,
        cache: { ttl: '1h' },
      },
      {
        type: 'function',
        name: 'g',
        description: 'd',
        parameters: { type: 'object' },
        isStrict: null,
        foreign: { protocol: 'anthropic-messages', fields: { input_examples: [{}] } },
      },
      { type: 'foreign', protocol: 'anthropic-messages', name: 'web_search_20250305', value: search },
    ]);
  });

  const choices: readonly [object, object | null, boolean | null][] = [
    [{ type: 'auto' }, { type: 'auto' }, null],
    [{ type: 'any', disable_parallel_tool_use: true }, { type: 'required' }, false],
    [{ type: 'tool', name: 'f', disable_parallel_tool_use: false }, { type: 'tool', name: 'f' }, true],
    [{ type: 'none' }, { type: 'none' }, null],
  ];
  for (const [choice, toolChoice, allowsParallelCalls] of choices) {
    test(`tool_choice ${JSON.stringify(choice)}`, () => {
      expect(decode({ ...base, messages, tool_choice: choice })).toMatchObject({ toolChoice, allowsParallelCalls });
    });
  }

  const thinking: readonly [object, object | null][] = [
    [{}, null],
    [
      { thinking: { type: 'enabled', budget_tokens: 2000 } },
      { amount: { kind: 'budget', tokens: 2000 }, isShown: null },
    ],
    [{ thinking: { type: 'adaptive' } }, { amount: { kind: 'dynamic' }, isShown: null }],
    [
      { thinking: { type: 'adaptive', display: 'omitted' }, output_config: { effort: 'xhigh' } },
      { amount: { kind: 'level', level: 'xhigh' }, isShown: false },
    ],
    [{ thinking: { type: 'disabled' } }, { amount: { kind: 'off' }, isShown: null }],
    [{ output_config: { effort: 'low' } }, { amount: { kind: 'level', level: 'low' }, isShown: null }],
    [
      { thinking: { type: 'disabled' }, output_config: { effort: 'low' } },
      { amount: { kind: 'off' }, isShown: null },
    ],
  ];
  for (const [fields, reasoning] of thinking) {
    test(`${JSON.stringify(fields)} is a wish to think`, () => {
      expect<unknown>(decode({ ...base, messages, ...fields }).reasoning).toEqual(reasoning);
    });
  }

  test('the rest of what Claude Code says is read or goes home as it came', () => {
    const user = '{"device_id":"d","session_id":"s"}';
    const edits = { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] };
    const schema = { type: 'object', properties: {} };
    const request = decode({
      ...base,
      messages,
      metadata: { user_id: user },
      context_management: edits,
      output_config: { effort: 'high', format: { type: 'json_schema', schema }, task_budget: 5 },
      thinking: { type: 'adaptive' },
      stop_sequences: ['END'],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      service_tier: 'standard_only',
    });
    expect(request).toMatchObject({
      user,
      maxOutputTokens: 100,
      output: { type: 'json-schema', schema },
      stop: ['END'],
      temperature: 0.5,
      topP: 0.9,
      topK: 4,
      serviceTier: 'default',
      foreign: { fields: { context_management: edits, output_config: { task_budget: 5 } } },
    });
  });
});
