// The first thing a stranger runs. Here with a clone that holds nothing but the script, and an npm of our own.
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TempHome, tempHome } from '../support/temp-home.ts';

const node = Bun.which('node') ?? process.execPath;
const script = join(import.meta.dir, '..', '..', 'scripts', 'bootstrap.mjs');
const LOCK = { lockfileVersion: 3, packages: { '': {}, 'node_modules/bun': { version: '1.0.0' } } };

/** Says it is Bun, as far as the script asks. */
const WORKING = '#!/bin/sh\necho 1.0.0\n';
const PLACEHOLDER = '#!/bin/sh\necho "Bun was not installed" >&2\nexit 1\n';

let home: TempHome;

beforeEach(async () => {
  home = await tempHome();
  await mkdir(home.path('clone', 'scripts'), { recursive: true });
  await copyFile(script, home.path('clone', 'scripts', 'bootstrap.mjs'));
  await writeFile(home.path('clone', 'package-lock.json'), JSON.stringify(LOCK));
});
afterEach(() => home[Symbol.asyncDispose]());

/** Makes the npm that the script will call: it notes each run, takes its time, and installs this `bun.exe`. */
async function npm(bun: string, exitCode = 0): Promise<void> {
  await home.write(
    'npm-cli.js',
    `const fs = require('node:fs');
     fs.appendFileSync(${JSON.stringify(home.path('npm-runs'))}, process.argv.slice(2).join(' ') + '\\n');
     if (${exitCode}) { console.error('npm: no'); process.exit(${exitCode}); }
     Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
     fs.mkdirSync('node_modules/bun/bin', { recursive: true });
     fs.writeFileSync('node_modules/bun/bin/bun.exe', ${JSON.stringify(bun)}, { mode: 0o755 });
     fs.writeFileSync('node_modules/bun/install.js', ${JSON.stringify(
       `require('node:fs').writeFileSync('bin/bun.exe', ${JSON.stringify(WORKING)}, { mode: 0o755 })`,
     )});
     fs.writeFileSync('node_modules/.package-lock.json', fs.readFileSync('package-lock.json'));`,
  );
}

async function bootstrap() {
  const child = Bun.spawn([node, home.path('clone', 'scripts', 'bootstrap.mjs')], {
    env: { ...home.env, npm_execpath: home.path('npm-cli.js') },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [code, stdout, stderr] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  return { code, stdout, stderr };
}

const npmRuns = async () =>
  (
    await Bun.file(home.path('npm-runs'))
      .text()
      .catch(() => '')
  )
    .trim()
    .split('\n')
    .filter(Boolean);

describe('a fresh clone', () => {
  test('is installed from the lock file, once; the second time nothing is done or said', async () => {
    await npm(WORKING);
    expect(await bootstrap()).toMatchObject({ code: 0, stdout: '' });
    expect(await bootstrap()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await npmRuns()).toHaveLength(1);
    expect((await npmRuns())[0]).toStartWith('ci --ignore-scripts');
  });

  test('is installed once when two come at the same time', async () => {
    await npm(WORKING);
    const both = await Promise.all([bootstrap(), bootstrap()]);
    expect(both.map((one) => one.code)).toEqual([0, 0]);
    expect(await npmRuns()).toHaveLength(1);
    expect(await readdir(home.path('clone'))).not.toContain('.bootstrap.lock');
  });

  test('gets Bun’s binary also where npm skipped its install script', async () => {
    await npm(PLACEHOLDER);
    expect(await bootstrap()).toMatchObject({ code: 0 });
    expect(await bootstrap()).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('that cannot be installed says so and leaves no lock behind', async () => {
    await npm(WORKING, 7);
    const { code, stderr } = await bootstrap();
    expect(code).toBe(1);
    expect(stderr).toContain('npm: no');
    expect(stderr).toContain('error: npm ci failed with exit code 7\nhint: ');
    expect(await readdir(home.path('clone'))).not.toContain('.bootstrap.lock');
  });

  test('is not held up by the lock of a process that died', async () => {
    await npm(WORKING);
    const dead = Bun.spawn(['true']);
    await dead.exited;
    await home.write('clone/.bootstrap.lock', String(dead.pid));
    expect(await bootstrap()).toMatchObject({ code: 0 });
  });
});

describe('an installed clone', () => {
  beforeEach(async () => {
    await npm(WORKING);
    await bootstrap();
  });

  test('is installed anew when the lock file asks for something else', async () => {
    const changed = { ...LOCK, packages: { '': {}, 'node_modules/bun': { version: '2.0.0' } } };
    await home.write('clone/package-lock.json', JSON.stringify(changed));
    expect(await bootstrap()).toMatchObject({ code: 0 });
    expect(await npmRuns()).toHaveLength(2);
  });

  test('is left alone when somebody ran npm by hand', async () => {
    const changed = JSON.stringify({ ...LOCK, packages: { '': {}, 'node_modules/bun': { version: '2.0.0' } } });
    await home.write('clone/package-lock.json', changed);
    await home.write('clone/node_modules/.package-lock.json', changed);
    expect(await bootstrap()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await npmRuns()).toHaveLength(1);
  });

  test('misses an optional package of this machine, and not one of another', async () => {
    const other = { version: '1.0.0', optional: true, os: ['plan9'], cpu: ['vax'] };
    const own = { version: '1.0.0', optional: true, os: [process.platform], cpu: [process.arch] };
    const asks = (extra: object) =>
      home.write('clone/package-lock.json', JSON.stringify({ ...LOCK, packages: { ...LOCK.packages, ...extra } }));
    await asks({ 'node_modules/other': other });
    await bootstrap();
    expect(await npmRuns()).toHaveLength(1);
    await asks({ 'node_modules/other': other, 'node_modules/own': own });
    await bootstrap();
    expect(await npmRuns()).toHaveLength(2);
  });
});
