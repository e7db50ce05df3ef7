// Shorthands for the translating half of the Responses codec.
import type { DecodeContext, EncodeContext, ReplyContext, Warned } from '../../src/protocols/codec.ts';
import { isProblem } from '../../src/protocols/codec.ts';
import type { ChatEvent, ChatRequest, JsonRecord } from '../../src/protocols/ir.ts';
import { openAiResponses } from '../../src/protocols/openai-responses/index.ts';
import { bytesOf, frames } from './responses-fixtures.ts';

export function decoded(body: object): Warned<ChatRequest> {
  const envelope = openAiResponses.readRequest(bytesOf({ model: 'm', input: 'hi', ...body }), null);
  if (isProblem(envelope)) throw new Error(envelope.message);
  const request = openAiResponses.decodeRequest(envelope);
  if (isProblem(request)) throw new Error(request.message);
  return request;
}

export const encodeContext: EncodeContext = {
  model: 'gpt-5.1',
  isStream: false,
  reasoning: { kind: 'unknown' },
  maxOutputTokens: null,
  hasStructuredOutput: null,
};

export function encoded(request: ChatRequest, context: Partial<EncodeContext> = {}) {
  const { value, warnings } = openAiResponses.encodeRequest(request, { ...encodeContext, ...context });
  return { body: value.body, trace: value.trace, warnings };
}

/** A request of a client that speaks another protocol: what came beside the neutral form is gone. */
export function fromElsewhere(body: object, more: Partial<ChatRequest> = {}): ChatRequest {
  return { ...decoded(body).value, foreign: null, ...more };
}

export const decodeContext: DecodeContext = { toolNames: new Map(), answerTool: null, seed: 's1' };

export const replyContext = (body: object = {}): ReplyContext => ({
  request: decoded(body).value,
  seed: 's1',
  model: 'claude-opus-4-8',
  now: 1_790_000_000,
});

/** What the decoder makes of a stream of frames, its end included. */
export function heard(stream: string, context: DecodeContext = decodeContext): readonly ChatEvent[] {
  const decoder = openAiResponses.streamDecoder(context);
  const reader = openAiResponses.streamReader();
  const events = frames(stream).flatMap((one) => {
    const { json } = reader.push(one);
    return json === undefined ? [] : decoder.push({ event: one.event, json });
  });
  return [...events, ...decoder.end()];
}

/** The frames that the encoder makes of events, its end included. */
export function said(events: readonly ChatEvent[], context: ReplyContext = replyContext()) {
  const encoder = openAiResponses.streamEncoder(context);
  const stream = events.map((event) => encoder.push(event)).join('') + encoder.end();
  const final: JsonRecord = encoder.progress?.final ?? {};
  return { stream, final, progress: encoder.progress };
}
