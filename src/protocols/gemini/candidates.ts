import { countOr, isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';
import { field } from './wire-field.ts';

/** What the answer's parts of a payload are, whether it is a chunk or a whole reply. */

export type Candidate = {
  readonly index: number;
  readonly parts: readonly JsonRecord[];
  readonly finishReason: string | null;
  readonly json: JsonRecord;
};

export function candidatesIn(payload: JsonRecord): readonly Candidate[] {
  return objectsIn(payload.candidates).map((json, position) => ({
    index: placeOf(json.index) ?? position,
    parts: isObject(json.content) ? objectsIn(json.content.parts) : [],
    finishReason: textOr(field(json, 'finishReason')) || null,
    json,
  }));
}

/** An upstream that counts wildly must not make lists of that length. */
function placeOf(index: unknown): number | null {
  const place = countOr(index);
  return place !== null && place < MAX_CANDIDATES ? place : null;
}

const MAX_CANDIDATES = 128;

/**
 * Why the prompt was refused, as far as it was. It is a verdict about the prompt, no failure of a credential: another one
 * would say the same, and the vendor answers it with 200. So it counts as an answer that the content filter ended.
 */
export function blockReasonIn(payload: JsonRecord): string | null {
  const feedback = field(payload, 'promptFeedback');
  return isObject(feedback) ? textOr(field(feedback, 'blockReason')) || null : null;
}

/** A flag that some servers write as a text. */
export const isThought = (part: JsonRecord): boolean => part.thought === true || part.thought === 'true';

/** Does a part hold anything that a person or a program would use? A signature alone does not. */
export function hasContent(part: JsonRecord): boolean {
  if (typeof part.text === 'string' && part.text !== '') return true;
  return Object.keys(part).some((key) => !NO_CONTENT.has(key));
}

const NO_CONTENT: ReadonlySet<string> = new Set(['text', 'thought', 'thoughtSignature', 'thought_signature']);

/** An error that travels inside a 200: `{error: …}`, sometimes as the only element of a list. */
export function errorIn(json: unknown, event: string | null): unknown {
  const payload = Array.isArray(json) ? json[0] : json;
  if (!isObject(payload)) return event === 'error' ? payload : undefined;
  if (payload.error !== undefined && payload.error !== null && payload.error !== false) return payload;
  return event === 'error' ? payload : undefined;
}
