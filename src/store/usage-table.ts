import type { Database } from 'bun:sqlite';
import { addCounts, NOTHING_USED, type UsageCounts } from '../observe/usage-counts.ts';
import { storedAmount, storedCount, storedText, storedTime } from './stored-values.ts';

/** What one upstream call used, or several of the same kind together. */
export type UsageRow = {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly provider: string;
  /** The credential's id, never its text. */
  readonly credential: string;
  /** The upstream's name of it. */
  readonly model: string;
  /** Null: the anonymous client. */
  readonly client: string | null;
  readonly requests: number;
  readonly failures: number;
  /** Null where the upstream did not say; counted as none. */
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly reasoningTokens: number | null;
  readonly costUsd: number | null;
};

/** Everything a credential has done since it was first used. */
export type Lifetime = UsageCounts & { readonly firstAt: number; readonly lastAt: number };

export type UsageGroup = 'provider' | 'model' | 'key' | 'client' | 'day';

export type UsageQuery = {
  readonly by: UsageGroup;
  /** Milliseconds since the epoch; the hour it is in counts whole. */
  readonly since: number;
  /** IANA name; says where a day begins. */
  readonly timezone: string;
};

export type UsageSum = UsageCounts & {
  /** Null: the anonymous client. */
  readonly name: string | null;
};

export type UsageTotals = { readonly since: number; readonly rows: readonly UsageSum[]; readonly total: UsageCounts };

export const HOUR_MS = 3_600_000;

const MAX_NAME_BYTES = 256;
/** More kinds than this within one second are a client that makes up names; they are counted, under one name. */
const MAX_KINDS = 10_000;
const OTHER_MODEL = '(other)';

type Kind = {
  readonly hour: number;
  readonly provider: string;
  readonly credential: string;
  readonly model: string;
  readonly client: string;
};
type Bucket = {
  readonly kind: Kind;
  readonly counts: { -readonly [Name in keyof UsageCounts]: UsageCounts[Name] };
  firstAt: number;
  lastAt: number;
};

/** Use that waits to be written, added up, so that it takes the same room however much there is. Never dropped. */
export class PendingUsage {
  readonly #buckets = new Map<string, Bucket>();
  /** By credential: what it was used for last. */
  readonly #latest = new Map<string, { readonly row: Pick<UsageRow, 'model' | 'client'>; readonly bucket: Bucket }>();

  get size(): number {
    return this.#buckets.size;
  }

  add(row: UsageRow): void {
    const at = storedTime(row.at);
    const bucket = this.#bucketFor(row, at - (at % HOUR_MS));
    if (!bucket) return;
    const { counts } = bucket;
    counts.requests += storedCount(row.requests);
    counts.failures += storedCount(row.failures);
    counts.inputTokens += storedCount(row.inputTokens);
    counts.outputTokens += storedCount(row.outputTokens);
    counts.cachedTokens += storedCount(row.cachedTokens);
    counts.reasoningTokens += storedCount(row.reasoningTokens);
    const costUsd = storedAmount(row.costUsd);
    if (costUsd !== null) counts.costUsd = (counts.costUsd ?? 0) + costUsd;
    bucket.firstAt = Math.min(bucket.firstAt, at);
    bucket.lastAt = Math.max(bucket.lastAt, at);
  }

  buckets(): Iterable<{ readonly [Name in keyof Bucket]: Readonly<Bucket[Name]> }> {
    return this.#buckets.values();
  }

  clear(): void {
    this.#buckets.clear();
    this.#latest.clear();
  }

  /** What one credential serves is nearly always what it served before. */
  #bucketFor({ provider, credential, model, client }: UsageRow, hour: number): Bucket | null {
    const latest = this.#latest.get(credential);
    if (latest?.row.model === model && latest.row.client === client && latest.bucket.kind.hour === hour) {
      return latest.bucket;
    }
    const kind = { hour, provider, credential, model: storedText(model, MAX_NAME_BYTES), client: client ?? '' };
    const bucket = this.#bucket(kind) ?? this.#bucket({ ...kind, model: OTHER_MODEL }, true);
    if (bucket) this.#latest.set(credential, { row: { model, client }, bucket });
    return bucket;
  }

  #bucket(kind: Kind, isAlways = false): Bucket | null {
    const key = `${kind.hour} ${kind.credential}\0${kind.model}\0${kind.client}`;
    const known = this.#buckets.get(key);
    if (known) return known;
    if (!isAlways && this.#buckets.size >= MAX_KINDS) return null;
    const made = { kind, counts: { ...NOTHING_USED }, firstAt: Number.POSITIVE_INFINITY, lastAt: 0 };
    this.#buckets.set(key, made);
    return made;
  }
}

const COUNTS = ['requests', 'failures', 'input_tokens', 'output_tokens', 'cached_tokens', 'reasoning_tokens'] as const;
type CountColumns = { readonly [name in (typeof COUNTS)[number]]: number } & { readonly cost_usd: number | null };

const added = (table: string) =>
  [
    ...COUNTS.map((name) => `${name} = ${table}.${name} + excluded.${name}`),
    // Adding a null would forget what is known.
    `cost_usd = coalesce(${table}.cost_usd + excluded.cost_usd, ${table}.cost_usd, excluded.cost_usd)`,
  ].join(', ');
const SUMS = [...COUNTS, 'cost_usd'].map((name) => `sum(${name}) AS ${name}`).join(', ');
const NAME_OF: Readonly<Record<UsageGroup, string>> = {
  provider: 'provider',
  model: `provider || '/' || model`,
  key: 'credential_id',
  client: 'client',
  day: 'hour',
};

