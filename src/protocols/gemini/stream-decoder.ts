import { isObject, textOr } from '../../shared/json-shape.ts';
import type { DecodeContext, StreamDecoder } from '../codec.ts';
import type { ChatEvent, ChatReply, JsonRecord, TokenLogprob } from '../ir.ts';
import { ReplyBuilder } from '../reply-builder.ts';
import { blockReasonIn, type Candidate, candidatesIn, isThought } from './candidates.ts';
import { argumentsText, foreign } from './decode-turns.ts';
import { readFinish } from './finish.ts';
import { citationsIn } from './grounding.ts';
import { readLogprobs } from './logprobs.ts';
import { meantCall } from './malformed-call.ts';
import { decodeMedia } from './media.ts';
import { readSignature } from './signature.ts';
import { readUsage } from './usage.ts';
import { field } from './wire-field.ts';

/** What is known of one candidate until its end. */
type Growing = {
  calls: number;
  text: string;
  finishReason: string | null;
  finishMessage: string | null;
  /** Fields beside the parts, the last of each: sources come with the last words. */
  fields: JsonRecord;
};

/** Fields of a candidate that are its answer, or say nothing that another protocol could use. */
const KEPT = ['groundingMetadata', 'urlContextMetadata'] as const;

/**
 * Chunks → events. A call comes as a whole; the finish waits for the end, since some servers repeat it in every chunk; an
 * upstream that counts up its usage in every chunk is heard each time that it says something new.
 */
