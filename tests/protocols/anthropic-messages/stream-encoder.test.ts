import { describe, expect, test } from 'bun:test';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import type { ChatEvent, ChatReply, FinishReason, Usage } from '../../../src/protocols/ir.ts';
import { isObject, parseJson } from '../../../src/shared/json-shape.ts';
import { replyContext } from './requests.ts';

const choice = 0;
const start: ChatEvent = { type: 'start', id: 'chatcmpl-1', model: 'gpt', created: 5 };
const text = (said: string): ChatEvent => ({ type: 'text-delta', choice, text: said });
const thought = (said: string): ChatEvent => ({ type: 'reasoning-delta', choice, text: said });
const begun = (call: number): ChatEvent => ({
  type: 'tool-call-start',
  choice,
  call,
  id: `id${call}`,
  name: `f${call}`,
  kind: 'function',
});
const grown = (call: number, said: string): ChatEvent => ({ type: 'tool-call-delta', choice, call, text: said });
const whole = (call: number): ChatEvent => ({ type: 'tool-call-end', choice, call });
const finish = (unified: FinishReason['unified']): ChatEvent => ({
  type: 'finish',
  choice,
  finish: { unified, raw: null },
});
const counts: Usage = {
  inputTokens: 10,
  outputTokens: 4,
  cachedTokens: 3,
  cacheWriteTokens: 2,
  reasoningTokens: 1,
  audioInputTokens: null,
  audioOutputTokens: null,
  costUsd: null,
};
const usage = (change: Partial<Usage> = {}): ChatEvent => ({ type: 'usage', usage: { ...counts, ...change } });

/** What a client reads: every event under its name. */
function said(events: readonly ChatEvent[]) {
  const encoder = anthropicMessages.streamEncoder(replyContext);
  const stream = events.map((event) => encoder.push(event)).join('') + encoder.end();
  return [...framesOf(stream)].flatMap(({ event, data }) => {
    if (data === null) return [];
    const json = parseJson(data);
    if (!isObject(json) || json.type !== event) throw new Error(`an event without its name: ${data}`);
    return [json];
  });
}

/** The order of a stream in short: `0:text`, `0:text_delta`, `0:stop`. */
const order = (events: readonly ChatEvent[]): readonly string[] =>
  said(events).map(({ type, index, content_block: block, delta }) => {
    if (type === 'content_block_start') return `${index}:${isObject(block) && block.type}`;
    if (type === 'content_block_delta') return `${index}:${isObject(delta) && delta.type}`;
    return type === 'content_block_stop' ? `${index}:stop` : String(type);
  });

const frame = (...blocks: readonly string[]) => ['message_start', ...blocks, 'message_delta', 'message_stop'];

