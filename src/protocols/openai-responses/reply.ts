import { JsonIndex } from '../../shared/json-bytes.ts';
import { isObject, parseJson } from '../../shared/json-shape.ts';
import type { ReplyFacts } from '../codec.ts';
import type { JsonRecord } from '../ir.ts';
import { readUsage } from './usage.ts';

/** Reads a whole response from its bytes: is it an answer, an error inside a 200, or neither? */
export function readReply(bytes: Uint8Array): ReplyFacts {
  const index = JsonIndex.of(bytes);
  if (!index) {
    return { state: 'unreadable', reason: bytes.length === 0 ? 'the reply is empty' : 'the reply is not JSON' };
  }
  const status = index.get('status');
  const hasOutput = index.slice('output')?.[0] === 91;
  if (status === 'failed' || !hasOutput) {
    const json = parseJson(new TextDecoder().decode(bytes));
    if (isObject(json) && (status === 'failed' || saysError(json))) return { state: 'error', error: json };
    return { state: 'unreadable', reason: 'the reply has no output' };
  }
  return { state: 'answer', usage: readUsage(index.get('usage')) };
}

/** An envelope, or what servers write that have none of their own. */
function saysError({ error, code, message, detail }: JsonRecord): boolean {
  if (error !== undefined && error !== null) return true;
  return (code !== undefined && typeof message === 'string') || detail !== undefined;
}
