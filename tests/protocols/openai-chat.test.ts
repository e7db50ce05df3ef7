import { describe, expect, test } from 'bun:test';
import { isProblem } from '../../src/protocols/codec.ts';
import { openAiChat } from '../../src/protocols/openai-chat/index.ts';
import type { SseFrame } from '../../src/shared/sse.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const frame = (data: unknown, event: string | null = null): SseFrame => ({
  bytes: bytes('x'),
  event,
  data: typeof data === 'string' ? data : JSON.stringify(data),
});
const chunk = (delta: object, finish: string | null = null, index = 0) =>
  frame({ choices: [{ index, delta, finish_reason: finish }] });

describe('a request', () => {
  const wrong: readonly [string, string, string | null][] = [
    ['', 'is empty', null],
    ['{', 'not a valid JSON object', null],
    ['[]', 'not a valid JSON object', null],
    ['"x"', 'not a valid JSON object', null],
    ['{"model":"a","messages":[}', 'not a valid JSON object', null],
    ['{"model":"a","messages":[],}', 'not a valid JSON object', null],
    ['{"model":"a","messages":[]} trailing', 'not a valid JSON object', null],
    ['{"messages":[]}', 'model is missing', 'model'],
    ['{"model":7,"messages":[]}', 'model must be', 'model'],
    ['{"model":" ","messages":[]}', 'model must be', 'model'],
    ['{"model":"a"}', 'messages is missing', 'messages'],
    ['{"model":"a","messages":{}}', 'messages must be an array', 'messages'],
    ['{"model":"a","messages":[],"stream":"yes"}', 'stream must be true or false', 'stream'],
  ];
  for (const [body, message, param] of wrong) {
    test(`${body || 'nothing'} is refused: ${message}`, () => {
      const read = openAiChat.readRequest(bytes(body), null);
      if (!isProblem(read)) throw new Error('accepted');
      expect(read.status).toBe(400);
      expect(read.message).toContain(message);
      expect(read.param ?? null).toBe(param);
    });
  }

  test('the last of repeated fields counts, as for every JSON reader', () => {
    const read = openAiChat.readRequest(
      bytes('{"model":"a","messages":[],"mod\\u0065l":"b","stream":true,"stream":null}'),
      null,
    );
    if (isProblem(read)) throw new Error(read.message);
    expect([read.model, read.isStream]).toEqual(['b', false]);
  });

  test('usage is wanted only in a stream that says so', () => {
    const of = (text: string) => {
      const read = openAiChat.readRequest(bytes(text), null);
      return isProblem(read) ? null : read.wantsUsage;
    };
    expect(of('{"model":"a","messages":[],"stream":true,"stream_options":{"include_usage":true}}')).toBe(true);
    expect(of('{"model":"a","messages":[],"stream":true,"stream_options":{"include_usage":false}}')).toBe(false);
    expect(of('{"model":"a","messages":[],"stream":true}')).toBe(false);
    expect(of('{"model":"a","messages":[],"stream_options":{"include_usage":true}}')).toBe(false);
  });
});

describe('a frame', () => {
  const content: readonly [string, object][] = [
    ['text', { content: 'hi' }],
    ['reasoning_content', { reasoning_content: 'hm' }],
    ['reasoning', { reasoning: 'hm' }],
    ['a tool call', { tool_calls: [{ index: 0 }] }],
    ['a refusal', { refusal: 'no' }],
    ['audio', { audio: { id: 'a' } }],
  ];
  for (const [name, delta] of content) {
    test(`${name} commits the answer`, () => expect(openAiChat.streamReader().push(chunk(delta)).isContent).toBe(true));
  }
  const nothing: readonly [string, SseFrame][] = [
    ['a role', chunk({ role: 'assistant', content: '' })],
    ['a null delta', chunk({ content: null, tool_calls: [] })],
    ['a comment', { bytes: bytes(': x'), event: null, data: null }],
    ['a ping', frame('{}', 'ping')],
    ['the filter results that come first from Azure', frame({ choices: [], prompt_filter_results: [] })],
  ];
  for (const [name, silent] of nothing) {
    test(`${name} does not`, () => {
      const facts = openAiChat.streamReader().push(silent);
      expect([facts.isContent, facts.isUsageOnly, facts.error]).toEqual([false, false, undefined]);
    });
  }
  const errors: readonly [string, SseFrame][] = [
    ['an error object', frame({ error: { message: 'm', code: 429 } })],
    ['an error string', frame({ error: 'loading' })],
    ['an error event', frame({ message: 'm' }, 'error')],
    ['a typed error', frame({ type: 'error', error: { type: 'overloaded_error' } })],
    ['a bare code and message', frame({ code: 502, message: 'm' })],
    ['something that is not JSON', frame('<html>')],
  ];
  for (const [name, failed] of errors) {
    test(`${name} is an error`, () => expect(openAiChat.streamReader().push(failed).error).toBeDefined());
  }
});

