// `npm start`: the demo, with nothing of this machine in it. No config file, no keys from the environment, its own state.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = join(root, '.rotator-demo');
const binary = join(root, 'dist', process.platform === 'win32' ? 'rotator.exe' : 'rotator');
const bun = join(root, 'node_modules', 'bun', 'bin', 'bun.exe');

// An allow-list: keys, base URLs, proxies and config paths have too many names to be listed.
const KEPT = /^(PATH|HOME|USER|LOGNAME|SHELL|TERM|COLORTERM|NO_COLOR|FORCE_COLOR|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP)$/i;
const KEPT_ON_WINDOWS = /^(SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|USERPROFILE|USERNAME|APPDATA|LOCALAPPDATA)$/i;
const KEPT_OF_ROTATOR = /^ROTATOR_(HOST|PORT|LOG_LEVEL|DEBUG)$/;

// Ctrl-C reaches this process from the terminal and a second time through npm; only a later one is a second signal.
const SAME_SIGNAL_MS = 300;

if (isStale()) build();
run();

function isStale() {
  const built = modifiedAt(binary);
  return built === 0 || newestIn(join(root, 'src')) > built || modifiedAt(join(root, 'package-lock.json')) > built;
}

function newestIn(directory) {
  let newest = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestIn(path) : modifiedAt(path));
  }
  return newest;
}

function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function build() {
  process.stderr.write('rotator: building\n');
  const result = spawnSync(bun, [join(root, 'scripts', 'build.ts')], { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

function run() {
  const configHome = join(home, 'config');
  mkdirSync(configHome, { recursive: true, mode: 0o700 });
  const child = spawn(binary, ['serve', '--demo', '--state', home, ...process.argv.slice(2)], {
    // Config is looked for in the current directory and in XDG_CONFIG_HOME (APPDATA on Windows): both are empty.
    cwd: configHome,
    env: { ...keptEnvironment(), XDG_CONFIG_HOME: configHome, APPDATA: configHome },
    stdio: 'inherit',
    // Its own process group: the terminal's Ctrl-C must reach it once, through this process, and not twice.
    detached: process.platform !== 'win32',
  });
  forwardSignals(child);
  watchParent(child);
  child.on('error', (error) => {
    process.stderr.write(`error: ${binary} cannot be started: ${error.message}\nhint: npm run build\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

function keptEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        KEPT.test(name) || KEPT_OF_ROTATOR.test(name) || (process.platform === 'win32' && KEPT_ON_WINDOWS.test(name)),
    ),
  );
}

function forwardSignals(child) {
  const last = new Map();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const now = Date.now();
      if (now - (last.get(signal) ?? 0) < SAME_SIGNAL_MS) return;
      last.set(signal, now);
      child.kill(signal);
    });
  }
}

/** npm ends only the shell it started; when that takes no signal further, a changed parent is the one sign of it. */
function watchParent(child) {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) child.kill('SIGTERM');
  }, 1_000).unref();
}
