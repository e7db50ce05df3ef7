import type { ProtocolId } from '../../src/protocols/codec.ts';
import type { ChatReply } from '../../src/protocols/ir.ts';
import { heardOf, logprobsOf } from './reply-aspects.ts';

/** What a protocol's answers cannot say as it was said, and why; as in `request-skips.ts`. */
export type ReplySkip = { readonly reason: string } & (
  | { readonly lost: RegExp }
  | { readonly becomes: (reply: ChatReply) => unknown }
);

const foreign: ReplySkip = { reason: 'nobody here can read it', lost: /^odd removed$/ };
const firstAnswer: ReplySkip = { reason: 'there is one answer', lost: /^further choices removed$/ };
const noSequence: ReplySkip = { reason: 'there is no field for it', becomes: () => [null] };
const noTime: ReplySkip = { reason: 'answers have no time there', becomes: ({ model }) => [model, null] };
const noCount: ReplySkip = {
  reason: 'it is not counted there',
  becomes: ({ usage }) => [usage?.inputTokens, usage?.outputTokens, null],
};
const refusalAsText: ReplySkip = { reason: 'it is text to those who read it', becomes: () => '' };
const unsigned: ReplySkip = {
  reason: 'only Gemini signs calls; the signature waits in the memory',
  becomes: ({ choices }) =>
    choices.flatMap(({ parts }) => parts.flatMap(({ type }) => (type === 'tool-call' ? [undefined] : []))),
};
const customAsFunction: ReplySkip = {
  reason: 'no client of it can have asked for one',
  becomes: ({ choices }) =>
    choices.flatMap(({ parts }) =>
      parts.flatMap((part) =>
        part.type === 'tool-call' ? [['function', JSON.stringify({ input: part.arguments })]] : [],
      ),
    ),
};

const NOT_ASKED = 'no client of it can have asked for them';
const noBytes: ReplySkip = {
  reason: 'it tells the tokens alone',
  becomes: (reply) => logprobsOf(reply).map(({ top }) => [null, top.map(() => null)]),
};

export const replySkips: Readonly<Record<ProtocolId, Readonly<Record<string, ReplySkip>>>> = {
  'openai-chat': { 'the stop sequence': noSequence, 'content of another without a neutral form': foreign },
  'openai-responses': {
    'a signed call': unsigned,
    'the stop sequence': noSequence,
    'several answers': firstAnswer,
    'content of another without a neutral form': foreign,
  },
  'anthropic-messages': {
    logprobs: { reason: NOT_ASKED, becomes: (reply) => [heardOf(reply), []] },
    'the bytes of tokens': { reason: NOT_ASKED, becomes: () => [] },
    'custom calls': customAsFunction,
    'a signed call': unsigned,
    'a refusal': refusalAsText,
    'an image': { reason: 'Claude draws none', lost: /^image removed$/ },
    'usage: audioInputTokens': noCount,
    'usage: audioOutputTokens': noCount,
    'several answers': firstAnswer,
    'content of another without a neutral form': foreign,
    'its names': noTime,
  },
  gemini: {
    'the bytes of tokens': noBytes,
    'custom calls': customAsFunction,
    'hidden thoughts': { reason: 'Gemini hides none', lost: /^redacted reasoning removed$/ },
    'a refusal': refusalAsText,
    'the stop sequence': noSequence,
    'usage: cacheWriteTokens': noCount,
    'content of another without a neutral form': foreign,
    'its names': noTime,
  },
};
