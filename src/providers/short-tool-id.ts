import { createHash } from 'node:crypto';
import { objectsIn } from '../shared/json-shape.ts';
import { isEditable } from './editable-json.ts';
import type { MessageRule } from './message-rules.ts';

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/**
 * Nine letters or digits for any tool call id, always the same nine for the same id: a call and its result keep
 * matching, in this request and in every later one of the conversation.
 */
export function shortToolId(id: string): string {
  if (/^[a-zA-Z0-9]{9}$/.test(id)) return id;
  const digest = createHash('sha256').update(id).digest();
  return Array.from(digest.subarray(0, 9), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

export const shortenToolIds: MessageRule = {
  marks: ['"tool_calls"', '"tool_call_id"'],
  apply: (message) => {
    let isChanged = false;
    const shorten = (holder: unknown, key: string) => {
      if (!isEditable(holder) || typeof holder[key] !== 'string') return;
      const short = shortToolId(holder[key]);
      isChanged ||= short !== holder[key];
      holder[key] = short;
    };
    for (const call of objectsIn(message.tool_calls)) shorten(call, 'id');
    shorten(message, 'tool_call_id');
    return isChanged ? 'tool call ids → 9 characters' : undefined;
  },
};
