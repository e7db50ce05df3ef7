// Against programs that nobody here wrote: an LLM server and the AI SDK, whose validation is stricter than OpenAI's own.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { LLMock } from '@copilotkit/aimock';
import { createOpenAI } from '@ai-sdk/openai';
import { dynamicTool, generateText, jsonSchema, streamText } from 'ai';
import type { ChatEvent, Choice } from '../../../src/protocols/ir.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import { ReplyBuilder } from '../../../src/protocols/reply-builder.ts';
import { record, withServer } from '../../support/responses-fixtures.ts';
import { decodeContext, encoded, fromElsewhere, heard, replyContext, said } from '../../support/responses-hub.ts';
import { plainUsage } from '../../support/plain-chat.ts';

describe('an upstream that nobody here wrote (aimock)', () => {
  let mock: LLMock;
  beforeAll(async () => {
    mock = new LLMock({ port: 0, logLevel: 'silent' });
    mock.onMessage('greet', { content: 'Hello from the mock' }, { chunkSize: 4 });
    mock.onMessage('think', { content: 'Because.', reasoning: 'Let me see' }, { chunkSize: 4 });
    mock.onMessage('weather', {
      toolCalls: [
        { name: 'weather', arguments: '{"city":"Paris"}' },
        { name: 'time', arguments: '{}' },
      ],
    });
    await mock.start();
  });
  afterAll(() => mock.stop());

  async function ask(text: string, isStream: boolean) {
    const tools = ['weather', 'time'].map((name) => ({ type: 'function', name, parameters: { type: 'object' } }));
    const { body } = encoded(fromElsewhere({ input: text, tools }), { isStream });
    const response = await fetch(`${mock.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer k' },
      body: JSON.stringify(body),
    });
    const answer = await response.text();
    if (!isStream) return openAiResponses.decodeReply(record(answer), decodeContext);
    const builder = new ReplyBuilder();
    for (const event of heard(answer)) builder.push(event);
    return builder.reply();
  }

  for (const isStream of [false, true]) {
    const way = isStream ? 'as a stream' : 'at once';

    test(`is understood ${way}: text`, async () => {
      const { choices } = await ask('greet', isStream);
      expect(spoken(choices)).toMatchObject([{ type: 'text', text: 'Hello from the mock' }]);
      expect(choices[0]?.finish.unified).toBe('stop');
    });

    test(`is understood ${way}: thoughts`, async () => {
      expect((await ask('think', isStream)).choices[0]?.parts).toMatchObject([
        { type: 'reasoning', text: 'Let me see' },
        { type: 'text', text: 'Because.' },
      ]);
    });

    test(`is understood ${way}: parallel calls`, async () => {
      const { choices } = await ask('weather', isStream);
      expect(spoken(choices)).toMatchObject([
        { type: 'tool-call', name: 'weather', arguments: '{"city":"Paris"}' },
        { type: 'tool-call', name: 'time', arguments: '{}' },
      ]);
      expect(choices[0]?.finish.unified).toBe('tool-calls');
    });
  }
});

/** Without the encrypted thoughts that this server sends whenever it is asked for them. */
const spoken = (choices: readonly Choice[]) => (choices[0]?.parts ?? []).filter(({ type }) => type !== 'reasoning');

describe('the AI SDK', () => {
  const events: readonly ChatEvent[] = [
    { type: 'start', id: 'x', model: 'up', created: null },
    { type: 'reasoning-delta', choice: 0, text: 'hm' },
    { type: 'text-delta', choice: 0, text: 'Hel' },
    { type: 'text-delta', choice: 0, text: 'lo' },
    { type: 'tool-call-start', choice: 0, call: 0, id: 'c1', name: 'weather', kind: 'function' },
    { type: 'tool-call-delta', choice: 0, call: 0, text: '{"city":' },
    { type: 'tool-call-delta', choice: 0, call: 0, text: '"Paris"}' },
    { type: 'tool-call-end', choice: 0, call: 0 },
    { type: 'finish', choice: 0, finish: { unified: 'tool-calls', raw: null } },
    { type: 'usage', usage: plainUsage },
  ];
  const weather = dynamicTool({
    inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }),
    execute: async () => 'sunny',
  });
  const model = (origin: string) => createOpenAI({ baseURL: `${origin}v1`, apiKey: 'none' }).responses('gpt-5.1');

  test('hears a stream', async () => {
    await withServer({ body: said(events).stream, isStream: true }, async (origin) => {
      const problems: unknown[] = [];
      const result = streamText({
        model: model(origin),
        prompt: 'x',
        tools: { weather },
        onError: ({ error }) => void problems.push(error),
      });
      expect(await result.text).toBe('Hello');
      expect(await result.reasoningText).toBe('hm');
      expect((await result.toolCalls).map(({ toolName, input }) => [toolName, input])).toEqual([
        ['weather', { city: 'Paris' }],
      ]);
      expect(await result.finishReason).toBe('tool-calls');
      expect((await result.usage).inputTokens).toBe(10);
      expect(problems).toEqual([]);
    });
  });

  test('reads a whole reply', async () => {
    const builder = new ReplyBuilder();
    for (const event of events) builder.push(event);
    const { value } = openAiResponses.encodeReply(builder.reply(), replyContext());
    await withServer({ body: JSON.stringify(value), isStream: false }, async (origin) => {
      const result = await generateText({ model: model(origin), prompt: 'x', tools: { weather } });
      expect([result.text, result.reasoningText, result.toolCalls[0]?.toolName]).toEqual(['Hello', 'hm', 'weather']);
    });
  });

  test('hears that a stream has failed', async () => {
    const problem = { kind: 'upstream-broken', status: 502, message: 'every upstream is down' } as const;
    await withServer({ body: openAiResponses.errorFrames(problem, null, null), isStream: true }, async (origin) => {
      const parts: string[] = [];
      const { fullStream } = streamText({ model: model(origin), prompt: 'x', maxRetries: 0, onError: () => undefined });
      for await (const part of fullStream) parts.push(part.type === 'finish' ? part.finishReason : part.type);
      expect(parts.some((part) => part === 'error')).toBe(true);
    });
  });
});
