import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { LLMock } from '@copilotkit/aimock';
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import {
  answer,
  chatFrames,
  chatStream,
  doneFrame,
  finishFrame,
  frame,
  gate,
  refusal,
  roleFrame,
  silence,
  startUpstream,
  stream,
  textFrame,
  usageFrame,
} from '../support/scripted-upstream.ts';
import { clientKey, inOrder, type Rotator, startRotator } from '../support/server.ts';

/** Clients that nobody here wrote, in front; in the second half an upstream that nobody here wrote, behind. */

const openai = (rotator: Rotator, more: { maxRetries?: number; apiKey?: string } = {}) =>
  new OpenAI({ baseURL: `${rotator.url}/v1`, apiKey: clientKey, maxRetries: 0, ...more });

const messages = [{ role: 'user' as const, content: 'hello' }];
const badKey = refusal(401, { message: 'Incorrect API key provided', code: 'invalid_api_key' });

const weatherTool = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

const toolCall = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } };
const toolCallAnswer = answer('', {
  choices: [
    { index: 0, message: { role: 'assistant', content: null, tool_calls: [toolCall] }, finish_reason: 'tool_calls' },
  ],
});
const toolCallStream = stream([
  frame({ role: 'assistant', content: null }),
  frame({ tool_calls: [{ index: 0, ...toolCall, function: { name: 'weather', arguments: '' } }] }),
  frame({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
  frame({ tool_calls: [{ index: 0, function: { arguments: '"Paris"}' } }] }),
  finishFrame('tool_calls'),
  usageFrame(),
  doneFrame(),
]);

describe('the openai SDK', () => {
  test('chats, while the key behind it rotates', async () => {
    await using upstream = await startUpstream({ keys: { one: badKey, two: answer('hello to you') } });
    await using rotator = await startRotator({ upstream });
    const completion = await openai(rotator).chat.completions.create({ model: 'mock/m', messages });
    expect(completion.choices[0]?.message.content).toBe('hello to you');
    expect(completion.usage?.total_tokens).toBe(10);
    expect(completion._request_id).toBeTruthy();
  });

  test('streams, with usage when it asks for it', async () => {
    await using upstream = await startUpstream({
      keys: {
        one: badKey,
        two: stream([...chatFrames('hello ', 'to ', 'you').slice(0, -1), usageFrame(), doneFrame()]),
      },
    });
    await using rotator = await startRotator({ upstream });
    const chunks = await openai(rotator).chat.completions.create({
      model: 'mock/m',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let tokens = 0;
    for await (const chunk of chunks) {
      text += chunk.choices[0]?.delta.content ?? '';
      tokens = chunk.usage?.total_tokens ?? tokens;
    }
    expect(text).toBe('hello to you');
    expect(tokens).toBe(10);
  });

  test('runs its .stream() helper to a final completion', async () => {
    await using upstream = await startUpstream({ keys: { one: toolCallStream } });
    await using rotator = await startRotator({ upstream });
    const runner = openai(rotator).chat.completions.stream({ model: 'mock/m', messages, tools: [weatherTool] });
    const completion = await runner.finalChatCompletion();
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
    const call = completion.choices[0]?.message.tool_calls?.[0];
    expect(call?.type === 'function' && call.function.arguments).toBe('{"city":"Paris"}');
  });

  test('calls tools and sends their results', async () => {
    await using upstream = await startUpstream({ keys: { one: [toolCallAnswer, answer('It rains in Paris')] } });
    await using rotator = await startRotator({ upstream });
    const client = openai(rotator);
    const first = await client.chat.completions.create({ model: 'mock/m', messages, tools: [weatherTool] });
    const message = first.choices[0]?.message;
    if (!message?.tool_calls?.[0]) throw new Error('no tool call');
    const second = await client.chat.completions.create({
      model: 'mock/m',
      tools: [weatherTool],
      messages: [...messages, message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'rain' }],
    });
    expect(second.choices[0]?.message.content).toBe('It rains in Paris');
    expect(JSON.parse(upstream.calls[1]?.text ?? '').messages[2]).toEqual({
      role: 'tool',
      tool_call_id: 'call_1',
      content: 'rain',
    });
  });

  test('asks for JSON', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('{"city":"Paris"}') } });
    await using rotator = await startRotator({ upstream });
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const completion = await openai(rotator).chat.completions.parse({
      model: 'mock/m',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'place', strict: true, schema } },
    });
    expect(JSON.parse(completion.choices[0]?.message.content ?? '')).toEqual({ city: 'Paris' });
    expect(JSON.parse(upstream.calls[0]?.text ?? '').response_format.json_schema.schema).toEqual(schema);
  });

  test('throws its own error classes, with the code and the request id', async () => {
    await using upstream = await startUpstream({
      keys: { one: refusal(400, { message: 'Bad top_p', type: 'invalid_request_error', code: 'bad', param: 'top_p' }) },
    });
    await using rotator = await startRotator({ upstream });
    const bad = await openai(rotator)
      .chat.completions.create({ model: 'mock/m', messages })
      .catch((error) => error);
    expect(bad).toBeInstanceOf(OpenAI.BadRequestError);
    expect(bad).toMatchObject({ status: 400, code: 'bad', param: 'top_p', type: 'invalid_request_error' });
    expect(bad.requestID).toBeTruthy();
    const unknown = await openai(rotator)
      .chat.completions.create({ model: 'nobody', messages })
      .catch((error) => error);
    expect(unknown).toBeInstanceOf(OpenAI.NotFoundError);
    expect(unknown.code).toBe('model_not_found');
    const refused = await openai(rotator, { apiKey: 'sk-wrong' })
      .models.list()
      .catch((error) => error);
    expect(refused).toBeInstanceOf(OpenAI.AuthenticationError);
  });

  test('throws a RateLimitError that says when', async () => {
    await using upstream = await startUpstream({
      keys: { one: refusal(429, { message: 'slow down' }, { 'retry-after': '120' }) },
    });
    await using rotator = await startRotator({ upstream });
    // More than 60 s: x-should-retry tells the SDK not to try, although it may.
    const error = await openai(rotator, { maxRetries: 2 })
      .chat.completions.create({ model: 'mock/m', messages })
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(Number(error.headers.get('retry-after'))).toBeGreaterThan(60);
    expect(rotator.log.filter((line) => line.includes('429')).length).toBeLessThanOrEqual(2);
  });

  test('throws in the middle of a stream that breaks, after the text it had', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: stream([roleFrame(), textFrame('half'), held], { end: 'reset' }) },
    });
    await using rotator = await startRotator({ upstream });
    const chunks = await openai(rotator).chat.completions.create({ model: 'mock/m', messages, stream: true });
    let text = '';
    const reading = (async () => {
      for await (const chunk of chunks) {
        text += chunk.choices[0]?.delta.content ?? '';
        if (text === 'half') held.open();
      }
    })();
    await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError);
    expect(text).toBe('half');
  });

  test('aborts, and the upstream call ends', async () => {
    await using upstream = await startUpstream({ keys: { one: silence, two: chatStream('never') } });
    await using rotator = await startRotator({ upstream, keys: ['one'], server: { hold: '20ms', heartbeat: '20ms' } });
    const leaving = new AbortController();
    const chunks = await openai(rotator).chat.completions.create(
      { model: 'mock/m', messages, stream: true },
      { signal: leaving.signal },
    );
    const reading = (async () => {
      for await (const _ of chunks);
    })();
    leaving.abort();
    await reading.catch(() => {});
    await upstream.calls[0]?.gone;
  });

  test('lists and retrieves models', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['alpha', 'vendor/beta'] });
    await using rotator = await startRotator({ upstream });
    const client = openai(rotator);
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids.toSorted()).toEqual(['mock/alpha', 'mock/vendor/beta']);
    expect((await client.models.retrieve('mock/vendor/beta')).id).toBe('mock/vendor/beta');
  });
});

