import type { Database } from 'bun:sqlite';
import type { KeptRequest, LoggedAttempt, LoggedRequest } from '../observe/request-record.ts';
import { storedAmount, storedCount, storedCountOrNull, storedText, storedTime } from './stored-values.ts';

export type RequestQuery = {
  readonly limit: number;
  readonly failedOnly: boolean;
  /** Only those with a smaller `seq`; null: from the newest. */
  readonly before: number | null;
  /** Only those with a larger `seq`; null: all. */
  readonly after: number | null;
};

const MAX_NAME_BYTES = 256;
const MAX_ERROR_BYTES = 2048;
const MAX_ATTEMPTS = 50;

type Columns = {
  readonly seq: number;
  readonly id: string;
  readonly at: number;
  readonly client: string | null;
  readonly model: string | null;
  readonly target: string | null;
  readonly credential_id: string | null;
  readonly status: number;
  readonly failure: string | null;
  readonly is_stream: number;
  readonly queue_ms: number;
  readonly first_byte_ms: number | null;
  readonly total_ms: number;
  readonly overhead_ms: number;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cached_tokens: number | null;
  readonly reasoning_tokens: number | null;
  readonly cost_usd: number | null;
  readonly attempts: string;
};

/** The log of requests. Every function may throw what the database throws. */
export function requestLog(database: Database) {
  const insert = database.query(
    `INSERT INTO requests (id, at, client, model, target, credential_id, status, failure, is_stream, queue_ms,
       first_byte_ms, total_ms, overhead_ms, input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost_usd, attempts)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const newest = (where: string) =>
    database.query<Columns, [number, number, number]>(
      `SELECT * FROM requests WHERE seq < ? AND seq > ?${where} ORDER BY seq DESC LIMIT ?`,
    );
  const all = newest('');
  const failed = newest(' AND failure IS NOT NULL');
  const byId = database.query<Columns, [string]>('SELECT * FROM requests WHERE id = ? ORDER BY seq DESC LIMIT 1');
  const bySeq = database.query<Columns, [number]>('SELECT * FROM requests WHERE seq = ?');
  // Only the oldest are looked at, so that nothing has to be searched and no index kept for it. A row from a clock that
  // ran ahead holds up those behind it until its own time has come.
  const deleteOld = database.query(
    'DELETE FROM requests WHERE at < ? AND seq IN (SELECT seq FROM requests ORDER BY seq LIMIT ?)',
  );
  const deleteSurplus = database.query(
    `DELETE FROM requests WHERE seq IN
     (SELECT seq FROM requests WHERE seq <= (SELECT max(seq) FROM requests) - ? ORDER BY seq LIMIT ?)`,
  );
  return {
    write(rows: Iterable<LoggedRequest>): void {
      for (const row of rows) {
        insert.run(
          storedText(row.id, MAX_NAME_BYTES),
          storedTime(row.at),
          row.client,
          nameOrNull(row.model),
          nameOrNull(row.target),
          row.credential,
          storedCount(row.status),
          row.failure,
          row.isStream ? 1 : 0,
          storedAmount(row.queueMs) ?? 0,
          storedAmount(row.firstByteMs),
          storedAmount(row.totalMs) ?? 0,
          storedAmount(row.overheadMs) ?? 0,
          storedCountOrNull(row.inputTokens),
          storedCountOrNull(row.outputTokens),
          storedCountOrNull(row.cachedTokens),
          storedCountOrNull(row.reasoningTokens),
          storedAmount(row.costUsd),
          JSON.stringify(row.attempts.slice(0, MAX_ATTEMPTS).map(storedAttempt)),
        );
      }
    },

    list({ limit, failedOnly, before, after }: RequestQuery): readonly KeptRequest[] {
      return (failedOnly ? failed : all).all(before ?? Number.MAX_SAFE_INTEGER, after ?? 0, limit).map(keptRequest);
    },

    /** The newest with this id, else the one with this `seq`. */
    find(id: string): KeptRequest | null {
      const row = byId.get(id) ?? (/^\d{1,15}$/.test(id) ? bySeq.get(Number(id)) : null);
      return row ? keptRequest(row) : null;
    },

    /** Deletes at most `limit` rows from before `before`, milliseconds since the epoch; returns how many. */
    expire(before: number, limit: number): number {
      return deleteOld.run(before, limit).changes;
    },

    /** Deletes at most `limit` of the oldest rows while there are more than `keep`; returns how many. */
    shrink(keep: number, limit: number): number {
      return deleteSurplus.run(keep, limit).changes;
    },
  };
}

const nameOrNull = (name: string | null) => (name === null ? null : storedText(name, MAX_NAME_BYTES));

function storedAttempt(attempt: LoggedAttempt): LoggedAttempt {
  const { credential, status, failure, ms, error } = attempt;
  return {
    target: storedText(attempt.target, MAX_NAME_BYTES),
    credential,
    status,
    failure,
    ms,
    error: error === null ? null : storedText(error, MAX_ERROR_BYTES),
  };
}

function keptRequest(row: Columns): KeptRequest {
  return {
    seq: row.seq,
    id: row.id,
    at: row.at,
    client: row.client,
    model: row.model,
    target: row.target,
    credential: row.credential_id,
    status: row.status,
    failure: row.failure,
    isStream: row.is_stream === 1,
    queueMs: row.queue_ms,
    firstByteMs: row.first_byte_ms,
    totalMs: row.total_ms,
    overheadMs: row.overhead_ms,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cachedTokens: row.cached_tokens,
    reasoningTokens: row.reasoning_tokens,
    costUsd: row.cost_usd,
    // Written by `write` above and by nobody else.
    attempts: JSON.parse(row.attempts) as readonly LoggedAttempt[],
  };
}
