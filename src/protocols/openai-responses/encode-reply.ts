import type { ReplyContext, Warned } from '../codec.ts';
import type { ChatReply, JsonRecord } from '../ir.ts';
import { replyEvents } from '../reply-events.ts';
import { streamEncoder } from './stream-encoder.ts';

/** The response that a stream of the same answer would have ended with. */
export function encodeReply(reply: ChatReply, context: ReplyContext): Warned<JsonRecord> {
  const encoder = streamEncoder(context);
  for (const event of replyEvents(reply)) encoder.push(event);
  encoder.end();
  return { value: encoder.progress.final ?? {}, warnings: encoder.warnings };
}