describe('the AI SDK', () => {
  const model = (rotator: Rotator) =>
    createOpenAICompatible({ name: 'rotator', baseURL: `${rotator.url}/v1`, apiKey: clientKey, includeUsage: true })(
      'mock/m',
    );
  const weather = tool({
    description: 'The weather in a city',
    inputSchema: jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
    }),
    execute: async ({ city }) => `rain in ${city}`,
  });

  test('generates text', async () => {
    await using upstream = await startUpstream({ keys: { one: badKey, two: answer('hello to you') } });
    await using rotator = await startRotator({ upstream });
    const { text, usage, finishReason } = await generateText({ model: model(rotator), prompt: 'hello', maxRetries: 0 });
    expect(text).toBe('hello to you');
    expect(finishReason).toBe('stop');
    expect(usage.totalTokens).toBe(10);
  });

  test('streams text', async () => {
    await using upstream = await startUpstream({
      keys: { one: badKey, two: stream([...chatFrames('hello ', 'to you').slice(0, -1), usageFrame(), doneFrame()]) },
    });
    await using rotator = await startRotator({ upstream });
    const result = streamText({ model: model(rotator), prompt: 'hello', maxRetries: 0 });
    let text = '';
    for await (const part of result.textStream) text += part;
    expect(text).toBe('hello to you');
    expect((await result.usage).totalTokens).toBe(10);
  });

  test.each([false, true])('runs a tool and goes on (streaming: %p)', async (isStream) => {
    await using upstream = await startUpstream({
      keys: { one: isStream ? [toolCallStream, chatStream('It rains')] : [toolCallAnswer, answer('It rains')] },
    });
    await using rotator = await startRotator({ upstream });
    const options = {
      model: model(rotator),
      prompt: 'weather?',
      tools: { weather },
      stopWhen: stepCountIs(3),
      maxRetries: 0,
    };
    const text = isStream ? await streamText(options).text : (await generateText(options)).text;
    expect(text).toBe('It rains');
    expect(JSON.stringify(JSON.parse(upstream.calls[1]?.text ?? '').messages)).toContain('rain in Paris');
  });

  test('throws an APICallError with the status', async () => {
    await using upstream = await startUpstream({
      keys: { one: refusal(429, { message: 'slow down' }, { 'retry-after': '30' }) },
    });
    await using rotator = await startRotator({ upstream });
    const error = await generateText({ model: model(rotator), prompt: 'hello', maxRetries: 0 }).catch(
      (thrown) => thrown,
    );
    expect(APICallError.isInstance(error)).toBe(true);
    expect(error.statusCode).toBe(429);
    expect(error.isRetryable).toBe(true);
  });
});

