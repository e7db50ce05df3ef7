import { describe, expect, test } from 'bun:test';
import type { AssistantPart, ChatReply, FinishReason } from '../../../src/protocols/ir.ts';
import { openAiChat } from '../../../src/protocols/openai-chat/index.ts';
import { replyEvents } from '../../../src/protocols/reply-events.ts';
import { chunks, dataOf, decoded, frames, replyContext } from '../../support/chat-codec.ts';
import { plainUsage } from '../../support/plain-chat.ts';

const answer = (parts: readonly AssistantPart[], unified: FinishReason['unified'] = 'stop'): ChatReply => ({
  id: 'msg_1',
  model: 'served',
  created: null,
  choices: [{ parts, finish: { unified, raw: 'x' } }],
  usage: plainUsage,
});
const text = (value: string) => ({ type: 'text', text: value }) as const;
const call = (id: string, name: string, args: string) =>
  ({ type: 'tool-call', id, name, arguments: args, kind: 'function' }) as const;

const whole = (reply: ChatReply, body: object = {}) => openAiChat.encodeReply(reply, replyContext(body)).value;
const message = (parts: readonly AssistantPart[], body: object = {}) => {
  const { choices } = whole(answer(parts), body);
  return Array.isArray(choices) ? choices[0].message : undefined;
};
const deltas = (parts: readonly AssistantPart[], body: object = {}) =>
  chunks(replyEvents(answer(parts)), replyContext(body)).flatMap((one) =>
    typeof one === 'object' && one !== null && 'choices' in one && Array.isArray(one.choices)
      ? one.choices.map(({ delta }) => delta)
      : [],
  );

describe('a whole answer', () => {
  test('is a chat.completion as OpenAI writes it', () => {
    expect(whole(answer([text('a'), text('b')]))).toEqual({
      id: 'msg_1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'served',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'ab', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 2, audio_tokens: 0 },
      },
    });
  });

  test('gets an id, a model and a time where the upstream gave none', () => {
    const bare = { ...answer([text('a')]), id: null, model: null, usage: null };
    const written = whole(bare);
    expect([written.id, written.model, written.created, 'usage' in written]).toEqual([
      'chatcmpl-S',
      'asked',
      1_700_000_000,
      false,
    ]);
  });

  test('with calls has null for its text, and objects for their arguments', () => {
    expect(message([call('a', 'f', '{"q":1}'), call('', 'g', '')])).toEqual({
      role: 'assistant',
      content: null,
      refusal: null,
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'f', arguments: '{"q":1}' } },
        { id: 'call_S01', type: 'function', function: { name: 'g', arguments: '{}' } },
      ],
    });
  });

  const words: readonly [FinishReason['unified'], readonly AssistantPart[], string][] = [
    ['stop', [], 'stop'],
    ['stop', [call('a', 'f', '{}')], 'tool_calls'],
    ['tool-calls', [], 'stop'],
    ['length', [call('a', 'f', '{}')], 'length'],
    ['content-filter', [], 'content_filter'],
    ['other', [], 'stop'],
  ];
  for (const [unified, parts, word] of words) {
    test(`that ended for ${unified} with ${parts.length} calls says ${word}, whole and streamed`, () => {
      const reply = answer(parts, unified);
      expect(whole(reply).choices).toMatchObject([{ finish_reason: word }]);
      expect(frames(replyEvents(reply), replyContext())).toContain(`"finish_reason":"${word}"`);
    });
  }
});

