import { countOr, isObject } from '../../shared/json-shape.ts';
import type { JsonRecord, Usage } from '../ir.ts';

/** Reads the `usage` of a response; null when there is none. */
export function readUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null;
  const input = isObject(value.input_tokens_details) ? value.input_tokens_details : {};
  const output = isObject(value.output_tokens_details) ? value.output_tokens_details : {};
  const inputTokens = countOr(value.input_tokens);
  const outputTokens = countOr(value.output_tokens);
  if (inputTokens === null && outputTokens === null) return null;
  return {
    inputTokens,
    outputTokens,
    cachedTokens: countOr(input.cached_tokens),
    cacheWriteTokens: countOr(input.cache_write_tokens),
    reasoningTokens: countOr(output.reasoning_tokens),
    audioInputTokens: countOr(input.audio_tokens),
    audioOutputTokens: countOr(output.audio_tokens),
    // OpenRouter says what it charged.
    costUsd: typeof value.cost === 'number' && value.cost >= 0 ? value.cost : null,
  };
}

/** Clients read every one of these counts: what is not known is 0, but then the sums are still right. */
export function usageJson(usage: Usage): JsonRecord {
  const inputTokens = usage.inputTokens ?? 0;
  const outputTokens = usage.outputTokens ?? 0;
  return {
    input_tokens: inputTokens,
    input_tokens_details: {
      cached_tokens: usage.cachedTokens ?? 0,
      cache_write_tokens: usage.cacheWriteTokens ?? 0,
      ...(usage.audioInputTokens !== null && { audio_tokens: usage.audioInputTokens }),
    },
    output_tokens: outputTokens,
    output_tokens_details: {
      reasoning_tokens: usage.reasoningTokens ?? 0,
      ...(usage.audioOutputTokens !== null && { audio_tokens: usage.audioOutputTokens }),
    },
    total_tokens: inputTokens + outputTokens,
    ...(usage.costUsd !== null && { cost: usage.costUsd }),
  };
}
