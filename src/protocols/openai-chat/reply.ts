import { indexOfBytes } from '../../shared/byte-search.ts';
import { type JsonEntry, JsonIndex } from '../../shared/json-bytes.ts';
import { isObject, parseJson } from '../../shared/json-shape.ts';
import type { ReplyFacts } from '../codec.ts';
import { errorIn, hasContent } from './stream.ts';
import { groqUsage, readUsage } from './usage.ts';

// An answer longer than this is not empty; parsing it to know would cost more than everything else together.
const EMPTY_CHECK_BYTES = 16 * 1024;

/** What `errorIn` looks at. */
const ERROR_FIELDS = ['error', 'type', 'code', 'message', 'status', 'msg'] as const;

/** Reads a whole `chat.completion` from its bytes: is it an answer, an error inside a 200, or neither? */
export function readReply(bytes: Uint8Array): ReplyFacts {
  const index = JsonIndex.of(bytes);
  if (!index) return readOddReply(bytes);
  const choices = index.placeOf('choices');
  if (!choices || bytes[choices.start] !== 91 || isEmptyArray(bytes, choices.start)) {
    const error = errorIn(Object.fromEntries(ERROR_FIELDS.map((name) => [name, index.get(name)])), null);
    if (error !== undefined) return { state: 'error', error: parseJson(new TextDecoder().decode(bytes)) };
    return { state: 'unreadable', reason: 'the reply has no choices' };
  }
  const usage = readUsage(index.get('usage')) ?? groqUsage(index.get('x_groq'));
  const isLong = choices.end - choices.start > EMPTY_CHECK_BYTES;
  if (isLong || (isWithin(bytes, FINISH, choices) && !isWithin(bytes, ERROR, choices) && !index.has('error'))) {
    return { state: 'answer', usage };
  }
  const first = (index.get('choices') as readonly unknown[] | undefined)?.find(isObject);
  if (!first) return { state: 'unreadable', reason: 'the reply has no readable choice' };
  const finishReason = typeof first.finish_reason === 'string' ? first.finish_reason : null;
  // OpenRouter reports a failed upstream inside the choice, or beside choices that hold nothing.
  const inner = errorIn({ error: first.error ?? index.get('error') }, null);
  if (inner !== undefined && !hasContent(first.message)) return { state: 'error', error: inner };
  if (finishReason === null && !hasContent(first.message)) {
    return { state: 'unreadable', reason: 'the reply has neither content nor a finish reason' };
  }
  return { state: 'answer', usage };
}

const FINISH = Buffer.from('"finish_reason":"');
const ERROR = Buffer.from('"error"');

/** A look at the bytes that saves most answers a parse. Words of the answer itself have their quotes escaped. */
function isWithin(bytes: Uint8Array, words: Buffer, { start, end }: JsonEntry): boolean {
  const at = indexOfBytes(bytes, words, start);
  return at >= 0 && at < end;
}

/** One chunk per choice with all of its message, one with the finish reasons, the usage where it was asked for. */
export function streamOf(reply: Uint8Array, wantsUsage: boolean): string {
  const whole = parseJson(new TextDecoder().decode(reply));
  if (!isObject(whole)) return 'data: [DONE]\n\n';
  const { choices, usage, ...rest } = whole;
  const base = { ...rest, object: 'chat.completion.chunk' };
  const listed = Array.isArray(choices) ? choices.filter(isObject) : [];
  const frame = (fields: object) => `data: ${JSON.stringify({ ...base, ...fields })}\n\n`;
  const content = listed.map(({ message, index, logprobs }, position) => ({
    index: index ?? position,
    delta: deltaOf(message),
    ...(logprobs !== undefined && { logprobs }),
    finish_reason: null,
  }));
  const finish = listed.map((choice, position) => ({
    index: choice.index ?? position,
    delta: {},
    finish_reason: choice.finish_reason ?? 'stop',
  }));
  const counted = wantsUsage && usage !== undefined ? frame({ choices: [], usage }) : '';
  return `${frame({ choices: content })}${frame({ choices: finish })}${counted}data: [DONE]\n\n`;
}

/** Streamed tool calls carry their position; whole ones do not. */
function deltaOf(message: unknown): object {
  if (!isObject(message)) return {};
  if (!Array.isArray(message.tool_calls)) return message;
  return {
    ...message,
    tool_calls: message.tool_calls.map((call, index) => (isObject(call) ? { index, ...call } : call)),
  };
}

function readOddReply(bytes: Uint8Array): ReplyFacts {
  const json = parseJson(new TextDecoder().decode(bytes));
  const error = json === undefined ? undefined : errorIn(json, null);
  if (error !== undefined) return { state: 'error', error };
  return { state: 'unreadable', reason: bytes.length === 0 ? 'the reply is empty' : 'the reply is not JSON' };
}

function isEmptyArray(bytes: Uint8Array, open: number): boolean {
  for (let i = open + 1; i < bytes.length; i++) {
    const code = bytes[i];
    if (code === 93) return true;
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return false;
  }
  return true;
}
