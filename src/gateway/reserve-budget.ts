import type { Usage } from '../protocols/codec.ts';
import { usageFor } from '../protocols/plain-json.ts';
import type { Problem } from '../protocols/problem.ts';
import type { ClientBudgets, ClientReservation, Spent } from './client-budgets.ts';
import type { ForwardTools } from './forward.ts';
import type { Client } from './gateway.ts';
import type { Job } from './job.ts';
import type { Target } from './plan.ts';

/** Every surface that calls models keeps its clients' limits with these two: one before anything is sent, one at the end. */

/** Takes what a request will need out of its client's limits. A problem: more than is left; null: nothing limits it. */
export function reserveBudget(
  client: Client,
  target: Target | undefined,
  job: Job,
  tools: Pick<ForwardTools, 'outputMeans' | 'costOf' | 'clock'> & { readonly budgets?: ClientBudgets },
): ClientReservation | Problem | null {
  if (!tools.budgets || !client.limits || !target) return null;
  const { runtime, model } = target;
  const inputTokens = job.estimateTokens(0);
  const tokens = job.estimateTokens(tools.outputMeans.meanOf(runtime.id, model));
  const usd = tools.costOf?.(runtime.id, model, usageFor(inputTokens, tokens - inputTokens));
  return tools.budgets.reserve(client, { inputTokens, tokens, usd: usd ?? null }, tools.clock.now());
}

/**
 * What a request turned out to use. `isWhole`: the answer came to its end, and what it says of its usage is the truth.
 * `pieces`: of content that reached us in a stream; each is a token at least.
 */
export function spentBy(end: {
  readonly attempts: number;
  readonly status: number;
  readonly isWhole: boolean;
  readonly usage: Usage | null;
  readonly pieces: number;
}): Spent {
  if (end.attempts === 0) return { kind: 'nothing' };
  const { inputTokens = null, outputTokens = null, costUsd = null } = end.usage ?? {};
  // Some protocols tell the input at the beginning: of an answer that broke off, more may have been seen than was told.
  const isTold = inputTokens !== null && (end.isWhole || end.pieces <= (outputTokens ?? 0));
  if (isTold) return { kind: 'known', tokens: inputTokens + (outputTokens ?? 0), usd: costUsd };
  // 499: the upstream was at work when the client left.
  const hasBegun = end.status === 200 || end.status === 499;
  return hasBegun ? { kind: 'unknown', outputTokens: end.pieces } : { kind: 'known', tokens: 0, usd: 0 };
}
