// An upstream of every protocol that breaks off at every event, in front of a client of every protocol: none may take half an answer for a whole one.
import { beforeAll, describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import type { ProtocolId } from '../../../src/protocols/codec.ts';
import { startUpstream, stream } from '../../support/scripted-upstream.ts';
import { clientKey, startRotator } from '../../support/server.ts';
import { dataOf } from '../../support/stream-tap.ts';
import { KEY, startVendor } from './vendors.ts';

const protocols: readonly ProtocolId[] = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'];

const TOOL = { name: 'weather', schema: { type: 'object', properties: { city: { type: 'string' } } } };
const PROMPT = 'weather in Paris and Rome';

/** What brings a vendor of this protocol to think, speak and call two tools. */
const questions: Readonly<Record<ProtocolId, { path: string; body: object }>> = {
  'openai-chat': {
    path: '/chat/completions',
    body: {
      model: 'm',
      stream: true,
      stream_options: { include_usage: true },
      reasoning_effort: 'high',
      messages: [{ role: 'user', content: PROMPT }],
      tools: [{ type: 'function', function: { name: TOOL.name, parameters: TOOL.schema } }],
    },
  },
  'openai-responses': {
    path: '/responses',
    body: {
      model: 'm',
      stream: true,
      reasoning: { effort: 'high' },
      input: [{ role: 'user', content: PROMPT }],
      tools: [{ type: 'function', name: TOOL.name, parameters: TOOL.schema }],
    },
  },
  'anthropic-messages': {
    path: '/messages',
    body: {
      model: 'm',
      stream: true,
      max_tokens: 4096,
      thinking: { type: 'enabled', budget_tokens: 1024 },
      messages: [{ role: 'user', content: PROMPT }],
      tools: [{ name: TOOL.name, input_schema: TOOL.schema }],
    },
  },
  gemini: {
    path: '/models/m:streamGenerateContent?alt=sse',
    body: {
      contents: [{ role: 'user', parts: [{ text: PROMPT }] }],
      generationConfig: { thinkingConfig: { includeThoughts: true } },
      tools: [{ functionDeclarations: [{ name: TOOL.name, parameters: TOOL.schema }] }],
    },
  },
};

/** The frame from which on everything has been said, by the contract: what follows it is an end mark. */
const saysWhy: Readonly<Record<ProtocolId, RegExp>> = {
  'openai-chat': /"finish_reason":"/,
  'openai-responses': /"response\.completed"/,
  'anthropic-messages': /"stop_reason":"/,
  gemini: /"finishReason":"/,
};
/** The frame that begins the answer: before it nothing is lost by asking again. */
const commits: Readonly<Record<ProtocolId, RegExp>> = {
  'openai-chat': /"reasoning_content":"/,
  'openai-responses': /\.delta"/,
  'anthropic-messages': /_delta"/,
  gemini: /"text":"/,
};

const bearer = { authorization: `Bearer ${KEY}` };
const keyOf: Readonly<Record<ProtocolId, Readonly<Record<string, string>>>> = {
  'openai-chat': bearer,
  'openai-responses': bearer,
  'anthropic-messages': { 'x-api-key': KEY, 'anthropic-version': '2023-06-01' },
  gemini: { 'x-goog-api-key': KEY },
};

async function framesOf(protocol: ProtocolId): Promise<readonly string[]> {
  await using vendor = startVendor(protocol, { isStrict: false });
  const { path, body } = questions[protocol];
  const response = await fetch(`${vendor.baseUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...keyOf[protocol] },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text.split(/(?<=\n\n)/);
}

const ENDS = ['clean', 'fin'] as const;
/** One of its own for each end: no breaker, and no rest, of another one comes into it. */
const providerOf = (cut: number, end: string) => `cut-${cut}-${end}`;

const frames = new Map<ProtocolId, readonly string[]>();

beforeAll(async () => {
  for (const protocol of protocols) frames.set(protocol, await framesOf(protocol));
});

type Client = {
  readonly path: (model: string) => string;
  readonly body: (model: string) => object;
  /** How its own protocol says that all is well. */
  readonly isWhole: (text: string) => boolean;
  /** How its own protocol says that it is not, with nothing behind it. */
  readonly isBroken: (text: string) => boolean;
  /** Reads the whole stream with the vendor's own library. */
  readonly read: (url: string, model: string) => Promise<unknown>;
};

const last = (text: string, fromEnd = 1) => JSON.parse(dataOf(text).at(-fromEnd) ?? 'null');

const clients: Readonly<Record<ProtocolId, Client>> = {
  'openai-chat': {
    path: () => '/v1/chat/completions',
    body: (model) => ({ model, stream: true, messages: [{ role: 'user', content: 'hi' }] }),
    isWhole: (text) => /"finish_reason":"/.test(text) && !text.includes('"error"') && text.endsWith('data: [DONE]\n\n'),
    isBroken: (text) =>
      !/"finish_reason":"/.test(text) && text.endsWith('data: [DONE]\n\n') && 'error' in last(text, 2),
    read: (url, model) =>
      new OpenAI({ baseURL: `${url}/v1`, apiKey: clientKey, maxRetries: 0 }).chat.completions
        .stream({ model, messages: [{ role: 'user', content: 'hi' }] })
        .finalChatCompletion(),
  },
  'openai-responses': {
    path: () => '/v1/responses',
    body: (model) => ({ model, stream: true, input: 'hi' }),
    isWhole: (text) => last(text).type === 'response.completed',
    isBroken: (text) => last(text).type === 'response.failed' && !text.includes('response.completed'),
    read: async (url, model) => {
      const { status, error } = await new OpenAI({ baseURL: `${url}/v1`, apiKey: clientKey, maxRetries: 0 }).responses
        .stream({ model, input: 'hi' })
        .finalResponse();
      // The library gives back what failed as it is.
      if (status !== 'completed') throw new Error(error?.message ?? 'failed without an error');
    },
  },
  'anthropic-messages': {
    path: () => '/v1/messages',
    body: (model) => ({ model, stream: true, max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] }),
    isWhole: (text) => last(text).type === 'message_stop' && /"stop_reason":"/.test(text),
    isBroken: (text) => last(text).type === 'error' && !/message_stop|"stop_reason":"/.test(text),
    read: (url, model) =>
      new Anthropic({ baseURL: url, apiKey: clientKey, maxRetries: 0 }).messages
        .stream({ model, max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] })
        .finalMessage(),
  },
  gemini: {
    path: (model) => `/v1beta/models/${model}:streamGenerateContent?alt=sse`,
    body: () => ({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }),
    isWhole: (text) => /"finishReason":"/.test(text) && !text.includes('"error"'),
    isBroken: (text) => !/"finishReason":"/.test(text) && 'error' in last(text),
    read: async (url, model) => {
      const client = new GoogleGenAI({ apiKey: clientKey, httpOptions: { baseUrl: url } });
      for await (const __ of await client.models.generateContentStream({ model, contents: 'hi' }));
    },
  },
};

const ask = (client: Client, url: string, model: string) =>
  fetch(`${url}${client.path(model)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}` },
    body: JSON.stringify(client.body(model)),
  });

const rejects = async (promise: Promise<unknown>) =>
  promise.then(
    () => false,
    () => true,
  );

describe.each(protocols.map((id) => [id] as const))('a client of %s', (id) => {
  test.each(protocols.map((upstream) => [upstream] as const))(
    'hears of every place where a stream of %s can break off',
    async (upstream) => {
      const client = clients[id];
      const all = frames.get(upstream) ?? [];
      const whole = all.findIndex((frame) => saysWhy[upstream].test(frame)) + 1;
      const committed = all.findIndex((frame) => commits[upstream].test(frame)) + 1;
      expect([whole > committed, committed > 0, all.length >= whole]).toEqual([true, true, true]);
      await using vendor = await startUpstream({
        keys: Object.fromEntries(
          ENDS.flatMap((end) =>
            [...all, ''].map((__, cut) => [providerOf(cut, end), stream(all.slice(0, cut), { end })] as const),
          ),
        ),
      });
      const providers = Object.fromEntries(
        vendor.keys.map((name) => [name, { base_url: vendor.baseUrl, protocol: upstream, keys: [name] }]),
      );
      await using rotator = await startRotator({ providers });
      for (const end of ENDS) {
        for (let cut = 0; cut <= all.length; cut++) {
          const provider = providerOf(cut, end);
          const response = await ask(client, rotator.url, `${provider}/raw`);
          const text = await response.text();
          const saysAll = cut >= whole;
          const isWhole = response.status === 200 && client.isWhole(text);
          const isBroken = response.status === 200 && client.isBroken(text);
          const heard = { end, cut, status: response.status, isWhole, isBroken };
          // A connection that dies may take its last chunks with it: then less has been said, and that must show.
          if (end === 'fin') {
            const isTold = isBroken || response.status === 502;
            expect([heard, saysAll ? isWhole || isTold : isTold]).toEqual([heard, true]);
            continue;
          }
          // Before the answer has begun nothing has left: the real status.
          const status = cut < committed ? 502 : 200;
          expect(heard).toEqual({ end, cut, status, isWhole: saysAll, isBroken: status === 200 && !saysAll });
          const hasThrown = await rejects(client.read(rotator.url, `${provider}/sdk`));
          expect([heard, hasThrown]).toEqual([heard, !saysAll]);
        }
      }
    },
    60_000,
  );
});