describe('a stream', () => {
  const rows: readonly [string, readonly ChatEvent[], readonly string[]][] = [
    ['that is empty', [], frame()],
    ['that is empty and ends', [start, finish('stop'), usage()], frame()],
    [
      'of text, a call and text again has three blocks',
      [start, text('a'), begun(0), grown(0, '{}'), whole(0), text('b'), text('c'), finish('stop')],
      frame(
        '0:text',
        '0:text_delta',
        '0:stop',
        '1:tool_use',
        '1:input_json_delta',
        '1:stop',
        '2:text',
        '2:text_delta',
        '2:text_delta',
        '2:stop',
      ),
    ],
    ['of a call alone', [start, begun(0), whole(0), finish('tool-calls')], frame('0:tool_use', '0:stop')],
    [
      'of thoughts alone',
      [start, thought('a'), finish('stop')],
      frame('0:thinking', '0:thinking_delta', '0:signature_delta', '0:stop'),
    ],
    [
      'of thoughts in two paragraphs has two blocks',
      [start, thought('a'), { type: 'reasoning-break', choice }, thought('b')],
      frame(
        '0:thinking',
        '0:thinking_delta',
        '0:signature_delta',
        '0:stop',
        '1:thinking',
        '1:thinking_delta',
        '1:signature_delta',
        '1:stop',
      ),
    ],
    [
      'of signed thoughts ends them with their signature',
      [
        thought('a'),
        { type: 'reasoning-signature', choice, signature: { protocol: 'anthropic-messages', value: 'S' } },
        thought('b'),
      ],
      frame(
        '0:thinking',
        '0:thinking_delta',
        '0:signature_delta',
        '0:stop',
        '1:thinking',
        '1:thinking_delta',
        '1:signature_delta',
        '1:stop',
      ),
    ],
    [
      'whose thoughts another vendor signed ends them with a mark of our own',
      [thought('a'), { type: 'reasoning-signature', choice, signature: { protocol: 'gemini', value: 'S' } }, text('b')],
      frame('0:thinking', '0:thinking_delta', '0:signature_delta', '0:stop', '1:text', '1:text_delta', '1:stop'),
    ],
    [
      'whose calls interleave tells one after the other',
      [begun(0), begun(1), grown(1, '{"b"'), grown(0, '{"a"'), grown(1, ':2}'), grown(0, ':1}'), whole(1), whole(0)],
      frame(
        '0:tool_use',
        '0:input_json_delta',
        '0:input_json_delta',
        '0:stop',
        '1:tool_use',
        '1:input_json_delta',
        '1:input_json_delta',
        '1:stop',
      ),
    ],
    [
      'whose calls never end closes them at its own end',
      [begun(0), grown(0, '{}'), text('a'), begun(1)],
      frame('0:tool_use', '0:input_json_delta', '0:stop', '1:text', '1:text_delta', '1:stop', '2:tool_use', '2:stop'),
    ],
    [
      'of a second answer leaves it out',
      [{ ...text('x'), choice: 1 } as ChatEvent, text('a')],
      frame('0:text', '0:text_delta', '0:stop'),
    ],
    [
      'that ends twice ends once',
      [text('a'), finish('stop'), usage(), finish('stop'), usage()],
      frame('0:text', '0:text_delta', '0:stop'),
    ],
  ];
  for (const [name, events, expected] of rows) {
    test(name, () => expect(order(events)).toEqual([...expected]));
  }

  test('tells the first of interleaved calls while it comes, and loses nothing of the others', () => {
    const encoder = anthropicMessages.streamEncoder(replyContext);
    encoder.push(begun(0));
    encoder.push(begun(1));
    expect(encoder.push(grown(0, '{"a":1}'))).toContain('input_json_delta');
    expect(encoder.push(grown(1, '{"b":'))).toBe('');
    expect(encoder.push(whole(0))).toContain('"name":"f1"');
    expect(encoder.push(grown(1, '2}'))).toContain('"index":1');
  });

  test('begins under its own id, with the upstream’s model and nothing counted', () => {
    expect(said([start])[0]).toEqual({
      type: 'message_start',
      message: {
        id: 'msg_seed',
        type: 'message',
        role: 'assistant',
        model: 'gpt',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 },
      },
    });
  });

  const ends: readonly [string, readonly ChatEvent[], object][] = [
    [
      'usage behind the finish',
      [finish('stop'), usage()],
      {
        input_tokens: 5,
        cache_read_input_tokens: 3,
        cache_creation_input_tokens: 2,
        output_tokens: 4,
        output_tokens_details: { thinking_tokens: 1 },
      },
    ],
    ['usage before the finish', [usage(), finish('stop')], { input_tokens: 5, output_tokens: 4 }],
    ['more cached than went in', [usage({ inputTokens: 4 }), finish('stop')], { input_tokens: 0 }],
    ['no usage', [finish('stop')], { input_tokens: 0, output_tokens: 0 }],
    ['usage that grows', [usage({ outputTokens: 1 }), usage({ outputTokens: 9 })], { output_tokens: 9 }],
  ];
  for (const [name, events, expected] of ends) {
    test(`ends with ${name}`, () => {
      expect(said([text('a'), ...events]).at(-2)?.usage).toMatchObject(expected);
    });
  }

  const reasons: readonly [string, readonly ChatEvent[], string][] = [
    ['a stop', [finish('stop')], 'end_turn'],
    ['nothing', [], 'end_turn'],
    ['a limit', [finish('length')], 'max_tokens'],
    ['a filter', [finish('content-filter')], 'refusal'],
    ['calls', [begun(0), finish('tool-calls')], 'tool_use'],
    ['calls that were never announced', [finish('tool-calls')], 'end_turn'],
    ['a stop, though there is a call', [begun(0), finish('stop')], 'tool_use'],
  ];
  for (const [name, events, reason] of reasons) {
    test(`ended by ${name} says ${reason}`, () => {
      expect(said(events).at(-2)?.delta).toEqual({ stop_reason: reason, stop_sequence: null });
    });
  }

  test('says which sequence stopped it', () => {
    const stopped: ChatEvent = {
      type: 'finish',
      choice,
      finish: { unified: 'stop', raw: 'stop', stopSequence: 'END' },
    };
    expect(said([stopped]).at(-2)?.delta).toEqual({ stop_reason: 'stop_sequence', stop_sequence: 'END' });
  });

  test('names calls that have no name or id, and wraps the input of custom ones', () => {
    const encoder = anthropicMessages.streamEncoder(replyContext);
    const opened = encoder.push({ type: 'tool-call-start', choice, call: 0, id: '', name: '', kind: 'custom' });
    expect(opened).toContain('"id":"toolu_seed_0","name":"tool_0"');
    const pieces = ['a"\ud83d', '\ude00\n'].map((piece) => encoder.push(grown(0, piece)));
    const stream = [opened, ...pieces, encoder.push(whole(0)), encoder.end()].join('');
    const collected = anthropicMessages.collect(new TextEncoder().encode(stream));
    expect(JSON.parse(new TextDecoder().decode(collected ?? undefined)).content[0].input).toEqual({ input: 'a"😀\n' });
  });
});

