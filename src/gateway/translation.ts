import type { Codec, DecodeContext, ReplyContext } from '../protocols/codec.ts';
import type { ChatEvent, ChatReply, JsonRecord } from '../protocols/ir.ts';
import { isObject, parseJson } from '../shared/json-shape.ts';
import type { StreamTranslation, Translation } from './lane.ts';
import { warningsComment } from './respond.ts';

/** Told of everything that an upstream answers, in neutral words. */
export interface AnswerWitness {
  reply(reply: ChatReply): void;
  event(event: ChatEvent): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** From the upstream's protocol through the neutral form into the client's. */
export function translationBetween(
  upstream: { readonly codec: Codec; readonly context: DecodeContext },
  client: {
    readonly codec: Codec;
    readonly context: ReplyContext;
    /** What could not be told to it is named in a stream, as headers name it of whole answers. */
    readonly showsLosses: boolean;
  },
  witness: AnswerWitness,
): Translation {
  return {
    reply(bytes) {
      const reply = upstream.codec.decodeReply(objectOf(bytes), upstream.context);
      witness.reply(reply);
      const { value, warnings } = client.codec.encodeReply(reply, client.context);
      return { bytes: encoder.encode(JSON.stringify(value)), warnings };
    },
    stream(): StreamTranslation {
      const from = upstream.codec.streamDecoder(upstream.context);
      const to = client.codec.streamEncoder(client.context);
      const written = (events: readonly ChatEvent[]): string => {
        let text = '';
        for (const event of events) {
          witness.event(event);
          text += to.push(event);
        }
        return text;
      };
      return {
        // Comments and bare end marks say nothing.
        push: ({ event }, json) => (json === undefined ? '' : written(from.push({ event, json }))),
        end() {
          const rest = written(from.end());
          const end = to.end();
          // In front of what ends it: there clients stop to read.
          return client.showsLosses ? rest + warningsComment(to.warnings) + end : rest + end;
        },
        get progress() {
          return to.progress ?? null;
        },
      };
    },
  };
}

/** `readReply` has called these bytes an answer: they are an object. */
export function objectOf(bytes: Uint8Array): JsonRecord {
  const value = parseJson(decoder.decode(bytes));
  return isObject(value) ? value : {};
}
