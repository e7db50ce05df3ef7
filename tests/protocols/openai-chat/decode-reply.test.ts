import { describe, expect, test } from 'bun:test';
import type { AssistantPart, ChatEvent, FinishReason } from '../../../src/protocols/ir.ts';
import { openAiChat } from '../../../src/protocols/openai-chat/index.ts';
import { built, chunk, events, names } from '../../support/chat-codec.ts';

const reply = (message: object, finish_reason: string | null = 'stop', top: object = {}) =>
  openAiChat.decodeReply(
    { id: 'up', model: 'served', created: 7, choices: [{ index: 0, message, finish_reason }], ...top },
    {
      ...names,
      seed: 'S',
    },
  );
const parts = (message: object): readonly AssistantPart[] | undefined => reply(message).choices[0]?.parts;
const text = (value: string) => ({ type: 'text', text: value }) as const;
const thought = (value: string) => ({ type: 'reasoning', text: value, signature: null }) as const;
const call = (id: string, name: string, args: string) =>
  ({ type: 'tool-call', id, name, arguments: args, kind: 'function' }) as const;

const streamed = (...chunks: readonly object[]) => built(events(chunks));
const streamedParts = (...deltas: readonly object[]) =>
  streamed(...deltas.map((delta) => chunk(delta)), chunk({}, 'stop')).choices[0]?.parts;

