import type { Database } from 'bun:sqlite';

/** Copies of what was read from elsewhere, by name. Every function may throw what the database throws. */
export function copyTable(database: Database) {
  const upsert = database.query<void, [string, string, number]>(
    `INSERT INTO copies (name, json, saved_at) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET json = excluded.json, saved_at = excluded.saved_at`,
  );
  const select = database.query<{ json: string }, [string]>('SELECT json FROM copies WHERE name = ?');
  return {
    write(name: string, value: unknown, now: number): void {
      upsert.run(name, JSON.stringify(value), now);
    },
    /** As it was written; null when there is none. */
    read(name: string): unknown {
      const row = select.get(name);
      if (!row) return null;
      try {
        return JSON.parse(row.json);
      } catch {
        // Only a hand can have written it, and what it was a copy of is still there.
        return null;
      }
    },
  };
}