describe('a stream', () => {
  const run = (...frames: SseFrame[]) => {
    const reader = openAiChat.streamReader();
    for (const each of frames) reader.push(each);
    return reader;
  };
  const done = frame('[DONE]');

  test('is whole when every choice has its finish reason', () => {
    expect(run(chunk({ content: 'a' }), chunk({}, 'stop'), done).end()).toEqual({ state: 'complete', isEndSeen: true });
    expect(run(chunk({ content: 'a' }), chunk({}, 'stop')).end()).toEqual({ state: 'complete', isEndSeen: false });
  });

  test('is broken while one of two choices has none', () => {
    const reader = run(chunk({ content: 'a' }), chunk({ content: 'b' }, null, 1), chunk({}, 'stop', 0), done);
    expect(reader.end().state).toBe('broken');
  });

  test('is broken when the end mark is all there is', () => expect(run(done).end().state).toBe('broken'));

  test('is broken without a finish reason', () =>
    expect(run(chunk({ content: 'a' }), done).end().state).toBe('broken'));

  test('may be empty if it says that it has finished', () => {
    expect(run(chunk({ role: 'assistant' }), chunk({}, 'stop')).end().state).toBe('complete');
  });

  test('keeps the last usage, from wherever the vendor puts it', () => {
    const usage = { prompt_tokens: 3, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 2 } };
    const reader = run(chunk({ content: 'a' }), frame({ choices: [], usage }));
    expect(reader.usage).toMatchObject({ inputTokens: 3, outputTokens: 4, cachedTokens: 2, reasoningTokens: null });
    expect(
      run(frame({ choices: [{ delta: {} }], x_groq: { usage: { prompt_tokens: 1, completion_tokens: 2 } } })).usage,
    ).toMatchObject({
      inputTokens: 1,
      outputTokens: 2,
    });
  });

  test('a usage frame is one without choices', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 1 };
    const reader = openAiChat.streamReader();
    expect(reader.push(frame({ choices: [], usage })).isUsageOnly).toBe(true);
    expect(reader.push(frame({ choices: [{ delta: {}, finish_reason: 'stop' }], usage })).isUsageOnly).toBe(false);
    expect(reader.push(frame({ choices: [], usage: null })).isUsageOnly).toBe(false);
  });
});

describe('a reply', () => {
  const state = (value: unknown) =>
    openAiChat.readReply(bytes(typeof value === 'string' ? value : JSON.stringify(value))).state;
  const answer = { choices: [{ message: { content: 'x' }, finish_reason: 'stop' }] };

  const rows: readonly [string, unknown, string][] = [
    ['an answer', answer, 'answer'],
    ['an empty answer that has finished', { choices: [{ message: { content: '' }, finish_reason: 'stop' }] }, 'answer'],
    ['an answer without a finish reason', { choices: [{ message: { content: 'x' } }] }, 'answer'],
    ['neither content nor finish reason', { choices: [{ message: { content: null } }] }, 'unreadable'],
    ['no choices', { choices: [] }, 'unreadable'],
    ['an error inside a 200', { error: { message: 'm', code: 429 } }, 'error'],
    ['an error beside no choices', { choices: [], error: { message: 'm' } }, 'error'],
    [
      'an error inside a choice that has ended',
      { choices: [{ error: { code: 502 }, finish_reason: 'error', message: { content: '' } }] },
      'error',
    ],
    [
      'an answer that speaks of an "error"',
      { choices: [{ finish_reason: 'stop', message: { content: '"error"' } }] },
      'answer',
    ],
    ['an error inside the choice', { choices: [{ error: { code: 502 }, message: { content: '' } }] }, 'error'],
    ['an error in a list', [{ error: { message: 'm' } }], 'error'],
    ['a page', '<html></html>', 'unreadable'],
    ['nothing', '', 'unreadable'],
    ['null error beside an answer', { ...answer, error: null }, 'answer'],
  ];
  for (const [name, value, expected] of rows)
    test(`${name}: ${expected}`, () => expect(state(value)).toBe(expected as never));

  test('becomes a stream whose frames say the same', () => {
    const whole = {
      id: 'c1',
      object: 'chat.completion',
      model: 'm',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: null, tool_calls: [{ id: 't', type: 'function' }] },
          finish_reason: 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    };
    const text = openAiChat.streamOf(bytes(JSON.stringify(whole)), true);
    const frames = text
      .trim()
      .split('\n\n')
      .map((line) => line.replace('data: ', ''));
    expect(frames.at(-1)).toBe('[DONE]');
    const [first, second, third] = frames.map((each) => (each === '[DONE]' ? null : JSON.parse(each)));
    expect(first.object).toBe('chat.completion.chunk');
    expect(first.choices[0].delta.tool_calls[0]).toEqual({ index: 0, id: 't', type: 'function' });
    expect(second.choices[0].finish_reason).toBe('tool_calls');
    expect(third).toMatchObject({ choices: [], usage: whole.usage });
  });
});