describe('what an answer says', () => {
  const cases: readonly [string, object, readonly AssistantPart[]][] = [
    ['a text', { content: 'a' }, [text('a')]],
    ['nothing', { content: null }, []],
    ['thoughts in reasoning_content', { reasoning_content: 'a', content: 'b' }, [thought('a'), text('b')]],
    ['thoughts in reasoning', { reasoning: 'a', content: 'b' }, [thought('a'), text('b')]],
    [
      'Mistral’s thinking parts',
      { content: [{ type: 'thinking', thinking: [text('a')] }, text('b')] },
      [thought('a'), text('b')],
    ],
    ['<think> tags, which are left alone', { content: '<think>a</think>b' }, [text('<think>a</think>b')]],
    ['a refusal', { content: null, refusal: 'no' }, [{ type: 'refusal', text: 'no' }]],
    [
      'images',
      { content: 'a', images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] },
      [text('a'), { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AAAA' } }],
    ],
    [
      'a sound with its words',
      { content: null, audio: { id: 'x', data: 'UklGRg==', transcript: 'hi' } },
      [text('hi'), { type: 'audio', source: { kind: 'data', mediaType: 'audio/wav', data: 'UklGRg==' } }],
    ],
    [
      'calls without an index, one with its arguments as an object',
      {
        content: '',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: { q: 1 } } },
          { id: 'b', type: 'function', function: { name: 'f', arguments: '' } },
        ],
      },
      [call('a', 'f', '{"q":1}'), call('b', 'f', '')],
    ],
    [
      'calls without ids',
      { tool_calls: [{ function: { name: 'f' } }, { function: { name: 'f' } }] },
      [call('call_S00', 'f', ''), call('call_S01', 'f', '')],
    ],
    ['a call of before tools', { function_call: { name: 'f', arguments: '{}' } }, [call('call_S00', 'f', '{}')]],
    [
      'a call with Gemini’s signature',
      {
        tool_calls: [
          {
            id: 'a',
            function: { name: 'f', arguments: '{}' },
            extra_content: { google: { thought_signature: 'SIG' } },
          },
        ],
      },
      [{ ...call('a', 'f', '{}'), signature: { protocol: 'gemini', value: 'SIG' } }],
    ],
    [
      'a part that nobody knows',
      { content: [{ type: 'reference', ids: [1] }] },
      [{ type: 'foreign', protocol: 'openai-chat', name: 'reference', value: { type: 'reference', ids: [1] } }],
    ],
  ];
  for (const [name, message, expected] of cases) {
    test(`may be ${name}`, () => expect(parts(message)).toEqual([...expected]));
    test(`may be ${name}, in one chunk of a stream`, () => expect(streamedParts(message)).toEqual([...expected]));
  }

  test('citations stand at the text before them', () => {
    const annotation = {
      type: 'url_citation',
      url_citation: { url: 'https://x', title: 'X', start_index: 0, end_index: 2 },
    };
    expect(parts({ content: 'hello', annotations: [annotation] })).toEqual([
      {
        ...text('hello'),
        citations: [
          {
            url: 'https://x',
            title: 'X',
            citedText: null,
            range: { start: 0, end: 2 },
            foreign: { protocol: 'openai-chat', value: annotation },
          },
        ],
      },
    ]);
    const plain = reply({ content: 'hello' }, 'stop', { citations: ['https://y'] });
    expect(plain.choices[0]?.parts).toMatchObject([{ citations: [{ url: 'https://y' }] }]);
  });

  test('signed details are one signature that gives them back as they were', () => {
    const reasoning_details = [
      { type: 'reasoning.summary', summary: 'a', index: 0, format: 'openai-responses-v1' },
      { type: 'reasoning.encrypted', data: 'ENC', index: 1, id: 'rs_1', format: 'openai-responses-v1' },
    ];
    const signature = { protocol: 'openai-chat', value: JSON.stringify({ reasoning_details }) } as const;
    const expected = [{ type: 'reasoning', text: 'a', signature } as const, text('b')];
    expect(parts({ reasoning: 'a', reasoning_details, content: 'b' })).toEqual(expected);
    expect(
      streamedParts(
        { reasoning: 'a', reasoning_details: reasoning_details.slice(0, 1) },
        { reasoning_details: reasoning_details.slice(1) },
        { content: 'b' },
      ),
    ).toEqual(expected);
  });

  test('that grow as plain text and come again in a signed list are one thought', () => {
    const detail = { type: 'reasoning.text', text: 'ab', signature: 'SIG', index: 0 };
    const signature = { protocol: 'openai-chat', value: JSON.stringify({ reasoning_details: [detail] }) } as const;
    expect(
      streamedParts(
        { reasoning_content: 'a' },
        { reasoning_content: 'b' },
        { reasoning_details: [detail] },
        { content: 'c' },
      ),
    ).toEqual([{ type: 'reasoning', text: 'ab', signature }, text('c')]);
  });

  test('the pieces of one detail are put together', () => {
    const piece = (fields: object) => ({ reasoning_details: [{ type: 'reasoning.text', index: 0, ...fields }] });
    const [part] = streamedParts(piece({ text: 'a' }), piece({ text: 'b' }), piece({ signature: 'SIG' })) ?? [];
    expect(part).toMatchObject({ type: 'reasoning', text: 'ab' });
    const value = part?.type === 'reasoning' ? part.signature?.value : undefined;
    expect(JSON.parse(value ?? '')).toEqual({
      reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'ab', signature: 'SIG' }],
    });
  });
});