export function streamDecoder(context: DecodeContext): StreamDecoder {
  const choices = new Map<number, Growing>();
  let isStarted = false;
  let counted = '';
  let calls = 0;
  let block: { readonly reason: string; readonly message: string | null } | null = null;

  function call(choice: number, growing: Growing, json: JsonRecord, part: JsonRecord): readonly ChatEvent[] {
    const name = textOr(json.name) ?? '';
    const text = argumentsText(json.args);
    const signature = readSignature(part);
    const number = growing.calls++;
    const id = textOr(json.id) || `call_${context.seed}_${calls}`;
    calls++;
    return [
      {
        type: 'tool-call-start',
        choice,
        call: number,
        id,
        name: context.toolNames.get(name) ?? name,
        kind: 'function',
        ...(signature && { signature }),
      },
      { type: 'tool-call-delta', choice, call: number, text },
      { type: 'tool-call-end', choice, call: number },
    ];
  }

  function part(choice: number, growing: Growing, json: JsonRecord): readonly ChatEvent[] {
    const called = field(json, 'functionCall');
    if (isObject(called)) return call(choice, growing, called, json);
    const signature = readSignature(json);
    const text = typeof json.text === 'string' ? json.text : null;
    if (text !== null || (signature && Object.keys(json).length === 1)) {
      if (isThought(json)) {
        return [
          ...(text ? [{ type: 'reasoning-delta', choice, text } as const] : []),
          ...(signature ? [{ type: 'reasoning-signature', choice, signature } as const] : []),
        ];
      }
      growing.text += text ?? '';
      return [
        ...(text ? [{ type: 'text-delta', choice, text } as const] : []),
        ...(signature ? [{ type: 'text-signature', choice, signature } as const] : []),
      ];
    }
    const media = decodeMedia(json);
    if (media?.type === 'image') {
      return [{ type: 'media', choice, part: { ...media, ...(signature && { signature }) } }];
    }
    if (media?.type === 'audio') return [{ type: 'media', choice, part: media }];
    return Object.keys(json).length === 0 ? [] : [{ type: 'foreign', choice, part: foreign(json) }];
  }

  function candidate({ index, parts, finishReason, json }: Candidate): readonly ChatEvent[] {
    const growing = choices.get(index) ?? { calls: 0, text: '', finishReason: null, finishMessage: null, fields: {} };
    choices.set(index, growing);
    growing.finishReason = finishReason ?? growing.finishReason;
    growing.finishMessage = textOr(field(json, 'finishMessage')) ?? growing.finishMessage;
    const { content: _, ...fields } = json;
    growing.fields = { ...growing.fields, ...fields };
    const events = parts.flatMap((one) => part(index, growing, one));
    const logprobs = readLogprobs(field(json, 'logprobsResult'));
    return logprobs ? withLogprobs(index, events, logprobs) : events;
  }

  /** What is said once of a candidate, when everything else is. */
  function finish(choice: number, growing: Growing): readonly ChatEvent[] {
    const events: ChatEvent[] = citationsIn(growing.fields, growing.text).map((citation) => ({
      type: 'citation',
      choice,
      citation,
    }));
    for (const name of KEPT) {
      const value = field(growing.fields, name);
      if (isObject(value)) events.push({ type: 'foreign', choice, part: foreign({ [name]: value }) });
    }
    if (growing.finishReason === 'MALFORMED_FUNCTION_CALL' && growing.calls === 0) {
      const meant = meantCall(growing.finishMessage);
      if (meant) events.push(...call(choice, growing, { name: meant.name, args: meant.arguments }, {}));
      // Otherwise an answer would end that says nothing, not even why.
      else if (growing.text === '' && growing.finishMessage) {
        events.push({ type: 'text-delta', choice, text: growing.finishMessage });
      }
    }
    return [...events, { type: 'finish', choice, finish: readFinish(growing.finishReason, growing.calls > 0) }];
  }

  return {
    push({ json }) {
      if (!isObject(json)) return [];
      const events: ChatEvent[] = [];
      if (!isStarted) {
        isStarted = true;
        const id = textOr(field(json, 'responseId'));
        events.push({ type: 'start', id, model: textOr(field(json, 'modelVersion')), created: createdAt(json) });
      }
      const usage = readUsage(field(json, 'usageMetadata'));
      const said = JSON.stringify(usage);
      if (usage && said !== counted) events.push({ type: 'usage', usage });
      counted = usage ? said : counted;
      const reason = blockReasonIn(json);
      if (reason !== null) block ??= { reason, message: blockMessage(json) };
      for (const one of candidatesIn(json)) events.push(...candidate(one));
      return events;
    },
    end() {
      const events: ChatEvent[] = [];
      if (!isStarted) events.push({ type: 'start', id: null, model: null, created: null });
      if (choices.size === 0 && block) {
        if (block.message) events.push({ type: 'refusal-delta', choice: 0, text: block.message });
        const finished = { unified: 'content-filter', raw: block.reason } as const;
        return [...events, { type: 'finish', choice: 0, finish: finished }];
      }
      for (const [choice, growing] of [...choices].sort(([one], [other]) => one - other)) {
        events.push(...finish(choice, growing));
      }
      return events;
    },
  };
}

/** The result covers the whole chunk: it stands with the first words of it. Tokens of calls alone have no place elsewhere. */
function withLogprobs(choice: number, events: ChatEvent[], logprobs: readonly TokenLogprob[]): readonly ChatEvent[] {
  const at = events.findIndex(({ type }) => type === 'text-delta');
  const words = events[at];
  if (words?.type === 'text-delta') events[at] = { ...words, logprobs };
  else if (events.length === 0) events.push({ type: 'text-delta', choice, text: '', logprobs });
  return events;
}

/** A whole reply is a stream of one chunk. */
export function decodeReply(reply: JsonRecord, context: DecodeContext): ChatReply {
  const builder = new ReplyBuilder();
  const decoder = streamDecoder(context);
  for (const event of decoder.push({ event: null, json: reply })) builder.push(event);
  for (const event of decoder.end()) builder.push(event);
  return builder.reply();
}

function createdAt(json: JsonRecord): number | null {
  const time = Date.parse(textOr(field(json, 'createTime')) ?? '');
  return Number.isNaN(time) ? null : Math.trunc(time / 1000);
}

function blockMessage(json: JsonRecord): string | null {
  const feedback = field(json, 'promptFeedback');
  return isObject(feedback) ? textOr(field(feedback, 'blockReasonMessage')) : null;
}
