import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/store/database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { everything, loggedRequest, START, usageRow } from './rows.ts';

let directory: string;
let path: string;
const children = new Set<Bun.Subprocess>();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rotator-endurance-'));
  path = join(directory, 'rotator.db');
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([...children].map((child) => child.exited));
  children.clear();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a script that has `openStore`, the rows and `path`, in a process of its own. */
function start(body: string, wrap: (command: string[]) => string[] = (command) => command) {
  const file = (name: string) => JSON.stringify(new URL(name, import.meta.url).pathname);
  const script = join(directory, 'script.ts');
  writeFileSync(
    script,
    `import { openStore } from ${file('../../src/store/database.ts')};
     import { everything, loggedRequest, usageRow } from ${file('./rows.ts')};
     const path = ${JSON.stringify(path)};
     const totals = (store) => store.usage.totals({ by: 'key', since: 0, timezone: 'UTC' }).total.requests;
     ${body}`,
  );
  const child = Bun.spawn(wrap([process.execPath, script]), { stdout: 'pipe', stderr: 'pipe' });
  children.add(child);
  return child;
}

async function ended(child: ReturnType<typeof start>) {
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

/** Lines of a process as they come; ends with its output. */
async function* lines(child: ReturnType<typeof start>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of child.stdout) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}

