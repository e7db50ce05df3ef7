import { textOr } from '../../shared/json-shape.ts';
import type { JsonRecord, Signature } from '../ir.ts';
import { isOwn } from './own.ts';
import { field } from './wire-field.ts';
import { isThirdGeneration } from './model-family.ts';

/** Thought signatures of parts. Another protocol's mean nothing here. */
export function readSignature(part: JsonRecord): Signature | null {
  const value = textOr(field(part, 'thoughtSignature'));
  // A client that lost one asks for its validation to be skipped: there is nothing in that to keep.
  return value && !PLACEHOLDERS.has(value) ? { protocol: 'gemini', value } : null;
}

export const writeSignature = (signature: Signature | null | undefined): JsonRecord =>
  signature && isOwn(signature) ? { thoughtSignature: signature.value } : {};

/** Google's own word for a history that comes from another model: https://ai.google.dev/gemini-api/docs/thought-signatures */
export const UNSIGNED = { thoughtSignature: 'skip_thought_signature_validator' } as const;

const PLACEHOLDERS: ReadonlySet<string> = new Set([UNSIGNED.thoughtSignature, 'context_engineering_is_the_way_to_go']);

const MARK = Buffer.from(`"${UNSIGNED.thoughtSignature}"`);

/** Models before the third generation check nothing, and know nothing of that word. */
export const holdsOthers = (conversation: Buffer, model: string): boolean =>
  !isThirdGeneration(model) && conversation.includes(MARK);
