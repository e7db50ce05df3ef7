import { isObject } from '../../shared/json-shape.ts';
import { framesOf } from '../frames-of.ts';
import type { JsonRecord } from '../ir.ts';
import { type Candidate, candidatesIn } from './candidates.ts';
import { joinedText } from './joined-text.ts';
import { readLogprobs, writeLogprobs } from './logprobs.ts';
import { streamReader } from './stream-reader.ts';
import { field } from './wire-field.ts';

type Collected = { readonly parts: JsonRecord[]; fields: JsonRecord; role: unknown };

/**
 * The whole answer of a stream, for an upstream that streams although nobody asked it to. Null when the stream is no
 * whole answer. Whatever a chunk says beside its parts, the last one to say it is right: counts are totals so far.
 */
export function collect(stream: Uint8Array): Uint8Array | null {
  const reader = streamReader();
  const candidates = new Map<number, Collected>();
  let fields: JsonRecord = {};
  let isBegun = false;
  for (const frame of framesOf(new TextDecoder().decode(stream))) {
    const { json, error, isEnd } = reader.push(frame);
    if (error !== undefined) return null;
    if (isEnd) break;
    if (!isObject(json)) continue;
    isBegun = true;
    fields = { ...fields, ...json };
    for (const candidate of candidatesIn(json)) add(candidates, candidate);
  }
  if (!isBegun || reader.end().state === 'broken') return null;
  const listed = [...candidates].sort(([one], [other]) => one - other);
  const whole = {
    ...fields,
    ...(listed.length > 0 && {
      candidates: listed.map(([index, { parts, role, fields: own }]) => ({
        ...own,
        content: { parts, role },
        index,
      })),
    }),
  };
  return new TextEncoder().encode(JSON.stringify(whole));
}

function add(candidates: Map<number, Collected>, { index, parts, json }: Candidate): void {
  const collected = candidates.get(index) ?? { parts: [], fields: {}, role: 'model' };
  candidates.set(index, collected);
  const logprobs = joinedLogprobs(collected.fields, json);
  collected.fields = { ...collected.fields, ...json, ...(logprobs && { logprobsResult: logprobs }) };
  if (isObject(json.content) && typeof json.content.role === 'string') collected.role = json.content.role;
  for (const part of parts) {
    const last = collected.parts.at(-1);
    const joined = last && joinedText(last, part);
    if (joined) collected.parts[collected.parts.length - 1] = joined;
    else if (part.text !== '' || Object.keys(part).length > 1) collected.parts.push(part);
  }
}

/** Each chunk tells those of its own tokens. */
function joinedLogprobs(before: JsonRecord, chunk: JsonRecord): JsonRecord | null {
  const known = readLogprobs(field(before, 'logprobsResult'));
  const more = readLogprobs(field(chunk, 'logprobsResult'));
  return known && more && writeLogprobs([...known, ...more]);
}
