import { Database, SQLiteError } from 'bun:sqlite';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { KeptRequest } from '../observe/request-record.ts';
import type { UsageCounts } from '../observe/usage-counts.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { reasonOf } from '../shared/reason-of.ts';
import { copyTable } from './copies.ts';
import { migrate } from './migrations.ts';
import { type RequestQuery, requestLog } from './request-log.ts';
import { responseTable } from './responses.ts';
import { type Snapshot, snapshotTable } from './snapshots.ts';
import { StoreError } from './store-error.ts';
import { type Lifetime, type UsageQuery, type UsageRow, type UsageTotals, usageTable } from './usage-table.ts';
import { type Batch, QueuedWriter, type StoreWriter, type WriterOptions } from './writer.ts';

export type { Lifetime, RequestQuery, Snapshot, StoreWriter, UsageQuery, UsageRow, UsageTotals };
export { StoreError };

/** What outlives the process. Every call may throw a `StoreError`, but for the writer's. */
export type Store = {
  /** What the operator said of single credentials; it goes before the config. */
  readonly overrides: {
    /** Credential id → is it enabled. */
    all(): Map<string, boolean>;
    set(id: string, isEnabled: boolean): void;
  };
  readonly writer: StoreWriter;
  readonly usage: {
    /** Sums since a time, what the writer still holds included. */
    totals(query: UsageQuery): UsageTotals;
    /** Credential id → upstream model → use since a time, what the writer still holds included. */
    models(since: number): ReadonlyMap<string, ReadonlyMap<string, UsageCounts>>;
    /** Credential id → everything it has done since it was first used, as far as it is written. */
    lifetime(): ReadonlyMap<string, Lifetime>;
  };
  /** As far as they are written: `writer.flush()` before, where the newest matter. */
  readonly requests: {
    /** The newest first. */
    list(query: RequestQuery): readonly KeptRequest[];
    /** The newest with this id, else the one with this `seq`. */
    find(id: string): KeptRequest | null;
  };
  /** Answers that clients may come back to, as JSON text: written and read at once. Times are milliseconds. */
  readonly responses: {
    find(client: string, id: string, ttlMs: number): string | null;
    /** The answer that said this item. */
    findByItem(client: string, item: string, ttlMs: number): string | null;
    /** `items`: ids of what it said. */
    keep(
      client: string,
      id: string,
      json: string,
      items: readonly string[],
      limits: { readonly ttlMs: number; readonly maxBytes: number },
    ): void;
    remove(client: string, id: string): boolean;
  };
  /** Provider → the last state of its pool. */
  snapshots(): ReadonlyMap<string, Snapshot>;
  /** What was read from elsewhere, by name: `read` gives null when there is none. */
  readonly copies: { read(name: string): unknown; write(name: string, value: unknown): void };
  /** Another number after another process has written; this one's own writes do not change it. */
  dataVersion(): number;
  /** Writes what waits first. */
  close(): void;
  /** For the user: what had to be done to open the database. */
  readonly warning: string | null;
};

export type StoreOptions = {
  readonly clock?: Clock;
  /** What is older is deleted, a little at a time. Default: nothing is. */
  readonly retentionMs?: number;
  /** Asked before a write, at most once a second: the snapshots of what has changed, by provider. */
  readonly collect?: WriterOptions['collect'];
  /** For people, and seldom: writing fails, rows are lost, all is well again. */
  readonly onTrouble?: (message: string) => void;
};

const BUSY_TIMEOUT_MS = 5000;
// Requests wait meanwhile; what cannot be written now is written later.
const WRITER_BUSY_TIMEOUT_MS = 20;
const RETRY_MS = 10;
const MAX_OPEN_TRIES = 5;
/** Rows that one deletion takes. */
const EXPIRY_ROWS = 500;
/** Where nothing is kept, neither is a log that grows for months. */
const MAX_REQUESTS_IN_MEMORY = 10_000;

/**
 * Opens or creates the database; `:memory:` for one that is not kept. The file is for its owner alone (0600), and so
 * is a directory that has to be made (0700). A damaged file is renamed, never deleted, and a new one is started.
 */
export function openStore(path: string, options: StoreOptions = {}): Store {
  if (path === MEMORY) return storeOf(prepare(new Database(path, { strict: true }), path), path, options, null);
  createFile(path);
  try {
    return storeOf(openCreated(path), path, options, null);
  } catch (error) {
    if (!isDamage(error)) throw asStoreError(error, path);
    return openInsteadOf(path, options, error.message);
  }
}

const MEMORY = ':memory:';

