import { describe, expect, test } from 'bun:test';
import { decoded, refused } from '../../support/chat-codec.ts';

const turns = (...messages: readonly object[]) => decoded({ messages }).request.turns;
const userParts = (...content: readonly unknown[]) => turns({ role: 'user', content })[0]?.parts;
const text = (value: string) => ({ type: 'text', text: value }) as const;

describe('instructions', () => {
  test('are the system and developer messages at the front; a later one is a turn', () => {
    const { request } = decoded({
      messages: [
        { role: 'system', content: 'one' },
        { role: 'developer', content: [{ type: 'text', text: 'two' }] },
        { role: 'user', content: 'hello' },
        { role: 'system', content: 'three' },
      ],
    });
    expect<unknown>(request.instructions).toEqual([text('one'), text('two')]);
    expect<unknown>(request.turns).toEqual([
      { role: 'user', parts: [text('hello')] },
      { role: 'system', parts: [text('three')] },
    ]);
  });

  test('alone make a request without turns', () => {
    const { request } = decoded({ messages: [{ role: 'system', content: 'one' }] });
    expect<unknown>([request.instructions.length, request.turns.length]).toEqual([1, 0]);
  });
});

describe('content', () => {
  const pixel = 'iVBORw0KGgo=';
  const cases: readonly [string, unknown, object][] = [
    ['a text', { type: 'text', text: 'a' }, text('a')],
    [
      'an image by URL with its detail',
      { type: 'image_url', image_url: { url: 'https://x/a.png', detail: 'low' } },
      { type: 'image', source: { kind: 'url', url: 'https://x/a.png' }, detail: 'low' },
    ],
    [
      'an image as a data URL with a charset and an upper-case type',
      { type: 'image_url', image_url: { url: `data:Image/PNG;charset=utf-8;base64,${pixel}` } },
      { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: pixel } },
    ],
    [
      'an image whose URL stands bare',
      { type: 'image_url', image_url: 'https://x/a.png' },
      { type: 'image', source: { kind: 'url', url: 'https://x/a.png' } },
    ],
    [
      'a sound',
      { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'mp3' } },
      { type: 'audio', source: { kind: 'data', mediaType: 'audio/mpeg', data: 'UklGRg==' } },
    ],
    [
      'samples',
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'pcm16' } },
      { type: 'audio', source: { kind: 'data', mediaType: 'audio/pcm', data: 'AAAA' } },
    ],
    [
      'a PDF by file_data without a data: prefix',
      { type: 'file', file: { filename: 'a.pdf', file_data: 'JVBERi0=' } },
      { type: 'file', source: { kind: 'data', mediaType: 'application/pdf', data: 'JVBERi0=' }, filename: 'a.pdf' },
    ],
    [
      'an uploaded file',
      { type: 'file', file: { file_id: 'file-1' } },
      { type: 'file', source: { kind: 'file-id', protocol: 'openai-chat', id: 'file-1' }, filename: null },
    ],
    [
      'a video as a file',
      { type: 'video_url', video_url: { url: 'https://x/a.webm' } },
      { type: 'file', source: { kind: 'url', url: 'https://x/a.webm', mediaType: 'video/webm' }, filename: null },
    ],
    [
      'a part that nobody knows as a foreign one',
      { type: 'hologram', depth: 3 },
      { type: 'foreign', protocol: 'openai-chat', name: 'hologram', value: { type: 'hologram', depth: 3 } },
    ],
    [
      'a cache mark',
      { type: 'text', text: 'a', cache_control: { type: 'ephemeral', ttl: '1h' } },
      { ...text('a'), cache: { ttl: '1h' } },
    ],
  ];
  for (const [name, part, expected] of cases)
    test(`reads ${name}`, () => expect<unknown>(userParts(part)).toEqual([expected]));

  test('a mark on a message is one on its last part', () => {
    const [turn] = turns({ role: 'user', content: 'a', cache_control: { type: 'ephemeral' } });
    expect<unknown>(turn?.parts).toEqual([{ ...text('a'), cache: { ttl: null } }]);
  });

  test('base64 that is none is refused by its place', () => {
    const problem = refused({
      messages: [
        { role: 'user', content: [text('a'), { type: 'image_url', image_url: { url: 'data:image/png;base64,!!' } }] },
      ],
    });
    expect<unknown>(problem.status).toBe(400);
    expect<unknown>(problem.param).toBe('messages[0].content[1].image_url');
  });
});

