import {
  type Codec,
  type DecodeContext,
  type EncodeContext,
  type EncodedRequest,
  isProblem,
  type ProtocolId,
  type ReplyContext,
  type StreamEncoder,
  type Warned,
} from '../../src/protocols/codec.ts';
import type { ChatEvent, ChatReply, ChatRequest, JsonRecord } from '../../src/protocols/ir.ts';
import { ReplyBuilder } from '../../src/protocols/reply-builder.ts';
import { SseFramer } from '../../src/transport/sse.ts';
import { plainRequest as anyRequest } from '../support/plain-chat.ts';

/** The ways through one codec, each as one call: neutral → wire → neutral. */

export const plainRequest: ChatRequest = { ...anyRequest, model: 'asked' };

/** A model that each protocol's own vendor serves: what a codec writes may depend on its family. */
export const MODELS: Readonly<Record<ProtocolId, string>> = {
  'openai-chat': 'gpt-5.1',
  'openai-responses': 'gpt-5.1',
  'anthropic-messages': 'claude-sonnet-4-6',
  gemini: 'gemini-2.5-flash',
};

export const encodeContext = (codec: Codec, more: Partial<EncodeContext> = {}): EncodeContext => ({
  model: MODELS[codec.id],
  isStream: false,
  reasoning: { kind: 'unknown' },
  maxOutputTokens: null,
  hasStructuredOutput: null,
  ...more,
});

export const replyContext = (more: Partial<ReplyContext> = {}): ReplyContext => ({
  request: plainRequest,
  seed: 'seed',
  model: 'told',
  now: 1_760_000_000,
  ...more,
});

export const plainTrace: DecodeContext = { toolNames: new Map(), answerTool: null, seed: 'seed' };

const encoder = new TextEncoder();
export const bytesOf = (json: object | string): Uint8Array =>
  encoder.encode(typeof json === 'string' ? json : JSON.stringify(json));

export const write = (codec: Codec, request: ChatRequest, more: Partial<EncodeContext> = {}): Warned<EncodedRequest> =>
  codec.encodeRequest(request, encodeContext(codec, { isStream: request.isStream, ...more }));

export function read(codec: Codec, body: object, isStream = false): Warned<ChatRequest> {
  const path = codec.id === 'gemini' ? { model: MODELS.gemini, isStream } : null;
  const envelope = codec.readRequest(bytesOf(body), path);
  if (isProblem(envelope)) throw new Error(`${codec.id} refuses what it wrote: ${envelope.message}`);
  const decoded = codec.decodeRequest(envelope);
  if (isProblem(decoded)) throw new Error(`${codec.id} refuses what it wrote: ${decoded.message}`);
  return decoded;
}

/** What a client of `codec` gets for these events. */
export function writtenStream(codec: Codec, events: Iterable<ChatEvent>, context = replyContext()): string {
  return writtenBy(codec.streamEncoder(context), events);
}

function writtenBy(encoder: StreamEncoder, events: Iterable<ChatEvent>): string {
  let text = '';
  for (const event of events) text += encoder.push(event);
  return text + encoder.end();
}

/** What is heard of a stream that arrives in these pieces. */
export function heard(codec: Codec, pieces: Iterable<Uint8Array>, context = plainTrace): readonly ChatEvent[] {
  const framer = new SseFramer();
  const reader = codec.streamReader();
  const from = codec.streamDecoder(context);
  const events: ChatEvent[] = [];
  for (const piece of pieces) {
    for (const frame of framer.push(piece)) {
      const { json, error } = reader.push(frame);
      if (error !== undefined) throw new Error(`${codec.id}: an error in the stream: ${JSON.stringify(error)}`);
      if (json !== undefined) events.push(...from.push({ event: frame.event, json }));
    }
  }
  const end = reader.end();
  if (end.state === 'broken') throw new Error(`${codec.id}: the stream is broken: ${end.reason}`);
  return [...events, ...from.end()];
}

export const heardWhole = (codec: Codec, stream: string, context = plainTrace): readonly ChatEvent[] =>
  heard(codec, [bytesOf(stream)], context);

export function built(events: Iterable<ChatEvent>): ChatReply {
  const builder = new ReplyBuilder();
  for (const event of events) builder.push(event);
  return builder.reply();
}

/** A reply written as a whole answer and read again. */
export function wholeAndBack(codec: Codec, reply: ChatReply, context = replyContext()) {
  const { value, warnings } = codec.encodeReply(reply, context);
  const facts = codec.readReply(bytesOf(value));
  if (facts.state !== 'answer') throw new Error(`${codec.id} does not know its own answer: ${JSON.stringify(facts)}`);
  return { json: value, warnings, reply: codec.decodeReply(value, plainTrace), usage: facts.usage };
}

/** A reply written as a stream and read again. */
export function streamAndBack(codec: Codec, events: Iterable<ChatEvent>, context = replyContext()) {
  const to = codec.streamEncoder(context);
  const stream = writtenBy(to, events);
  return { stream, warnings: to.warnings, reply: built(heardWhole(codec, stream)) };
}

/** A body's own fields, for looking into it. */
export const bodyOf = (warned: Warned<EncodedRequest>): JsonRecord => warned.value.body;
