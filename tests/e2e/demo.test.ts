// `serve --demo` driven by clients that nobody here wrote, over its five keys of which three misbehave.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateObject, generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { demoKeys } from '../../src/demo/demo-keys.ts';
import { CLIENT_KEY, endAll, ensureBinary, type RunningServer, runBinary, startServer } from '../support/binary.ts';
import { readCompletion, readStream } from '../support/chat-replies.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

let home: TempHome;
let server: RunningServer;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
  server = await startServer(['--demo'], { home });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});
afterAll(endAll);

const hello = [{ role: 'user' as const, content: 'hello' }];

describe('plain HTTP', () => {
  test('a request is answered, and the headers say by which credential', async () => {
    const response = await server.chat({ model: 'demo/chat', messages: hello });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-request-id')).toMatch(/^[\w.-]{1,64}$/);
    expect(response.headers.get('x-rotator-target')).toBe('demo/chat');
    expect(response.headers.get('x-rotator-credential')).toMatch(/^demo-[0-9a-f]{10}$/);
    expect(Number(response.headers.get('x-rotator-attempts'))).toBeGreaterThan(0);
    expect((await readCompletion(response)).text).toContain('You wrote: "hello"');
  });

  test('a stream is one, with heartbeats and usage left to who asked', async () => {
    const response = await server.chat({ model: 'demo/reasoner', stream: true, messages: hello });
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    const reply = readStream(await response.text());
    expect(reply).toMatchObject({ finishReason: 'stop', hasEnd: true, error: null, usage: null });
    expect(reply.reasoning).not.toBe('');
    expect(reply.text).toContain('hello');
  });

  test('models are listed with their provider', async () => {
    const response = await server.fetch('/v1/models', { headers: { authorization: `Bearer ${CLIENT_KEY}` } });
    const list: { data: { id: string }[] } = JSON.parse(await response.text());
    expect(list.data.map((card) => card.id).sort()).toEqual(['demo/chat', 'demo/reasoner']);
  });

  test('a bare model name does not find the demo', async () => {
    expect((await server.chat({ model: 'chat', messages: hello })).status).toBe(404);
  });

  test('no key but a valid client key opens it', async () => {
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: `Bearer ${demoKeys[0]?.secret}` }]) {
      expect((await server.fetch('/v1/models', { headers })).status).toBe(401);
    }
  });
});

describe('rotation', () => {
  test('forty requests in a row are all answered, though three of the five keys misbehave', async () => {
    const used = new Set<string | null>();
    for (let index = 0; index < 40; index++) {
      const response = await server.chat({ model: 'demo/chat', messages: hello });
      expect(response.status).toBe(200);
      used.add(response.headers.get('x-rotator-credential'));
      await response.arrayBuffer();
    }
    expect(used.size).toBe(4);
    const { stdout } = await runBinary(['keys', 'list', '--json'], { home });
    const keys: { label: string; state: string; in_flight: number; usage: { failures: number } }[] = JSON.parse(stdout);
    expect(keys.map((key) => key.label).sort()).toEqual(demoKeys.map((key) => key.name).sort());
    expect(keys.find((key) => key.label === 'revoked')).toMatchObject({ state: 'blocked' });
    expect(keys.every((key) => key.in_flight === 0)).toBe(true);
  }, 30_000);

  test('sixty streams at once are all whole', async () => {
    const replies = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const response = await server.chat({ model: 'demo/chat', stream: true, messages: hello });
        return { status: response.status, ...readStream(await response.text()) };
      }),
    );
    for (const reply of replies) {
      expect(reply).toMatchObject({ status: 200, finishReason: 'stop', hasEnd: true, error: null });
    }
  }, 30_000);
});

