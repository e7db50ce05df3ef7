import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { FunctionCallingConfigMode, GoogleGenAI, Type } from '@google/genai';
import { isProblem } from '../../../src/protocols/codec.ts';
import { gemini } from '../../../src/protocols/gemini/index.ts';
import type { AssistantPart, ChatReply, ChatRequest, FinishReason } from '../../../src/protocols/ir.ts';
import { replyEvents } from '../../../src/protocols/reply-events.ts';

/** Google's own SDK against a server that is nothing but the codec: what it sends is read, what it gets is written here. */

type Answer = ChatReply | 'fail' | 'break';
let answers: Answer[] = [];
let seen: ChatRequest[] = [];

const usage = {
  inputTokens: 9,
  outputTokens: 5,
  cachedTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: 2,
  audioInputTokens: null,
  audioOutputTokens: null,
  costUsd: null,
};
const reply = (parts: readonly AssistantPart[], unified: FinishReason['unified'] = 'stop'): ChatReply => ({
  id: 'r',
  model: 'm',
  created: null,
  choices: [{ parts, finish: { unified, raw: null } }],
  usage,
});
const thought: AssistantPart = { type: 'reasoning', text: 'hm', signature: null };
const call: AssistantPart = {
  type: 'tool-call',
  id: 'c1',
  name: 'weather',
  arguments: '{"city":"A"}',
  kind: 'function',
};

const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  async fetch(request) {
    const [, model = '', method = ''] = /\/models\/(.+):(\w+)$/.exec(new URL(request.url).pathname) ?? [];
    const isStream = method === 'streamGenerateContent';
    const envelope = gemini.readRequest(await request.bytes(), { model, isStream });
    const decoded = isProblem(envelope) ? envelope : gemini.decodeRequest(envelope);
    const answer = answers.shift() ?? 'fail';
    if (isProblem(decoded) || answer === 'fail') {
      const problem = isProblem(decoded)
        ? decoded
        : ({ kind: 'rate-limited', status: 429, message: 'wait', retryAfterMs: 1000 } as const);
      const { status, body } = gemini.encodeError(problem, null);
      return new Response(body, { status, headers: { 'content-type': 'application/json' } });
    }
    seen.push(decoded.value);
    const context = { request: decoded.value, seed: 'S', model, now: 0 };
    if (!isStream) return Response.json(gemini.encodeReply(answer === 'break' ? reply([]) : answer, context).value);
    const encoder = gemini.streamEncoder(context);
    let text = gemini.heartbeat.early;
    if (answer === 'break') {
      text += encoder.push({ type: 'text-delta', choice: 0, text: 'half' });
      text += gemini.errorFrames({ kind: 'upstream-broken', status: 502, message: 'cut' }, null, null);
    } else {
      for (const event of replyEvents(answer)) text += encoder.push(event) + gemini.heartbeat.running;
      text += encoder.end();
    }
    return new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  },
});
afterAll(() => server.stop(true));
beforeEach(() => {
  answers = [];
  seen = [];
});

const ai = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: `http://127.0.0.1:${server.port}` } });
const model = 'gemini-2.5-flash';

