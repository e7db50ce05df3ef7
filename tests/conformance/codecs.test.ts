// One suite for every codec in the registry: what is said in neutral words is still said after a way through its format.
import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Codec, ProtocolId } from '../../src/protocols/codec.ts';
import { codecs } from '../../src/protocols/index.ts';
import type { ChatEvent, ChatReply, ChatRequest } from '../../src/protocols/ir.ts';
import { replyEvents } from '../../src/protocols/reply-events.ts';
import { SseFramer } from '../../src/transport/sse.ts';
import { answers, told } from './answers.ts';
import { neutralFaultsOf } from './neutral-order.ts';
import {
  built,
  bytesOf,
  heard,
  heardWhole,
  plainRequest,
  plainTrace,
  read,
  replyContext,
  streamAndBack,
  wholeAndBack,
  write,
  writtenStream,
} from './protocol-lane.ts';
import { call, chancesOf, heardOf, likelyText, replyAspects, replyOf } from './reply-aspects.ts';
import { replySkips } from './reply-skips.ts';
import { aspects } from './request-aspects.ts';
import { requestSkips } from './request-skips.ts';
import { requestFaultsOf } from './strict-requests.ts';
import { faultsOf } from './strict-streams.ts';
import { wildRequests } from './wild-requests.ts';

const FIXTURES = join(import.meta.dir, '..', 'fixtures');
// What differed is of more use than how often.
fc.configureGlobal({ includeErrorInReport: true });

const RUNS = { numRuns: 25 };

describe.each(codecs.map((codec) => [codec.id, codec] as const))('a request in %s', (id, codec) => {
  const skips = requestSkips[id];

  for (const aspect of aspects) {
    const skip = skips[aspect.name];
    const claim = !skip ? 'carries' : 'lost' in skip ? 'warns of the loss of' : 'says in other words';
    test(`${claim} ${aspect.name}${skip ? ` (${skip.reason})` : ''}`, () => {
      fc.assert(
        fc.property(aspect.arbitrary(id), (change) => {
          const request = { ...plainRequest, ...change };
          const written = write(codec, request);
          const again = read(codec, written.value.body);
          const warnings = [...written.warnings, ...again.warnings];
          const before = aspect.view(request);
          const after = aspect.view(again.value);
          if (!skip) {
            expect(after).toEqual(before);
            // Nothing else is told either, but for content that stands at another place.
            expect(warnings.filter((warning) => !/ moved into /.test(warning))).toEqual([]);
          } else if ('lost' in skip) {
            expect(warnings.some((warning) => skip.lost.test(warning))).toBe(true);
            // Whoever could carry it after all does not belong in the table.
            expect(after).not.toEqual(before);
          } else {
            expect(after).toEqual(skip.becomes(request));
            expect(warnings).toEqual([]);
          }
        }),
        RUNS,
      );
    });
  }

  test('skips nothing that nobody asks for', () => {
    const known = new Set(aspects.map(({ name }) => name));
    expect(Object.keys(skips).filter((name) => !known.has(name))).toEqual([]);
  });
});

describe.each(codecs.map((codec) => [codec.id, codec] as const))('whatever a client asks, %s', (id, codec) => {
  test('is sent what its strictest server takes, and reads it again', () => {
    fc.assert(
      fc.property(wildRequests, (request) => {
        const { body } = write(codec, request).value;
        expect(requestFaultsOf(id, body)).toEqual([]);
        read(codec, body);
      }),
      { numRuns: 150 },
    );
  });
});

/** What every protocol carries. */
const CORE = new Set([
  'instructions',
  'a conversation',
  'an image',
  'functions',
  'calls',
  'results',
  'maxOutputTokens',
]);
const pairs = codecs.flatMap((from) => codecs.map((to) => [from.id, to.id, from, to] as const));

