import { countOr, isObject } from '../../shared/json-shape.ts';
import type { JsonRecord, Usage } from '../ir.ts';

/**
 * `input_tokens` counts neither what was read from the cache nor what was written to it; the neutral count does. In a
 * stream `message_start` has the first counts and `message_delta` the last.
 */
export type Counts = {
  readonly input: number | null;
  readonly read: number | null;
  readonly written: number | null;
  readonly output: number | null;
  readonly thinking: number | null;
};

export const NOTHING_COUNTED: Counts = { input: null, read: null, written: null, output: null, thinking: null };

/** What is known after another `usage` object: totals so far, of which each may leave out what has not changed. */
export function counted(known: Counts, value: unknown): Counts {
  if (!isObject(value)) return known;
  const next: Counts = {
    input: countOr(value.input_tokens),
    read: countOr(value.cache_read_input_tokens),
    written: countOr(value.cache_creation_input_tokens) ?? writtenByAge(value.cache_creation),
    output: countOr(value.output_tokens),
    thinking: isObject(value.output_tokens_details) ? countOr(value.output_tokens_details.thinking_tokens) : null,
  };
  // Compatible servers fill in zeros for what they said, or will say, in the other event.
  const restates = (next.input ?? 0) + (next.read ?? 0) + (next.written ?? 0) > 0;
  const input = restates ? next : known;
  return {
    input: input.input ?? known.input ?? next.input,
    read: input.read ?? known.read ?? next.read,
    written: input.written ?? known.written ?? next.written,
    output: known.output !== null && !next.output ? known.output : next.output,
    thinking: next.thinking ?? known.thinking,
  };
}

/** Null while nothing was counted. */
export function usageOf({ input, read, written, output, thinking }: Counts): Usage | null {
  if (input === null && output === null) return null;
  return {
    inputTokens: input === null ? null : input + (read ?? 0) + (written ?? 0),
    outputTokens: output,
    cachedTokens: read,
    cacheWriteTokens: written,
    reasoningTokens: thinking,
    audioInputTokens: null,
    audioOutputTokens: null,
    costUsd: null,
  };
}

export const readUsage = (value: unknown): Usage | null => usageOf(counted(NOTHING_COUNTED, value));

/** Clients add the parts up, so what the cache had is taken out of the input, once. */
export function writeUsage(usage: Usage | null): JsonRecord {
  const read = usage?.cachedTokens ?? 0;
  const written = usage?.cacheWriteTokens ?? 0;
  const thinking = usage?.reasoningTokens ?? null;
  return {
    input_tokens: Math.max(0, (usage?.inputTokens ?? 0) - read - written),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    output_tokens: usage?.outputTokens ?? 0,
    ...(thinking !== null && { output_tokens_details: { thinking_tokens: thinking } }),
  };
}

function writtenByAge(value: unknown): number | null {
  if (!isObject(value)) return null;
  const short = countOr(value.ephemeral_5m_input_tokens);
  const long = countOr(value.ephemeral_1h_input_tokens);
  return short === null && long === null ? null : (short ?? 0) + (long ?? 0);
}
