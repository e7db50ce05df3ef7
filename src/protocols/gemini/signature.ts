import { textOr } from '../../shared/json-shape.ts';
import type { JsonRecord, Signature } from '../ir.ts';
import { isOwn } from './own.ts';
import { field } from './wire-field.ts';

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

/**
 * What a client of Gemini is given with calls that another model made, so that they are known when they come back. Google's
 * word will not do: SDKs in Go and Java read a signature as standard base64, and fail on its underscores.
 */
export const FROM_ANOTHER = {
  thoughtSignature: Buffer.from('rotator-unsigned-thought').toString('base64'),
} as const;

const PLACEHOLDERS: ReadonlySet<string> = new Set([
  UNSIGNED.thoughtSignature,
  FROM_ANOTHER.thoughtSignature,
  'context_engineering_is_the_way_to_go',
]);

const MARK = Buffer.from(`"${FROM_ANOTHER.thoughtSignature}"`);

export const holdsOthers = (conversation: Buffer): boolean => conversation.includes(MARK);