describe.each(pairs)('from %s to %s', (_, toId, from, to) => {
  test('a request keeps what it says', () => {
    for (const aspect of aspects.filter(({ name }) => CORE.has(name))) {
      fc.assert(
        fc.property(aspect.arbitrary(from.id), (change) => {
          const asked = read(from, write(from, { ...plainRequest, ...change }).value.body).value;
          const { body } = write(to, asked).value;
          expect(requestFaultsOf(toId, body)).toEqual([]);
          expect([aspect.name, aspect.view(read(to, body).value)]).toEqual([
            aspect.name,
            aspect.view({ ...plainRequest, ...change }),
          ]);
        }),
        { numRuns: 8 },
      );
    }
  });

  test('a request of any shape becomes one that the strictest server takes', () => {
    fc.assert(
      fc.property(wildRequests, (request) => {
        const asked = read(from, write(from, request).value.body).value;
        expect(requestFaultsOf(toId, write(to, asked).value.body)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  // The answer goes the other way: what `to` says is told to a client of `from`.
  test('an answer says the same, whole and as a stream, and the stream keeps every rule', () => {
    fc.assert(
      fc.property(
        answers.chain((reply) => fc.tuple(fc.constant(reply), told(reply))),
        ([reply, events]) => {
          const context = replyContext({ request: { ...plainRequest, ...shown(from.id) } });
          const whole = to.decodeReply(to.encodeReply(reply, replyContext()).value, plainTrace);
          const again = wholeAndBack(from, whole, context).reply;
          expect(heardOf(again)).toEqual(heardOf(reply));
          expect(countsOf(again)).toEqual(countsOf(reply));

          const heardOnce = heardWhole(to, writtenStream(to, events));
          const stream = writtenStream(from, heardOnce, context);
          expect(faultsOf(from.id, stream)).toEqual([]);
          const streamed = built(heardWhole(from, stream));
          expect(heardOf(streamed)).toEqual(heardOf(reply));
          expect(countsOf(streamed)).toEqual(countsOf(reply));
        },
      ),
      { numRuns: 30 },
    );
  });
});

const withLogprobs = pairs.filter(([from, to]) => !replySkips[from].logprobs && !replySkips[to].logprobs);
test.each(withLogprobs)(
  'from %s to %s, each token keeps how likely it was, whole and as a stream',
  (_, __, from, to) => {
    fc.assert(
      fc.property(fc.array(likelyText, { minLength: 1, maxLength: 2 }), fc.boolean(), (parts, isCut) => {
        const reply = replyOf(parts);
        const whole = to.decodeReply(to.encodeReply(reply, replyContext()).value, plainTrace);
        const again = wholeAndBack(from, whole, replyContext());
        expect(chancesOf(again.reply)).toEqual(chancesOf(reply));
        expect(again.warnings).toEqual([]);

        const events = isCut ? [...replyEvents(reply)].flatMap(byToken) : replyEvents(reply);
        const stream = writtenStream(from, heardWhole(to, writtenStream(to, events)));
        expect(faultsOf(from.id, stream)).toEqual([]);
        const streamed = built(heardWhole(from, stream));
        expect(heardOf(streamed)).toEqual(heardOf(reply));
        expect(chancesOf(streamed)).toEqual(chancesOf(reply));
      }),
      { numRuns: 30 },
    );
  },
);

/** As vendors stream them: a chunk for each token. Half a character is a token without words. */
const byToken = (event: ChatEvent): readonly ChatEvent[] =>
  event.type === 'text-delta' && event.logprobs
    ? event.logprobs.flatMap((one) => [
        { ...event, text: '', logprobs: [one] },
        { ...event, text: one.token, logprobs: [] },
      ])
    : [event];

describe.each(codecs.map((codec) => [codec.id, codec] as const))('an answer in %s', (id, codec) => {
  const skips = replySkips[id];
  for (const aspect of replyAspects) {
    const skip = skips[aspect.name];
    const claim = !skip ? 'carries' : 'lost' in skip ? 'warns of the loss of' : 'says in other words';
    test(`${claim} ${aspect.name}${skip ? ` (${skip.reason})` : ''}, whole and as a stream`, () => {
      fc.assert(
        fc.property(aspect.arbitrary(id), (reply) => {
          const context = replyContext({ request: { ...plainRequest, ...aspect.asked?.(reply, id) } });
          const whole = wholeAndBack(codec, reply, context);
          const { stream, warnings, reply: streamed } = streamAndBack(codec, replyEvents(reply), context);
          expect(faultsOf(id, stream)).toEqual([]);
          expect(warnings).toEqual(whole.warnings);
          expect(aspect.view(streamed)).toEqual(aspect.view(whole.reply));
          if (skip && 'lost' in skip) {
            expect(whole.warnings.some((warning) => skip.lost.test(warning))).toBe(true);
            expect(aspect.view(whole.reply)).not.toEqual(aspect.view(reply));
          } else {
            expect(aspect.view(whole.reply)).toEqual(skip ? skip.becomes(reply) : aspect.view(reply));
            expect(whole.warnings).toEqual([]);
          }
        }),
        RUNS,
      );
    });
  }

  test('skips nothing that nobody says', () => {
    const known = new Set(replyAspects.map(({ name }) => name));
    expect(Object.keys(skips).filter((name) => !known.has(name))).toEqual([]);
  });

  test('is the same stream however it is cut', () => {
    fc.assert(
      fc.property(
        answers.chain((reply) => fc.tuple(told(reply), fc.array(fc.nat(), { maxLength: 20 }))),
        ([events, cuts]) => {
          const bytes = bytesOf(writtenStream(codec, events));
          const whole = heard(codec, [bytes]);
          expect(heard(codec, singly(bytes))).toEqual(whole);
          expect(heard(codec, cutAt(bytes, cuts))).toEqual(whole);
        },
      ),
      { numRuns: 15 },
    );
  });
});

const fixtures = codecs.flatMap((codec) =>
  readdirSync(join(FIXTURES, codec.id))
    .filter((file) => file.endsWith('.chunks.txt'))
    .map((file) => [codec.id, file.replace('.chunks.txt', ''), codec] as const),
);

describe.each(fixtures)('the recorded stream %s/%s', (id, name, codec) => {
  const bytes = readFileSync(join(FIXTURES, id, `${name}.chunks.txt`));
  const file = join(FIXTURES, id, `${name}.json`);

  if (!isAnswer(codec, bytes)) {
    test('is known for no answer, however it is cut', () => {
      const { length } = bytes;
      for (let at = 0; at <= length; at += 7) expect(isAnswer(codec, bytes.subarray(0, at))).toBe(false);
      expect(() => heard(codec, singly(bytes))).toThrow();
    });
    return;
  }

  test('is heard the same, cut at any byte', () => {
    const whole = heard(codec, [bytes]);
    expect(neutralFaultsOf(whole)).toEqual([]);
    expect(heard(codec, singly(bytes))).toEqual(whole);
    for (let at = 1; at < bytes.length; at += 13) {
      expect(heard(codec, [bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
    }
  });

  // NVIDIA says with every chunk that it has stopped, so that nobody can tell when it has not.
  test.skipIf(name === 'nvidia-early-finish')('is no answer before its end', () => {
    const ends = [...bytes.keys()].filter((at) => bytes[at] === 10 && bytes[at + 1] === 10);
    const isWhole = ends.map((at) => isAnswer(codec, bytes.subarray(0, at + 2)));
    // Once it is whole it stays so.
    expect(isWhole).toEqual([...isWhole].sort((one, other) => Number(one) - Number(other)));
    expect(isWhole[0]).toBe(isWhole.length === 1);
  });

  test.each(codecs.map((to) => [to.id, to] as const))('is told in %s by every rule', (toId, to) => {
    const events = heard(codec, [bytes]);
    const context = replyContext({ request: { ...plainRequest, ...shown(toId) } });
    const stream = writtenStream(to, events, context);
    expect(faultsOf(toId, stream)).toEqual([]);
    const [first] = heardOf(built(events));
    const [again] = heardOf(built(heardWhole(to, stream)));
    expect(again).toEqual(first);
    const whole = wholeAndBack(to, built(events), context).reply;
    expect(heardOf(whole)[0]).toEqual(first);
  });

  if (existsSync(file)) {
    test('says what its whole reply says', () => {
      const reply = codec.decodeReply(JSON.parse(readFileSync(file, 'utf8')), plainTrace);
      const streamed = built(heard(codec, [bytes]));
      expect(heardOf(streamed)).toEqual(heardOf(reply));
      expect(countsOf(streamed)).toEqual(countsOf(reply));
      expect(streamed.choices.map(({ parts }) => parts.map(({ type }) => type))).toEqual(
        reply.choices.map(({ parts }) => parts.map(({ type }) => type)),
      );
    });
  }
});

const wrongRequests: readonly (readonly [ProtocolId, string, object])[] = [
  ['openai-chat', 'nothing at all', { model: 'm', messages: [] }],
  [
    'openai-chat',
    'a result without a call',
    { model: 'm', messages: [{ role: 'tool', tool_call_id: 'c', content: 'r' }] },
  ],
  [
    'openai-chat',
    'a choice among no tools',
    { model: 'm', messages: [{ role: 'user', content: 'a' }], tool_choice: 'auto' },
  ],
  ['openai-responses', 'no input', { model: 'm', input: [] }],
  [
    'openai-responses',
    'a call without a result',
    { model: 'm', input: [{ type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }] },
  ],
  ['anthropic-messages', 'no limit', { model: 'm', messages: [{ role: 'user', content: 'a' }] }],
  [
    'anthropic-messages',
    'an assistant in front',
    { model: 'm', max_tokens: 9, messages: [{ role: 'assistant', content: 'a' }] },
  ],
  [
    'anthropic-messages',
    'a budget above the limit',
    {
      model: 'm',
      max_tokens: 2000,
      thinking: { type: 'enabled', budget_tokens: 2000 },
      messages: [{ role: 'user', content: 'a' }],
    },
  ],
  [
    'anthropic-messages',
    'an empty text',
    { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: [{ type: 'text', text: ' ' }] }] },
  ],
  ['gemini', 'a model in front', { contents: [{ role: 'model', parts: [{ text: 'a' }] }] }],
  [
    'gemini',
    'a word that no schema has',
    {
      contents: [{ role: 'user', parts: [{ text: 'a' }] }],
      tools: [{ functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT', additionalProperties: false } }] }],
    },
  ],
  [
    'gemini',
    'two ways to think',
    {
      contents: [{ role: 'user', parts: [{ text: 'a' }] }],
      generationConfig: { thinkingConfig: { thinkingLevel: 'LOW', thinkingBudget: 1 } },
    },
  ],
];
test.each(wrongRequests)('the rules for %s notice %s', (id, _, body) => {
  expect(requestFaultsOf(id, { ...body })).not.toEqual([]);
});

// Rules that notice nothing prove nothing: every frame that a strict client needs is missed when it is gone.
test.each(codecs.map((codec) => [codec.id, codec] as const))(
  'the rules for %s notice each missing frame',
  (id, codec) => {
    const parts = [
      { type: 'reasoning', text: 'hm', signature: null },
      { type: 'text', text: 'one' },
      call('call_1', 'f', '{"q":1}'),
      call('call_2', 'g', '{}'),
    ] as const;
    const stream = writtenStream(
      codec,
      replyEvents(replyOf(parts)),
      replyContext({ request: { ...plainRequest, ...shown(id) } }),
    );
    const frames = stream.split('\n\n').slice(0, -1);
    const unnoticed = frames.filter(
      (_, at) => faultsOf(id, `${frames.toSpliced(at, 1).join('\n\n')}\n\n`).length === 0,
    );
    // A piece of content that is gone is another answer, and no wrong one.
    expect(unnoticed.filter((frame) => !PIECES[id].test(frame))).toEqual([]);
    expect(frames.length).toBeGreaterThan(4);
  },
);

const PIECES: Readonly<Record<ProtocolId, RegExp>> = {
  'openai-chat': /"(content|reasoning_content|arguments)":"[^"]|"usage":\{/,
  'openai-responses': /^$/,
  'anthropic-messages': /"(text|thinking|signature|input_json)_delta"/,
  gemini: /"parts":\[\{/,
};

/** A client that wants to see all there is. */
function shown(of: ProtocolId): Partial<ChatRequest> {
  return {
    reasoning: { amount: { kind: 'level', level: 'high' }, isShown: true },
    foreign: { protocol: of, fields: {}, original: { include: ['reasoning.encrypted_content'] } },
  };
}

const countsOf = ({ usage }: ChatReply) => usage && [usage.inputTokens, usage.cachedTokens ?? 0, usage.outputTokens];

const singly = (bytes: Uint8Array) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));

function cutAt(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].sort(
    (one, other) => one - other,
  );
  return places.slice(1).map((end, at) => bytes.subarray(places[at], end));
}

/** The same question that the relay asks: did a whole answer arrive? */
function isAnswer(codec: Codec, bytes: Uint8Array): boolean {
  const framer = new SseFramer();
  const reader = codec.streamReader();
  for (const frame of framer.push(bytes)) if (reader.push(frame).error !== undefined) return false;
  return reader.end().state === 'complete';
}