function storeOf(database: Database, path: string, options: StoreOptions, warning: string | null): Store {
  const clock = options.clock ?? systemClock;
  const guard = <Result>(run: () => Result): Result => {
    try {
      return run();
    } catch (error) {
      if (isDamage(error) && path !== MEMORY) suspect(path);
      throw asStoreError(error, path);
    }
  };
  const select = database.query<{ credential_id: string; is_enabled: number }, []>(
    'SELECT credential_id, is_enabled FROM overrides',
  );
  const upsert = database.query<void, [string, number, number]>(
    `INSERT INTO overrides (credential_id, is_enabled, changed_at) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET is_enabled = excluded.is_enabled, changed_at = excluded.changed_at`,
  );
  const version = database.query<{ data_version: number }, []>('PRAGMA data_version');
  const usage = usageTable(database);
  const requests = requestLog(database);
  const snapshots = snapshotTable(database);
  const copies = copyTable(database);
  const responses = responseTable(database);
  const write = database.transaction((batch: Batch) => {
    usage.write(batch.usage);
    requests.write(batch.requests);
    snapshots.write(batch.snapshots, clock.now());
  });
  const expire = database.transaction(() => {
    const before = clock.now() - (options.retentionMs ?? Number.POSITIVE_INFINITY);
    const counts = [
      path === MEMORY ? requests.shrink(MAX_REQUESTS_IN_MEMORY, EXPIRY_ROWS) : 0,
      ...(Number.isFinite(before) ? [requests.expire(before, EXPIRY_ROWS), usage.expire(before, EXPIRY_ROWS)] : []),
    ];
    return counts.includes(EXPIRY_ROWS);
  });
  const writer = new QueuedWriter({
    clock,
    write: (batch) => impatiently(database, path, () => write.immediate(batch)),
    expire:
      options.retentionMs === undefined && path !== MEMORY
        ? null
        : () => impatiently(database, path, () => expire.immediate()),
    collect: options.collect ?? (() => []),
    onTrouble: options.onTrouble ?? (() => {}),
    explain: (error) => {
      const problem = asStoreError(error, path);
      return reasonOf(problem);
    },
  });
  return {
    overrides: {
      all: () => guard(() => new Map(select.all().map((row) => [row.credential_id, row.is_enabled === 1]))),
      set: (id, isEnabled) => guard(() => void upsert.run(id, isEnabled ? 1 : 0, clock.now())),
    },
    writer,
    usage: {
      totals: (query) => guard(() => usage.totals(query, writer.pending)),
      models: (since) => guard(() => usage.models(since, writer.pending)),
      lifetime: () => guard(() => usage.lifetime()),
    },
    requests: {
      list: (query) => guard(() => requests.list(query)),
      find: (id) => guard(() => requests.find(id)),
    },
    responses: {
      find: (client, id, ttlMs) => guard(() => responses.find(client, id, clock.now(), ttlMs)),
      findByItem: (client, item, ttlMs) => guard(() => responses.findByItem(client, item, clock.now(), ttlMs)),
      keep: (client, id, json, items, limits) =>
        guard(() => {
          responses.keep(client, id, json, items, clock.now());
          responses.shrink(clock.now(), limits);
        }),
      remove: (client, id) => guard(() => responses.remove(client, id)),
    },
    snapshots: () => guard(() => snapshots.all()),
    copies: {
      read: (name) => guard(() => copies.read(name)),
      write: (name, value) => guard(() => impatiently(database, path, () => copies.write(name, value, clock.now()))),
    },
    dataVersion: () => guard(() => version.get()?.data_version ?? 0),
    close: () => {
      writer.close();
      database.close();
    },
    warning,
  };
}

/** Writes without making requests wait for another process that holds the database. */
function impatiently<Result>(database: Database, path: string, run: () => Result): Result {
  try {
    database.run(`PRAGMA busy_timeout = ${WRITER_BUSY_TIMEOUT_MS}`);
    return run();
  } catch (error) {
    if (isDamage(error)) suspect(path);
    throw error;
  } finally {
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  }
}

/** Damage that was met in the middle of the work is looked for at the next start: a whole check takes time. */
const suspicion = (path: string) => `${path}.damaged`;

function suspect(path: string): void {
  try {
    closeSync(openSync(suspicion(path), 'a', 0o600));
  } catch {
    // A disk that takes no empty file: the next start will meet the damage again, sooner or later.
  }
}

