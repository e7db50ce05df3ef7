import type { Database } from 'bun:sqlite';
import { StoreError } from './store-error.ts';

/** One entry per version, in order; `user_version` counts those that have run. An entry that was released never changes. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE overrides (
     credential_id TEXT PRIMARY KEY,
     is_enabled INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
     changed_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID`,
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
