import { isProblem, type EncodeContext, type ReplyContext } from '../../src/protocols/codec.ts';
import type { ChatEvent, ChatReply, ChatRequest, JsonRecord } from '../../src/protocols/ir.ts';
import { openAiChat } from '../../src/protocols/openai-chat/index.ts';
import type { Problem } from '../../src/protocols/problem.ts';
import { ReplyBuilder } from '../../src/protocols/reply-builder.ts';

/** Shorthands for tests of the chat codec. */

export const names = { toolNames: new Map<string, string>(), answerTool: null };

export function decoded(body: object): { readonly request: ChatRequest; readonly warnings: readonly string[] } {
  const result = attempt(body);
  if (isProblem(result)) throw new Error(result.message);
  return { request: result.value, warnings: result.warnings };
}

export function refused(body: object): Problem {
  const result = attempt(body);
  if (!isProblem(result)) throw new Error('accepted');
  return result;
}

function attempt(body: object) {
  const bytes = new TextEncoder().encode(JSON.stringify({ model: 'm', messages: [], ...body }));
  const envelope = openAiChat.readRequest(bytes, null);
  if (isProblem(envelope)) throw new Error(envelope.message);
  return openAiChat.decodeRequest(envelope);
}

export function encoded(request: ChatRequest, context: Partial<EncodeContext> = {}) {
  const { value, warnings } = openAiChat.encodeRequest(request, {
    model: 'm',
    isStream: false,
    reasoning: { kind: 'unknown' },
    maxOutputTokens: null,
    hasStructuredOutput: null,
    ...context,
  });
  return { body: value.body, trace: value.trace, warnings };
}

/** What `body` becomes on the way through the neutral form and home again. */
export const there = (body: object, context: Partial<EncodeContext> = {}) => encoded(decoded(body).request, context);

/** Of the data of a stream's frames. */
export function events(chunks: readonly unknown[], toolNames = names.toolNames): readonly ChatEvent[] {
  const decoder = openAiChat.streamDecoder({ ...names, toolNames, seed: 'S' });
  const pushed = chunks.flatMap((json) => decoder.push({ event: null, json }));
  return [...pushed, ...decoder.end()];
}

export function built(all: Iterable<ChatEvent>): ChatReply {
  const builder = new ReplyBuilder();
  for (const event of all) builder.push(event);
  return builder.reply();
}

export const replyContext = (body: object = {}): ReplyContext => ({
  request: decoded(body).request,
  seed: 'S',
  model: 'asked',
  now: 1_700_000_000,
});

/** The chunks that a client gets, parsed; `[DONE]` as it is. */
export function chunks(all: Iterable<ChatEvent>, context: ReplyContext): readonly unknown[] {
  return dataOf(frames(all, context));
}

export function frames(all: Iterable<ChatEvent>, context: ReplyContext): string {
  const encoder = openAiChat.streamEncoder(context);
  let text = '';
  for (const event of all) text += encoder.push(event);
  return text + encoder.end();
}

export const dataOf = (stream: string): readonly unknown[] =>
  stream
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: '))
    .map((frame) => frame.slice(6))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));

export const chunk = (delta: object, finish: string | null = null, index = 0): JsonRecord => ({
  id: 'up',
  model: 'served',
  created: 7,
  choices: [{ index, delta, finish_reason: finish }],
});
