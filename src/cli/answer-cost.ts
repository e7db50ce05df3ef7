import type { TokenUsage } from './chat-answer.ts';
import type { ChatDoor } from './chat-door.ts';

/**
 * What an answer cost, in USD: what its provider says, else what the gateway that passed it on knows of its prices.
 * Null: not known. `target` is the answer's own; without it the name that was asked for may stand for another model.
 */
export async function answerCost(
  door: ChatDoor,
  target: string | null,
  usage: TokenUsage,
  signal: AbortSignal,
): Promise<number | null> {
  if (usage.cost !== null) return usage.cost;
  const { inputTokens, outputTokens, cachedTokens } = usage;
  if (target === null || inputTokens === null || outputTokens === null) return null;
  const cached = Math.min(inputTokens, cachedTokens ?? 0);
  const question = {
    model: target,
    prompt_tokens: inputTokens - cached,
    completion_tokens: outputTokens,
    cache_read_tokens: cached,
  };
  const reply = await door.estimateCost(question, signal);
  const body: unknown = reply.ok ? await reply.json() : null;
  return typeof body === 'object' && body !== null && 'cost' in body && typeof body.cost === 'number'
    ? body.cost
    : null;
}
