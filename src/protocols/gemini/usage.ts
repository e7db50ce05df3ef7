import { countOr, isObject, objectsIn } from '../../shared/json-shape.ts';
import type { JsonRecord, Usage } from '../ir.ts';
import { field } from './wire-field.ts';

/**
 * Reads `usageMetadata`; null when it says nothing. It counts up from chunk to chunk, so that the last one is the whole.
 * Thoughts are not among the candidates' tokens, nor what tools brought in among the prompt's.
 */
export function readUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null;
  const count = (name: string) => countOr(field(value, name));
  const prompt = count('promptTokenCount');
  const fromTools = count('toolUsePromptTokenCount');
  const candidates = count('candidatesTokenCount');
  const thoughts = count('thoughtsTokenCount');
  const total = count('totalTokenCount');
  const input = sum(prompt, fromTools);
  const usage: Usage = {
    inputTokens: input,
    outputTokens: sum(candidates, thoughts) ?? (total === null || input === null ? null : Math.max(0, total - input)),
    cachedTokens: count('cachedContentTokenCount'),
    cacheWriteTokens: null,
    reasoningTokens: thoughts,
    audioInputTokens: audioTokens(field(value, 'promptTokensDetails')),
    audioOutputTokens: audioTokens(field(value, 'candidatesTokensDetails')),
    costUsd: null,
  };
  return usage.inputTokens === null && usage.outputTokens === null ? null : usage;
}

export function writeUsage(usage: Usage): JsonRecord {
  const { inputTokens, outputTokens, cachedTokens, reasoningTokens, audioInputTokens, audioOutputTokens } = usage;
  const isTotalKnown = inputTokens !== null || outputTokens !== null;
  return {
    ...(inputTokens !== null && { promptTokenCount: inputTokens }),
    ...(outputTokens !== null && { candidatesTokenCount: Math.max(0, outputTokens - (reasoningTokens ?? 0)) }),
    ...(reasoningTokens !== null && { thoughtsTokenCount: reasoningTokens }),
    ...(isTotalKnown && { totalTokenCount: (inputTokens ?? 0) + (outputTokens ?? 0) }),
    ...(cachedTokens !== null && { cachedContentTokenCount: cachedTokens }),
    ...(audioInputTokens !== null && { promptTokensDetails: audioDetails(audioInputTokens) }),
    ...(audioOutputTokens !== null && { candidatesTokensDetails: audioDetails(audioOutputTokens) }),
  };
}

const sum = (one: number | null, other: number | null): number | null =>
  one === null && other === null ? null : (one ?? 0) + (other ?? 0);

function audioTokens(details: unknown): number | null {
  const audio = objectsIn(details).filter(({ modality }) => modality === 'AUDIO');
  if (audio.length === 0) return null;
  return audio.reduce((tokens, one) => tokens + (countOr(field(one, 'tokenCount')) ?? 0), 0);
}

const audioDetails = (tokens: number) => [{ modality: 'AUDIO', tokenCount: tokens }];
