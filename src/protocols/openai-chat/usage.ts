import { countOr, isObject } from '../../shared/json-shape.ts';
import type { Usage } from '../codec.ts';

/** Reads a `usage` object as the many chat dialects write it; null when there is none. */
export function readUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null;
  const prompt = isObject(value.prompt_tokens_details) ? value.prompt_tokens_details : {};
  const completion = isObject(value.completion_tokens_details) ? value.completion_tokens_details : {};
  const usage: Usage = {
    inputTokens: countOr(value.prompt_tokens),
    outputTokens: countOr(value.completion_tokens),
    // DeepSeek counts cache hits in a field of its own.
    cachedTokens: countOr(prompt.cached_tokens) ?? countOr(value.prompt_cache_hit_tokens),
    // OpenRouter and Anthropic's compatible endpoint; no field of OpenAI's own.
    cacheWriteTokens: countOr(prompt.cache_write_tokens) ?? countOr(prompt.cached_creation_tokens),
    reasoningTokens: countOr(completion.reasoning_tokens),
    audioInputTokens: countOr(prompt.audio_tokens),
    audioOutputTokens: countOr(completion.audio_tokens),
    // OpenRouter says what it charged.
    costUsd: typeof value.cost === 'number' && value.cost >= 0 ? value.cost : null,
  };
  return usage.inputTokens === null && usage.outputTokens === null ? null : usage;
}

/** The usage of a whole reply or of one chunk. Groq puts it under `x_groq` in streams. */
export function usageOf(payload: Readonly<Record<string, unknown>>): Usage | null {
  return readUsage(payload.usage) ?? groqUsage(payload.x_groq);
}

export const groqUsage = (own: unknown): Usage | null => (isObject(own) ? readUsage(own.usage) : null);
