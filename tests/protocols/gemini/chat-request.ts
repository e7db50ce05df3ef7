import { isProblem } from '../../../src/protocols/codec.ts';
import type { EncodeContext } from '../../../src/protocols/codec.ts';
import { gemini } from '../../../src/protocols/gemini/index.ts';
import type { ChatRequest, JsonRecord } from '../../../src/protocols/ir.ts';
import { plainRequest } from '../../support/plain-chat.ts';

/** A request that says nothing but what a test gives it. */
export const chatRequest = (fields: Partial<ChatRequest> = {}): ChatRequest => ({ ...plainRequest, ...fields });

export const encodeContext = (fields: Partial<EncodeContext> = {}): EncodeContext => ({
  model: 'gemini-2.5-flash',
  isStream: false,
  reasoning: { kind: 'unknown' },
  maxOutputTokens: null,
  hasStructuredOutput: null,
  ...fields,
});

/** What goes upstream for a request, and what is said of what does not. */
export function encoded(fields: Partial<ChatRequest>, context: Partial<EncodeContext> = {}) {
  const { value, warnings } = gemini.encodeRequest(chatRequest(fields), encodeContext(context));
  return { ...value, warnings };
}

/** A client's body in neutral form. */
export function decoded(body: JsonRecord, isStream = false) {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const envelope = gemini.readRequest(bytes, { model: 'gemini-2.5-flash', isStream });
  if (isProblem(envelope)) throw new Error(envelope.message);
  const request = gemini.decodeRequest(envelope);
  if (isProblem(request)) throw new Error(request.message);
  return { ...request.value, warnings: request.warnings };
}
