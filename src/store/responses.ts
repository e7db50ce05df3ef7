import type { Database } from 'bun:sqlite';

/**
 * Answers that clients may come back to, as JSON text. Every function may throw what the database throws. Times are
 * milliseconds since the epoch.
 */
export function responseTable(database: Database) {
  const upsert = database.query(
    `INSERT INTO responses (client, id, used_at, bytes, json) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET used_at = excluded.used_at, bytes = excluded.bytes, json = excluded.json`,
  );
  const touch = database.query('UPDATE responses SET used_at = ? WHERE client = ? AND id = ?');
  const select = database.query<{ json: string; used_at: number }, [string, string]>(
    'SELECT json, used_at FROM responses WHERE client = ? AND id = ?',
  );
  const nameItem = database.query('INSERT OR REPLACE INTO response_items (client, item, response) VALUES (?, ?, ?)');
  const byItem = database.query<{ response: string }, [string, string]>(
    'SELECT response FROM response_items WHERE client = ? AND item = ?',
  );
  const remove = database.query('DELETE FROM responses WHERE client = ? AND id = ?');
  const expire = database.query('DELETE FROM responses WHERE used_at < ?');
  const total = database.query<{ bytes: number | null }, []>('SELECT sum(bytes) AS bytes FROM responses');
  const oldest = database.query<{ client: string; id: string; bytes: number }, []>(
    'SELECT client, id, bytes FROM responses ORDER BY used_at LIMIT 64',
  );
  const keepWithItems = database.transaction(
    (client: string, id: string, json: string, items: readonly string[], now: number) => {
      upsert.run(client, id, now, json.length, json);
      for (const item of items) nameItem.run(client, item, id);
    },
  );
  function find(client: string, id: string, now: number, ttlMs: number): string | null {
    const row = select.get(client, id);
    if (!row || row.used_at + ttlMs <= now) return null;
    touch.run(now, client, id);
    return row.json;
  }
  return {
    find,
    findByItem(client: string, item: string, now: number, ttlMs: number): string | null {
      const row = byItem.get(client, item);
      return row && find(client, row.response, now, ttlMs);
    },
    /** `items`: ids of what it said. */
    keep(client: string, id: string, json: string, items: readonly string[], now: number): void {
      keepWithItems(client, id, json, items, now);
    },
    remove: (client: string, id: string): boolean => remove.run(client, id).changes > 0,
    /** Deletes what is too old and, the least lately used first, what is too much. */
    shrink(now: number, limits: { readonly ttlMs: number; readonly maxBytes: number }): void {
      expire.run(now - limits.ttlMs);
      let bytes = total.get()?.bytes ?? 0;
      while (bytes > limits.maxBytes) {
        const rows = oldest.all();
        if (rows.length === 0) return;
        for (const row of rows) {
          if (bytes <= limits.maxBytes) return;
          remove.run(row.client, row.id);
          bytes -= row.bytes;
        }
      }
    },
  };
}