describe('the calls of a stream', () => {
  const calls = (...entries: readonly object[]) => ({ tool_calls: entries });
  const cases: readonly [string, readonly object[], readonly AssistantPart[]][] = [
    [
      'with the id in the first piece alone',
      [
        calls({ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }),
        calls({ index: 0, function: { arguments: '{"q"' } }),
        calls({ index: 0, function: { arguments: ':1}' } }),
      ],
      [call('a', 'f', '{"q":1}')],
    ],
    [
      'with id and name in every piece',
      [
        calls({ index: 0, id: 'a', function: { name: 'f', arguments: '{"q"' } }),
        calls({ index: 0, id: 'a', function: { name: 'f', arguments: ':1}' } }),
      ],
      [call('a', 'f', '{"q":1}')],
    ],
    [
      'with the name after the id',
      [calls({ index: 0, id: 'a' }), calls({ index: 0, function: { name: 'f', arguments: '{}' } })],
      [call('a', 'f', '{}')],
    ],
    [
      'that name no index',
      [
        calls({ id: 'a', function: { name: 'f', arguments: '{' } }),
        calls({ function: { arguments: '}' } }),
        calls({ id: 'b', function: { name: 'g', arguments: '{}' } }),
      ],
      [call('a', 'f', '{}'), call('b', 'g', '{}')],
    ],
    [
      'that all have index 0',
      [
        calls({ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }),
        calls({ index: 0, id: 'b', function: { name: 'f', arguments: '{"q":2}' } }),
      ],
      [call('a', 'f', '{}'), call('b', 'f', '{"q":2}')],
    ],
    [
      'that all have index 0 and no ids',
      [
        calls({ index: 0, function: { name: 'f', arguments: '{"q":1}' } }),
        calls({ index: 0, function: { name: 'f', arguments: '{"q":2}' } }),
      ],
      [call('call_S00', 'f', '{"q":1}'), call('call_S01', 'f', '{"q":2}')],
    ],
    [
      'that grow in turns',
      [
        calls(
          { index: 0, id: 'a', function: { name: 'f', arguments: '{"q"' } },
          { index: 1, id: 'b', function: { name: 'g', arguments: '{"r"' } },
        ),
        calls({ index: 1, function: { arguments: ':2}' } }, { index: 0, function: { arguments: ':1}' } }),
      ],
      [call('a', 'f', '{"q":1}'), call('b', 'g', '{"r":2}')],
    ],
    [
      'whose name never comes',
      [calls({ index: 0, id: 'a', function: { arguments: '{}' } })],
      [call('a', 'tool_0', '{}')],
    ],
  ];
  for (const [name, deltas, expected] of cases) {
    test(name, () => expect(streamedParts(...deltas)).toEqual([...expected]));
  }

  test('end before the finish, and a whole one when the next begins', () => {
    const seen = events([
      chunk(calls({ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } })),
      chunk(calls({ index: 1, id: 'b', function: { name: 'g', arguments: '{' } })),
      chunk(calls({ index: 1, function: { arguments: '}' } }), 'tool_calls'),
    ]);
    const places = seen.map((event: ChatEvent) => `${event.type}${'call' in event ? ` ${event.call}` : ''}`);
    expect(places).toEqual([
      'start',
      'tool-call-start 0',
      'tool-call-delta 0',
      'tool-call-end 0',
      'tool-call-start 1',
      'tool-call-delta 1',
      'tool-call-delta 1',
      'tool-call-end 1',
      'finish',
    ]);
  });

  test('have the names that the client gave them', () => {
    const chunks = [chunk(calls({ index: 0, id: 'a', function: { name: 'a_b', arguments: '{}' } }))];
    expect(events(chunks, new Map([['a_b', 'a/b']]))).toContainEqual({
      type: 'tool-call-start',
      choice: 0,
      call: 0,
      id: 'a',
      name: 'a/b',
      kind: 'function',
    });
  });
});

describe('why an answer ended', () => {
  const cases: readonly [string | null, FinishReason['unified'], FinishReason['unified']][] = [
    ['stop', 'stop', 'tool-calls'],
    ['eos', 'stop', 'tool-calls'],
    ['COMPLETE', 'stop', 'tool-calls'],
    ['length', 'length', 'length'],
    ['model_length', 'length', 'length'],
    ['MAX_TOKENS', 'length', 'length'],
    ['tool_calls', 'stop', 'tool-calls'],
    ['function_call', 'stop', 'tool-calls'],
    ['content_filter', 'content-filter', 'content-filter'],
    ['SAFETY', 'content-filter', 'content-filter'],
    ['error', 'other', 'tool-calls'],
    ['constructor', 'other', 'tool-calls'],
    [null, 'stop', 'tool-calls'],
  ];
  for (const [raw, plain, withCall] of cases) {
    test(`${raw} is ${plain}, and ${withCall} with a call`, () => {
      expect(reply({ content: 'a' }, raw).choices[0]?.finish).toEqual({ unified: plain, raw });
      const tool_calls = [{ id: 'a', function: { name: 'f', arguments: '{}' } }];
      expect(reply({ tool_calls }, raw).choices[0]?.finish).toEqual({ unified: withCall, raw });
    });
  }

  test('is what the last chunk says where every chunk says something', () => {
    const seen = streamed(chunk({ content: 'a' }, 'stop'), chunk({ content: 'b' }, 'stop'), chunk({}, 'length'));
    expect(seen.choices).toEqual([{ parts: [text('ab')], finish: { unified: 'length', raw: 'length' } }]);
  });
});

