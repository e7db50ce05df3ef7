import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, StoreError } from '../../src/store/database.ts';
import { ManualClock } from '../support/manual-clock.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rotator-store-'));
  path = join(directory, 'state', 'rotator.db');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const problemOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error instanceof StoreError ? error.problem : error;
  }
  return 'none';
};

describe('a store', () => {
  for (const place of ['a file', ':memory:']) {
    test(`remembers what the operator said last (${place})`, () => {
      const store = openStore(place === 'a file' ? path : place);
      expect(store.overrides.all()).toEqual(new Map());
      store.overrides.set('groq-1', false);
      store.overrides.set('groq-2', true);
      store.overrides.set('groq-1', true);
      store.overrides.set('groq-2', false);
      expect(store.overrides.all()).toEqual(
        new Map([
          ['groq-1', true],
          ['groq-2', false],
        ]),
      );
      expect(store.warning).toBeNull();
      store.close();
    });
  }

  test('still knows it when it is opened again, and when it was said', () => {
    const first = openStore(path, { clock: new ManualClock(1234) });
    first.overrides.set('groq-1', false);
    first.close();
    const second = openStore(path);
    expect(second.overrides.all()).toEqual(new Map([['groq-1', false]]));
    second.close();
    const database = new Database(path);
    expect(database.query('SELECT * FROM overrides').all()).toEqual([
      { credential_id: 'groq-1', is_enabled: 0, changed_at: 1234 },
    ]);
    expect(database.query('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    database.close();
  });

  test('is for its owner alone', () => {
    const store = openStore(path);
    store.overrides.set('a', true);
    const modes = ['', '/rotator.db', '/rotator.db-wal', '/rotator.db-shm'].map(
      (name) => statSync(join(directory, `state${name}`)).mode & 0o777,
    );
    expect(modes).toEqual([0o700, 0o600, 0o600, 0o600]);
    store.close();
  });

  test('takes rights away that an existing file gives to others, and leaves an existing directory alone', () => {
    mkdirSync(join(directory, 'state'), { mode: 0o755 });
    writeFileSync(path, '', { mode: 0o644 });
    openStore(path).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'state')).mode & 0o777).toBe(0o755);
  });

  test('sees that another one has written, and not what it wrote itself', () => {
    const [one, other] = [openStore(path), openStore(path)];
    const before = one.dataVersion();
    one.overrides.set('a', true);
    expect(one.dataVersion()).toBe(before);
    other.overrides.set('a', false);
    expect(one.dataVersion()).not.toBe(before);
    expect(one.overrides.all().get('a')).toBe(false);
    one.close();
    other.close();
  });
});