describe('an assistant message', () => {
  const parts = (message: object) => turns({ role: 'assistant', ...message })[0]?.parts;
  const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };
  const callPart = { type: 'tool-call', id: 'c1', name: 'f', arguments: '{"a":1}', kind: 'function' };

  for (const content of [null, '', []]) {
    test(`with content ${JSON.stringify(content)} and a call is the call`, () => {
      expect<unknown>(parts({ content, tool_calls: [call] })).toEqual([callPart]);
    });
  }

  test('holds thoughts, text and refusal before its calls', () => {
    const message = {
      content: [text('b'), { type: 'refusal', refusal: 'c' }],
      reasoning_content: 'a',
      tool_calls: [call],
    };
    expect<unknown>(parts(message)?.map(({ type }) => type)).toEqual(['reasoning', 'text', 'refusal', 'tool-call']);
  });

  test('may call a custom tool with free text', () => {
    expect<unknown>(parts({ tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'f', input: 'x y' } }] })).toEqual([
      { type: 'tool-call', id: 'c', name: 'f', arguments: 'x y', kind: 'custom' },
    ]);
  });

  test('may hold arguments as an object', () => {
    const [part] = parts({ tool_calls: [{ id: 'c1', function: { name: 'f', arguments: { a: 1 } } }] }) ?? [];
    expect<unknown>(part).toEqual(callPart);
  });

  const signed = { ...callPart, signature: { protocol: 'gemini', value: 'SIG' } };
  const places: readonly [string, object][] = [
    ['extra_content', { ...call, extra_content: { google: { thought_signature: 'SIG' } } }],
    [
      'function.extra_content',
      { ...call, function: { ...call.function, extra_content: { google: { thought_signature: 'SIG' } } } },
    ],
    ['thoughtSignature', { ...call, thoughtSignature: 'SIG' }],
    ['thought_signature', { ...call, thought_signature: 'SIG' }],
    ['function.thought_signature', { ...call, function: { ...call.function, thought_signature: 'SIG' } }],
  ];
  for (const [name, value] of places) {
    test(`finds Gemini’s signature of a call in ${name}`, () => {
      expect<unknown>(parts({ tool_calls: [value] })).toEqual([signed]);
    });
  }

  test('only the signed one of parallel calls is signed', () => {
    const [first, second] = parts({ tool_calls: [places[0]?.[1], { ...call, id: 'c2' }] }) ?? [];
    expect<unknown>([first, second]).toEqual([signed, { ...callPart, id: 'c2' }]);
  });

  test('gives back Anthropic’s blocks with their signatures', () => {
    const message = {
      content: 'x',
      reasoning_content: 'a',
      thinking_blocks: [
        { type: 'thinking', thinking: 'a', signature: 'SIG' },
        { type: 'redacted_thinking', data: 'RED' },
      ],
    };
    expect<unknown>(parts(message)?.slice(0, 2)).toEqual([
      { type: 'reasoning', text: 'a', signature: { protocol: 'anthropic-messages', value: 'SIG' } },
      { type: 'redacted-reasoning', signature: { protocol: 'anthropic-messages', value: 'RED' } },
    ]);
  });

  test('gives back OpenRouter’s details: the format says whose signature it is', () => {
    const opaque = { type: 'reasoning.encrypted', data: 'X', format: 'xai-responses-v1', index: 3 };
    const message = {
      reasoning_details: [
        { type: 'reasoning.text', text: 'a', format: 'anthropic-claude-v1', index: 0 },
        { type: 'reasoning.text', signature: 'SIG', format: 'anthropic-claude-v1', index: 0 },
        { type: 'reasoning.summary', summary: 'b', format: 'openai-responses-v1', id: 'rs_1', index: 1 },
        { type: 'reasoning.encrypted', data: 'ENC', format: 'openai-responses-v1', id: 'rs_1', index: 2 },
        opaque,
      ],
    };
    expect<unknown>(parts(message)).toEqual([
      { type: 'reasoning', text: 'a', signature: { protocol: 'anthropic-messages', value: 'SIG' } },
      { type: 'reasoning', text: 'b', signature: { protocol: 'openai-responses', value: 'ENC', itemId: 'rs_1' } },
      {
        type: 'redacted-reasoning',
        signature: { protocol: 'openai-chat', value: JSON.stringify({ reasoning_details: [opaque] }) },
      },
    ]);
  });
});

