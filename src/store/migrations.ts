import type { Database } from 'bun:sqlite';
import { StoreError } from './store-error.ts';

/** One entry per version, in order; `user_version` counts those that have run. An entry that was released never changes. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE overrides (
     credential_id TEXT PRIMARY KEY,
     is_enabled INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
     changed_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID`,
  // Times are milliseconds since the epoch. The anonymous client is the empty name. A cost is null until a price was known.
  `CREATE TABLE usage (
     hour INTEGER NOT NULL,
     credential_id TEXT NOT NULL,
     model TEXT NOT NULL,
     client TEXT NOT NULL,
     provider TEXT NOT NULL,
     requests INTEGER NOT NULL,
     failures INTEGER NOT NULL,
     input_tokens INTEGER NOT NULL,
     output_tokens INTEGER NOT NULL,
     cached_tokens INTEGER NOT NULL,
     reasoning_tokens INTEGER NOT NULL,
     cost_usd REAL,
     PRIMARY KEY (hour, credential_id, model, client)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE lifetime (
     credential_id TEXT PRIMARY KEY,
     first_at INTEGER NOT NULL,
     last_at INTEGER NOT NULL,
     requests INTEGER NOT NULL,
     failures INTEGER NOT NULL,
     input_tokens INTEGER NOT NULL,
     output_tokens INTEGER NOT NULL,
     cached_tokens INTEGER NOT NULL,
     reasoning_tokens INTEGER NOT NULL,
     cost_usd REAL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE requests (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL,
     at INTEGER NOT NULL,
     client TEXT,
     model TEXT,
     target TEXT,
     credential_id TEXT,
     status INTEGER NOT NULL,
     failure TEXT,
     is_stream INTEGER NOT NULL CHECK (is_stream IN (0, 1)),
     queue_ms REAL NOT NULL,
     first_byte_ms REAL,
     total_ms REAL NOT NULL,
     overhead_ms REAL NOT NULL,
     input_tokens INTEGER,
     output_tokens INTEGER,
     cached_tokens INTEGER,
     reasoning_tokens INTEGER,
     cost_usd REAL,
     attempts TEXT NOT NULL
   ) STRICT;
   CREATE INDEX requests_by_id ON requests (id);
   CREATE INDEX requests_failed ON requests (seq) WHERE failure IS NOT NULL;
   CREATE TABLE snapshots (
     provider TEXT PRIMARY KEY,
     json TEXT NOT NULL,
     saved_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID`,
  // What was read from elsewhere and can be read again: public catalogues.
  `CREATE TABLE copies (
     name TEXT PRIMARY KEY,
     json TEXT NOT NULL,
     saved_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE responses (
     client TEXT NOT NULL,
     id TEXT NOT NULL,
     used_at INTEGER NOT NULL,
     bytes INTEGER NOT NULL,
     json TEXT NOT NULL,
     PRIMARY KEY (client, id)
   ) STRICT;
   CREATE INDEX responses_by_use ON responses (used_at)`,
  // Which answer said an item: clients name items of earlier answers instead of repeating them.
  `CREATE TABLE response_items (
     client TEXT NOT NULL,
     item TEXT NOT NULL,
     response TEXT NOT NULL,
     PRIMARY KEY (client, item)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX response_items_by_response ON response_items (client, response);
   CREATE TRIGGER response_items_go AFTER DELETE ON responses BEGIN
     DELETE FROM response_items WHERE client = old.client AND response = old.id;
   END`,
];

/** Brings the schema up to date. Of several processes that start at once one does it and the others find it done. */
export function migrate(database: Database, path: string): void {
  if (versionOf(database) === MIGRATIONS.length) return;
  database
    .transaction(() => {
      const version = versionOf(database);
      if (version > MIGRATIONS.length) {
        throw new StoreError(
          'newer',
          `${path} was written by a newer version of rotator (schema ${version}, this one knows ${MIGRATIONS.length}); use that version, or another state directory`,
        );
      }
      for (const statements of MIGRATIONS.slice(version)) database.run(statements);
      database.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
    })
    .immediate();
}

function versionOf(database: Database): number {
  return database.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0;
}