describe('a server that is killed', () => {
  test('again and again under load, loses at most a second and leaves a clean file', async () => {
    // Every 20 ms the child says how many requests it has had, and at what time of its own.
    const load = `
      const store = openStore(path);
      let count = 0;
      const work = () => {
        for (let i = 0; i < 40; i++) {
          count++;
          store.writer.usage(usageRow({ at: Date.now(), failures: count % 2 }));
          store.writer.request(loggedRequest({ id: String(count) }));
        }
        store.writer.snapshot('groq', { count });
        process.stdout.write(count + ' ' + performance.now() + '\\n');
      };
      setInterval(work, 20);`;
    let before = 0;
    for (let round = 0; round < 5; round++) {
      const child = start(load);
      const said: { count: number; at: number }[] = [];
      for await (const line of lines(child)) {
        const [count = 0, at = 0] = line.split(' ').map(Number);
        said.push({ count, at });
        // A different moment in every round: before the first write, between two, in the middle of one.
        if (said.length === 3 + round * 25) child.kill('SIGKILL');
      }
      await child.exited;

      const store = openStore(path);
      expect(store.warning).toBeNull();
      const kept = store.usage.totals({ by: 'key', since: 0, timezone: 'UTC' }).total;
      const logged = store.requests.list(everything);
      const lifetime = store.usage.lifetime().get('groq-1a2b3c4d5e');
      const last = said.at(-1) ?? { count: 0, at: 0 };
      const saved = kept.requests - before;
      // The tables agree with each other: they were written together or not at all.
      expect(logged).toHaveLength(kept.requests);
      expect(lifetime?.requests ?? 0).toBe(kept.requests);
      expect(kept.failures).toBe(kept.requests / 2);
      if (saved > 0) expect(store.snapshots().get('groq')?.value).toEqual({ count: saved });
      expect(saved).toBeLessThanOrEqual(last.count);
      const aSecondAgo = said.filter(({ at }) => at < last.at - 1000).at(-1)?.count ?? 0;
      expect(saved).toBeGreaterThanOrEqual(aSecondAgo);
      store.close();
      before = kept.requests;

      const file = new Database(path, { readonly: true });
      expect(file.query('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
      file.close();
    }
    expect(before).toBeGreaterThan(0);
    expect(readdirSync(directory).filter((name) => /corrupt|damaged/.test(name))).toEqual([]);
  }, 30_000);
});

describe('beside the server', () => {
  test('another process reads whole batches while it writes', async () => {
    const writing = start(`
      const store = openStore(path);
      let count = 0;
      const work = () => {
        if (count === 4000) { store.close(); return; }
        for (let i = 0; i < 100; i++) {
          count++;
          store.writer.usage(usageRow());
          store.writer.request(loggedRequest());
        }
        setTimeout(work, 5);
      };
      work();
      process.stdout.write('begun\\n');`);
    for await (const _ of lines(writing)) break;
    const seen: number[] = [];
    const reader = openStore(path);
    for (let isOver = false; !isOver; ) {
      isOver = writing.exitCode !== null;
      const { requests } = reader.usage.totals({ by: 'key', since: 0, timezone: 'UTC' }).total;
      const list = reader.requests.list({ ...everything, limit: 10 });
      expect(list.length).toBe(Math.min(10, list[0]?.seq ?? 0));
      seen.push(requests);
      await Bun.sleep(5);
    }
    expect(await writing.exited).toBe(0);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(4000);
    expect(reader.requests.list(everything)).toHaveLength(4000);
    reader.close();
  });

  test('other processes write into the same tables, and nothing is counted twice or lost', async () => {
    const write = (name: string) => `
      const store = openStore(path);
      for (let i = 0; i < 20; i++) {
        for (let n = 0; n < 25; n++) {
          store.writer.usage(usageRow());
          store.writer.request(loggedRequest({ id: '${name}' }));
        }
        while (!store.writer.flush()) await Bun.sleep(5);
      }
      store.close();`;
    const results = await Promise.all(['a', 'b', 'c'].map((name) => ended(start(write(name)))));
    expect(results).toEqual(Array(3).fill({ code: 0, out: '', err: '' }));
    const store = openStore(path);
    expect(store.usage.totals({ by: 'key', since: 0, timezone: 'UTC' }).total.requests).toBe(1500);
    expect(store.usage.lifetime().get('groq-1a2b3c4d5e')?.requests).toBe(1500);
    expect(store.requests.list(everything)).toHaveLength(1500);
    store.close();
  });
});

/** A disk of its own for one process, which goes with it. */
const onSmallDisk = (command: string[]) => [
  'unshare',
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=2m,mode=700 tmpfs "$0" && exec "$@"',
  join(directory, 'disk'),
  ...command,
];
const canMount = () => {
  if (process.platform !== 'linux') return false;
  const place = mkdtempSync(join(tmpdir(), 'rotator-mount-'));
  try {
    const script = 'mount -t tmpfs -o size=1m tmpfs "$0"';
    return Bun.spawnSync(['unshare', '--map-root-user', '--mount', 'sh', '-c', script, place]).exitCode === 0;
  } catch {
    return false;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
};

describe('a disk that is full', () => {
  // Where no disk of its own can be had (no user namespaces), only the queue's own tests speak of failing writes.
  test.skipIf(!canMount())(
    'stops neither the server nor the counting, and what waited is written when there is room',
    async () => {
      mkdirSync(join(directory, 'disk'));
      path = join(directory, 'disk', 'rotator.db');
      const result = await ended(
        start(
          `
        import { rmSync, writeFileSync } from 'node:fs';
        const told = [];
        const store = openStore(path, { onTrouble: (message) => told.push(message) });
        const ballast = path + '.ballast';
        let filled = 0;
        // The disk is filled to the brim by somebody else.
        for (const size of [1 << 16, 1 << 12, 1]) {
          try { for (;;) writeFileSync(ballast + filled++, new Uint8Array(size)); } catch {}
        }
        let count = 0;
        const failed = [];
        for (let round = 0; round < 20; round++) {
          for (let i = 0; i < 100; i++) {
            count++;
            store.writer.usage(usageRow({ model: 'model-' + (i % 10) }));
            store.writer.request(loggedRequest({ id: 'id-' + count }));
          }
          store.writer.snapshot('groq', { count, filling: 'x'.repeat(100_000) });
          failed.push(!store.writer.flush());
        }
        const whileFull = totals(store);
        for (let i = 0; i < filled; i++) rmSync(ballast + i, { force: true });
        const isSaved = store.writer.flush();
        console.log(JSON.stringify({
          failed: failed.at(-1), whileFull, isSaved, told, kept: totals(store), count,
          logged: store.requests.list(everything).length, snapshot: store.snapshots().get('groq')?.value.count,
        }));
        store.close();
        const again = openStore(path);
        if (again.warning !== null || totals(again) !== count) throw new Error('not clean');
        again.close();`,
          onSmallDisk,
        ),
      );
      expect(result).toMatchObject({ code: 0, err: '' });
      expect(JSON.parse(result.out)).toEqual({
        failed: true,
        whileFull: 2000,
        isSaved: true,
        told: [
          expect.stringMatching(
            /rotator\.db cannot be written \(SQLITE_\w+\): usage and the request log are kept in memory/,
          ),
          'the database is written again',
        ],
        kept: 2000,
        count: 2000,
        logged: 2000,
        snapshot: 2000,
      });
    },
  );
});

describe('a file of an older version', () => {
  const VERSION_1 = `
    CREATE TABLE overrides (
      credential_id TEXT PRIMARY KEY,
      is_enabled INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
      changed_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO overrides VALUES ('groq-1', 0, 1234);
    PRAGMA user_version = 1;`;

  test('is brought up to date and keeps what it holds', () => {
    const old = new Database(path);
    old.run('PRAGMA journal_mode = WAL');
    old.run(VERSION_1);
    old.close();
    const store = openStore(path);
    expect(store.warning).toBeNull();
    expect(store.overrides.all()).toEqual(new Map([['groq-1', false]]));
    store.writer.usage(usageRow());
    store.writer.request(loggedRequest());
    store.writer.snapshot('groq', {});
    expect(store.writer.flush()).toBe(true);
    store.close();
    const file = new Database(path, { readonly: true });
    expect(file.query('PRAGMA user_version').get()).toEqual({ user_version: 5 });
    expect(file.query('SELECT * FROM overrides').all()).toEqual([
      { credential_id: 'groq-1', is_enabled: 0, changed_at: 1234 },
    ]);
    file.close();
  });

  test('has in the end the schema of a new one', () => {
    const schema = (file: string) => {
      openStore(file).close();
      const database = new Database(file, { readonly: true });
      const rows = database.query('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all();
      database.close();
      return rows.map((row) => JSON.stringify(row).replace(/(\\n|\s)+/g, ' '));
    };
    const old = new Database(path);
    old.run(VERSION_1);
    old.close();
    expect(schema(path)).toEqual(schema(join(directory, 'new.db')));
  });

  test('is brought up to date once by several processes that start together', async () => {
    const old = new Database(path);
    old.run(VERSION_1);
    old.close();
    const script = `const store = openStore(path); store.writer.usage(usageRow()); store.close();`;
    const results = await Promise.all(Array.from({ length: 4 }, () => ended(start(script))));
    expect(results.map(({ code, err }) => ({ code, err }))).toEqual(Array(4).fill({ code: 0, err: '' }));
    const store = openStore(path);
    expect(store.overrides.all().get('groq-1')).toBe(false);
    expect(store.usage.totals({ by: 'key', since: 0, timezone: 'UTC' }).total.requests).toBe(4);
    store.close();
  });
});

describe('a file that breaks while it is open', () => {
  test('is told of, and set aside by the next start', async () => {
    const clock = new ManualClock(START);
    const filled = openStore(path);
    for (let i = 0; i < 3000; i++) filled.writer.request(loggedRequest({ id: crypto.randomUUID() }));
    filled.close();
    const database = new Database(path);
    database.run('PRAGMA wal_checkpoint(TRUNCATE)');
    const page = database
      .query<{ rootpage: number }, []>(`SELECT rootpage FROM sqlite_schema WHERE name = 'requests_by_id'`)
      .get()?.rootpage;
    database.close();
    const bytes = readFileSync(path);
    bytes.fill(0xee, ((page ?? 1) - 1) * 4096, (page ?? 1) * 4096);
    writeFileSync(path, bytes);

    const told: string[] = [];
    const store = openStore(path, { clock, onTrouble: (message) => told.push(message) });
    expect(store.warning).toBeNull();
    store.writer.request(loggedRequest());
    store.writer.usage(usageRow());
    await clock.advance(10_000);
    expect(told).toEqual([
      expect.stringMatching(
        /is damaged \(SQLITE_CORRUPT\w*\), the next start sets it aside: usage and the request log are kept/,
      ),
    ]);
    expect(store.usage.totals({ by: 'key', since: 0, timezone: 'UTC' }).total.requests).toBe(1);
    store.close();

    const next = openStore(path, { clock });
    expect(next.warning).toContain('rotator.db.corrupt-');
    next.writer.request(loggedRequest());
    expect(next.writer.flush()).toBe(true);
    next.close();
    expect(openStore(path).warning).toBeNull();
  });

  test('that was only suspected is left as it is', () => {
    const store = openStore(path);
    store.overrides.set('groq-1', false);
    store.close();
    writeFileSync(`${path}.damaged`, '');
    const next = openStore(path);
    expect(next.warning).toBeNull();
    expect(next.overrides.all().size).toBe(1);
    next.close();
    expect(readdirSync(directory)).not.toContain('rotator.db.damaged');
  });
});