describe('results', () => {
  test('know the name and kind of their call', () => {
    const [, tool] = turns(
      { role: 'assistant', tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      {
        role: 'tool',
        tool_call_id: 'c1',
        content: [text('a'), { type: 'image_url', image_url: { url: 'https://x/a.png' } }],
      },
    );
    expect<unknown>(tool?.parts).toEqual([
      {
        type: 'tool-result',
        callId: 'c1',
        name: 'f',
        content: [text('a'), { type: 'image', source: { kind: 'url', url: 'https://x/a.png' } }],
        isError: false,
        kind: 'function',
      },
    ]);
  });

  test('of calls from before tools find their call by its name', () => {
    const [call, result] = turns(
      { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
      { role: 'function', name: 'f', content: 'done' },
    );
    expect<unknown>(call?.parts).toMatchObject([{ type: 'tool-call', id: 'call_legacy_0', name: 'f' }]);
    expect<unknown>(result?.parts).toMatchObject([{ type: 'tool-result', callId: 'call_legacy_0', name: 'f' }]);
  });
});

describe('tools', () => {
  test('are read nested, flat, custom, and as functions of old', () => {
    const parameters = { type: 'object' };
    const { request } = decoded({
      tools: [
        { type: 'function', function: { name: 'a', parameters, strict: true }, cache_control: { type: 'ephemeral' } },
        { type: 'function', name: 'b', description: 'B' },
        {
          type: 'custom',
          custom: { name: 'c', format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'x' } } },
        },
        { google_search: {} },
      ],
      functions: [{ name: 'd', parameters }],
    });
    expect<unknown>(request.tools).toEqual([
      { type: 'function', name: 'a', description: null, parameters, isStrict: true, cache: { ttl: null } },
      { type: 'function', name: 'b', description: 'B', parameters: null, isStrict: null },
      { type: 'custom', name: 'c', description: null, format: { type: 'grammar', syntax: 'lark', definition: 'x' } },
      { type: 'foreign', protocol: 'openai-chat', name: 'google_search', value: { google_search: {} } },
      { type: 'function', name: 'd', description: null, parameters, isStrict: null },
    ]);
  });

  const choices: readonly [unknown, unknown][] = [
    ['auto', { type: 'auto' }],
    ['none', { type: 'none' }],
    ['required', { type: 'required' }],
    ['any', { type: 'required' }],
    [
      { type: 'function', function: { name: 'a' } },
      { type: 'tool', name: 'a' },
    ],
    [
      { type: 'custom', custom: { name: 'a' } },
      { type: 'tool', name: 'a' },
    ],
    [null, null],
  ];
  for (const [choice, expected] of choices) {
    test(`choice ${JSON.stringify(choice)} is ${JSON.stringify(expected)}`, () => {
      expect<unknown>(decoded({ tool_choice: choice }).request.toolChoice).toEqual(expected);
    });
  }

  test('of which only some are allowed are those', () => {
    const tool = (name: string) => ({ type: 'function', function: { name } });
    const allowed_tools = { mode: 'required', tools: [tool('b')] };
    const { request } = decoded({
      tools: [tool('a'), tool('b')],
      tool_choice: { type: 'allowed_tools', allowed_tools },
    });
    expect<unknown>(request.tools.map(({ name }) => name)).toEqual(['b']);
    expect<unknown>(request.toolChoice).toEqual({ type: 'required' });
  });

  test('without a name are refused', () => {
    expect<unknown>(refused({ tools: [{ type: 'function', function: {} }] }).param).toBe('tools[0].function.name');
  });
});

