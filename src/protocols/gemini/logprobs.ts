import { isObject, numberOr, objectsIn } from '../../shared/json-shape.ts';
import type { JsonRecord, TokenChance, TokenLogprob } from '../ir.ts';
import { field } from './wire-field.ts';

/** Log probabilities of a candidate: one list of the chosen tokens, and beside it the likeliest of each step. */

/** Null when there are none. */
export function readLogprobs(result: unknown): readonly TokenLogprob[] | null {
  if (!isObject(result)) return null;
  const chosen = objectsIn(field(result, 'chosenCandidates'));
  const top = objectsIn(field(result, 'topCandidates'));
  if (chosen.length === 0) return null;
  return chosen.map((one, step) => ({
    ...readChance(one),
    top: objectsIn(top[step]?.candidates).map(readChance),
  }));
}

/** Protobuf's JSON leaves out what is zero or empty. */
function readChance(candidate: JsonRecord): TokenChance {
  const token = candidate.token;
  return {
    token: typeof token === 'string' ? token : '',
    logprob: numberOr(field(candidate, 'logProbability')) ?? 0,
    bytes: null,
  };
}

export function writeLogprobs(logprobs: readonly TokenLogprob[]): JsonRecord {
  const hasTop = logprobs.some(({ top }) => top.length > 0);
  return {
    ...(hasTop && { topCandidates: logprobs.map(({ top }) => ({ candidates: top.map(writeChance) })) }),
    chosenCandidates: logprobs.map(writeChance),
  };
}

const writeChance = ({ token, logprob }: TokenChance): JsonRecord => ({ token, logProbability: logprob });
