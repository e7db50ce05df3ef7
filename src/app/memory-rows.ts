import type { EngineEvent } from '../gateway/operations.ts';
import { blockView } from '../gateway/create-operations.ts';
import type { RequestRecord } from '../observe/request-record.ts';
import type { PoolEvent } from '../pool/pool.ts';
import { assertNever } from '../shared/assert-never.ts';
import type { UsageRow } from '../store/database.ts';

/** What pools and requests tell, in the words of those who keep it or listen to it. */

/** One row per upstream call; the tokens of the answer go to the last of them. */
export function usageRows(record: RequestRecord): readonly UsageRow[] {
  return record.attempts.map((attempt, index) => {
    const slash = attempt.target.indexOf('/');
    const isLast = index === record.attempts.length - 1;
    return {
      at: record.at,
      provider: attempt.target.slice(0, slash),
      credential: attempt.credential,
      model: attempt.target.slice(slash + 1),
      client: record.client,
      requests: 1,
      failures: isFailure(attempt.failure) ? 1 : 0,
      inputTokens: isLast ? record.inputTokens : null,
      outputTokens: isLast ? record.outputTokens : null,
      cachedTokens: isLast ? record.cachedTokens : null,
      reasoningTokens: isLast ? record.reasoningTokens : null,
      costUsd: isLast ? record.costUsd : null,
    };
  });
}

/** A client that went away is nobody's failure. */
const isFailure = (failure: string | null) => failure !== null && failure !== 'client-gone';

export const isoTime = (at: number): string => new Date(at).toISOString();

export function engineEvent(event: PoolEvent): EngineEvent {
  const { provider, credential } = event;
  const at = isoTime(event.at);
  switch (event.kind) {
    case 'credential-blocked':
      return { type: event.kind, at, provider, credential, block: blockView(event.block) };
    case 'credential-unblocked':
      return { type: event.kind, at, provider, credential, scope: event.scope };
    case 'lease-settled':
      return {
        type: event.kind,
        at,
        provider,
        credential,
        model: event.model,
        outcome: event.outcome,
        input_tokens: event.inputTokens,
        output_tokens: event.outputTokens,
      };
    default:
      return assertNever(event);
  }
}

export function finishedEvent(record: RequestRecord, now: number): EngineEvent {
  return {
    type: 'request-finished',
    at: isoTime(now),
    id: record.id,
    client: record.client,
    model: record.model,
    target: record.target,
    credential: record.credential,
    status: record.status,
    failure: record.failure,
    total_ms: Math.round(record.totalMs * 10) / 10,
  };
}