describe('how much to think', () => {
  const level = (name: string): unknown => ({ amount: { kind: 'level', level: name }, isShown: null });
  const cases: readonly (readonly [object, unknown])[] = [
    ...['minimal', 'low', 'medium', 'high', 'xhigh', 'max'].map(
      (name) => [{ reasoning_effort: name }, level(name)] as const,
    ),
    [{ reasoning_effort: 'none' }, { amount: { kind: 'off' }, isShown: null }],
    [{ reasoning_effort: 'auto' }, { amount: { kind: 'dynamic' }, isShown: null }],
    [{ reasoning_effort: 4096 }, { amount: { kind: 'budget', tokens: 4096 }, isShown: null }],
    [{ reasoning_effort: '8192' }, { amount: { kind: 'budget', tokens: 8192 }, isShown: null }],
    [{ reasoning_effort: 0 }, { amount: { kind: 'off' }, isShown: null }],
    [{ reasoning_effort: -1 }, { amount: { kind: 'dynamic' }, isShown: null }],
    [{ reasoning: { effort: 'high', exclude: true } }, { amount: { kind: 'level', level: 'high' }, isShown: false }],
    [{ reasoning: { max_tokens: 2000 } }, { amount: { kind: 'budget', tokens: 2000 }, isShown: null }],
    [{ reasoning: { enabled: false } }, { amount: { kind: 'off' }, isShown: null }],
    [
      { thinking: { type: 'enabled', budget_tokens: 3000 } },
      { amount: { kind: 'budget', tokens: 3000 }, isShown: null },
    ],
    [{ thinking: { type: 'disabled' } }, { amount: { kind: 'off' }, isShown: null }],
    [{ thinking: { type: 'adaptive' } }, { amount: { kind: 'dynamic' }, isShown: null }],
    [
      { extra_body: { google: { thinking_config: { thinking_budget: 512, include_thoughts: true } } } },
      { amount: { kind: 'budget', tokens: 512 }, isShown: true },
    ],
    [{ reasoning_effort: 'somewhat' }, null],
    [{}, null],
  ];
  for (const [body, wish] of cases) {
    test(`${JSON.stringify(body)}`, () => {
      expect<unknown>(decoded(body).request.reasoning).toEqual(wish);
      expect<unknown>(decoded(body).request.foreign?.fields).toEqual({});
    });
  }
});

test('parameters find their neutral place, and what has none travels as it came', () => {
  const { request } = decoded({
    max_completion_tokens: 5,
    max_tokens: 9,
    stop: 'END',
    temperature: 0.5,
    top_p: 0.9,
    top_k: 40,
    seed: 3,
    n: 2,
    logprobs: true,
    top_logprobs: 4,
    modalities: ['text', 'AUDIO'],
    audio: { voice: 'alloy', format: 'wav' },
    verbosity: 'low',
    user: 'u',
    prompt_cache_key: 'k',
    service_tier: 'flex',
    metadata: { a: 'b' },
    parallel_tool_calls: false,
    response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
    stream_options: { include_usage: true, include_obfuscation: false },
    logit_bias: { '50256': -100 },
    frequency_penalty: null,
  });
  expect<unknown>(request).toMatchObject({
    maxOutputTokens: 5,
    stop: ['END'],
    temperature: 0.5,
    topP: 0.9,
    topK: 40,
    seed: 3,
    choices: 2,
    logprobs: 4,
    modalities: ['text', 'audio'],
    verbosity: 'low',
    user: 'u',
    cacheKey: 'k',
    serviceTier: 'flex',
    metadata: { a: 'b' },
    allowsParallelCalls: false,
    output: { type: 'json-schema', name: 'n', schema: { type: 'object' }, isStrict: true },
    frequencyPenalty: null,
  });
  expect<unknown>(request.foreign).toMatchObject({
    protocol: 'openai-chat',
    fields: {
      audio: { voice: 'alloy', format: 'wav' },
      stream_options: { include_obfuscation: false },
      logit_bias: { '50256': -100 },
    },
  });
});

const wrongMessages: readonly [unknown, string][] = [
  ['hello', 'messages[0]'],
  [{ content: 'x' }, 'messages[0].role'],
  [{ role: 'narrator', content: 'x' }, 'messages[0].role'],
  [{ role: 'assistant', tool_calls: [{ id: 'a', function: {} }] }, 'messages[0].tool_calls[0].function.name'],
];
for (const [message, param] of wrongMessages) {
  test(`a message that is ${JSON.stringify(message)} is refused at ${param}`, () => {
    const problem = refused({ messages: [message] });
    expect<unknown>(problem.param).toBe(param);
    expect<unknown>(problem.message).toContain(param);
  });
}
