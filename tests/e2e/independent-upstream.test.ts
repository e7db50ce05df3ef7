// The compiled program between an SDK and an LLM server that nobody here wrote, with several keys of which one is bad.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { type Aimock, startAimock } from '../support/aimock.ts';
import { CLIENT_KEY, endAll, ensureBinary, type RunningServer, runBinary, startServer } from '../support/binary.ts';
import { readCompletion, readStream } from '../support/chat-replies.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

const GOOD = ['mock-key-one-0123456789', 'mock-key-two-0123456789', 'mock-key-three-0123456789'];
const BAD = 'mock-key-nobody-knows-0123456789';
const LONG = 'Many keys turn, and one endpoint answers while the others rest. '.repeat(20);

let home: TempHome;
let mock: Aimock;
let server: RunningServer;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
  mock = await startAimock(home, GOOD, [
    {
      match: { userMessage: 'hello' },
      response: { content: 'Hi there!', usage: { prompt_tokens: 3, completion_tokens: 2 } },
    },
    { match: { userMessage: 'long' }, response: { content: LONG }, chunkSize: 7 },
    {
      match: { userMessage: 'weather', hasToolResult: false },
      response: { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Oslo"}' }] },
    },
    { match: { userMessage: 'weather', hasToolResult: true }, response: { content: 'It is cold.' } },
    { match: { userMessage: 'json' }, response: { content: '{"city":"Oslo"}' } },
    {
      match: { userMessage: 'limited' },
      response: { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 },
    },
    { match: { userMessage: 'cut' }, response: { content: LONG }, chunkSize: 7, latency: 2, truncateAfterChunks: 12 },
  ]);
  const config = await home.write(
    'rotator.yaml',
    `rotation: { wait_same_key: 500ms }\nproviders:\n  mock: { base_url: ${mock.baseUrl}, keys: [${[GOOD[0], BAD, GOOD[1], GOOD[2]].join(', ')}] }\n`,
  );
  server = await startServer(['--config', config], { home });
}, 30_000);
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await mock[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});
afterAll(endAll);

const client = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: CLIENT_KEY, maxRetries: 0 });
const ask = (content: string) => ({ model: 'mock/gpt-4o', messages: [{ role: 'user' as const, content }] });

test('thirty requests over four keys, one of them bad, are all answered; the bad one is blocked', async () => {
  const used = new Set<string | null>();
  for (let index = 0; index < 30; index++) {
    const response = await server.chat(ask('hello'));
    expect((await readCompletion(response)).text).toBe('Hi there!');
    used.add(response.headers.get('x-rotator-credential'));
  }
  expect(used.size).toBe(GOOD.length);
  const { stdout } = await runBinary(['keys', 'list', '--json', '--config', home.path('rotator.yaml')], { home });
  const keys: { state: string; blocks: { kind: string }[]; usage: { requests: number; failures: number } }[] =
    JSON.parse(stdout);
  const blocked = keys.filter((key) => key.state === 'blocked');
  expect(blocked).toHaveLength(1);
  expect(blocked[0]?.blocks).toMatchObject([{ kind: 'auth' }]);
  // Balanced: nobody carries much more than a third.
  for (const key of keys.filter((one) => one.state !== 'blocked')) {
    expect(key.usage.requests).toBeGreaterThan(4);
    expect(key.usage.failures).toBe(0);
  }
}, 30_000);

describe('the OpenAI SDK', () => {
  test('streams a long answer in small pieces', async () => {
    const stream = await client().chat.completions.create({ ...ask('long'), stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(LONG);
  });

  test('gets tool calls, streamed and whole, and the answer after the result', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: { type: 'object' } } }];
    const whole = await client().chat.completions.create({ ...ask('weather'), tools });
    const [call] = whole.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } });
    const streamed = await server.chat({ ...ask('weather'), tools, stream: true });
    expect(readStream(await streamed.text())).toMatchObject({
      toolCalls: [{ name: 'get_weather', arguments: '{"city":"Oslo"}' }],
      finishReason: 'tool_calls',
    });
    const answer = await client().chat.completions.create({
      model: 'mock/gpt-4o',
      messages: [
        { role: 'user', content: 'weather' },
        { role: 'assistant', tool_calls: whole.choices[0]?.message.tool_calls ?? [] },
        { role: 'tool', tool_call_id: call?.id ?? '', content: '-3' },
      ],
      tools,
    });
    expect(answer.choices[0]?.message.content).toBe('It is cold.');
  });

  test('gets JSON in JSON mode', async () => {
    const reply = await client().chat.completions.create({ ...ask('json'), response_format: { type: 'json_object' } });
    expect(JSON.parse(reply.choices[0]?.message.content ?? '')).toEqual({ city: 'Oslo' });
  });

  test('meets a 429 when every key is limited, with the time to come back', async () => {
    try {
      await client().chat.completions.create(ask('limited'));
      throw new Error('was answered');
    } catch (error) {
      if (!(error instanceof OpenAI.RateLimitError)) throw error;
      expect(Number(error.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
  });
});

describe('injected faults', () => {
  test('a stream cut in its middle ends with an error event and never like a whole one', async () => {
    const response = await server.chat({ ...ask('cut'), stream: true });
    const reply = readStream(await response.text());
    expect(reply.finishReason).toBeNull();
    expect(reply.error).not.toBeNull();
    expect(LONG.startsWith(reply.text ?? '')).toBe(true);
  });

  test.each(['dropRate', 'malformedRate', 'disconnectRate'])(
    'with a fourth of the calls failing by %s, every request is answered once',
    async (fault) => {
      await mock.chaos({ [fault]: 0.25 });
      const replies = await Promise.all(
        Array.from({ length: 12 }, async () => {
          const response = await server.chat(ask('hello'));
          return { status: response.status, text: await response.text() };
        }),
      );
      // A loss after the request was sent may be billed, so it is tried again once only: an error is allowed, silence is not.
      for (const { status, text } of replies) {
        if (status === 200) expect(JSON.parse(text).choices[0].message.content).toBe('Hi there!');
        else expect(JSON.parse(text).error.type).toBe('upstream_error');
      }
      expect(replies.some((reply) => reply.status === 200)).toBe(true);
      const { stdout } = await runBinary(['keys', 'list', '--json', '--config', home.path('rotator.yaml')], { home });
      const keys: { in_flight: number }[] = JSON.parse(stdout);
      expect(keys.reduce((sum, key) => sum + key.in_flight, 0)).toBe(0);
    },
    30_000,
  );
});
