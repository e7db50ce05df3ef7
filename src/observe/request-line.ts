import type { Log } from './log.ts';
import type { AttemptSummary, RequestRecord } from './request-record.ts';

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
  if (attempts.every(({ failure }) => failure === null)) return null;
  const failed = attempts.flatMap(({ credential, failure }) => (failure === null ? [] : [`${credential}:${failure}`]));
  return failed;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
