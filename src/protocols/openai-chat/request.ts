import { JsonIndex } from '../../shared/json-bytes.ts';
import type { Envelope } from '../codec.ts';
import type { Problem } from '../problem.ts';

/**
 * Up to this size a body is parsed once, only to be sure that it is JSON, so that a client's mistake costs no upstream
 * call. Above it a parse would block the loop for milliseconds: there balanced brackets and strings must do, and the
 * upstream judges the rest.
 */
const VALIDATED_BYTES = 64 * 1024;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** Reads what routing needs of a chat request. A problem names the field that is missing or wrong. */
export function readRequest(bytes: Uint8Array): Envelope | Problem {
  if (bytes.length === 0) return wrong('the request body is empty; a JSON object is expected');
  const index = JsonIndex.of(bytes);
  if (!index || !isJson(bytes)) return wrong('the request body is not a valid JSON object');
  const model = index.get('model');
  if (typeof model !== 'string' || model.trim() === '') {
    return wrong(model === undefined ? 'model is missing' : 'model must be a non-empty string', 'model');
  }
  // `[` without a parse: the conversation is the bulk of the body.
  if (index.slice('messages')?.[0] !== 91) {
    return wrong(index.has('messages') ? 'messages must be an array' : 'messages is missing', 'messages');
  }
  const stream = index.get('stream') ?? false;
  if (typeof stream !== 'boolean') return wrong('stream must be true or false', 'stream');
  return { index, model, isStream: stream, wantsUsage: stream && includesUsage(index.get('stream_options')) };
}

function isJson(bytes: Uint8Array): boolean {
  if (bytes.length > VALIDATED_BYTES) return true;
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

function includesUsage(options: unknown): boolean {
  return (
    typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
  );
}

function wrong(message: string, param: string | null = null): Problem {
  return { kind: 'bad-request', status: 400, message, param };
}
