import type { ReplyContext, StreamEncoder, Warned } from '../codec.ts';
import type { ChatReply, JsonRecord } from '../ir.ts';
import { replyEvents } from '../reply-events.ts';
import { messageOf } from './collect.ts';
import { frame, type WireEvent } from './frame.ts';
import { MessageWriter } from './message-writer.ts';
import { toolInput } from './tool-input.ts';

/** A whole reply as a message, by way of the stream that would have said it. */
export function encodeReply(reply: ChatReply, context: ReplyContext): Warned<JsonRecord> {
  const writer = new MessageWriter(context);
  const events: WireEvent[] = [];
  for (const event of replyEvents(reply)) events.push(...writer.push(event));
  events.push(...writer.end());
  const lost = (reply.choices[0]?.parts ?? []).flatMap((part) =>
    part.type === 'tool-call' && part.kind === 'function' && toolInput(part.arguments) === null
      ? [`arguments of ${part.name} removed: they are no JSON object`]
      : [],
  );
  return { value: messageOf(events) ?? {}, warnings: [...writer.warnings, ...lost] };
}

export function streamEncoder(context: ReplyContext): StreamEncoder {
  const writer = new MessageWriter(context);
  const frames = (events: readonly WireEvent[]) => events.map(frame).join('');
  return {
    push: (event) => frames(writer.push(event)),
    end: () => frames(writer.end()),
    get warnings() {
      return writer.warnings;
    },
  };
}