describe('a whole reply', () => {
  test('is told in one message, with what cannot be told as warnings', () => {
    const reply: ChatReply = {
      id: 'x',
      model: null,
      created: null,
      usage: counts,
      choices: [
        {
          finish: { unified: 'tool-calls', raw: 'tool_calls' },
          parts: [
            { type: 'reasoning', text: 'hm', signature: null },
            {
              type: 'text',
              text: 'a',
              citations: [
                { url: 'https://e.example', title: 'E', citedText: null, range: null },
                { url: null, title: 'E', citedText: null, range: null },
              ],
            },
            { type: 'tool-call', id: 'functions.f:0', name: 'f', arguments: '"{\\"q\\":1}"', kind: 'function' },
            { type: 'tool-call', id: 'b', name: 'g', arguments: '{"q":', kind: 'function' },
            { type: 'image', source: { kind: 'url', url: 'x' } },
            { type: 'foreign', protocol: 'gemini', name: 'executableCode', value: {} },
          ],
        },
        { parts: [{ type: 'text', text: 'b' }], finish: { unified: 'stop', raw: null } },
      ],
    };
    const { value, warnings } = anthropicMessages.encodeReply(reply, replyContext);
    expect(value).toMatchObject({
      id: 'msg_seed',
      type: 'message',
      role: 'assistant',
      model: 'asked',
      stop_reason: 'tool_use',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 'rotator-unsigned' },
        { type: 'text', text: 'a', citations: [{ type: 'web_search_result_location', url: 'https://e.example' }] },
        { type: 'tool_use', id: 'functions.f:0', name: 'f', input: { q: 1 } },
        { type: 'tool_use', id: 'b', name: 'g', input: {} },
      ],
      usage: { input_tokens: 5, output_tokens: 4 },
    });
    expect(warnings).toEqual([
      'citations removed',
      'image removed',
      'executableCode removed',
      'further choices removed',
      'arguments of g removed: they are no JSON object',
    ]);
  });
});
