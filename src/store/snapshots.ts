import type { Database } from 'bun:sqlite';

export type Snapshot = {
  /** As it was written. What it means is its writer's affair. */
  readonly value: unknown;
  /** Milliseconds since the epoch. */
  readonly savedAt: number;
};

/** The last state of each provider's pool. Every function may throw what the database throws. */
export function snapshotTable(database: Database) {
  const upsert = database.query(
    `INSERT INTO snapshots (provider, json, saved_at) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET json = excluded.json, saved_at = excluded.saved_at`,
  );
  const select = database.query<{ provider: string; json: string; saved_at: number }, []>('SELECT * FROM snapshots');
  return {
    write(snapshots: ReadonlyMap<string, string>, now: number): void {
      for (const [provider, json] of snapshots) upsert.run(provider, json, now);
    },
    all(): ReadonlyMap<string, Snapshot> {
      return new Map(
        select.all().flatMap(({ provider, json, saved_at }): [string, Snapshot][] => {
          try {
            return [[provider, { value: JSON.parse(json), savedAt: saved_at }]];
          } catch {
            // Only a hand can have written it: better no memory than no start.
            return [];
          }
        }),
      );
    },
  };
}