describe('@google/genai', () => {
  test('reads a whole answer, and what it asks for is understood', async () => {
    answers = [reply([thought, { type: 'text', text: 'pong' }])];
    const response = await ai.models.generateContent({
      model,
      contents: 'ping',
      config: {
        systemInstruction: 'be brief',
        maxOutputTokens: 50,
        stopSequences: ['x'],
        thinkingConfig: { includeThoughts: true, thinkingBudget: 100 },
        responseMimeType: 'application/json',
        responseSchema: { type: Type.OBJECT, properties: { a: { type: Type.STRING, nullable: true } } },
      },
    });
    expect(response.text).toBe('pong');
    expect(response.candidates?.[0]?.content?.parts?.[0]).toEqual({ text: 'hm', thought: true });
    expect(response.candidates?.[0]?.finishReason as string).toBe('STOP');
    expect(response.usageMetadata).toMatchObject({
      promptTokenCount: 9,
      candidatesTokenCount: 3,
      thoughtsTokenCount: 2,
    });
    expect([response.responseId, response.modelVersion]).toEqual(['r', 'm']);
    expect(seen[0]).toMatchObject({
      model,
      instructions: [{ type: 'text', text: 'be brief' }],
      turns: [{ role: 'user', parts: [{ type: 'text', text: 'ping' }] }],
      maxOutputTokens: 50,
      stop: ['x'],
      reasoning: { amount: { kind: 'budget', tokens: 100 }, isShown: true },
      output: { type: 'json-schema', schema: { type: 'object', properties: { a: { type: ['string', 'null'] } } } },
      foreign: null,
    });
  });

  test('reads a stream, heartbeats and all', async () => {
    answers = [reply([thought, { type: 'text', text: 'po' }, { type: 'text', text: 'ng' }])];
    const chunks = await Array.fromAsync(await ai.models.generateContentStream({ model, contents: 'ping' }));
    expect(chunks.map((chunk) => chunk.text ?? '').join('')).toBe('pong');
    expect(chunks.map((chunk) => chunk.candidates?.[0]?.finishReason as string | undefined)).toEqual([
      undefined,
      undefined,
      undefined,
      'STOP',
    ]);
    expect(chunks.at(-1)?.usageMetadata?.totalTokenCount).toBe(14);
    expect(seen[0]?.isStream).toBe(true);
  });

  test('calls a function and gives back its result under the same id', async () => {
    answers = [reply([thought, call], 'tool-calls'), reply([{ type: 'text', text: 'sunny' }])];
    const config = {
      tools: [
        {
          functionDeclarations: [
            { name: 'weather', parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } } } },
          ],
        },
      ],
      toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
    };
    const ask = { role: 'user', parts: [{ text: 'weather in A' }] };
    const first = await ai.models.generateContent({ model, contents: [ask], config });
    expect(first.functionCalls).toEqual([{ id: 'c1', name: 'weather', args: { city: 'A' } }]);
    const said = first.candidates?.[0]?.content;
    if (!said) throw new Error('nothing was said');
    const result = { functionResponse: { id: 'c1', name: 'weather', response: { output: 'sunny' } } };
    const second = await ai.models.generateContent({
      model,
      contents: [ask, said, { role: 'user', parts: [result] }],
      config,
    });
    expect(second.text).toBe('sunny');
    expect(seen[0]).toMatchObject({
      toolChoice: { type: 'required' },
      tools: [{ name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } }],
    });
    expect(seen[1]?.turns.slice(1)).toEqual([
      { role: 'assistant', parts: [thought, call] },
      {
        role: 'tool',
        parts: [
          {
            type: 'tool-result',
            callId: 'c1',
            name: 'weather',
            content: [{ type: 'text', text: 'sunny' }],
            isError: false,
            kind: 'function',
          },
        ],
      },
    ]);
  });

  test('calls functions in a stream', async () => {
    answers = [
      reply([{ type: 'text', text: 'let me look' }, call, { ...call, id: 'c2', arguments: '' } as AssistantPart]),
    ];
    const chunks = await Array.fromAsync(await ai.models.generateContentStream({ model, contents: 'q' }));
    expect(chunks.flatMap((chunk) => chunk.functionCalls ?? [])).toEqual([
      { id: 'c1', name: 'weather', args: { city: 'A' } },
      { id: 'c2', name: 'weather', args: {} },
    ]);
  });

  test('keeps a chat, thoughts and calls included', async () => {
    answers = [reply([thought, { type: 'text', text: 'one' }]), reply([{ type: 'text', text: 'two' }])];
    const chat = ai.chats.create({ model });
    for await (const _ of await chat.sendMessageStream({ message: 'a' }));
    expect((await chat.sendMessage({ message: 'b' })).text).toBe('two');
    expect(seen[1]?.turns.map(({ role }) => role)).toContain('assistant');
    expect(JSON.stringify(seen[1]?.turns)).toContain('one');
  });

  test('tells an error by its status', async () => {
    answers = ['fail'];
    const failed = await ai.models.generateContent({ model, contents: 'q' }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: 'ApiError', status: 429 });
    expect(String(failed)).toContain('RESOURCE_EXHAUSTED');
  });

  test('fails when a stream ends with an error', async () => {
    answers = ['break'];
    const texts: string[] = [];
    const failed = await (async () => {
      for await (const chunk of await ai.models.generateContentStream({ model, contents: 'q' })) {
        texts.push(chunk.text ?? '');
      }
    })().catch((error: unknown) => error);
    expect(String(failed)).toContain('cut');
  });
});