describe('an upstream that nobody here wrote (aimock)', () => {
  let mock: LLMock;
  beforeAll(async () => {
    mock = new LLMock({ port: 0, auth: { apiKeys: ['good-1', 'good-2'] }, logLevel: 'silent' });
    mock.onMessage('greet', { content: 'Hello from the mock' });
    mock.onMessage('long', { content: 'word '.repeat(200) }, { chunkSize: 20 });
    mock.onMessage('cut', { content: 'word '.repeat(200) }, { chunkSize: 20, truncateAfterChunks: 5, latency: 5 });
    mock.onMessage('limited', { error: { message: 'Rate limit reached', type: 'rate_limit_error' }, status: 429 });
    mock.onMessage('wrong', { error: { message: 'Bad field', type: 'invalid_request_error' }, status: 400 });
    mock.onMessage('weather', { toolCalls: [{ name: 'weather', arguments: '{"city":"Paris"}' }] });
    mock.onJsonOutput('place', { city: 'Paris' });
    await mock.start();
  });
  afterAll(() => mock.stop());

  const behind = (keys: readonly string[], more: Parameters<typeof startRotator>[0] = {}) =>
    startRotator({
      ...more,
      providers: { mock: { base_url: `${mock.url}/v1`, keys: inOrder(...keys) } },
    });
  const ask = (content: string) => ({ model: 'mock/gpt-4o', messages: [{ role: 'user' as const, content }] });

  test('answers through a rejected key, then a good one', async () => {
    await using rotator = await behind(['bad', 'good-1']);
    const completion = await openai(rotator).chat.completions.create(ask('greet'));
    expect(completion.choices[0]?.message.content).toBe('Hello from the mock');
    expect((await rotator.keys())[0]).toMatchObject({ state: 'blocked', blocks: [{ kind: 'auth' }] });
  });

  test('streams a long text', async () => {
    await using rotator = await behind(['bad', 'good-1']);
    let text = '';
    for await (const chunk of await openai(rotator).chat.completions.create({ ...ask('long'), stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe('word '.repeat(200));
  });

  test.each([false, true])('calls tools (streaming: %p)', async (isStream) => {
    await using rotator = await behind(['good-1']);
    const body = { ...ask('weather'), tools: [weatherTool] };
    const client = openai(rotator).chat.completions;
    const completion = isStream ? await client.stream(body).finalChatCompletion() : await client.create(body);
    const call = completion.choices[0]?.message.tool_calls?.[0];
    expect(call?.type === 'function' && JSON.parse(call.function.arguments)).toEqual({ city: 'Paris' });
  });

  test('answers in JSON mode', async () => {
    await using rotator = await behind(['good-1']);
    const completion = await openai(rotator).chat.completions.create({
      ...ask('place'),
      response_format: { type: 'json_object' },
    });
    expect(JSON.parse(completion.choices[0]?.message.content ?? '')).toEqual({ city: 'Paris' });
  });

  test('limits one call, and the next key serves', async () => {
    await using rotator = await behind(['good-1', 'good-2']);
    mock.nextRequestError(429, { message: 'Rate limit reached', type: 'rate_limit_error' });
    const { data, response } = await openai(rotator).chat.completions.create(ask('greet')).withResponse();
    expect(data.choices[0]?.message.content).toBe('Hello from the mock');
    expect(response.headers.get('x-rotator-attempts')).toBe('2');
  });

  test('limits every call: 429 with the time it gave', async () => {
    await using rotator = await behind(['good-1', 'good-2'], { rotation: { wait_same_key: '100ms' } });
    const error = await openai(rotator)
      .chat.completions.create(ask('limited'))
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(Number(error.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });

  test('calls a request wrong, once', async () => {
    await using rotator = await behind(['good-1', 'good-2']);
    mock.clearRequests();
    const error = await openai(rotator)
      .chat.completions.create(ask('wrong'))
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error.message).toContain('Bad field');
    expect(mock.getRequests().filter((entry) => entry.path.includes('chat/completions'))).toHaveLength(1);
  });

  test('cuts a stream in the middle: the client is told', async () => {
    await using rotator = await behind(['good-1', 'good-2']);
    let text = '';
    const reading = (async () => {
      for await (const chunk of await openai(rotator).chat.completions.create({ ...ask('cut'), stream: true })) {
        text += chunk.choices[0]?.delta.content ?? '';
      }
    })();
    await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError);
    expect('word '.repeat(200)).toStartWith(text);
    expect(text.length).toBeLessThan(1000);
  });

  test.each([
    ['drops every call with a 500', { dropRate: 1 }, 502],
    ['answers every call with malformed JSON', { malformedRate: 1 }, 502],
    ['disconnects every call', { disconnectRate: 1 }, 502],
    ['limits every call', { rateLimitRate: 1 }, 429],
  ])('in chaos %s: an honest error, and all is well when it is over', async (_, chaos, status) => {
    await using rotator = await behind(['good-1', 'good-2'], {
      rotation: { retries_same_key: 0, wait_same_key: '50ms' },
    });
    mock.setChaos(chaos);
    try {
      const error = await openai(rotator)
        .chat.completions.create(ask('greet'))
        .catch((thrown) => thrown);
      expect(error.status).toBe(status);
    } finally {
      mock.clearChaos();
    }
    for (const key of await rotator.keys()) await rotator.admin(`keys/${key.id}/reset`, { method: 'POST' });
    const completion = await openai(rotator).chat.completions.create(ask('greet'));
    expect(completion.choices[0]?.message.content).toBe('Hello from the mock');
  });
});
