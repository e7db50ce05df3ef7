import type { JsonIndex } from '../shared/json-bytes.ts';
import { objectsIn } from '../shared/json-shape.ts';
import { holds } from '../shared/byte-search.ts';
import type { FieldEdit, JsonObject } from './provider.ts';

/** One change of single messages, with what to look for in the bytes before anything is parsed. */
export type MessageRule = {
  /** Only a `messages` field that holds one of these ASCII texts is parsed. Quotes inside text are escaped in JSON. */
  readonly marks: readonly string[];
  /** Changes the message in place; says what it did, or nothing. */
  apply(message: JsonObject): string | undefined;
};

/** `developer` is OpenAI's name for the system role since o1; other servers refuse it or take it for a user. */
export const developerToSystem: MessageRule = {
  marks: ['"developer"'],
  apply: (message) => {
    if (message.role !== 'developer') return undefined;
    message.role = 'system';
    return 'messages[].role developer → system';
  },
};

/** Parses `messages`, and nothing else, when a rule may have something to do. */
export function editMessages(index: JsonIndex, rules: readonly MessageRule[]): FieldEdit | undefined {
  const bytes = index.slice('messages');
  const due = rules.filter((rule) => rule.marks.some((mark) => holds(bytes, mark)));
  if (due.length === 0) return undefined;
  const messages = index.get('messages');
  const changes = new Set<string>();
  for (const message of objectsIn(messages)) {
    for (const rule of due) {
      const change = rule.apply(message);
      if (change) changes.add(change);
    }
  }
  return changes.size > 0 ? { set: { messages }, changes: [...changes] } : undefined;
}
