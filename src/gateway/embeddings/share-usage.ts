import type { Usage } from '../../protocols/codec.ts';

/**
 * One call's usage, divided by weight: whole tokens whose sum is exact, the largest remainders rounded up first. A count
 * that nobody told stays untold.
 */
export function shareUsage(usage: Usage, weights: readonly number[]): readonly Usage[] {
  const tokens = (total: number | null) => shareWhole(total, weights);
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = {
    input: tokens(usage.inputTokens),
    output: tokens(usage.outputTokens),
    cached: tokens(usage.cachedTokens),
    cacheWrite: tokens(usage.cacheWriteTokens),
    reasoning: tokens(usage.reasoningTokens),
    audioInput: tokens(usage.audioInputTokens),
    audioOutput: tokens(usage.audioOutputTokens),
  };
  return weights.map((weight, i) => ({
    inputTokens: shares.input[i] ?? null,
    outputTokens: shares.output[i] ?? null,
    cachedTokens: shares.cached[i] ?? null,
    cacheWriteTokens: shares.cacheWrite[i] ?? null,
    reasoningTokens: shares.reasoning[i] ?? null,
    audioInputTokens: shares.audioInput[i] ?? null,
    audioOutputTokens: shares.audioOutput[i] ?? null,
    costUsd: usage.costUsd === null ? null : usage.costUsd * (all > 0 ? weight / all : 1 / weights.length),
  }));
}

/** Whole shares of a whole total. */
export function shareWhole(total: number | null, weights: readonly number[]): readonly (number | null)[] {
  if (total === null) return weights.map(() => null);
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const exact = weights.map((weight) => (all > 0 ? (total * weight) / all : total / weights.length));
  const shares = exact.map(Math.floor);
  let left = total - shares.reduce((sum, share) => sum + share, 0);
  const byRemainder = exact
    .map((share, at) => ({ at, remainder: share - Math.floor(share) }))
    .toSorted((a, b) => b.remainder - a.remainder);
  for (const { at } of byRemainder) {
    if (left <= 0) break;
    shares[at] = (shares[at] ?? 0) + 1;
    left--;
  }
  return shares;
}
