import fc from 'fast-check';
import type { ProtocolId } from '../../src/protocols/codec.ts';
import type {
  AssistantPart,
  ChatReply,
  ChatRequest,
  Choice,
  FinishReason,
  TextPart,
  TokenChance,
  ToolCallPart,
  Usage,
} from '../../src/protocols/ir.ts';
import { ids, jsonText, names, otherThan, parsed, signatureOf, words } from './request-aspects.ts';

/** What an answer can say, one aspect at a time; as in `request-aspects.ts`. */
export type ReplyAspect = {
  readonly name: string;
  readonly arbitrary: (of: ProtocolId) => fc.Arbitrary<ChatReply>;
  /** What the client had asked for to get it. */
  readonly asked?: (reply: ChatReply, of: ProtocolId) => Partial<ChatRequest>;
  readonly view: (reply: ChatReply) => unknown;
};

export const noUsage: Usage = {
  inputTokens: null,
  outputTokens: null,
  cachedTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
  audioInputTokens: null,
  audioOutputTokens: null,
  costUsd: null,
};

const finishOf = (parts: readonly AssistantPart[]): FinishReason => ({
  unified: parts.some(({ type }) => type === 'tool-call') ? 'tool-calls' : 'stop',
  raw: null,
});

export const replyOf = (parts: readonly AssistantPart[], more: Partial<ChatReply> = {}): ChatReply => ({
  id: 'r1',
  model: 'served',
  created: 1_760_000_000,
  choices: [{ parts, finish: finishOf(parts) }],
  usage: { ...noUsage, inputTokens: 9, outputTokens: 5 },
  ...more,
});

export const call = (id: string, name: string, args: string): ToolCallPart => ({
  type: 'tool-call',
  id,
  name,
  arguments: args,
  kind: 'function',
});

// --- views ---------------------------------------------------------------------------------------------------------

const said = (parts: Choice['parts'], ...types: readonly string[]) =>
  parts.map((part) => ('text' in part && types.includes(part.type) ? part.text : '')).join('');

/** What everybody must hear: the words, the thoughts, the calls, why it ended. */
export const heardOf = ({ choices }: ChatReply) =>
  choices.map(({ parts, finish }) => ({
    text: said(parts, 'text', 'refusal'),
    calls: callsOf(parts),
    finish: finish.unified,
  }));

/** The free text of a custom tool is a field to those who have only functions. */
const callsOf = (parts: Choice['parts']) =>
  parts.flatMap((part) => {
    if (part.type !== 'tool-call') return [];
    const { id, name, kind } = part;
    return [{ id, name, arguments: kind === 'custom' ? { input: part.arguments } : parsed(part.arguments || '{}') }];
  });

const partsOf = (reply: ChatReply, ...types: readonly string[]) =>
  reply.choices.flatMap(({ parts }) => parts.filter(({ type }) => types.includes(type)));

// --- answers -------------------------------------------------------------------------------------------------------

const ofParts = (arbitrary: (of: ProtocolId) => fc.Arbitrary<readonly AssistantPart[]>) => (of: ProtocolId) =>
  arbitrary(of).map((parts) => replyOf(parts));
const text = (value: string) => ({ type: 'text', text: value }) as const;

const logprob = fc.integer({ min: -90, max: -1 }).map((tenths) => tenths / 10);
const chance: fc.Arbitrary<TokenChance> = fc
  .record({ token: words, logprob })
  .map((one) => ({ ...one, bytes: [...Buffer.from(one.token)] }));

export const calls = fc
  .uniqueArray(fc.record({ id: ids, name: names, args: jsonText }), {
    minLength: 1,
    maxLength: 3,
    selector: ({ id }) => id,
  })
  .map((all) => all.map(({ id, name, args }) => call(id, name, args)));

/** A text, and how likely each of its tokens was. Not all tokens are whole characters. */
export const likelyText: fc.Arbitrary<TextPart> = fc
  .array(fc.record({ token: words, logprob, top: fc.array(chance, { maxLength: 2 }) }), { minLength: 1, maxLength: 3 })
  .map((tokens) => ({
    ...text(tokens.map(({ token }) => token).join('')),
    logprobs: tokens.map(({ token, logprob, top }) => ({ token, logprob, bytes: [...Buffer.from(token), 0xf0], top })),
  }));