describe('whole and streamed, an answer', () => {
  const custom = { tools: [{ type: 'custom', custom: { name: 'c' } }] };
  const signature = (
    protocol: 'gemini' | 'anthropic-messages' | 'openai-responses',
    value: string,
    itemId?: string,
  ) => ({
    protocol,
    value,
    ...(itemId && { itemId }),
  });
  const cases: readonly [string, readonly AssistantPart[], object, object][] = [
    [
      'carries Gemini’s signature in its call',
      [{ ...call('a', 'f', '{}'), signature: signature('gemini', 'SIG') }],
      {},
      { tool_calls: [{ extra_content: { google: { thought_signature: 'SIG' } } }] },
    ],
    [
      'carries Gemini’s signature of its text',
      [{ ...text('a'), signature: signature('gemini', 'SIG') }],
      {},
      { extra_content: { google: { thought_signature: 'SIG' } } },
    ],
    [
      'shows thoughts as reasoning_content',
      [{ type: 'reasoning', text: 'hm', signature: null }, text('a')],
      {},
      { reasoning_content: 'hm' },
    ],
    [
      'carries Anthropic’s signature in blocks and details',
      [{ type: 'reasoning', text: 'hm', signature: signature('anthropic-messages', 'SIG') }, text('a')],
      {},
      {
        reasoning_content: 'hm',
        reasoning_details: [
          { type: 'reasoning.text', text: 'hm', signature: 'SIG', format: 'anthropic-claude-v1', index: 0 },
        ],
        thinking_blocks: [{ type: 'thinking', thinking: 'hm', signature: 'SIG' }],
      },
    ],
    [
      'carries what Anthropic redacted',
      [{ type: 'redacted-reasoning', signature: signature('anthropic-messages', 'RED') }, text('a')],
      {},
      { thinking_blocks: [{ type: 'redacted_thinking', data: 'RED' }] },
    ],
    [
      'has images beside its text',
      [text('a'), { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AAAA' } }],
      {},
      { images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' }, index: 0 }] },
    ],
    [
      'has annotations for its citations',
      [
        text('ab'),
        { ...text('cd'), citations: [{ url: 'https://x', title: 'X', citedText: 'c', range: { start: 2, end: 3 } }] },
      ],
      {},
      {
        annotations: [
          {
            type: 'url_citation',
            url_citation: { start_index: 2, end_index: 3, url: 'https://x', title: 'X', content: 'c' },
          },
        ],
      },
    ],
    [
      'has annotations of a whole part for citations without a range',
      [
        text('ab'),
        { type: 'reasoning', text: 'hm', signature: null },
        { ...text('cd'), citations: [{ url: 'https://x', title: null, citedText: null, range: null }] },
      ],
      {},
      { annotations: [{ url_citation: { start_index: 2, end_index: 4 } }] },
    ],
    ['has a refusal', [{ type: 'refusal', text: 'no' }], {}, { refusal: 'no' }],
    [
      'gives a custom tool its free text, unwrapped from the function that stood in for it',
      [call('a', 'c', '{"input":"x y"}')],
      custom,
      { tool_calls: [{ type: 'custom', custom: { name: 'c', input: 'x y' } }] },
    ],
    [
      'answers functions of old in kind',
      [call('a', 'f', '{"q":1}')],
      { functions: [{ name: 'f' }] },
      { function_call: { name: 'f', arguments: '{"q":1}' } },
    ],
  ];
  for (const [name, parts, body, expected] of cases) {
    test(name, () => {
      expect<unknown>(message(parts, body)).toMatchObject(expected);
      expect<unknown>(joined(deltas(parts, body))).toMatchObject(expected);
    });
  }

  test('hides thoughts from a client that excludes them', () => {
    const parts = [
      { type: 'reasoning', text: 'hm', signature: signature('anthropic-messages', 'SIG') },
      text('a'),
    ] as const;
    const body = { reasoning: { effort: 'low', exclude: true } };
    expect(JSON.stringify([message(parts, body), deltas(parts, body)])).not.toMatch(/hm|SIG/);
  });

  const signed: readonly (readonly [string, readonly AssistantPart[]])[] = [
    ['Gemini’s', [text('a'), { ...call('c', 'f', '{}'), signature: signature('gemini', 'SIG') }]],
    [
      'Anthropic’s',
      [
        { type: 'reasoning', text: 'one', signature: signature('anthropic-messages', 'SIG1') },
        { type: 'redacted-reasoning', signature: signature('anthropic-messages', 'RED') },
        { type: 'reasoning', text: 'two', signature: signature('anthropic-messages', 'SIG2') },
        text('a'),
      ],
    ],
    [
      'Responses’, with a paragraph that is not signed',
      [
        { type: 'reasoning', text: 'one', signature: null },
        { type: 'reasoning', text: 'two', signature: signature('openai-responses', 'ENC', 'rs_1') },
        text('a'),
      ],
    ],
    [
      'an encrypted item without a summary',
      [{ type: 'reasoning', text: '', signature: signature('openai-responses', 'ENC', 'rs_1') }, text('a')],
    ],
  ];
  for (const [name, parts] of signed) {
    test(`returns ${name} signatures when the client returns its message`, () => {
      const returned = (value: unknown) => decoded({ messages: [value] }).request.turns[0]?.parts;
      expect(returned(message(parts))).toEqual([...parts]);
      expect(returned({ ...joined(deltas(parts)), role: 'assistant' })).toEqual([...parts]);
    });
  }
});

/** Deltas as a client puts them together that knows lists and texts: no SDK keeps the lists of others whole. */
function joined(all: readonly object[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const delta of all) for (const [name, value] of Object.entries(delta)) out[name] = join(out[name], value);
  return out;
}

function join(one: unknown, other: unknown): unknown {
  if (typeof one === 'string' && typeof other === 'string') return one + other;
  if (Array.isArray(one) && Array.isArray(other)) {
    const calls = other.filter((entry) => 'function' in entry || 'custom' in entry);
    const rest = other.filter((entry) => !calls.includes(entry));
    const grown = one.map((entry) => calls.filter(({ index }) => index === entry.index).reduce(join, entry));
    const fresh = calls.filter(({ index }) => !one.some((entry) => entry.index === index));
    return [...grown, ...fresh, ...rest];
  }
  if (typeof one === 'object' && one !== null && typeof other === 'object' && other !== null)
    return joined([one, other]);
  return one !== undefined && other === undefined ? one : other;
}

describe('a stream', () => {
  const reply = answer(
    [{ type: 'reasoning', text: 'hm', signature: null }, text('a'), call('c', 'f', '{"q":1}')],
    'tool-calls',
  );

  test('names the role first, then what is said, the finish, and the end', () => {
    const head = { id: 'msg_1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'served' };
    const of = (delta: object, finish_reason: string | null = null) => ({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    });
    expect(chunks(replyEvents(reply), replyContext())).toEqual([
      of({ role: 'assistant', content: '', refusal: null }),
      of({ reasoning_content: 'hm' }),
      of({ content: 'a' }),
      of({ tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] }),
      of({ tool_calls: [{ index: 0, function: { arguments: '{"q":1}' } }] }),
      of({}, 'tool_calls'),
      '[DONE]',
    ]);
  });

  test('tells usage in a chunk of its own to a client that asked for it', () => {
    const all = chunks(replyEvents(reply), replyContext({ stream: true, stream_options: { include_usage: true } }));
    expect(all[0]).toMatchObject({ usage: null });
    expect(all.at(-2)).toMatchObject({ choices: [], usage: { total_tokens: 15 } });
    expect(all.at(-1)).toBe('[DONE]');
  });

  test('tells each choice its role and its finish', () => {
    const two = { ...reply, choices: [...answer([text('a')]).choices, ...answer([text('b')], 'length').choices] };
    const all = chunks(replyEvents(two), replyContext({ n: 2 }));
    expect(all.slice(0, -1).map((one) => JSON.parse(JSON.stringify(one)).choices[0])).toMatchObject([
      { index: 0, delta: { role: 'assistant' } },
      { index: 0, delta: { content: 'a' } },
      { index: 0, finish_reason: 'stop' },
      { index: 1, delta: { role: 'assistant' } },
      { index: 1, delta: { content: 'b' } },
      { index: 1, finish_reason: 'length' },
    ]);
  });

  test('counts its calls from 0 and gives each arguments that parse', () => {
    const all = deltas([text('a'), call('c', 'f', ''), call('d', 'g', '{}')]);
    expect(joined(all).tool_calls).toMatchObject([
      { index: 0, id: 'c', function: { name: 'f', arguments: '{}' } },
      { index: 1, id: 'd', function: { name: 'g', arguments: '{}' } },
    ]);
  });

  test('keeps parallel calls apart that grow in turns', () => {
    const encoder = openAiChat.streamEncoder(replyContext());
    const start = (key: number) =>
      ({ type: 'tool-call-start', choice: 0, call: key, id: `c${key}`, name: 'f', kind: 'function' }) as const;
    const grow = (key: number, piece: string) =>
      ({ type: 'tool-call-delta', choice: 0, call: key, text: piece }) as const;
    const out = [start(0), grow(0, '{'), start(1), grow(1, '{'), grow(0, '}'), grow(1, '}')]
      .map((event) => encoder.push(event))
      .join('');
    const written = dataOf(out + encoder.end())
      .slice(0, -1)
      .map((one) => JSON.parse(JSON.stringify(one)).choices[0].delta);
    expect(joined(written).tool_calls).toMatchObject([
      { function: { arguments: '{}' } },
      { function: { arguments: '{}' } },
    ]);
  });

  test('that says nothing at all is still an answer that ends', () => {
    expect(chunks([], replyContext())).toMatchObject([
      { choices: [{ delta: { role: 'assistant' } }] },
      { choices: [{ finish_reason: 'stop' }] },
      '[DONE]',
    ]);
  });

  test('says nothing of a choice that has finished', () => {
    const finish = { type: 'finish', choice: 0, finish: { unified: 'stop', raw: null } } as const;
    const late = { type: 'text-delta', choice: 0, text: 'late' } as const;
    expect(frames([finish, late, finish], replyContext()).match(/"finish_reason":"stop"|late/g)).toHaveLength(1);
  });
});
