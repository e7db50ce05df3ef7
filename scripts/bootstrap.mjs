// Makes a fresh clone runnable with nothing but Node: installs from the lock file, then proves that Bun's binary works.
// Runs before `npm start`, `npm test` and `npm run build`, so doing nothing has to be fast.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const lockFile = join(root, 'package-lock.json');
const stampFile = join(modules, '.rotator-stamp');
const turnFile = join(root, '.bootstrap.lock');
const bunBinary = join(modules, 'bun', 'bin', 'bun.exe');
// An install over a slow line takes minutes; a turn older than this belongs to a machine that went away.
const STALE_TURN_MS = 15 * 60_000;

/** Changes with the lock file, the platform, and Node's major version, which decides what npm may install. */
const wanted = createHash('sha256')
  .update(readFileSync(lockFile))
  .update(`${process.platform} ${process.arch} ${process.versions.node.split('.')[0]}`)
  .digest('hex');

main();

function main() {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    fail(`Node ${process.versions.node} is too old`, 'install Node 20 or newer');
  }
  if (isInstalled() && bunWorks()) return;
  const release = takeTurn();
  try {
    // Another bootstrap may have done it while this one waited.
    if (!isInstalled()) install();
    if (!bunWorks()) mendBun();
  } finally {
    release();
  }
}

function readStamp() {
  try {
    return readFileSync(stampFile, 'utf8').trim();
  } catch {
    return null;
  }
}

function isInstalled() {
  if (readStamp() === wanted) return true;
  // Somebody ran npm by hand: npm's own record says whether what stands here is what the lock file asks for.
  if (!matchesLockFile()) return false;
  writeFileSync(stampFile, wanted);
  return true;
}

function matchesLockFile() {
  const installed = readPackages(join(modules, '.package-lock.json'));
  const locked = readPackages(lockFile);
  if (!installed || !locked) return false;
  return Object.entries(locked).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    return found ? found.version === entry.version : entry.optional === true && !isForThisMachine(entry);
  });
}

/**
 * A platform's own binary that npm would have installed here. Optional packages that name no platform may be left out by
 * npm for reasons of its own (an engine, a failed build); those that name a C library are left to its judgement too.
 */
function isForThisMachine({ os, cpu, libc }) {
  return !libc && os?.includes(process.platform) === true && cpu?.includes(process.arch) === true;
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}

function install() {
  say('installing packages from package-lock.json');
  rmSync(stampFile, { force: true });
  const result = npm([
    'ci',
    // None is needed but Bun's own, which runs below.
    '--ignore-scripts',
    // NODE_ENV=production or an `omit` setting would leave out Bun itself.
    '--include=dev',
    '--include=optional',
    // Packages that ask for Node 22 run under Bun here; the Node that installs them does not matter.
    '--engine-strict=false',
    '--loglevel=error',
    '--no-audit',
    '--no-fund',
  ]);
  if (result.error) fail(`npm could not be started: ${result.error.message}`, 'install npm, it comes with Node');
  if (result.status !== 0) {
    const how = result.signal ? `was ended by ${result.signal}` : `failed with exit code ${result.status}`;
    fail(`npm ci ${how}`, 'its own message is above; check the network and run the same command again');
  }
  writeFileSync(stampFile, wanted);
}

/** Output goes to stderr: stdout belongs to the command that runs next. */
function npm(args) {
  const options = { cwd: root, stdio: ['ignore', 2, 2] };
  const cli = process.env.npm_execpath;
  // Inside `npm run`, the very npm that called; its path works on every platform without a shell.
  if (cli && /npm-cli\.[cm]?js$/.test(cli)) return spawnSync(process.execPath, [cli, ...args], options);
  return process.platform === 'win32'
    ? spawnSync('npm.cmd', args, { ...options, shell: true })
    : spawnSync('npm', args, options);
}

function bunWorks() {
  // The package ships a placeholder under the same name until its install script has run; only running it tells.
  const result = spawnSync(bunBinary, ['--version'], { encoding: 'utf8', timeout: 30_000 });
  return result.status === 0 && /^\d+\.\d+\.\d+/.test(result.stdout);
}

function mendBun() {
  const script = join(modules, 'bun', 'install.js');
  if (!existsSync(script)) fail('node_modules/bun is incomplete', 'delete node_modules and run the same command again');
  say("putting Bun's binary in place");
  const result = spawnSync(process.execPath, [script], { cwd: dirname(script), encoding: 'utf8' });
  if (result.status === 0 && bunWorks()) return;
  // It reports every way it tries, also when the last one works; only a failure is worth reading.
  process.stderr.write(`${result.stdout}${result.stderr}`);
  const platform = `${process.platform}-${process.arch}`;
  fail(
    `Bun's binary does not run on this machine (${platform})`,
    `is there an @oven/bun-* package for ${platform} in node_modules/@oven? If not, delete node_modules and run again`,
  );
}

/** One bootstrap at a time in this directory. Returns the function that ends the turn. */
function takeTurn() {
  let hasTold = false;
  for (;;) {
    try {
      writeFileSync(turnFile, String(process.pid), { flag: 'wx' });
      return () => rmSync(turnFile, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST')
        fail(`${turnFile} cannot be written: ${error.message}`, 'is the directory writable?');
    }
    if (isTurnStale()) {
      rmSync(turnFile, { force: true });
      continue;
    }
    if (!hasTold) say('another bootstrap is at work here, waiting for it');
    hasTold = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
}

function isTurnStale() {
  try {
    const pid = Number(readFileSync(turnFile, 'utf8'));
    const ageMs = Date.now() - statSync(turnFile).mtimeMs;
    // Just created and not yet written, or gone again: look once more.
    if (!Number.isInteger(pid) || pid <= 0) return ageMs > 5_000;
    return ageMs > STALE_TURN_MS || !isAlive(pid);
  } catch {
    return false;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function say(text) {
  process.stderr.write(`rotator: ${text}\n`);
}

function fail(text, hint) {
  process.stderr.write(`error: ${text}\nhint: ${hint}\n`);
  // `finally` does not run on exit; the turn must not outlive this process.
  if (ownsTurn()) rmSync(turnFile, { force: true });
  process.exit(1);
}

function ownsTurn() {
  try {
    return readFileSync(turnFile, 'utf8') === String(process.pid);
  } catch {
    return false;
  }
}
