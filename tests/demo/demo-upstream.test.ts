import { describe, expect, test } from 'bun:test';
import { createDemoUpstream } from '../../src/demo/demo-upstream.ts';
import { readCompletion, readError, readStream } from '../support/chat-replies.ts';
import { ManualClock } from '../support/manual-clock.ts';

const base = 'http://127.0.0.1:1/v1';

function demo() {
  const clock = new ManualClock();
  const upstream = createDemoUpstream({ clock });
  const key = (name: string) => upstream.keys.find((known) => known.name === name)?.secret ?? 'missing';
  /** Sends a request and lets the demo's pauses pass. */
  async function send(path: string, secret: string, init: RequestInit = {}) {
    const request = new Request(base + path, { ...init, headers: { authorization: `Bearer ${secret}` } });
    const pending = upstream.fetch(request);
    await settle();
    await clock.advance(100);
    return pending;
  }
  async function chat(secret: string, body: unknown) {
    return send('/chat/completions', secret, { method: 'POST', body: JSON.stringify(body) });
  }
  /** Reads a stream to its end, moving time as it goes. */
  async function read(response: Response) {
    let isDone = false;
    const text = response.text().finally(() => {
      isDone = true;
    });
    while (!isDone) {
      await settle();
      await clock.advance(20);
    }
    return text;
  }
  return { clock, upstream, key, send, chat, read };
}

// A body is read through the runtime's own queue, which microtasks alone do not drain.
const settle = () => new Promise((resolve) => setImmediate(resolve));

const hello = { model: 'chat', messages: [{ role: 'user', content: 'hello' }] };

