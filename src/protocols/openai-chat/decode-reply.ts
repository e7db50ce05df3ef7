import type { DecodeContext } from '../codec.ts';
import type { ChatReply, JsonRecord } from '../ir.ts';
import { ReplyBuilder } from '../reply-builder.ts';
import { streamDecoder } from './stream-decoder.ts';

export function decodeReply(reply: JsonRecord, context: DecodeContext): ChatReply {
  const decoder = streamDecoder(context);
  const builder = new ReplyBuilder();
  for (const event of decoder.push({ event: null, json: reply })) builder.push(event);
  for (const event of decoder.end()) builder.push(event);
  return builder.reply();
}
