// Compiles the program to one binary.
//
//   bun scripts/build.ts                       dist/rotator for this machine
//   bun scripts/build.ts --target linux-arm64  dist/rotator-linux-arm64 (repeatable; `all` for every target)
//   bun scripts/build.ts --entry FILE --out FILE
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const root = dirname(import.meta.dir);

const MAIN = join(root, 'src', 'main.ts');
/** What the program starts beside itself is compiled with it. */
const WORKERS = [join(root, 'src', 'models', 'token-worker.ts')];

const TARGETS = [
  'linux-x64',
  'linux-arm64',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'windows-x64',
  'windows-arm64',
] as const;
type Target = (typeof TARGETS)[number];
type Job = { readonly target: Target | null; readonly out: string };

const FLAGS = [
  '--compile',
  '--minify',
  // Compiled at build time, start-up halves. Its default format is CommonJS, in which top-level await does not build.
  '--bytecode',
  '--format=esm',
  // Keeps what is imported dynamically out of the start-up path.
  '--splitting',
  // All beside each other: a worker is looked for beside the code that starts it, wherever that code was put.
  '--entry-naming=[name].[ext]',
  // A binary that is run inside somebody's project must not obey that project's files.
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
  '--no-compile-autoload-tsconfig',
  '--no-compile-autoload-package-json',
  // A dynamic import that is not found here would only fail on the user's machine.
  '--reject-unresolved',
];

await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Bun.argv.slice(2),
    options: {
      target: { type: 'string', multiple: true },
      entry: { type: 'string', default: MAIN },
      out: { type: 'string' },
    },
  });
  for (const job of jobs(values.target ?? [], values.out)) {
    const started = performance.now();
    await compile(resolve(values.entry), job);
    const megabytes = (Bun.file(job.out).size / 1_000_000).toFixed(1);
    process.stderr.write(`built ${job.out} (${megabytes} MB, ${Math.round(performance.now() - started)} ms)\n`);
    if (job.target === 'darwin-x64') {
      process.stderr.write(
        'note: the darwin-x64 binary carries a stale signature; run `codesign --remove-signature` or sign it on a Mac before publishing\n',
      );
    }
  }
}

function jobs(names: readonly string[], out: string | undefined): readonly Job[] {
  const targets = names.flatMap((name) => (name === 'all' ? TARGETS : [parseTarget(name)]));
  if (out !== undefined && targets.length > 1) fail('--out names one file, so it takes one --target');
  const wanted = targets.length === 0 ? [null] : targets;
  return wanted.map((target) => {
    const path = resolve(out ?? join(root, 'dist', target === null ? 'rotator' : `rotator-${target}`));
    const isWindows = target === null ? process.platform === 'win32' : target.startsWith('windows');
    return { target, out: isWindows && !path.endsWith('.exe') ? `${path}.exe` : path };
  });
}

function parseTarget(name: string): Target {
  const target = TARGETS.find((known) => known === name);
  return target ?? fail(`target "${name}" is not known`, `one of: ${TARGETS.join(', ')}, all`);
}

async function compile(entry: string, job: Job): Promise<void> {
  await mkdir(dirname(job.out), { recursive: true });
  // Renamed into place: a running binary cannot be overwritten, and two builds at once must not mix.
  const part = `${job.out}.${process.pid}.part${job.out.endsWith('.exe') ? '.exe' : ''}`;
  try {
    const child = Bun.spawn(
      [
        process.execPath,
        'build',
        entry,
        ...(entry === MAIN ? WORKERS : []),
        ...FLAGS,
        ...(job.target ? [`--target=bun-${job.target}`] : []),
        `--outfile=${part}`,
      ],
      { cwd: root, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
    );
    const [code, stdout, stderr] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
    if (code !== 0) fail(`building ${entry} failed with exit code ${code}\n${stdout}${stderr}`.trimEnd());
    await rename(part, job.out);
  } finally {
    await rm(part, { force: true });
  }
}

function fail(text: string, hint?: string): never {
  process.stderr.write(`error: ${text}\n${hint ? `hint: ${hint}\n` : ''}`);
  process.exit(1);
}