describe('a stream', () => {
  test('begins once the answer is named, and counts usage wherever it stands', () => {
    const azure = { id: '', model: '', choices: [], prompt_filter_results: [] };
    const counted = { ...chunk({}, 'stop'), usage: { prompt_tokens: 3, completion_tokens: 4 } };
    const seen = events([azure, chunk({ role: 'assistant', content: '' }), chunk({ content: 'a' }), counted]);
    expect(seen.map(({ type }) => type)).toEqual(['start', 'text-delta', 'usage', 'finish']);
    expect(seen[0]).toEqual({ type: 'start', id: 'up', model: 'served', created: 7 });
    expect(seen[2]).toMatchObject({ usage: { inputTokens: 3, outputTokens: 4 } });
  });

  test('may hold several choices', () => {
    const seen = streamed(chunk({ content: 'a' }), chunk({ content: 'b' }, 'stop', 1), chunk({}, 'length'));
    expect(seen.choices.map(({ parts, finish }) => [parts, finish.unified])).toEqual([
      [[text('a')], 'length'],
      [[text('b')], 'stop'],
    ]);
  });

  test('of sound gives it whole, put together from its pieces', () => {
    const piece = (bytes: string, transcript: string) => ({ audio: { data: btoa(bytes), transcript } });
    expect(streamedParts(piece('ab', 'Hel'), piece('c', 'lo'))).toEqual([
      text('Hello'),
      { type: 'audio', source: { kind: 'data', mediaType: 'audio/pcm', data: btoa('abc') } },
    ]);
  });

  test('of nonsense is an empty answer and no error', () => {
    for (const nonsense of [
      null,
      7,
      'x',
      [],
      {},
      { choices: {} },
      { choices: [null, 3] },
      chunk({ content: 5 }),
      chunk({ tool_calls: [null, {}] }),
    ]) {
      expect(() => events([nonsense, { choices: [{ index: -5, delta: null }] }])).not.toThrow();
    }
  });
});

test('thoughts of several paragraphs that come as text and again, signed, in a list are heard once', () => {
  const details = [
    { type: 'reasoning.summary', summary: 'one', index: 0 },
    { type: 'reasoning.summary', summary: 'two', index: 1 },
    { type: 'reasoning.encrypted', data: 'E', index: 2 },
  ];
  const [part] =
    streamedParts({ reasoning_content: 'one' }, { reasoning_content: '\n\ntwo' }, { reasoning_details: details }) ?? [];
  expect(part).toMatchObject({ type: 'reasoning', text: 'one\n\ntwo' });
});

test('tokens of thoughts and calls that a server lists too are no words, and cut no thought', () => {
  const logprobs = { content: [{ token: 'x', logprob: -1, bytes: null, top_logprobs: [] }] };
  const told = (delta: object) => ({ choices: [{ index: 0, delta, logprobs, finish_reason: null }] });
  const tool = { index: 0, id: 'c', function: { name: 'f', arguments: '{}' } };
  const said = streamed(
    told({ content: '', reasoning_content: 'h' }),
    told({ content: '', reasoning_content: 'm' }),
    told({ content: 'a' }),
    told({ content: '', tool_calls: [tool] }),
    chunk({}, 'tool_calls'),
  );
  expect(said.choices[0]?.parts).toEqual([
    thought('hm'),
    { ...text('a'), logprobs: [{ token: 'x', logprob: -1, bytes: null, top: [] }] },
    call('c', 'f', '{}'),
  ]);
});