test('a stream that nobody asked for becomes the answer that was', () => {
  const frames = [
    { id: 'c', model: 'm', choices: [{ index: 0, delta: { role: 'assistant', content: 'a' } }] },
    {
      choices: [
        {
          index: 0,
          delta: { content: 'b', tool_calls: [{ index: 0, id: 't', function: { name: 'f', arguments: '{"x"' } }] },
        },
      ],
    },
    { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] } }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
    { choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } },
  ];
  const stream = `: hello\n\n${frames.map((each) => `data: ${JSON.stringify(each)}\n\n`).join('')}data: [DONE]\n\n`;
  const whole = openAiChat.collect(bytes(stream));
  expect(JSON.parse(new TextDecoder().decode(whole ?? bytes('null')))).toEqual({
    id: 'c',
    model: 'm',
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'ab',
          tool_calls: [{ id: 't', type: 'function', function: { name: 'f', arguments: '{"x":1}' } }],
        },
        finish_reason: 'tool_calls',
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 2 },
  });
  expect(openAiChat.collect(bytes('data: {"choices":[{"delta":{"content":"cut"}}]}\n\n'))).toBeNull();
});

test('what a stream says beside its text is collected too', () => {
  const token = (word: string) => ({ token: word, logprob: -1, bytes: null, top_logprobs: [] });
  const image = (url: string) => ({ type: 'image_url', image_url: { url } });
  const deltas: readonly object[] = [
    { delta: { role: 'assistant', content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] } },
    { delta: { reasoning_details: [{ type: 'reasoning.text', text: 'h', index: 0 }] } },
    { delta: { reasoning_details: [{ type: 'reasoning.text', text: 'm', signature: 's', index: 0 }] } },
    { delta: { content: 'a', images: [image('one')] }, logprobs: { content: [token('a')], refusal: null } },
    { delta: { content: 'b', images: [image('two')] }, logprobs: { content: [token('b')], refusal: null } },
    { delta: { tool_calls: [{ index: 0, id: 't', type: 'custom', custom: { name: 'f', input: 'x' } }] } },
    { delta: { tool_calls: [{ index: 0, custom: { input: 'y' } }] } },
    {
      delta: {
        tool_calls: [
          {
            index: 1,
            id: 'u',
            type: 'function',
            function: { name: 'g', arguments: '{}' },
            extra_content: { google: { thought_signature: 'sig' } },
          },
        ],
      },
    },
    { delta: {}, finish_reason: 'tool_calls' },
  ];
  const stream = deltas.map((choice) => `data: ${JSON.stringify({ id: 'c', choices: [choice] })}\n\n`).join('');
  const whole = JSON.parse(new TextDecoder().decode(openAiChat.collect(bytes(stream)) ?? bytes('null')));
  expect(whole.choices).toEqual([
    {
      index: 0,
      message: {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
        images: [image('one'), image('two')],
        reasoning_details: [{ type: 'reasoning.text', text: 'hm', signature: 's', index: 0 }],
        tool_calls: [
          { id: 't', type: 'custom', custom: { name: 'f', input: 'xy' } },
          {
            id: 'u',
            type: 'function',
            function: { name: 'g', arguments: '{}' },
            extra_content: { google: { thought_signature: 'sig' } },
          },
        ],
      },
      logprobs: { content: [token('a'), token('b')], refusal: null },
      finish_reason: 'tool_calls',
    },
  ]);
});
