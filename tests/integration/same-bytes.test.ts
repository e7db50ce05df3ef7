// Where client and vendor speak the same protocol, the bytes that come are the bytes that go, both ways: whatever their
// white space, the order of their keys, fields that nobody knows, escapes, comments and the cuts between packets.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { ProtocolId } from '../../src/protocols/codec.ts';
import { clientKey, type Rotator, startRotator } from '../support/server.ts';

const protocols: readonly ProtocolId[] = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'];

// --- JSON as people and libraries write it ----------------------------------------------------------------------------

const space = fc.constantFrom('', '', ' ', '\n', '\t', '  ', '\r\n');
const string = fc
  .array(
    fc.constantFrom('a', 'é', '😀', '\\u00e9', '\\uD83D\\uDE00', '\\n', '\\"', '\\\\', '\\/', '/', '{', ']', 'data: '),
    {
      maxLength: 6,
    },
  )
  .map((pieces) => `"${pieces.join('')}"`);
const scalar = fc.oneof(string, fc.constantFrom('1', '1.0', '1E5', '-0', '12345678901234567890', 'true', 'null'));
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'json' },
    scalar,
    fc
      .tuple(space, fc.array(tie('value'), { maxLength: 3 }))
      .map(([gap, all]) => `[${gap}${all.join(`${gap},`)}${gap}]`),
    fc
      .tuple(space, fc.array(fc.tuple(string, tie('value')), { maxLength: 3 }))
      .map(([gap, all]) => `{${gap}${all.map(([key, one]) => `${key}${gap}:${one}`).join(`,${gap}`)}}`),
  ),
}));

/** An object with these members and some that nobody knows, in any order. */
const objectWith = (members: readonly string[]): fc.Arbitrary<string> =>
  fc.tuple(fc.array(value, { maxLength: 3 }), space, space).chain(([extra, one, other]) =>
    fc
      .shuffledSubarray([...members, ...extra.map((text, at) => `"x_unknown_${at}"${one}:${other}${text}`)], {
        minLength: members.length + extra.length,
      })
      .map((all) => `${other}{${one}${all.join(`${other},${one}`)}${other}}${one}`),
  );

// --- what each protocol says ------------------------------------------------------------------------------------------

type Speech = {
  readonly path: (isStream: boolean) => string;
  readonly request: (isStream: boolean) => readonly string[];
  readonly hasModel: boolean;
  readonly reply: readonly string[];
  /** Members of each frame's object, the event's name first where it has one; a text: the frame's data as it is. */
  readonly frames: readonly (readonly [event: string | null, members: readonly string[] | string])[];
};

