import { JsonIndex } from '../../shared/json-bytes.ts';
import { isObject, parseJson, textOr } from '../../shared/json-shape.ts';
import type { ReplyFacts } from '../codec.ts';
import { errorIn } from './errors.ts';
import { readUsage } from './usage.ts';

/** Reads a whole message from its bytes: is it an answer, an error inside a 200, or neither? */
export function readReply(bytes: Uint8Array): ReplyFacts {
  const index = JsonIndex.of(bytes);
  if (!index) return readOddReply(bytes);
  const error = errorIn({ type: index.get('type'), error: index.get('error') }, null);
  if (error !== undefined) return { state: 'error', error: parseJson(new TextDecoder().decode(bytes)) };
  const content = index.slice('content');
  if (content?.[0] !== OPEN_BRACKET) return { state: 'unreadable', reason: 'the reply has no content' };
  const isEmpty = content.length === 2 || /^\[\s*\]$/.test(new TextDecoder().decode(content.subarray(0, 64)));
  if (isEmpty && textOr(index.get('stop_reason')) === null) {
    return { state: 'unreadable', reason: 'the reply has neither content nor a stop reason' };
  }
  return { state: 'answer', usage: readUsage(index.get('usage')) };
}

const OPEN_BRACKET = 91;

function readOddReply(bytes: Uint8Array): ReplyFacts {
  if (bytes.length === 0) return { state: 'unreadable', reason: 'the reply is empty' };
  const json = parseJson(new TextDecoder().decode(bytes));
  const first = Array.isArray(json) ? json[0] : json;
  const error = isObject(first) ? errorIn(first, null) : undefined;
  if (error !== undefined) return { state: 'error', error };
  return { state: 'unreadable', reason: json === undefined ? 'the reply is not JSON' : 'the reply is not a message' };
}