/** Use per hour, and of every credential since ever. Every function may throw what the database throws. */
export function usageTable(database: Database) {
  const addHour = database.query(
    `INSERT INTO usage (hour, credential_id, model, client, provider, ${COUNTS.join(', ')}, cost_usd)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ${added('usage')}`,
  );
  const addLifetime = database.query(
    `INSERT INTO lifetime (credential_id, first_at, last_at, ${COUNTS.join(', ')}, cost_usd)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
     first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at), ${added('lifetime')}`,
  );
  const selectLifetime = database.query<
    CountColumns & { readonly credential_id: string; readonly first_at: number; readonly last_at: number },
    []
  >('SELECT * FROM lifetime');
  const selectModels = database.query<
    CountColumns & { readonly credential_id: string; readonly model: string },
    [number]
  >(`SELECT credential_id, model, ${SUMS} FROM usage WHERE hour >= ? GROUP BY 1, 2`);
  const deleteOld = database.query(
    `DELETE FROM usage WHERE (hour, credential_id, model, client) IN
     (SELECT hour, credential_id, model, client FROM usage WHERE hour < ? ORDER BY hour LIMIT ?)`,
  );
  return {
    write(pending: PendingUsage): void {
      for (const { kind, counts, firstAt, lastAt } of pending.buckets()) {
        const values = [
          counts.requests,
          counts.failures,
          counts.inputTokens,
          counts.outputTokens,
          counts.cachedTokens,
          counts.reasoningTokens,
          counts.costUsd,
        ] as const;
        addHour.run(kind.hour, kind.credential, kind.model, kind.client, kind.provider, ...values);
        addLifetime.run(kind.credential, firstAt, lastAt, ...values);
      }
    },

    /** `pending`: what is not in the table yet is counted with it. */
    totals({ by, since, timezone }: UsageQuery, pending: PendingUsage): UsageTotals {
      const from = since - (since % HOUR_MS);
      const rows = database
        .query<CountColumns & { readonly name: string | number }, [number]>(
          `SELECT ${NAME_OF[by]} AS name, ${SUMS} FROM usage WHERE hour >= ? GROUP BY 1`,
        )
        .all(from);
      const nameOf = naming(by, timezone);
      const sums = new Map<string, UsageCounts>();
      const count = (name: string, counts: UsageCounts) =>
        sums.set(name, addCounts(sums.get(name) ?? NOTHING_USED, counts));
      for (const row of rows) count(nameOf(row.name), countsOf(row));
      for (const { kind, counts } of pending.buckets()) if (kind.hour >= from) count(nameOf(rawName(by, kind)), counts);
      const named = [...sums].map(([name, counts]): UsageSum => ({ name: name === '' ? null : name, ...counts }));
      return {
        since: from,
        rows: named.sort((a, b) => (by === 'day' ? compare(a, b) : b.requests - a.requests || compare(a, b))),
        total: [...sums.values()].reduce(addCounts, NOTHING_USED),
      };
    },

    /** Credential id → upstream model → what it used. */
    models(since: number, pending: PendingUsage): ReadonlyMap<string, ReadonlyMap<string, UsageCounts>> {
      const from = since - (since % HOUR_MS);
      const sums = new Map<string, Map<string, UsageCounts>>();
      const count = (credential: string, model: string, counts: UsageCounts) => {
        const models = sums.get(credential) ?? new Map<string, UsageCounts>();
        sums.set(credential, models.set(model, addCounts(models.get(model) ?? NOTHING_USED, counts)));
      };
      for (const row of selectModels.all(from)) count(row.credential_id, row.model, countsOf(row));
      for (const { kind, counts } of pending.buckets()) {
        if (kind.hour >= from) count(kind.credential, kind.model, counts);
      }
      return sums;
    },

    lifetime(): ReadonlyMap<string, Lifetime> {
      return new Map(
        selectLifetime
          .all()
          .map((row) => [row.credential_id, { ...countsOf(row), firstAt: row.first_at, lastAt: row.last_at }]),
      );
    },

    /** Deletes at most `limit` rows of hours that began before `before`; returns how many. */
    expire(before: number, limit: number): number {
      return deleteOld.run(before, limit).changes;
    },
  };
}

function countsOf(row: CountColumns): UsageCounts {
  return {
    requests: row.requests,
    failures: row.failures,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cachedTokens: row.cached_tokens,
    reasoningTokens: row.reasoning_tokens,
    costUsd: row.cost_usd,
  };
}

function rawName(by: UsageGroup, kind: Kind): string | number {
  switch (by) {
    case 'provider':
      return kind.provider;
    case 'model':
      return `${kind.provider}/${kind.model}`;
    case 'key':
      return kind.credential;
    case 'client':
      return kind.client;
    case 'day':
      return kind.hour;
  }
}

/** An hour's name is its day in the timezone; in one that is half an hour off, an hour belongs to the day it begins in. */
function naming(by: UsageGroup, timezone: string): (name: string | number) => string {
  if (by !== 'day') return String;
  // Sweden writes dates as ISO 8601 does.
  const day = new Intl.DateTimeFormat('sv-SE', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return (hour) => day.format(Number(hour));
}

function compare(a: UsageSum, b: UsageSum): number {
  const [one, other] = [a.name ?? '', b.name ?? ''];
  return one < other ? -1 : one > other ? 1 : 0;
}
