import { countOr, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { DecodeContext } from '../codec.ts';
import type { ChatReply, JsonRecord } from '../ir.ts';
import { finishReason } from './finish.ts';
import { neutralName } from './namespaces.ts';
import { assistantParts, type ItemNames } from './read-item.ts';
import { readUsage } from './usage.ts';

export function decodeReply(reply: JsonRecord, context: DecodeContext): ChatReply {
  const names = replyNames(context);
  const parts = objectsIn(reply.output).flatMap((item) => assistantParts(item, names));
  const hasCalls = parts.some(({ type }) => type === 'tool-call');
  return {
    ...headOf(reply),
    choices: [{ parts, finish: finishReason(reply, hasCalls) }],
    usage: readUsage(reply.usage),
  };
}

export function headOf(response: JsonRecord): Pick<ChatReply, 'id' | 'model' | 'created'> {
  return {
    id: textOr(response.id) || null,
    model: textOr(response.model) || null,
    created: countOr(response.created_at),
  };
}

export function replyNames({ toolNames, seed }: DecodeContext): ItemNames {
  let missing = 0;
  return {
    tool(item) {
      const name = neutralName(item);
      return toolNames.get(name) ?? name;
    },
    missingCallId: () => `call_${seed}_${missing++}`,
    keepsIds: false,
  };
}
