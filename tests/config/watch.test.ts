import { afterEach, describe, expect, test } from 'bun:test';
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type ConfigWatch, watchConfig } from '../../src/config/watch.ts';
import { temporaryDirectory } from './temporary-directory.ts';

let close = () => {};
afterEach(() => close());

/** Watches a file; `seen` is its content at every call. `until` waits for a call with this content. */
function watched(file: string, options = { settleMs: 20, graceMs: 300, pollMs: 50 }) {
  const seen: string[] = [];
  let wake = () => {};
  const read = () => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return '(absent)';
    }
  };
  const watch: ConfigWatch = watchConfig(
    file,
    () => {
      seen.push(read());
      wake();
    },
    options,
  );
  close = () => watch.close();
  const until = async (content: string) => {
    while (seen.at(-1) !== content) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { seen, until };
}

describe('a config that is watched', () => {
  test('is noticed when another file is renamed over it, again and again', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    writeFileSync(file, '0');
    const { until, seen } = watched(file);
    for (const content of ['1', '2', '3']) {
      writeFileSync(directory.file('new'), content);
      renameSync(directory.file('new'), file);
      await until(content);
    }
    expect(seen).toEqual(['1', '2', '3']);
  });

  test('is noticed once when it is truncated and then written', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    writeFileSync(file, 'old');
    const { until, seen } = watched(file, { settleMs: 10, graceMs: 60_000, pollMs: 20 });
    truncateSync(file);
    // Long enough for several looks at the empty file.
    await Bun.sleep(60);
    writeFileSync(file, 'new');
    await until('new');
    expect(seen).toEqual(['new']);
  });

  test('is noticed when the directory behind its links is swapped, as Kubernetes does', async () => {
    using directory = temporaryDirectory();
    for (const version of ['v1', 'v2', 'v3']) {
      mkdirSync(directory.file(version));
      writeFileSync(directory.file(`${version}/rotator.yaml`), version);
    }
    symlinkSync('v1', directory.file('..data'));
    symlinkSync('..data/rotator.yaml', directory.file('rotator.yaml'));
    const { until, seen } = watched(directory.file('rotator.yaml'));
    for (const version of ['v2', 'v3']) {
      symlinkSync(version, directory.file('..data_tmp'));
      renameSync(directory.file('..data_tmp'), directory.file('..data'));
      await until(version);
    }
    expect(seen).toEqual(['v2', 'v3']);
  });

  test('is noticed through a link into another directory', async () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.file('real'));
    writeFileSync(directory.file('real/r.yaml'), 'old');
    symlinkSync('real/r.yaml', directory.file('rotator.yaml'));
    const { until } = watched(directory.file('rotator.yaml'));
    writeFileSync(directory.file('real/r.yaml'), 'new');
    await until('new');
  });

  test('is noticed when it stays away, and when it comes back', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    writeFileSync(file, 'same');
    const { until, seen } = watched(file);
    rmSync(file);
    await until('(absent)');
    writeFileSync(file, 'same');
    await until('same');
    expect(seen).toEqual(['(absent)', 'same']);
  });

  test('is noticed when its directory goes and comes back', async () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.file('d'));
    writeFileSync(directory.file('d/rotator.yaml'), 'old');
    const { until } = watched(directory.file('d/rotator.yaml'));
    rmSync(directory.file('d'), { recursive: true });
    mkdirSync(directory.file('d'));
    writeFileSync(directory.file('d/rotator.yaml'), 'new');
    await until('new');
    writeFileSync(directory.file('d/rotator.yaml'), 'newer');
    await until('newer');
  });

  test('is not noticed when it is touched, rewritten the same, or something beside it changes', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    writeFileSync(file, 'same');
    const { until, seen } = watched(file);
    utimesSync(file, new Date(), new Date(1_000_000));
    writeFileSync(file, 'same');
    writeFileSync(directory.file('other'), 'x');
    await Bun.sleep(150);
    writeFileSync(file, 'other');
    await until('other');
    expect(seen).toEqual(['other']);
  });

  test('is left alone once the watch is closed', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    writeFileSync(file, 'old');
    const { seen } = watched(file);
    close();
    writeFileSync(file, 'new');
    await Bun.sleep(150);
    expect(seen).toEqual([]);
  });
});
