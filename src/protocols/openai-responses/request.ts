import type { JsonIndex } from '../../shared/json-bytes.ts';
import { numberOr } from '../../shared/json-shape.ts';
import { type Envelope, isProblem, type RequestLayout } from '../codec.ts';
import type { JsonRecord } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { isRepeated, readModel, readObject, readStream, wrong } from '../request-bytes.ts';

export const layout: RequestLayout = {
  conversation: 'input',
  instructions: 'instructions',
  maxOutputTokens(index: JsonIndex) {
    const max = numberOr(index.get('max_output_tokens'));
    return max !== null && max >= 0 ? max : null;
  },
};

/** What may stand instead of `input`: the vendor then has the conversation, or the template of it. */
const INSTEAD_OF_INPUT = ['previous_response_id', 'conversation', 'prompt'] as const;

const QUOTE = 34;
const OPEN_BRACKET = 91;

/** Reads what routing needs of a Responses request. A problem names the field that is missing or wrong. */
export function readRequest(bytes: Uint8Array): Envelope | Problem {
  const index = readObject(bytes);
  if (isProblem(index)) return index;
  const model = readModel(index);
  if (typeof model !== 'string') return model;
  const unusable = unusableInput(index);
  if (unusable) return unusable;
  const isStream = readStream(index);
  if (typeof isStream !== 'boolean') return isStream;
  // The last event of a stream always carries the usage.
  return { index, model, isStream, wantsUsage: isStream };
}

/** Looked at without a parse: the input is the bulk of the body. */
function unusableInput(index: JsonIndex): Problem | null {
  const first = index.slice('input')?.[0];
  if (first === QUOTE || first === OPEN_BRACKET) return null;
  const isAbsent = first === undefined || index.get('input') === null;
  if (!isAbsent) return wrong('input must be a string or an array', 'input');
  return INSTEAD_OF_INPUT.some((name) => index.has(name)) ? null : wrong('input is missing', 'input');
}

export function patch(envelope: Envelope, wish: { readonly model: string }): JsonRecord {
  const set: Record<string, unknown> = {};
  const { index } = envelope;
  if (wish.model !== envelope.model || isRepeated(index, 'model')) set.model = wish.model;
  // A repeated field is written alike everywhere: the upstream may read another one of them than we did.
  if (isRepeated(index, 'stream')) set.stream = envelope.isStream;
  return set;
}