const speech: Readonly<Record<ProtocolId, Speech>> = {
  'openai-chat': {
    path: () => '/v1/chat/completions',
    hasModel: true,
    request: (isStream) => [
      '"messages":[{"role":"user","content":"h\\u00e9"}]',
      ...(isStream ? ['"stream":true', '"stream_options":{"include_usage":true}'] : []),
    ],
    reply: [
      '"id":"c"',
      '"choices":[{"index":0,"message":{"role":"assistant","content":"h\\u00e9"},"finish_reason":"stop"}]',
      '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}',
    ],
    frames: [
      [null, ['"id":"c"', '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]']],
      [null, ['"id":"c"', '"choices":[{"index":0,"delta":{"content":"h\\u00e9"},"finish_reason":null}]']],
      [null, ['"id":"c"', '"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]']],
      [null, ['"id":"c"', '"choices":[]', '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}']],
      [null, '[DONE]'],
    ],
  },
  'openai-responses': {
    path: () => '/v1/responses',
    hasModel: true,
    request: (isStream) => ['"input":"h\\u00e9"', ...(isStream ? ['"stream":true'] : [])],
    reply: ['"id":"resp_1"', '"object":"response"', '"status":"completed"', '"output":[]', '"usage":null'],
    frames: [
      [
        'response.created',
        ['"type":"response.created"', '"sequence_number":0', '"response":{"id":"resp_1","output":[]}'],
      ],
      [
        'response.output_text.delta',
        [
          '"type":"response.output_text.delta"',
          '"sequence_number":1',
          '"item_id":"m"',
          '"output_index":0',
          '"content_index":0',
          '"delta":"h\\u00e9"',
        ],
      ],
      ['response.new_event', ['"type":"response.new_event"', '"sequence_number":2']],
      [
        'response.completed',
        [
          '"type":"response.completed"',
          '"sequence_number":3',
          '"response":{"id":"resp_1","status":"completed","output":[]}',
        ],
      ],
    ],
  },
  'anthropic-messages': {
    path: () => '/v1/messages',
    hasModel: true,
    request: (isStream) => [
      '"messages":[{"role":"user","content":"h\\u00e9"}]',
      '"max_tokens":9',
      ...(isStream ? ['"stream":true'] : []),
    ],
    reply: [
      '"id":"msg_1"',
      '"type":"message"',
      '"role":"assistant"',
      '"content":[{"type":"text","text":"h\\u00e9"}]',
      '"stop_reason":"end_turn"',
      '"usage":{"input_tokens":1,"output_tokens":1}',
    ],
    frames: [
      [
        'message_start',
        ['"type":"message_start"', '"message":{"id":"m","usage":{"input_tokens":1,"output_tokens":1}}'],
      ],
      [
        'content_block_start',
        ['"type":"content_block_start"', '"index":0', '"content_block":{"type":"text","text":""}'],
      ],
      ['ping', ['"type":"ping"']],
      [
        'content_block_delta',
        ['"type":"content_block_delta"', '"index":0', '"delta":{"type":"text_delta","text":"h\\u00e9"}'],
      ],
      ['content_block_stop', ['"type":"content_block_stop"', '"index":0']],
      ['new_event', ['"type":"new_event"']],
      [
        'message_delta',
        ['"type":"message_delta"', '"delta":{"stop_reason":"end_turn"}', '"usage":{"output_tokens":2}'],
      ],
      ['message_stop', ['"type":"message_stop"']],
    ],
  },
  gemini: {
    path: (isStream) => `/v1beta/models/v-gemini/up:${isStream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    hasModel: false,
    request: () => ['"contents":[{"role":"user","parts":[{"text":"h\\u00e9"}]}]'],
    reply: ['"candidates":[{"content":{"parts":[{"text":"h\\u00e9"}],"role":"model"},"finishReason":"STOP"}]'],
    frames: [
      [null, ['"candidates":[{"content":{"parts":[{"text":"h\\u00e9"}],"role":"model"}}]']],
      [null, ['"candidates":[{"content":{"parts":[{"text":"!"}],"role":"model"},"finishReason":"STOP"}]']],
    ],
  },
};

// --- the way there and back -------------------------------------------------------------------------------------------

let rotator: Rotator;
const upstream = {
  received: new Uint8Array() as Uint8Array,
  type: 'application/json',
  pieces: [] as readonly Uint8Array[],
};
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  async fetch(request) {
    if (request.method === 'GET') return Response.json({ data: [] });
    upstream.received = await request.bytes();
    const { pieces, type } = upstream;
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        for (const piece of pieces) {
          controller.enqueue(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        controller.close();
      },
    });
    return new Response(body, { headers: { 'content-type': type } });
  },
});

beforeAll(async () => {
  rotator = await startRotator({
    providers: Object.fromEntries(
      protocols.map((protocol) => [
        `v-${protocol}`,
        { base_url: `http://127.0.0.1:${server.port}/v1`, protocol, keys: ['key'] },
      ]),
    ),
  });
});
afterAll(async () => {
  await rotator.stop();
  await server.stop(true);
});

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function sent(protocol: ProtocolId, isStream: boolean, body: string): Promise<string> {
  const response = await fetch(`${rotator.url}${speech[protocol].path(isStream)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
    body,
  });
  const text = decoder.decode(await response.bytes());
  expect([response.status, response.status === 200 ? '' : text]).toEqual([200, '']);
  // What must be changed is named.
  expect(response.headers.get('x-rotator-warnings')).toBeNull();
  return text;
}

function cutAt(text: string, cuts: readonly number[]): readonly Uint8Array[] {
  const bytes = encoder.encode(text);
  const places = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].sort(
    (one, two) => one - two,
  );
  return places.slice(1).map((end, at) => bytes.subarray(places[at], end));
}

const cuts = fc.array(fc.nat(), { maxLength: 8 });
const MODEL = '"model":"\\u0001"';
const named = (body: string, model: string) => body.replace(MODEL, `"model":${JSON.stringify(model)}`);

describe.each(protocols.map((protocol) => [protocol] as const))('%s', (protocol) => {
  const { request, reply, frames, hasModel } = speech[protocol];
  const requests = (isStream: boolean) => objectWith([...(hasModel ? [MODEL] : []), ...request(isStream)]);

  test('a request and its whole answer go as they come, but for the model’s name', async () => {
    await fc.assert(
      fc.asyncProperty(requests(false), objectWith(reply), cuts, async (asked, answer, places) => {
        upstream.type = 'application/json';
        upstream.pieces = cutAt(answer, places);
        expect(await sent(protocol, false, named(asked, `v-${protocol}/up`))).toBe(answer);
        expect(decoder.decode(upstream.received)).toBe(named(asked, 'up'));
      }),
      { numRuns: 25 },
    );
  });

  /** Frames with any line ends and comments between them. */
  const stream = fc
    .tuple(
      fc.tuple(
        ...frames.map(([, members]) => (typeof members === 'string' ? fc.constant(members) : objectWith(members))),
      ),
      fc.constantFrom('\n', '\r\n'),
      fc.constantFrom(' ', ''),
      fc.array(fc.boolean(), { minLength: frames.length, maxLength: frames.length }),
    )
    .map(([all, end, gap, comments]) =>
      all
        .map((data, at) => {
          const event = frames[at]?.[0] ?? null;
          // A line break inside of the data is a line of its own, which means the same.
          const lines = data.split(/\r\n|\n/).map((line) => `data:${gap}${line}${end}`);
          const head = event === null ? '' : `event:${gap}${event}${end}`;
          return `${comments[at] ? `: keep-alive${end}${end}` : ''}${head}${lines.join('')}${end}`;
        })
        .join(''),
    );

  test('a streamed request and its answer go as they come, whatever the line ends and however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(requests(true), stream, cuts, async (asked, answer, places) => {
        upstream.type = 'text/event-stream';
        upstream.pieces = cutAt(answer, places);
        expect(await sent(protocol, true, named(asked, `v-${protocol}/up`))).toBe(answer);
        expect(decoder.decode(upstream.received)).toBe(named(asked, 'up'));
      }),
      { numRuns: 25 },
    );
  });
});
