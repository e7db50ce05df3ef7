import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import { type DecodeContext, type EncodeContext, isProblem, type ReplyContext } from '../../../src/protocols/codec.ts';
import type { ChatRequest } from '../../../src/protocols/ir.ts';
import { plainRequest } from '../../support/plain-chat.ts';

export const encodeContext: EncodeContext = {
  model: 'claude-sonnet-4-5',
  isStream: false,
  reasoning: { kind: 'unknown' },
  maxOutputTokens: null,
  hasStructuredOutput: null,
};

export const decodeContext: DecodeContext = { toolNames: new Map(), answerTool: null, seed: 'seed' };

export const replyContext: ReplyContext = { request: plainRequest, seed: 'seed', model: 'asked', now: 0 };

export function encode(change: Partial<ChatRequest>, context: Partial<EncodeContext> = {}) {
  const { value, warnings } = anthropicMessages.encodeRequest(
    { ...plainRequest, ...change },
    { ...encodeContext, ...context },
  );
  return { ...value, warnings };
}

export function decode(body: object): ChatRequest {
  const envelope = anthropicMessages.readRequest(new TextEncoder().encode(JSON.stringify(body)), null);
  if (isProblem(envelope)) throw new Error(envelope.message);
  const decoded = anthropicMessages.decodeRequest(envelope);
  if (isProblem(decoded)) throw new Error(decoded.message);
  return decoded.value;
}
