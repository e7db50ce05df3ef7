import { JsonIndex } from '../../shared/json-bytes.ts';
import { isObject, parseJson } from '../../shared/json-shape.ts';
import type { ReplyFacts } from '../codec.ts';
import { blockReasonIn, candidatesIn, errorIn, hasContent } from './candidates.ts';
import { topField } from './request.ts';
import { readUsage } from './usage.ts';

// A candidate longer than this is not empty; parsing an image to know would cost more than everything else together.
const EMPTY_CHECK_BYTES = 16 * 1024;

/** Reads a whole reply from its bytes: is it an answer, an error inside a 200, or neither? */
export function readReply(bytes: Uint8Array): ReplyFacts {
  const index = JsonIndex.of(bytes);
  if (!index) return readOddReply(bytes);
  const failure = { error: index.get('error') };
  if (errorIn(failure, null) !== undefined) return { state: 'error', error: parsed(bytes) };
  const usage = readUsage(topField(index, 'usageMetadata'));
  const length = index.slice('candidates')?.length ?? 0;
  if (length > EMPTY_CHECK_BYTES) return { state: 'answer', usage };
  const candidates = candidatesIn({ candidates: index.get('candidates') });
  if (candidates.length === 0) {
    if (blockReasonIn({ promptFeedback: topField(index, 'promptFeedback') }) !== null)
      return { state: 'answer', usage };
    return { state: 'unreadable', reason: 'the reply has no candidates' };
  }
  const isSaid = candidates.some(({ finishReason, parts }) => finishReason !== null || parts.some(hasContent));
  return isSaid
    ? { state: 'answer', usage }
    : { state: 'unreadable', reason: 'the reply has neither content nor a finish reason' };
}

/** The whole reply is its own only chunk: that is how Gemini streams a short answer, too. */
export function streamOf(reply: Uint8Array): string {
  const whole = parsed(reply);
  return isObject(whole) ? `data: ${JSON.stringify(whole)}\n\n` : '';
}

function readOddReply(bytes: Uint8Array): ReplyFacts {
  const json = parsed(bytes);
  const error = json === undefined ? undefined : errorIn(json, null);
  if (error !== undefined) return { state: 'error', error };
  return { state: 'unreadable', reason: bytes.length === 0 ? 'the reply is empty' : 'the reply is not a JSON object' };
}

const parsed = (bytes: Uint8Array): unknown => parseJson(new TextDecoder().decode(bytes));
