// How likely each token was, through the SDKs of the protocols that tell it, from a vendor of every one of them.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Content, type GenerateContentResponse, GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import type { ProtocolId } from '../../../src/protocols/codec.ts';
import type { JsonRecord } from '../../../src/protocols/ir.ts';
import { isObject } from '../../../src/shared/json-shape.ts';
import { clientKey, type Rotator, startRotator } from '../../support/server.ts';
import { KEY } from './vendors.ts';

/** The tokens of the answer, each with its chance and the two likeliest in its place. */
const TOKENS = [
  { token: 'Grü', logprob: -0.25, top: [['Grü', -0.25] as const, ['Hal', -1.5] as const] },
  { token: 'ße', logprob: -0.5, top: [['ße', -0.5] as const, ['ss', -2] as const] },
];
const HEARD = TOKENS.map(({ token, logprob, top }) => [token, logprob, top.map(([one, chance]) => [one, chance])]);

const utf8 = (token: string) => [...Buffer.from(token)];
const openAiToken = ({ token, logprob, top }: (typeof TOKENS)[number]) => ({
  token,
  logprob,
  bytes: utf8(token),
  top_logprobs: top.map(([one, chance]) => ({ token: one, logprob: chance, bytes: utf8(one) })),
});
const sse = (events: readonly (JsonRecord | '[DONE]')[]) =>
  events
    .map((event) => {
      if (typeof event === 'string') return `data: ${event}\n\n`;
      const name = typeof event.type === 'string' ? `event: ${event.type}\n` : '';
      return `${name}data: ${JSON.stringify(event)}\n\n`;
    })
    .join('');

type Vendor = { readonly whole: JsonRecord; readonly stream: string; asked(body: JsonRecord): unknown };

const chunk = (choice: JsonRecord) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: null, logprobs: null, ...choice }],
});
const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: 'Grüße', annotations: [], logprobs: TOKENS.map(openAiToken) }],
};
const response = {
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  model: 'm',
  status: 'completed',
  output: [message],
};
const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
const result = (tokens: typeof TOKENS) => ({
  topCandidates: tokens.map(({ top }) => ({
    candidates: top.map(([token, logProbability]) => ({ token, tokenId: 7, logProbability })),
  })),
  chosenCandidates: tokens.map(({ token, logprob }) => ({ token, tokenId: 7, logProbability: logprob })),
});
const candidate = (text: string, tokens: typeof TOKENS, more: JsonRecord = {}) => ({
  candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0, logprobsResult: result(tokens), ...more }],
  modelVersion: 'm',
  responseId: 'r',
});

const vendors: Readonly<Partial<Record<ProtocolId, Vendor>>> = {
  'openai-chat': {
    asked: ({ logprobs, top_logprobs }) => logprobs === true && top_logprobs === 2,
    whole: {
      ...chunk({}),
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Grüße', refusal: null },
          logprobs: { content: TOKENS.map(openAiToken), refusal: null },
          finish_reason: 'stop',
        },
      ],
    },
    stream: sse([
      chunk({ delta: { role: 'assistant', content: '', refusal: null } }),
      ...TOKENS.map((one) =>
        chunk({ delta: { content: one.token }, logprobs: { content: [openAiToken(one)], refusal: null } }),
      ),
      chunk({ delta: {}, finish_reason: 'stop' }),
      '[DONE]',
    ]),
  },
  'openai-responses': {
    asked: ({ include, top_logprobs }) =>
      Array.isArray(include) && include.includes('message.output_text.logprobs') && top_logprobs === 2,
    whole: response,
    stream: sse([
      { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
      { type: 'response.output_item.added', output_index: 0, item: { ...message, status: 'in_progress', content: [] } },
      { type: 'response.content_part.added', ...place, part: { type: 'output_text', text: '', annotations: [] } },
      ...TOKENS.map((one) => ({
        type: 'response.output_text.delta',
        ...place,
        delta: one.token,
        // Without their bytes, as the vendor declares it.
        logprobs: [openAiToken(one)].map(({ token, logprob, top_logprobs }) => ({
          token,
          logprob,
          top_logprobs: top_logprobs.map(({ bytes: _, ...top }) => top),
        })),
      })),
      { type: 'response.output_text.done', ...place, text: 'Grüße', logprobs: TOKENS.map(openAiToken) },
      { type: 'response.content_part.done', ...place, part: message.content[0] },
      { type: 'response.output_item.done', output_index: 0, item: message },
      { type: 'response.completed', response },
    ]),
  },
  gemini: {
    asked: ({ generationConfig }) =>
      isObject(generationConfig) && generationConfig.responseLogprobs === true && generationConfig.logprobs === 2,
    whole: candidate('Grüße', TOKENS, { finishReason: 'STOP', avgLogprobs: -0.375 }),
    stream: sse([
      ...TOKENS.map((one) => candidate(one.token, [one])),
      { candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, index: 0, finishReason: 'STOP' }] },
    ]),
  },
};

