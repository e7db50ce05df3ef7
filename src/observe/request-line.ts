import type { Log } from './log.ts';

/** What is known of a request when it is over. */
export type RequestRecord = {
  readonly id: string;
  /** When it arrived, milliseconds since the epoch. */
  readonly at: number;
  /** The client key's name; null for the anonymous client. */
  readonly client: string | null;
  /** The model as the client wrote it; null when the request could not be read. */
  readonly model: string | null;
  /** `provider/model` that answered, or was tried last. */
  readonly target: string | null;
  /** The credential that answered. */
  readonly credential: string | null;
  /** Upstream calls, in order. */
  readonly attempts: readonly AttemptSummary[];
  /** Steps from one target to the next, with the kind of the problem that made it. */
  readonly fallbacks: readonly { readonly from: string; readonly to: string; readonly reason: string }[];
  /** What OpenTelemetry calls it: `chat`, `embeddings`. */
  readonly operation: string;
  /** W3C's header of the client's own trace, as it came; null: none did. */
  readonly traceParent: string | null;
  readonly status: number;
  /** The kind of failure; null for an answer. A stream can fail with status 200. */
  readonly failure: string | null;
  readonly isStream: boolean;
  /** Milliseconds spent waiting for a credential and between tries. */
  readonly queueMs: number;
  /** Milliseconds from the arrival to the first byte of a stream. */
  readonly firstByteMs: number | null;
  readonly totalMs: number;
  /** Milliseconds that were rotator's own. */
  readonly overheadMs: number;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Of the input tokens. */
  readonly cachedTokens: number | null;
  /** Of the output tokens. */
  readonly reasoningTokens: number | null;
  /** Null where no price is known. */
  readonly costUsd: number | null;
};

export type AttemptSummary = {
  readonly target: string;
  readonly credential: string;
  readonly status: number | null;
  readonly failure: string | null;
  readonly ms: number;
  /** The upstream's own words, without secrets; never in the log line. */
  readonly error: string | null;
  /** When it began, in milliseconds after the request. */
  readonly startMs: number;
};

/**
 * One line per request; never a word of what was asked or answered. A `warn` when it was an upstream or this server
 * that failed, `info` otherwise, the client's own mistakes included.
 */
export function requestLine(log: Log, record: RequestRecord): void {
  const isTrouble =
    record.failure !== null && record.failure !== 'client-gone' && (record.status >= 500 || record.status === 200);
  log[isTrouble ? 'warn' : 'info']('request', requestFields(record));
}

const MAYBE_BILLED: ReadonlySet<string> = new Set(['lost', 'stream-broken', 'timeout']);

/** Names as they stand in JSON logs. All are always there, so that a log can be read as a table. */
export function requestFields(record: RequestRecord) {
  return {
    id: record.id,
    client: record.client,
    model: record.model,
    target: record.target,
    credential: record.credential,
    status: record.status,
    failure: record.failure,
    stream: record.isStream,
    attempts: record.attempts.length,
    /** An attempt was sent and its answer lost: the provider may charge for it. */
    possibly_billed: record.attempts.some(({ failure }) => failure !== null && MAYBE_BILLED.has(failure)),
    /** `credential:failure` of every attempt that did not answer. */
    failed: failedAttempts(record.attempts),
    queue_ms: tenths(record.queueMs),
    first_byte_ms: record.firstByteMs === null ? null : tenths(record.firstByteMs),
    total_ms: tenths(record.totalMs),
    overhead_ms: tenths(record.overheadMs),
    input_tokens: record.inputTokens,
    output_tokens: record.outputTokens,
    cost_usd: record.costUsd,
  };
}

function failedAttempts(attempts: readonly AttemptSummary[]): readonly string[] | null {
  const failed = attempts.flatMap(({ credential, failure }) => (failure === null ? [] : [`${credential}:${failure}`]));
  return failed.length === 0 ? null : failed;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