describe('the demo upstream', () => {
  test('has five keys', () => {
    expect(demo().upstream.keys.map((key) => key.behaviour)).toEqual([
      'healthy',
      'healthy',
      'three-a-minute',
      'fails-every-fourth',
      'revoked',
    ]);
  });

  test('answers about what it received, and names the key it was reached with', async () => {
    const { chat, key } = demo();
    const response = await chat(key('healthy-1'), {
      ...hello,
      messages: [{ role: 'system', content: 'be brief' }, ...hello.messages],
      temperature: 0.5,
    });
    expect(response.status).toBe(200);
    const { text, finishReason, usage } = await readCompletion(response);
    expect(text).toBe(
      'This is the demo model "chat", reached with the key "healthy-1". I received 2 messages (1 system, 1 user). ' +
        'With it came temperature 0.5. You wrote: "hello"',
    );
    expect(finishReason).toBe('stop');
    expect(usage?.total).toBe((usage?.prompt ?? 0) + (usage?.completion ?? 0));
  });

  test('streams the same text, with a role first, a finish reason, usage where asked, and an end mark', async () => {
    const { chat, key, read } = demo();
    const whole = await readCompletion(await chat(key('healthy-1'), hello));
    const response = await chat(key('healthy-1'), { ...hello, stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    const stream = readStream(await read(response));
    const { events, hasEnd, error, ...said } = stream;
    expect(said).toEqual(whole);
    expect(events[0]?.choices?.[0]?.delta).toEqual({ role: 'assistant', content: '' });
    expect(events.at(-1)?.choices).toEqual([]);
    expect(events.slice(0, -1).every((event) => event.usage === null)).toBe(true);
    expect({ hasEnd, error }).toEqual({ hasEnd: true, error: null });
  });

  test('sends no usage frame to a client that did not ask', async () => {
    const { chat, key, read } = demo();
    const { events } = readStream(await read(await chat(key('healthy-1'), { ...hello, stream: true })));
    expect(events.every((event) => event.choices?.length === 1 && !('usage' in event))).toBe(true);
  });

  test('lets the reasoner reason before it answers', async () => {
    const { chat, key, read } = demo();
    const stream = await read(await chat(key('healthy-1'), { ...hello, model: 'reasoner', stream: true }));
    expect(stream.lastIndexOf('"reasoning_content"')).toBeLessThan(stream.indexOf('"content":"This"'));
    expect(readStream(stream)).toMatchObject({ reasoning: expect.stringContaining('1 message'), finishReason: 'stop' });
    const whole = await readCompletion(await chat(key('healthy-1'), { ...hello, model: 'reasoner' }));
    expect(whole.reasoning).toBe(readStream(stream).reasoning);
    expect(whole.usage?.reasoning).toBeGreaterThan(0);
  });

  test('stops at max_tokens and at a stop sequence', async () => {
    const { chat, key } = demo();
    const short = await readCompletion(await chat(key('healthy-1'), { ...hello, max_tokens: 3 }));
    expect(short).toMatchObject({ text: 'This is the', finishReason: 'length', usage: { completion: 3 } });
    const stopped = await readCompletion(await chat(key('healthy-1'), { ...hello, stop: ' demo' }));
    expect(stopped).toMatchObject({ text: 'This is the', finishReason: 'stop' });
  });

  test('writes as many words as it is asked for', async () => {
    const { chat, key } = demo();
    const messages = [{ role: 'user', content: 'please write 30 words' }];
    const { text } = await readCompletion(await chat(key('healthy-1'), { ...hello, messages }));
    expect(text?.split(' ')).toHaveLength(30);
  });

  test('reads content parts and counts images', async () => {
    const { chat, key } = demo();
    const content = [
      { type: 'text', text: 'what is this?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
    ];
    const messages = [{ role: 'user', content }];
    const { text } = await readCompletion(await chat(key('healthy-1'), { ...hello, messages }));
    expect(text).toContain('1 message (1 user) and 1 image');
    expect(text).toContain('You wrote: "what is this?"');
  });
});

describe('tools', () => {
  const tools = [
    {
      type: 'function',
      function: {
        name: 'get_weather',
        parameters: {
          type: 'object',
          properties: {
            city: { type: 'string' },
            unit: { enum: ['celsius', 'fahrenheit'] },
            days: { type: 'integer' },
          },
          required: ['city'],
        },
      },
    },
  ];
  const ask = (content: string) => ({ ...hello, messages: [{ role: 'user', content }], tools });

  test('are left alone when the prompt does not ask for one', async () => {
    const { chat, key } = demo();
    const { finishReason } = await readCompletion(await chat(key('healthy-1'), ask('hello')));
    expect(finishReason).toBe('stop');
  });

  test('are called with arguments that fit the schema when it does', async () => {
    const { chat, key } = demo();
    const reply = await readCompletion(await chat(key('healthy-1'), ask('use the tool for Oslo')));
    expect(reply).toMatchObject({ finishReason: 'tool_calls', text: null, toolCalls: [{ name: 'get_weather' }] });
    expect(JSON.parse(reply.toolCalls[0]?.arguments ?? '')).toEqual({
      city: 'use the tool for Oslo',
      unit: 'celsius',
      days: 1,
    });
  });

  test('are streamed as one start and pieces of arguments', async () => {
    const { chat, key, read } = demo();
    const text = await read(await chat(key('healthy-1'), { ...ask('get_weather'), stream: true }));
    const { events, toolCalls, finishReason } = readStream(text);
    const pieces = events.flatMap((event) => event.choices?.[0]?.delta.tool_calls ?? []);
    expect(pieces[0]).toMatchObject({ index: 0, type: 'function', function: { name: 'get_weather', arguments: '' } });
    expect(pieces.length).toBeGreaterThan(2);
    expect(JSON.parse(toolCalls[0]?.arguments ?? '')).toMatchObject({ city: 'get_weather' });
    expect(finishReason).toBe('tool_calls');
  });

  test('are followed by an answer once their result is there', async () => {
    const { chat, key } = demo();
    const messages = [
      { role: 'user', content: 'use the tool' },
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function' }] },
      { role: 'tool', tool_call_id: 'call_1', content: '12 degrees' },
    ];
    const { text } = await readCompletion(await chat(key('healthy-1'), { ...hello, messages, tools }));
    expect(text).toBe('The tool answered: 12 degrees');
  });

  test.each([
    ['required', 'hello', 'required', 'tool_calls'],
    ['none', 'use the tool', 'none', 'stop'],
    ['a name', 'hello', { type: 'function', function: { name: 'get_weather' } }, 'tool_calls'],
  ])('obey tool_choice: %s', async (_, prompt, toolChoice, expected) => {
    const { chat, key } = demo();
    const response = await chat(key('healthy-1'), { ...ask(prompt), tool_choice: toolChoice });
    expect((await readCompletion(response)).finishReason).toBe(expected);
  });
});

describe('JSON mode', () => {
  test('gives an object', async () => {
    const { chat, key } = demo();
    const response = await chat(key('healthy-2'), { ...hello, response_format: { type: 'json_object' } });
    const { text } = await readCompletion(response);
    expect(JSON.parse(text ?? '')).toEqual({ model: 'chat', messages: 1, prompt: 'hello', key: 'healthy-2' });
  });

  test('gives a value that fits the schema', async () => {
    const { chat, key } = demo();
    const schema = {
      type: 'object',
      properties: { title: { type: 'string' }, tags: { type: 'array', items: { $ref: '#/$defs/tag' } } },
      required: ['title', 'tags'],
      $defs: { tag: { type: 'string', enum: ['a', 'b'] } },
    };
    const response_format = { type: 'json_schema', json_schema: { name: 'card', schema } };
    const { text } = await readCompletion(await chat(key('healthy-1'), { ...hello, response_format }));
    expect(JSON.parse(text ?? '')).toEqual({ title: 'hello', tags: ['a'] });
  });
});

describe('the keys', () => {
  test('limited: the fourth call in a minute is a 429 that says when to come back', async () => {
    const { chat, key, clock } = demo();
    for (let call = 0; call < 3; call++) expect((await chat(key('limited'), hello)).status).toBe(200);
    await clock.advance(20_000);
    const refused = await chat(key('limited'), hello);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('40');
    expect(await refused.json()).toMatchObject({ error: { type: 'requests', code: 'rate_limit_exceeded' } });
    await clock.advance(40_000);
    expect((await chat(key('limited'), hello)).status).toBe(200);
  });

  test('flaky: every fourth call is a 500', async () => {
    const { chat, key } = demo();
    const statuses: number[] = [];
    for (let call = 0; call < 8; call++) statuses.push((await chat(key('flaky'), hello)).status);
    expect(statuses).toEqual([200, 200, 200, 500, 200, 200, 200, 500]);
  });

  test('revoked: a 401 on every route, whose message does not repeat the key', async () => {
    const { chat, send, key } = demo();
    for (const response of [await chat(key('revoked'), hello), await send('/models', key('revoked'))]) {
      expect(response.status).toBe(401);
      const text = await response.text();
      expect(JSON.parse(text).error.code).toBe('invalid_api_key');
      expect(text).not.toContain(key('revoked'));
    }
  });

  test('an unknown key is a 401', async () => {
    const { chat } = demo();
    expect((await chat('sk-other', hello)).status).toBe(401);
  });
});

describe('errors', () => {
  test.each<[string, unknown, number, string | null]>([
    ['no model', { messages: hello.messages }, 400, 'model'],
    ['an unknown model', { ...hello, model: 'gpt-4o' }, 404, null],
    ['no messages', { model: 'chat' }, 400, 'messages'],
    ['empty messages', { model: 'chat', messages: [] }, 400, 'messages'],
    ['a message without a role', { model: 'chat', messages: [{}] }, 400, 'messages[0].role'],
    ['a wrong limit', { ...hello, max_tokens: 0 }, 400, 'max_tokens'],
    ['too many choices', { ...hello, n: 99 }, 400, 'n'],
    ['an array', [], 400, null],
  ])('%s is refused in OpenAI’s words', async (_, body, status, param) => {
    const { chat, key } = demo();
    const response = await chat(key('healthy-1'), body);
    expect(response.status).toBe(status);
    expect(await readError(response)).toMatchObject({ type: 'invalid_request_error', param });
  });

  test('a body that is no JSON is a 400', async () => {
    const { send, key } = demo();
    const response = await send('/chat/completions', key('healthy-1'), { method: 'POST', body: '{' });
    expect(response.status).toBe(400);
  });

  test('unknown paths and wrong methods are said so', async () => {
    const { send, key } = demo();
    expect((await send('/embeddings', key('healthy-1'), { method: 'POST', body: '{}' })).status).toBe(404);
    expect((await send('/chat/completions', key('healthy-1'))).status).toBe(405);
    expect((await send('/models/%E0%A4%A', key('healthy-1'))).status).toBe(404);
  });
});

test('models are listed, and one is found by its name', async () => {
  const { send, key } = demo();
  const list = await send('/models', key('limited'));
  expect(await list.json()).toMatchObject({ data: [{ id: 'chat' }, { id: 'reasoner' }] });
  expect(await (await send('/models/reasoner', key('limited'))).json()).toMatchObject({ id: 'reasoner' });
});

test('a reader that leaves ends the answer: no timer is left over', async () => {
  const { chat, key, clock } = demo();
  const response = await chat(key('healthy-1'), { ...hello, stream: true });
  await response.body?.cancel();
  await clock.advance(1_000);
  expect(clock.pending).toBe(0);
});
