import type { KeptRequest } from '../observe/request-record.ts';
import { reasonOf } from '../shared/reason-of.ts';
import { NOTHING_USED, type UsageCounts } from '../observe/usage-counts.ts';
import type { RequestQuery, RequestView, UsageGroup, UsageReport, UsageTotals } from './operations.ts';

/** What was used and asked until now, as far as operations need it. The store has this shape. */
export interface History {
  readonly usage: {
    totals(query: { readonly by: UsageGroup; readonly since: number; readonly timezone: string }): {
      readonly since: number;
      readonly rows: readonly (UsageCounts & { readonly name: string | null })[];
      readonly total: UsageCounts;
    };
    /** Credential id → upstream model → use since a time. */
    models(since: number): ReadonlyMap<string, ReadonlyMap<string, UsageCounts>>;
    /** Credential id → all that it has used, as far as it is written. */
    lifetime(): ReadonlyMap<string, Pick<UsageCounts, 'costUsd'>>;
  };
  readonly requests: {
    list(query: RequestQuery): readonly KeptRequest[];
    find(id: string): KeptRequest | null;
  };
  readonly writer: { flush(): boolean };
}

export const NO_USAGE: UsageTotals = usageTotals(NOTHING_USED);

/** For those who have more to tell than what was used: what cannot be read is left out, and why is kept. */
export class HistoryReader {
  readonly #history: History;
  /** Null: everything could be read. */
  problem: string | null = null;

  constructor(history: History) {
    this.#history = history;
  }

  read<Read>(read: (history: History) => Read, otherwise: Read): Read {
    try {
      return read(this.#history);
    } catch (error) {
      this.problem = `what was used cannot be read: ${reasonOf(error)}`;
      return otherwise;
    }
  }
}

/** `labelOf`: the label of a credential that is still configured. */
export function usageReport(
  history: History,
  query: { readonly by: UsageGroup; readonly since: number },
  timezone: string,
  labelOf: (credential: string) => string | null,
): UsageReport {
  const { since, rows, total } = history.usage.totals({ ...query, timezone });
  return {
    by: query.by,
    since: new Date(since).toISOString(),
    rows: rows.map((row) => ({
      name: row.name,
      label: query.by === 'key' && row.name !== null ? labelOf(row.name) : null,
      ...usageTotals(row),
    })),
    total: usageTotals(total),
  };
}

export type UsageBy = { readonly of: ReadonlyMap<string, UsageTotals>; readonly total: UsageTotals };

export const NO_USAGE_BY: UsageBy = { of: new Map(), total: NO_USAGE };

/** Totals by provider or credential since a time, for `status`. What is not in the map has used nothing. */
export function usageBy(history: History, by: 'provider' | 'key', since: number): UsageBy {
  const { rows, total } = history.usage.totals({ by, since, timezone: 'UTC' });
  return { of: new Map(rows.map((row) => [row.name ?? '', usageTotals(row)])), total: usageTotals(total) };
}

/** Credential id → what all its answers have cost, in USD. A credential of which no cost is known is not in it. */
export function lifetimeCosts(history: History): ReadonlyMap<string, number> {
  history.writer.flush();
  return new Map(
    [...history.usage.lifetime()].flatMap(([id, { costUsd }]): [string, number][] =>
      costUsd === null ? [] : [[id, costUsd]],
    ),
  );
}

export function requestList(history: History, query: RequestQuery): readonly RequestView[] {
  history.writer.flush();
  return history.requests.list(query).map(requestView);
}

export function requestById(history: History, id: string): RequestView | null {
  history.writer.flush();
  const found = history.requests.find(id);
  return found && requestView(found);
}

export function usageTotals(counts: UsageCounts): UsageTotals {
  return {
    requests: counts.requests,
    failures: counts.failures,
    input_tokens: counts.inputTokens,
    output_tokens: counts.outputTokens,
    cached_tokens: counts.cachedTokens,
    reasoning_tokens: counts.reasoningTokens,
    cost_usd: counts.costUsd,
  };
}

function requestView(request: KeptRequest): RequestView {
  return {
    seq: request.seq,
    id: request.id,
    at: new Date(request.at).toISOString(),
    client: request.client,
    model: request.model,
    target: request.target,
    credential: request.credential,
    status: request.status,
    failure: request.failure,
    stream: request.isStream,
    queue_ms: tenths(request.queueMs),
    first_byte_ms: request.firstByteMs === null ? null : tenths(request.firstByteMs),
    total_ms: tenths(request.totalMs),
    overhead_ms: tenths(request.overheadMs),
    input_tokens: request.inputTokens,
    output_tokens: request.outputTokens,
    cached_tokens: request.cachedTokens,
    reasoning_tokens: request.reasoningTokens,
    cost_usd: request.costUsd,
    attempts: request.attempts,
  };
}

const tenths = (ms: number) => Math.round(ms * 10) / 10;