/** Between creating and opening it, another process may have set the file aside, and a third made a new one. */
function openCreated(path: string): Database {
  for (let tries = 1; ; tries++) {
    try {
      return open(path);
    } catch (error) {
      const isAway = error instanceof SQLiteError && error.code === 'SQLITE_CANTOPEN';
      if (tries === MAX_OPEN_TRIES || (existsSync(path) && !isAway)) throw error;
      createFile(path);
      Bun.sleepSync(RETRY_MS);
    }
  }
}

function open(path: string): Database {
  const database = new Database(path, { create: false, readwrite: true, strict: true });
  try {
    return prepare(database, path);
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepare(database: Database, path: string): Database {
  database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  // The switch to WAL does not wait for others by itself, whatever the busy timeout says.
  patiently(() => database.run('PRAGMA journal_mode = WAL'));
  database.run('PRAGMA synchronous = NORMAL');
  patiently(() => migrate(database, path));
  // Damage beyond the first page shows when the data is read; better now than in the middle of a request.
  database.query('SELECT * FROM overrides').all();
  database.query('SELECT * FROM snapshots').all();
  if (existsSync(suspicion(path))) {
    const found = database.query<{ quick_check: string }, []>('PRAGMA quick_check(1)').get()?.quick_check;
    if (found !== 'ok') throw new StoreError('damaged', found ?? 'it cannot be checked');
    rmSync(suspicion(path), { force: true });
  }
  return database;
}

function patiently(run: () => void): void {
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    try {
      return run();
    } catch (error) {
      if (!isBusy(error) || waitedMs >= BUSY_TIMEOUT_MS) throw error;
      Bun.sleepSync(RETRY_MS);
    }
  }
}

/** SQLite would create it with the permissions that the umask leaves; its -wal and -shm files take them from it. */
function createFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
  } catch (error) {
    throw new StoreError('unwritable', `${path} cannot be written (${codeOf(error)})`, error);
  }
  try {
    chmodSync(path, 0o600);
  } catch {
    // Somebody else's file in a shared directory: it could be opened, and that is what counts.
  }
}

/** Sets a damaged file aside. Of several processes that find it at once one renames it, the others open the new one. */
function openInsteadOf(path: string, options: StoreOptions, why: string): Store {
  const clock = options.clock ?? systemClock;
  createFile(`${path}.lock`);
  const lock = new Database(`${path}.lock`, { create: false, readwrite: true });
  try {
    lock.run(`PRAGMA busy_timeout = ${2 * BUSY_TIMEOUT_MS}`);
    // A lock of the operating system: it cannot be left behind by a process that dies.
    lock.run('BEGIN EXCLUSIVE');
    try {
      return storeOf(open(path), path, options, null);
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    const aside = freeName(`${path}.corrupt-${new Date(clock.now()).toISOString().replace(/[:.]/g, '-')}`);
    renameSync(path, aside);
    // What the old file had not taken in yet belongs to it, and would damage the new one.
    if (existsSync(`${path}-wal`)) renameSync(`${path}-wal`, `${aside}-wal`);
    rmSync(`${path}-shm`, { force: true });
    rmSync(suspicion(path), { force: true });
    createFile(path);
    const warning =
      `the database ${path} was damaged (${why}); it is kept as ${basename(aside)}, and a new one was started: ` +
      'what was learned of the keys, what was enabled or disabled by hand, the usage and the request log are forgotten';
    return storeOf(open(path), path, options, warning);
  } catch (error) {
    throw asStoreError(error, path);
  } finally {
    lock.close();
  }
}

function freeName(name: string): string {
  for (let i = 0; ; i++) {
    const candidate = i === 0 ? name : `${name}-${i}`;
    if (!existsSync(candidate)) return candidate;
  }
}

function isDamage(error: unknown): error is SQLiteError | StoreError {
  if (error instanceof StoreError) return error.problem === 'damaged';
  return (
    error instanceof SQLiteError &&
    (error.code === 'SQLITE_NOTADB' || error.code?.startsWith('SQLITE_CORRUPT') === true)
  );
}

function isBusy(error: unknown): boolean {
  return error instanceof SQLiteError && error.code?.startsWith('SQLITE_BUSY') === true;
}

function asStoreError(error: unknown, path: string): unknown {
  if (error instanceof StoreError) return error;
  const code = codeOf(error);
  if (isDamage(error))
    return new StoreError('damaged', `${path} is damaged (${code}), the next start sets it aside`, error);
  if (isBusy(error)) return new StoreError('busy', `${path} is in use by another process (${code})`, error);
  // Anything else that SQLite or the file system refuses comes down to this: full, read-only, gone, I/O error.
  if (code !== '') return new StoreError('unwritable', `${path} cannot be written (${code})`, error);
  return error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