describe('a damaged file', () => {
  const damages: Record<string, () => void> = {
    'that is no database': () => {
      mkdirSync(join(directory, 'state'));
      writeFileSync(path, 'this is no database, and never was. '.repeat(100));
    },
    'with a page of garbage': () => {
      fill();
      const bytes = readFileSync(path);
      bytes.fill(0xee, 4096, 12_288);
      writeFileSync(path, bytes);
    },
    'that was cut off': () => {
      fill();
      truncateSync(path, 5000);
    },
  };
  const fill = () => {
    const store = openStore(path);
    for (let i = 0; i < 500; i++) store.overrides.set(`credential-with-a-long-name-${i}`, true);
    store.close();
    const database = new Database(path);
    database.run('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
  };

  for (const [name, damage] of Object.entries(damages)) {
    test(`${name} is set aside, and a new one is started`, () => {
      damage();
      const bytes = readFileSync(path);
      const store = openStore(path, { clock: new ManualClock(Date.UTC(2026, 0, 2, 3, 4, 5)) });
      expect(store.warning).toContain('rotator.db.corrupt-2026-01-02T03-04-05');
      expect(store.warning).toContain(path);
      expect(store.overrides.all()).toEqual(new Map());
      store.overrides.set('a', false);
      store.close();
      expect(openStore(path).overrides.all()).toEqual(new Map([['a', false]]));
      expect(readFileSync(`${path}.corrupt-2026-01-02T03-04-05-000Z`).equals(bytes)).toBe(true);
    });
  }

  test('does not overwrite one that was set aside in the same moment', () => {
    const clock = new ManualClock();
    mkdirSync(join(directory, 'state'));
    for (let i = 0; i < 2; i++) {
      writeFileSync(path, `garbage ${i} `.repeat(500));
      openStore(path, { clock }).close();
    }
    expect(readdirSync(join(directory, 'state')).filter((name) => name.includes('.corrupt-'))).toHaveLength(2);
  });

  test('an empty file is a new database, not a damaged one', () => {
    mkdirSync(join(directory, 'state'));
    writeFileSync(path, '');
    const store = openStore(path);
    expect(store.warning).toBeNull();
    store.close();
  });
});

describe('a store that cannot be had says why', () => {
  test('below a file', () => {
    writeFileSync(join(directory, 'file'), '');
    expect(problemOf(() => openStore(join(directory, 'file', 'rotator.db')))).toBe('unwritable');
  });

  test('where a directory has its name', () => {
    mkdirSync(path, { recursive: true });
    expect(problemOf(() => openStore(path))).toBe('unwritable');
  });

  test.skipIf(process.getuid?.() === 0)('in a read-only directory', () => {
    mkdirSync(join(directory, 'closed'), { mode: 0o500 });
    expect(problemOf(() => openStore(join(directory, 'closed', 'rotator.db')))).toBe('unwritable');
  });

  // procfs takes no files from anybody, root included.
  test.skipIf(process.platform !== 'linux')('on a file system that takes no files', () => {
    expect(problemOf(() => openStore('/proc/self/rotator.db'))).toBe('unwritable');
  });

  test('written by a newer version, which is left as it was', () => {
    openStore(path).close();
    const database = new Database(path);
    database.run('PRAGMA user_version = 99');
    database.close();
    expect(problemOf(() => openStore(path))).toBe('newer');
    expect(readdirSync(join(directory, 'state')).some((name) => name.includes('corrupt'))).toBe(false);
  });
});

describe('several processes at once', () => {
  const source = JSON.stringify(new URL('../../src/store/database.ts', import.meta.url).pathname);
  const run = async (count: number, body: string) => {
    const script = join(directory, 'writer.ts');
    writeFileSync(
      script,
      `import { openStore } from ${source};\nconst [path = '', name = ''] = process.argv.slice(2);\n${body}`,
    );
    const children = Array.from({ length: count }, (_, i) =>
      Bun.spawn([process.execPath, script, path, String(i)], { stdout: 'pipe', stderr: 'pipe' }),
    );
    return await Promise.all(
      children.map(async (child) => ({
        code: await child.exited,
        out: await child.stdout.text(),
        err: await child.stderr.text(),
      })),
    );
  };

  test('may create it and write to it', async () => {
    const results = await run(
      4,
      `const store = openStore(path);
       for (let i = 0; i < 100; i++) store.overrides.set(\`\${name}-\${i}\`, i % 2 === 0);
       store.close();`,
    );
    expect(results).toEqual(Array(4).fill({ code: 0, out: '', err: '' }));
    const store = openStore(path);
    expect(store.overrides.all().size).toBe(400);
    store.close();
  });

  test('set a damaged file aside once', async () => {
    mkdirSync(join(directory, 'state'));
    writeFileSync(path, 'garbage '.repeat(1000));
    const results = await run(
      4,
      `const store = openStore(path);
       store.overrides.set(name, true);
       console.log(store.warning === null ? 'opened' : 'set aside');
       store.close();`,
    );
    expect(results.map(({ err }) => err)).toEqual(Array(4).fill(''));
    expect(results.map(({ out }) => out.trim()).sort()).toEqual(['opened', 'opened', 'opened', 'set aside']);
    const store = openStore(path);
    expect(store.overrides.all().size).toBe(4);
    store.close();
    expect(readdirSync(join(directory, 'state')).filter((name) => name.includes('.corrupt-'))).toHaveLength(1);
  });
});
