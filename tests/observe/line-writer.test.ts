import { afterEach, beforeEach, expect, test } from 'bun:test';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLineWriter } from '../../src/observe/line-writer.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rotator-log-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a program that has the writer at hand, with its stdout in a pipe. */
function spawn(body: string) {
  const source = JSON.stringify(new URL('../../src/observe/line-writer.ts', import.meta.url).pathname);
  const script = join(directory, 'writer.ts');
  writeFileSync(script, `import { createLineWriter } from ${source};\n${body}`);
  return Bun.spawn([process.execPath, script], { stdout: 'pipe', stderr: 'pipe' });
}

test('lines come out whole and in order', async () => {
  const path = join(directory, 'log');
  const fd = openSync(path, 'w');
  const writer = createLineWriter({ fd });
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} äöü`);
  for (const line of lines) writer.write(line);
  await writer.close();
  closeSync(fd);
  expect(readFileSync(path, 'utf8')).toBe(`${lines.join('\n')}\n`);
});

test('a close without lines ends', async () => {
  await createLineWriter({ fd: 2 }).close();
});

test('a reader that does not read stops nothing: the process runs on, and its close gives up', async () => {
  const child = spawn(`
    const writer = createLineWriter({ fd: 1, maxBytes: 200_000, closeMs: 100 });
    for (let i = 0; i < 50; i++) {
      for (let j = 0; j < 1000; j++) writer.write('x'.repeat(99));
      await Bun.sleep(1);
    }
    console.error('still running');
    await writer.close();
    process.exit(0);`);
  expect(await new Response(child.stderr).text()).toBe('still running\n');
  expect(await child.exited).toBe(0);
});

test('a reader that comes back learns how much it missed', async () => {
  const child = spawn(`
    const writer = createLineWriter({ fd: 1, maxBytes: 100_000, closeMs: 4000 });
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 1000; j++) writer.write('x'.repeat(99));
      await Bun.sleep(1);
    }
    console.error('written');
    await writer.close();
    process.exit(0);`);
  const stderr = child.stderr.getReader();
  await stderr.read();
  const lines = (await new Response(child.stdout).text()).trimEnd().split('\n');
  expect(await child.exited).toBe(0);
  const kept = lines.filter((line) => line === 'x'.repeat(99)).length;
  const dropped = lines
    .map((line) => Number(/^(\d+) log lines were dropped/.exec(line)?.[1] ?? 0))
    .reduce((a, b) => a + b, 0);
  expect(kept + dropped).toBe(20_000);
  expect(dropped).toBeGreaterThan(0);
});

test('a reader that is gone ends nothing', async () => {
  const child = spawn(`
    const writer = createLineWriter({ fd: 1 });
    for (let i = 0; i < 20; i++) {
      writer.write('x'.repeat(10_000));
      await Bun.sleep(5);
    }
    await writer.close();
    console.error('done');
    process.exit(0);`);
  await child.stdout.cancel();
  expect(await new Response(child.stderr).text()).toBe('done\n');
  expect(await child.exited).toBe(0);
});
