import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type StoreOptions } from '../../src/store/database.ts';
import { type Batch, QueuedWriter, type WriterOptions } from '../../src/store/writer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { everything, loggedRequest, START, usageRow } from './rows.ts';

let directory: string;
let path: string;
let clock: ManualClock;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rotator-writer-'));
  path = join(directory, 'rotator.db');
  clock = new ManualClock(START);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (options: StoreOptions = {}) => openStore(path, { clock, ...options });

/** What another process would find in the file. */
const inFile = (query: string): unknown => {
  const reader = new Database(path, { readonly: true });
  try {
    return reader.query<{ value: unknown }, []>(`SELECT (SELECT ${query}) AS value`).get()?.value;
  } finally {
    reader.close();
  }
};
const requestsInFile = () => inFile('count(*) FROM requests');

describe('a queue before a writer', () => {
  const made: QueuedWriter[] = [];
  afterEach(() => {
    for (const writer of made.splice(0)) writer.close();
  });
  const queue = (options: Partial<WriterOptions> = {}) => {
    const writes: { at: number; requests: number; usage: number }[] = [];
    const told: string[] = [];
    let problem: Error | null = null;
    const writer = new QueuedWriter({
      clock,
      write: (batch: Batch) => {
        writes.push({ at: clock.now() - START, requests: batch.requests.length, usage: batch.usage.size });
        if (problem) throw problem;
      },
      expire: null,
      collect: () => [],
      onTrouble: (message) => told.push(message),
      explain: (error) => String(error),
      ...options,
    });
    made.push(writer);
    const fail = (error: Error | null) => {
      problem = error;
    };
    return { writer, writes, told, fail };
  };
  const FULL = new Error('disk full');

  test('writes nothing while its caller runs', () => {
    const { writer, writes } = queue();
    for (let i = 0; i < 2000; i++) writer.request(loggedRequest());
    writer.usage(usageRow());
    expect(writes).toEqual([]);
  });

  test('writes soon after a quiet time and then once a second, in one go', async () => {
    const { writer, writes } = queue();
    for (let i = 0; i < 30; i++) {
      writer.usage(usageRow());
      writer.request(loggedRequest());
      await clock.advance(100);
    }
    await clock.advance(10_000);
    expect(writes.map(({ at }) => at)).toEqual([100, 1100, 2100, 3100]);
    expect(writes.reduce((sum, { requests }) => sum + requests, 0)).toBe(30);
    expect(writes.every(({ usage }) => usage === 1)).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test('does not keep 500 requests waiting', async () => {
    const { writer, writes } = queue();
    writer.request(loggedRequest());
    await clock.advance(100);
    for (let i = 0; i < 500; i++) writer.request(loggedRequest());
    await clock.advance(0);
    expect(writes.map(({ requests }) => requests)).toEqual([1, 500]);
  });

  test('keeps what could not be written, asks again ever more seldom, and says so once', async () => {
    const { writer, writes, told, fail } = queue();
    fail(FULL);
    writer.usage(usageRow());
    writer.request(loggedRequest());
    for (let i = 0; i < 100; i++) {
      await clock.advance(1000);
      writer.usage(usageRow());
    }
    const pauses = writes.map(({ at }, i) => at - (writes[i - 1]?.at ?? 0));
    expect(pauses).toEqual([100, 1000, 2000, 4000, 8000, 16_000, 32_000]);
    expect(told).toEqual(['Error: disk full: usage and the request log are kept in memory and written later']);
    fail(null);
    await clock.advance(60_000);
    expect(writes.at(-1)).toMatchObject({ requests: 1, usage: 1 });
    expect(told.slice(1)).toEqual(['the database is written again']);
    writer.request(loggedRequest());
    await clock.advance(1000);
    expect(writes.at(-1)).toMatchObject({ requests: 1, usage: 0 });
  });

  test('drops the oldest requests when there are too many, never usage, and says how many', async () => {
    const batches: { ids: string[]; requests: number }[] = [];
    let isFull = true;
    const { writer, told } = queue({
      write: ({ requests, usage }) => {
        if (isFull) throw FULL;
        const buckets = [...usage.buckets()];
        batches.push({
          ids: requests.map(({ id }) => id),
          requests: buckets.reduce((sum, { counts }) => sum + counts.requests, 0),
        });
      },
    });
    for (let i = 0; i < 7000; i++) {
      writer.usage(usageRow());
      writer.request(loggedRequest({ id: String(i) }));
      if (i % 1000 === 0) await clock.advance(500);
    }
    isFull = false;
    await clock.advance(60_000);
    const [batch] = batches;
    expect(batch?.requests).toBe(7000);
    expect(batch?.ids.length).toBeLessThanOrEqual(5000);
    expect(batch?.ids.at(-1)).toBe('6999');
    expect(told).toHaveLength(3);
    expect(told[1]).toContain('the oldest are left out of the log');
    expect(told[2]).toBe(
      `the database is written again; ${7000 - (batch?.ids.length ?? 0)} requests are missing in the log`,
    );
  });

  test('survives a clock that is set back, and forward', async () => {
    let shift = 0;
    const shifted = { ...clock, now: () => clock.now() + shift, schedule: clock.schedule.bind(clock) };
    const { writer, writes } = queue({
      clock: { ...shifted, sleep: clock.sleep.bind(clock), elapsed: clock.elapsed.bind(clock) },
    });
    for (const jump of [0, -86_400_000, 86_400_000]) {
      shift = jump;
      writer.request(loggedRequest());
      await clock.advance(1000);
    }
    expect(writes).toHaveLength(3);
  });

  test('asks for snapshots before a write, once a second, and takes a broken one for a warning', async () => {
    let asked = 0;
    const snapshots: [string, string][] = [];
    const { writer, told } = queue({
      collect: () => {
        asked++;
        if (asked === 3) throw new Error('a bug');
        return [['groq', { asked }]];
      },
      write: (batch) => {
        snapshots.push(...batch.snapshots);
      },
    });
    for (let i = 0; i < 3; i++) {
      writer.usage(usageRow());
      for (let n = 0; n < 600; n++) writer.request(loggedRequest());
      await clock.advance(1000);
    }
    expect(asked).toBe(3);
    expect(snapshots).toEqual([
      ['groq', '{"asked":1}'],
      ['groq', '{"asked":2}'],
    ]);
    expect(told).toEqual(['the state of a pool cannot be saved: a bug']);
    const loop: unknown[] = [];
    loop.push(loop);
    writer.snapshot('groq', loop);
    expect(told).toHaveLength(2);
  });

  test('writes the rest when it is closed, takes nothing more, and leaves no timer behind', () => {
    const { writer, writes } = queue({ expire: () => false });
    writer.request(loggedRequest());
    writer.close();
    expect(writes).toMatchObject([{ requests: 1 }]);
    writer.request(loggedRequest());
    writer.usage(usageRow());
    writer.snapshot('groq', 1);
    expect(writer.flush()).toBe(true);
    writer.close();
    expect(writes).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test('says at its close what could not be saved', () => {
    const { writer, told, fail } = queue();
    fail(FULL);
    writer.request(loggedRequest());
    writer.close();
    expect(told.at(-1)).toBe('the database could not be written to the end: 1 requests are not in the log');
  });
});

describe('the store’s writer', () => {
  test('has everything in the file a second later', async () => {
    const store = open();
    for (let i = 0; i < 10; i++) {
      store.writer.usage(usageRow());
      store.writer.request(loggedRequest());
      store.writer.snapshot('groq', { blocks: [i] });
    }
    expect(requestsInFile()).toBe(0);
    await clock.advance(1000);
    expect(requestsInFile()).toBe(10);
    expect(inFile('sum(requests) FROM usage')).toBe(10);
    expect(inFile('sum(requests) FROM lifetime')).toBe(10);
    expect(inFile('json FROM snapshots')).toBe('{"blocks":[9]}');
    store.close();
  });

  test('writes the rest when the store is closed', () => {
    const store = open();
    store.writer.request(loggedRequest());
    store.close();
    expect(requestsInFile()).toBe(1);
  });

  test('gives back the last snapshot of every provider, and passes over one that is broken', () => {
    const store = open();
    store.writer.snapshot('groq', { blocks: [] });
    store.writer.snapshot('my-vllm', [1]);
    store.writer.snapshot('groq', { blocks: [1] });
    store.writer.flush();
    const other = new Database(path);
    other.run(`INSERT INTO snapshots VALUES ('odd', '{"blocks":', 0)`);
    other.close();
    expect([...store.snapshots()]).toEqual([
      ['groq', { value: { blocks: [1] }, savedAt: START }],
      ['my-vllm', { value: [1], savedAt: START }],
    ]);
    store.close();
  });

  test('does not wait for another process that holds the database, and loses nothing by it', async () => {
    const told: string[] = [];
    const store = open({ onTrouble: (message) => told.push(message) });
    const other = new Database(path);
    other.run('BEGIN IMMEDIATE');
    store.writer.usage(usageRow());
    store.writer.request(loggedRequest());
    await clock.advance(5000);
    expect(told).toEqual([
      `${path} is in use by another process (SQLITE_BUSY): usage and the request log are kept in memory and written later`,
    ]);
    expect(store.usage.totals({ by: 'key', since: 0, timezone: 'UTC' }).total.requests).toBe(1);
    other.run('COMMIT');
    await clock.advance(10_000);
    expect(told.slice(1)).toEqual(['the database is written again']);
    expect(requestsInFile()).toBe(1);
    other.close();
    store.close();
  });

  test('writes all of a batch or nothing', async () => {
    const store = open();
    const other = new Database(path);
    other.run(`CREATE TRIGGER no_log BEFORE INSERT ON requests BEGIN SELECT raise(ABORT, 'no'); END`);
    store.writer.usage(usageRow());
    store.writer.request(loggedRequest());
    expect(store.writer.flush()).toBe(false);
    expect(inFile('count(*) FROM usage')).toBe(0);
    other.run('DROP TRIGGER no_log');
    other.close();
    expect(store.writer.flush()).toBe(true);
    expect(inFile('sum(requests) FROM usage')).toBe(1);
    store.close();
  });

  test('says nothing of a credential but its id', () => {
    const store = open();
    store.writer.usage(usageRow());
    store.writer.request(loggedRequest());
    store.close();
    const columns = (table: string) => {
      const database = new Database(path);
      const rows = database.query<{ name: string }, []>(`PRAGMA table_info(${table})`).all();
      database.close();
      return rows.map(({ name }) => name).filter((name) => /key|secret|token$|credential|masked/.test(name));
    };
    expect(['usage', 'lifetime', 'requests', 'snapshots'].flatMap(columns)).toEqual([
      'credential_id',
      'credential_id',
      'credential_id',
    ]);
    expect(readFileSync(path).includes('groq-1a2b3c4d5e')).toBe(true);
  });
});

describe('retention', () => {
  const DAY = 86_400_000;

  test('deletes what is too old, a little at a time', async () => {
    const store = open({ retentionMs: 30 * DAY });
    for (let i = 0; i < 2600; i++) {
      store.writer.request(loggedRequest({ id: String(i), at: START - 31 * DAY + i }));
      store.writer.usage(usageRow({ at: START - 60 * DAY + i * 1000 }));
    }
    store.writer.request(loggedRequest({ id: 'young' }));
    store.writer.usage(usageRow());
    store.writer.flush();
    await clock.advance(9_000);
    expect(requestsInFile()).toBe(2601);
    await clock.advance(1_000);
    expect(requestsInFile()).toBe(2101);
    await clock.advance(50);
    expect(requestsInFile()).toBe(1601);
    await clock.advance(1_000);
    expect(store.requests.list(everything).map(({ id }) => id)).toEqual(['young']);
    expect(inFile('count(*) FROM usage')).toBe(1);
    await clock.advance(31 * DAY);
    expect(requestsInFile()).toBe(0);
    store.close();
  });

  test('numbers go on after everything has been deleted', async () => {
    const store = open({ retentionMs: DAY });
    store.writer.request(loggedRequest());
    await clock.advance(3 * DAY);
    expect(requestsInFile()).toBe(0);
    store.writer.request(loggedRequest({ at: clock.now() }));
    store.writer.flush();
    expect(store.requests.list(everything)[0]?.seq).toBe(2);
    store.close();
  });

  test('is off where nobody asked for it', async () => {
    const store = open();
    store.writer.request(loggedRequest({ at: 0 }));
    store.writer.flush();
    expect(clock.pending).toBe(0);
    store.close();
  });
});
