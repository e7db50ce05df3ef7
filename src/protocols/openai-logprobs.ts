import { numberOr, objectsIn } from '../shared/json-shape.ts';
import type { JsonRecord, TokenChance, TokenLogprob } from './ir.ts';

/** Log probabilities as both of OpenAI's protocols list them: a token, its chance, its bytes, the likeliest in its place. */

/** Null when there are none. */
export function readLogprobs(list: unknown): readonly TokenLogprob[] | null {
  if (!Array.isArray(list) || list.length === 0) return null;
  const read = objectsIn(list).flatMap((entry) => {
    const chance = readChance(entry);
    return chance ? [{ ...chance, top: objectsIn(entry.top_logprobs).flatMap((one) => readChance(one) ?? []) }] : [];
  });
  return read.length > 0 ? read : null;
}

function readChance({ token, logprob, bytes }: JsonRecord): TokenChance | null {
  const value = numberOr(logprob);
  if (typeof token !== 'string' || value === null) return null;
  const isBytes = Array.isArray(bytes) && bytes.every((byte) => typeof byte === 'number');
  return { token, logprob: value, bytes: isBytes ? bytes : null };
}

/** `bytesOf`: the bytes of a token whose protocol did not tell them. */
export const writeLogprobs = (
  logprobs: readonly TokenLogprob[],
  bytesOf: (token: string) => readonly number[] | null,
): readonly JsonRecord[] => {
  const chance = ({ token, logprob, bytes }: TokenChance) => ({ token, logprob, bytes: bytes ?? bytesOf(token) });
  return logprobs.map((entry) => ({ ...chance(entry), top_logprobs: entry.top.map(chance) }));
};