const servers = Object.entries(vendors).map(([protocol, { asked, whole, stream }]) => {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      if (request.method === 'GET') return Response.json({ data: [] });
      const body: unknown = await request.json();
      if (!isObject(body) || !asked(body))
        return Response.json({ error: { message: 'nobody asked' } }, { status: 400 });
      const isStream = body.stream === true || request.url.includes('streamGenerateContent');
      return isStream
        ? new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
        : Response.json(whole);
    },
  });
  return { protocol, server, baseUrl: `http://127.0.0.1:${server.port}/${protocol === 'gemini' ? 'v1beta' : 'v1'}` };
});

let rotator: Rotator;
beforeAll(async () => {
  rotator = await startRotator({
    providers: Object.fromEntries(
      servers.map(({ protocol, baseUrl }) => [`v-${protocol}`, { base_url: baseUrl, protocol, keys: [KEY] }]),
    ),
  });
});
afterAll(async () => {
  await rotator.stop();
  await Promise.all(servers.map(({ server }) => server.stop(true)));
});

type Told = { readonly token?: string; readonly logprob?: number; readonly top_logprobs?: readonly Told[] };
const heard = (tokens: readonly Told[]) =>
  tokens.map(({ token, logprob, top_logprobs }) => [
    token,
    logprob,
    (top_logprobs ?? []).map((one) => [one.token, one.logprob]),
  ]);

const openai = () => new OpenAI({ baseURL: `${rotator.url}/v1`, apiKey: clientKey, maxRetries: 0 });
const google = () =>
  new GoogleGenAI({
    apiKey: clientKey,
    vertexai: false,
    httpOptions: { baseUrl: rotator.url, retryOptions: { attempts: 1 } },
  });

describe.each(servers.map(({ protocol }) => [protocol, `v-${protocol}/m`] as const))('a vendor of %s', (_, model) => {
  const chat = { model, messages: [{ role: 'user' as const, content: 'hi' }], logprobs: true, top_logprobs: 2 };
  const include: 'message.output_text.logprobs'[] = ['message.output_text.logprobs'];
  const responses = { model, input: 'hi', include, top_logprobs: 2 };
  const contents: Content[] = [{ role: 'user', parts: [{ text: 'hi' }] }];
  const gemini = { model, contents, config: { responseLogprobs: true, logprobs: 2 } };
  const resultsOf = (chunks: readonly GenerateContentResponse[]) =>
    chunks.flatMap(({ candidates }) => {
      const told = candidates?.[0]?.logprobsResult;
      return (told?.chosenCandidates ?? []).map(({ token, logProbability }, step) => [
        token,
        logProbability,
        (told?.topCandidates?.[step]?.candidates ?? []).map((one) => [one.token, one.logProbability]),
      ]);
    });

  test('tells a chat client', async () => {
    const { data, response } = await openai().chat.completions.create(chat).withResponse();
    expect(heard(data.choices[0]?.logprobs?.content ?? [])).toEqual(HEARD);
    expect(response.headers.get('x-rotator-warnings')).toBeNull();
  });

  test('tells a chat client that streams', async () => {
    const stream = openai().chat.completions.stream(chat);
    const told: Told[] = [];
    for await (const { choices } of stream) told.push(...(choices[0]?.logprobs?.content ?? []));
    expect(heard(told)).toEqual(HEARD);
    const [choice] = (await stream.finalChatCompletion()).choices;
    expect([choice?.message.content, heard(choice?.logprobs?.content ?? [])]).toEqual(['Grüße', HEARD]);
  });

  test('tells a client of Responses', async () => {
    const { output } = await openai().responses.create(responses);
    const [item] = output;
    const part = item?.type === 'message' ? item.content[0] : undefined;
    const logprobs = part?.type === 'output_text' ? (part.logprobs ?? []) : [];
    expect(heard(logprobs)).toEqual(HEARD);
    expect(logprobs.map(({ bytes }) => bytes)).toEqual(TOKENS.map(({ token }) => utf8(token)));
  });

  test('tells a client of Responses that streams', async () => {
    const stream = openai().responses.stream(responses);
    const told: Told[] = [];
    let done: readonly Told[] = [];
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') told.push(...event.logprobs);
      if (event.type === 'response.output_text.done') done = event.logprobs;
    }
    expect([heard(told), heard(done)]).toEqual([HEARD, HEARD]);
    const [item] = (await stream.finalResponse()).output;
    const part = item?.type === 'message' ? item.content[0] : undefined;
    expect(heard(part?.type === 'output_text' ? (part.logprobs ?? []) : [])).toEqual(HEARD);
  });

  test('tells a client of Gemini', async () => {
    const whole = await google().models.generateContent(gemini);
    expect(resultsOf([whole])).toEqual(HEARD);
    expect(whole.candidates?.[0]?.avgLogprobs).toBe(-0.375);
  });

  test('tells a client of Gemini that streams', async () => {
    const chunks: GenerateContentResponse[] = [];
    for await (const one of await google().models.generateContentStream(gemini)) chunks.push(one);
    expect(resultsOf(chunks)).toEqual(HEARD);
    // Each beside the words that it is about.
    expect(resultsOf(chunks.filter(({ text }) => text === 'ße'))).toEqual(HEARD.slice(1));
  });
});
