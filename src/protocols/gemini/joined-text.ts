import type { JsonRecord } from '../ir.ts';
import { isThought } from './candidates.ts';

/** Two pieces of one text; null when they are anything else. What comes behind a signature is another part. */
export function joinedText(one: JsonRecord, other: JsonRecord): JsonRecord | null {
  if (typeof one.text !== 'string' || typeof other.text !== 'string' || isThought(one) !== isThought(other))
    return null;
  const isPlain = (part: JsonRecord) => Object.keys(part).every((key) => key === 'text' || key === 'thought');
  if (!isPlain(one)) return null;
  if (isPlain(other)) return { ...one, text: one.text + other.text };
  // A signature without words of its own signs the words before it.
  const isSignature = other.text === '' && Object.keys(other).every((key) => SIGNATURE.has(key));
  return isSignature ? { ...one, ...other, text: one.text } : null;
}

const SIGNATURE: ReadonlySet<string> = new Set(['text', 'thought', 'thoughtSignature']);