export const logprobsOf = (reply: ChatReply) =>
  partsOf(reply, 'text').flatMap((part) => (part.type === 'text' && part.logprobs) || []);

export const chancesOf = (reply: ChatReply) =>
  logprobsOf(reply).map(({ top, ...one }) => [chanceOf(one), top.map(chanceOf)]);

const chanceOf = ({ token, logprob }: TokenChance) => [token, logprob];

const counts =
  (fields: readonly (keyof Usage)[]): ReplyAspect['arbitrary'] =>
  () =>
    fc.tuple(...fields.map(() => fc.integer({ min: 1, max: 50 }))).map((numbers) =>
      replyOf([text('a')], {
        usage: {
          ...noUsage,
          inputTokens: 1000,
          outputTokens: 500,
          ...Object.fromEntries(fields.map((field, at) => [field, numbers[at]])),
        },
      }),
    );

const shown: ReplyAspect['asked'] = (_, of) => ({
  reasoning: { amount: { kind: 'level', level: 'high' }, isShown: true },
  // Responses gives what is encrypted to those who ask for it.
  ...(of === 'openai-responses' && {
    foreign: { protocol: of, fields: {}, original: { include: ['reasoning.encrypted_content'] } },
  }),
});

export const replyAspects: readonly ReplyAspect[] = [
  {
    name: 'text',
    arbitrary: ofParts(() => fc.array(words, { maxLength: 3 }).map((all) => all.map(text))),
    view: heardOf,
  },
  {
    name: 'logprobs',
    arbitrary: ofParts(() => fc.array(likelyText, { minLength: 1, maxLength: 2 })),
    view: (reply) => [heardOf(reply), chancesOf(reply)],
  },
  {
    name: 'the bytes of tokens',
    arbitrary: ofParts(() => likelyText.map((one) => [one])),
    view: (reply) => logprobsOf(reply).map(({ bytes, top }) => [bytes, top.map((one) => one.bytes)]),
  },
  { name: 'calls', arbitrary: ofParts(() => calls), view: heardOf },
  {
    name: 'text and calls',
    arbitrary: ofParts(() => fc.tuple(words, calls).map(([one, all]) => [text(one), ...all])),
    view: heardOf,
  },
  {
    name: 'custom calls',
    arbitrary: ofParts(() =>
      fc.tuple(ids, names, words).map(([id, name, input]) => [{ ...call(id, name, input), kind: 'custom' as const }]),
    ),
    asked: ({ choices }) => ({
      tools: choices.flatMap(({ parts }) =>
        parts.flatMap((part) =>
          part.type === 'tool-call'
            ? [{ type: 'custom' as const, name: part.name, description: null, format: null }]
            : [],
        ),
      ),
    }),
    view: (reply) =>
      partsOf(reply, 'tool-call').map((part) => (part.type === 'tool-call' ? [part.kind, part.arguments] : null)),
  },
  {
    name: 'thoughts',
    arbitrary: ofParts(() =>
      fc
        .tuple(words, words)
        .map(([thought, one]) => [{ type: 'reasoning' as const, text: thought, signature: null }, text(one)]),
    ),
    asked: shown,
    view: (reply) => said(partsOf(reply, 'reasoning'), 'reasoning'),
  },
  {
    name: 'signed thoughts',
    arbitrary: ofParts((of) =>
      fc
        .tuple(words, ids, words)
        .map(([thought, value, one]) => [
          { type: 'reasoning' as const, text: thought, signature: signatureOf(of, value, thought) },
          text(one),
        ]),
    ),
    asked: shown,
    view: (reply) =>
      partsOf(reply, 'reasoning').map((part) =>
        part.type === 'reasoning' ? [part.text, part.signature?.value] : null,
      ),
  },
  {
    name: 'hidden thoughts',
    arbitrary: ofParts((of) =>
      fc
        .tuple(ids, words)
        .map(([value, one]) => [{ type: 'redacted-reasoning' as const, signature: signatureOf(of, value) }, text(one)]),
    ),
    asked: shown,
    view: (reply) =>
      partsOf(reply, 'reasoning', 'redacted-reasoning').map((part) =>
        'signature' in part ? part.signature?.value : null,
      ),
  },
  {
    name: 'a signed call',
    arbitrary: ofParts(() =>
      fc
        .tuple(calls, ids)
        .map(([[first, ...rest], value]) => [
          ...(first ? [{ ...first, signature: signatureOf('gemini', value) }] : []),
          ...rest,
        ]),
    ),
    view: (reply) =>
      partsOf(reply, 'tool-call').map((part) => (part.type === 'tool-call' ? part.signature?.value : null)),
  },
  {
    name: 'a refusal',
    arbitrary: ofParts(() => words.map((one) => [{ type: 'refusal' as const, text: one }])),
    view: (reply) => said(partsOf(reply, 'refusal'), 'refusal'),
  },
  {
    name: 'an image',
    arbitrary: ofParts(() =>
      ids.map((id) => [
        text('see'),
        {
          type: 'image' as const,
          source: { kind: 'data' as const, mediaType: 'image/png', data: Buffer.from(id).toString('base64') },
        },
      ]),
    ),
    view: (reply) => partsOf(reply, 'image').map((part) => ('source' in part ? part.source : null)),
  },
  {
    name: 'citations',
    arbitrary: ofParts(() =>
      fc.tuple(ids, names).map(([id, title]) => [
        {
          ...text('It rains.'),
          citations: [{ url: `https://x.example/${id}`, title, citedText: null, range: { start: 0, end: 9 } }],
        },
      ]),
    ),
    view: (reply) =>
      partsOf(reply, 'text').flatMap((part) =>
        part.type === 'text' ? (part.citations ?? []).map(({ url, title }) => [url, title]) : [],
      ),
  },
  ...(['stop', 'length', 'content-filter'] as const).map(
    (unified): ReplyAspect => ({
      name: `the end for ${unified}`,
      arbitrary: () =>
        words.map((one) => replyOf([text(one)], { choices: [{ parts: [text(one)], finish: { unified, raw: null } }] })),
      view: ({ choices }) => choices.map(({ finish }) => finish.unified),
    }),
  ),
  {
    name: 'the stop sequence',
    arbitrary: () =>
      words.map((stopSequence) =>
        replyOf([], { choices: [{ parts: [text('a')], finish: { unified: 'stop', raw: null, stopSequence } }] }),
      ),
    view: ({ choices }) => choices.map(({ finish }) => finish.stopSequence ?? null),
  },
  { name: 'usage', arbitrary: counts([]), view: ({ usage }) => [usage?.inputTokens, usage?.outputTokens] },
  ...(['cachedTokens', 'cacheWriteTokens', 'reasoningTokens', 'audioInputTokens', 'audioOutputTokens'] as const).map(
    (field): ReplyAspect => ({
      name: `usage: ${field}`,
      arbitrary: counts([field]),
      view: ({ usage }) => [usage?.inputTokens, usage?.outputTokens, usage?.[field]],
    }),
  ),
  {
    name: 'several answers',
    arbitrary: () =>
      fc
        .array(words, { minLength: 2, maxLength: 3 })
        .map((all) =>
          replyOf([], { choices: all.map((one) => ({ parts: [text(one)], finish: { unified: 'stop', raw: null } })) }),
        ),
    asked: ({ choices }) => ({ choices: choices.length }),
    view: heardOf,
  },
  {
    name: 'content of another without a neutral form',
    arbitrary: ofParts((of) =>
      words.map((one) => [
        text(one),
        { type: 'foreign' as const, protocol: otherThan(of), name: 'odd', value: { type: 'odd' } },
      ]),
    ),
    view: (reply) => partsOf(reply, 'foreign'),
  },
  {
    name: 'its names',
    arbitrary: () => fc.constant(replyOf([text('a')])),
    view: ({ model, created }) => [model, created],
  },
];
