// OpenAI's own client reads what is written here, over a socket: its `.stream()` helper is the strictest reader there is.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import type { AssistantPart, ChatReply } from '../../../src/protocols/ir.ts';
import { openAiChat } from '../../../src/protocols/openai-chat/index.ts';
import { replyEvents } from '../../../src/protocols/reply-events.ts';
import { isObject } from '../../../src/shared/json-shape.ts';
import { decoded } from '../../support/chat-codec.ts';

let reply: ChatReply;
let server: ReturnType<typeof serve>;
let client: OpenAI;

const serve = () =>
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(incoming) {
      const body: unknown = await incoming.json();
      if (!isObject(body)) return new Response(null, { status: 400 });
      const { request } = decoded(body);
      const context = { request, seed: 'S', model: 'asked', now: 1_700_000_000 };
      if (!request.isStream) return Response.json(openAiChat.encodeReply(reply, context).value);
      const encoder = openAiChat.streamEncoder(context);
      const text = [...replyEvents(reply)].map((event) => encoder.push(event)).join('') + encoder.end();
      return new Response(text, { headers: { 'content-type': 'text/event-stream' } });
    },
  });

beforeAll(() => {
  server = serve();
  client = new OpenAI({ apiKey: 'k', baseURL: `http://127.0.0.1:${server.port}/v1`, maxRetries: 0 });
});
afterAll(() => server.stop(true));

const answer = (...choices: readonly (readonly AssistantPart[])[]): ChatReply => ({
  id: 'msg_1',
  model: 'served',
  created: 7,
  choices: choices.map((parts) => ({
    parts,
    finish: { unified: parts.some(({ type }) => type === 'tool-call') ? 'tool-calls' : 'stop', raw: null },
  })),
  usage: {
    inputTokens: 10,
    outputTokens: 5,
    cachedTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    audioInputTokens: null,
    audioOutputTokens: null,
    costUsd: null,
  },
});
const text = (value: string) => ({ type: 'text', text: value }) as const;
const call = (id: string, name: string, args: string) =>
  ({ type: 'tool-call', id, name, arguments: args, kind: 'function' }) as const;
const tool = (name: string): OpenAI.Chat.ChatCompletionTool => ({
  type: 'function',
  function: { name, parameters: { type: 'object' } },
});
const ask = {
  model: 'm',
  messages: [{ role: 'user', content: 'hi' }],
} satisfies Partial<OpenAI.Chat.ChatCompletionCreateParams>;

const replies: readonly [
  string,
  ChatReply,
  Partial<typeof ask> & { tools?: OpenAI.Chat.ChatCompletionTool[]; n?: number },
][] = [
  ['text', answer([text('Hello'), text(' there')]), {}],
  ['thoughts and text', answer([{ type: 'reasoning', text: 'hm', signature: null }, text('Hello')]), {}],
  [
    'signed thoughts',
    answer([{ type: 'reasoning', text: 'hm', signature: { protocol: 'anthropic-messages', value: 'SIG' } }, text('a')]),
    {},
  ],
  ['one call', answer([call('c1', 'f', '{"q":1}')]), { tools: [tool('f')] }],
  [
    'text and parallel calls',
    answer([text('so'), call('c1', 'f', '{"q":1}'), call('c2', 'f', '')]),
    { tools: [tool('f')] },
  ],
  [
    'a custom call',
    answer([call('c1', 'f', '{"input":"x y"}')]),
    { tools: [{ type: 'custom', custom: { name: 'f' } }] },
  ],
  ['a refusal', answer([{ type: 'refusal', text: 'no' }]), {}],
  ['two choices', answer([text('a')], [text('b')]), { n: 2 }],
  ['nothing', answer([]), {}],
];

describe('OpenAI’s client', () => {
  for (const [name, wanted, fields] of replies) {
    test(`reads ${name} from a stream as from a whole answer`, async () => {
      reply = wanted;
      const whole = await client.chat.completions.create({ ...ask, ...fields });
      const stream = client.chat.completions.stream({ ...ask, ...fields, stream_options: { include_usage: true } });
      const streamed = await stream.finalChatCompletion();
      const said = ({ choices }: OpenAI.Chat.ChatCompletion) =>
        choices.map(({ message, finish_reason }) => ({
          content: message.content || null,
          refusal: message.refusal || null,
          calls: (message.tool_calls ?? []).map((one) => [
            one.id,
            one.type === 'custom' ? one.custom : one.function.arguments,
          ]),
          finish_reason,
        }));
      expect(said(streamed)).toEqual(said(whole));
      expect(streamed.usage?.total_tokens).toBe(15);
      expect([whole.id, streamed.id, streamed.model]).toEqual(['msg_1', 'msg_1', 'served']);
    });
  }

  test('runs a tool and gives back what the next turn needs', async () => {
    reply = answer([{ ...call('c1', 'f', '{"q":1}'), signature: { protocol: 'gemini', value: 'SIG' } }]);
    const stream = client.chat.completions.stream({ ...ask, tools: [tool('f')] });
    const message = await stream.finalMessage();
    const { request } = decoded({ messages: [message, { role: 'tool', tool_call_id: 'c1', content: 'ok' }] });
    expect(request.turns[0]?.parts).toMatchObject([{ id: 'c1', signature: { protocol: 'gemini', value: 'SIG' } }]);
  });

  test('parses an answer in a schema', async () => {
    reply = answer([text('{"a":1}')]);
    const stream = client.chat.completions.stream({
      ...ask,
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
    });
    expect((await stream.finalMessage()).content).toBe('{"a":1}');
  });
});