describe('the OpenAI SDK', () => {
  // Its own retries would hide ours.
  const client = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: CLIENT_KEY, maxRetries: 0 });

  test('gets an answer', async () => {
    const reply = await client().chat.completions.create({ model: 'demo/chat', messages: hello });
    expect(reply.choices[0]?.message.content).toContain('You wrote: "hello"');
    expect(reply.usage?.total_tokens).toBeGreaterThan(0);
  });

  test('streams, with usage when it asks', async () => {
    const stream = await client().chat.completions.create({
      model: 'demo/chat',
      messages: hello,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let total = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      total = chunk.usage?.total_tokens ?? total;
    }
    expect(text).toContain('You wrote: "hello"');
    expect(total).toBeGreaterThan(0);
  });

  test('runs a tool and gets the answer about its result', async () => {
    const runner = client().chat.completions.runTools({
      model: 'demo/chat',
      messages: [{ role: 'user', content: 'use the tool' }],
      tools: [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            description: 'weather of a city',
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
            parse: JSON.parse,
            function: ({ city }: { city: string }) => `12 degrees in ${city}`,
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('The tool answered: 12 degrees in use the tool');
  });

  test('gets JSON in JSON mode', async () => {
    const reply = await client().chat.completions.create({
      model: 'demo/chat',
      messages: hello,
      response_format: { type: 'json_object' },
    });
    expect(JSON.parse(reply.choices[0]?.message.content ?? '')).toMatchObject({ prompt: 'hello' });
  });

  test('sees errors as its own error classes', async () => {
    const failure = async (call: Promise<unknown>) => {
      try {
        await call;
      } catch (error) {
        return error;
      }
    };
    const missing = client().chat.completions.create({ model: 'nobody/model', messages: hello });
    expect(await failure(missing)).toBeInstanceOf(OpenAI.NotFoundError);
    const broken = client().chat.completions.create({ model: 'demo/chat', messages: [] });
    expect(await failure(broken)).toBeInstanceOf(OpenAI.BadRequestError);
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    expect(await failure(stranger.chat.completions.create({ model: 'demo/chat', messages: hello }))).toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
  });

  test('lists models', async () => {
    const ids = [];
    for await (const model of client().models.list()) ids.push(model.id);
    expect(ids.sort()).toEqual(['demo/chat', 'demo/reasoner']);
    expect((await client().models.retrieve('demo/chat')).id).toBe('demo/chat');
  });
});

describe('the AI SDK', () => {
  const model = (id: string) =>
    createOpenAICompatible({ name: 'rotator', baseURL: `${server.url}/v1`, apiKey: CLIENT_KEY })(id);

  test('generates text', async () => {
    const { text, usage } = await generateText({ model: model('demo/chat'), prompt: 'hello', maxRetries: 0 });
    expect(text).toContain('You wrote: "hello"');
    expect(usage.totalTokens).toBeGreaterThan(0);
  });

  test('streams text and reasoning', async () => {
    const result = streamText({ model: model('demo/reasoner'), prompt: 'hello', maxRetries: 0 });
    let text = '';
    for await (const piece of result.textStream) text += piece;
    expect(text).toContain('You wrote: "hello"');
    expect(await result.reasoningText).toContain('1 message');
    expect(await result.finishReason).toBe('stop');
  });

  test('calls a tool', async () => {
    const seen: unknown[] = [];
    await generateText({
      model: model('demo/chat'),
      prompt: 'use the tool',
      maxRetries: 0,
      tools: {
        get_weather: tool({
          description: 'weather of a city',
          inputSchema: jsonSchema<{ city: string }>({
            type: 'object',
            properties: { city: { type: 'string' } },
            required: ['city'],
          }),
          execute: async (input) => {
            seen.push(input);
            return '12 degrees';
          },
        }),
      },
    });
    expect(seen).toEqual([{ city: 'use the tool' }]);
  });

  test('generates an object that fits its schema', async () => {
    const { object } = await generateObject({
      model: createOpenAICompatible({
        name: 'rotator',
        baseURL: `${server.url}/v1`,
        apiKey: CLIENT_KEY,
        supportsStructuredOutputs: true,
      })('demo/chat'),
      prompt: 'hello',
      maxRetries: 0,
      schema: jsonSchema<{ title: string }>({
        type: 'object',
        properties: { title: { type: 'string' } },
        required: ['title'],
        additionalProperties: false,
      }),
    });
    expect(object).toEqual({ title: 'hello' });
  });
});

describe('the command line beside it', () => {
  test('chat goes through the running server: prompt, blank line, piped text', async () => {
    const { code, stdout } = await runBinary(['chat', 'what is this?', '-m', 'demo/chat'], {
      home,
      stdin: 'a piped text\n',
    });
    expect(code).toBe(0);
    expect(stdout).toContain('You wrote: "what is this?\n\na piped text');
    const { stdout: keys } = await runBinary(['keys', 'list', '--json'], { home });
    const counts: { usage: { requests: number } }[] = JSON.parse(keys);
    expect(counts.reduce((sum, key) => sum + key.usage.requests, 0)).toBeGreaterThan(0);
  });

  test('chat --json prints the whole response object', async () => {
    const { code, stdout } = await runBinary(['chat', 'hello', '-m', 'demo/chat', '--json'], { home });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ object: 'chat.completion' });
  });

  test('test-route says which key would be taken and why', async () => {
    const { code, stdout } = await runBinary(['test-route', 'demo/chat', '--json'], { home });
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      model: 'demo/chat',
      resolved: 'provider',
      would_serve: { target: 'demo/chat', credential: expect.stringMatching(/^demo-/) },
      attempts: [],
    });
    expect(report.targets[0].credentials).toHaveLength(5);
  });

  test('test-route --live shows each attempt', async () => {
    const { code, stdout } = await runBinary(['test-route', 'demo/chat', '--live', '--json'], { home });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).attempts.at(-1)).toMatchObject({ target: 'demo/chat', status: 200, failure: null });
  });

  test('keys disable takes a key out, enable puts it back, reset lifts its blocks', async () => {
    for (const args of [
      ['keys', 'disable', 'healthy-1'],
      ['keys', 'disable', 'healthy-2'],
    ]) {
      expect(await runBinary(args, { home })).toMatchObject({ code: 0 });
    }
    const states = async () => {
      const { stdout } = await runBinary(['keys', 'list', '--json'], { home });
      const keys: { label: string; state: string; enabled: boolean }[] = JSON.parse(stdout);
      return Object.fromEntries(keys.map((key) => [key.label, key.state]));
    };
    expect(await states()).toMatchObject({ 'healthy-1': 'disabled', 'healthy-2': 'disabled' });
    expect(await runBinary(['keys', 'enable', 'healthy-1'], { home })).toMatchObject({ code: 0 });
    expect(await states()).toMatchObject({ 'healthy-1': 'ready', 'healthy-2': 'disabled' });
    expect(await runBinary(['keys', 'reset'], { home })).toMatchObject({ code: 0 });
  }, 20_000);

  test('keys test tells the revoked key from the others, and exits with 4', async () => {
    const { code, stdout } = await runBinary(['keys', 'test', '--json'], { home });
    expect(code).toBe(4);
    const results: { ok: boolean; result: string }[] = JSON.parse(stdout);
    expect(results.filter((result) => result.ok)).toHaveLength(4);
    expect(results.find((result) => !result.ok)).toMatchObject({ result: 'key-rejected' });
  });

  test('models lists what can be called', async () => {
    const { code, stdout } = await runBinary(['models', '--json'], { home });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([{ id: 'demo/chat' }, { id: 'demo/reasoner' }]);
  });
});

test('without a server, chat starts the demo itself for an explicit demo model', async () => {
  await using other = await tempHome();
  const { code, stdout } = await runBinary(['chat', 'hello', '-m', 'demo/chat'], { home: other });
  expect(code).toBe(0);
  expect(stdout).toContain('You wrote: "hello"');
});
