// `npm test`: everything that must hold, and nothing else decides whether a change is good.
// Prints each step, the output of a failing one, and ends with the line `N passed, N failed` (tests plus steps).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };
type Step = {
  readonly name: string;
  readonly command: readonly string[];
  readonly limitMs: number;
  /** Only for the step that runs tests. */
  readonly junit?: string;
};
type StepResult = { readonly isGood: boolean; readonly output: string; readonly ms: number; readonly why: string };

const root = dirname(import.meta.dir);
const bun = process.execPath;
const bin = (name: string) => join(root, 'node_modules', '.bin', name);
const running = new Set<number>();

await main();

async function main(): Promise<void> {
  endChildrenOnSignal();
  const scratch = await mkdtemp(join(tmpdir(), 'rotator-check-'));
  const junit = join(scratch, 'junit.xml');
  let passed = 0;
  let failed = 0;
  try {
    for (const step of steps(junit)) {
      const result = await run(step);
      const counts = step.junit ? await readCounts(step.junit, result.output) : null;
      const tests = counts ? `, ${counts.passed} tests passed, ${counts.failed} failed${skipped(counts)}` : '';
      const seconds = (result.ms / 1000).toFixed(1);
      if (!result.isGood) process.stdout.write(`${result.output.trimEnd()}\n`);
      process.stdout.write(`${result.isGood ? 'ok  ' : 'FAIL'} ${step.name} (${seconds} s${tests})${result.why}\n`);
      passed += (counts?.passed ?? 0) + (result.isGood ? 1 : 0);
      failed += (counts?.failed ?? 0) + (result.isGood ? 0 : 1);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 ? 0 : 1);
}

function steps(junit: string): readonly Step[] {
  const minute = 60_000;
  return [
    { name: 'format', command: [bin('biome'), 'format', '.'], limitMs: minute },
    { name: 'lint', command: [bin('biome'), 'lint', '--error-on-warnings', '.'], limitMs: minute },
    { name: 'types', command: [bin('tsc'), '--noEmit', '-p', '.'], limitMs: 3 * minute },
    { name: 'generated files', command: [bun, 'scripts/generate.ts', '--check'], limitMs: minute },
    // Before the tests: the end-to-end ones start the binary.
    { name: 'build', command: [bun, 'scripts/build.ts'], limitMs: 2 * minute },
    {
      name: 'tests',
      command: [
        bun,
        'test',
        './tests',
        // A test that hangs must fail before the whole run is given up.
        '--timeout=60000',
        '--no-orphans',
        '--only-failures',
        '--reporter=junit',
        `--reporter-outfile=${junit}`,
      ],
      limitMs: 25 * minute,
      junit,
    },
  ];
}

async function run(step: Step): Promise<StepResult> {
  const started = performance.now();
  const child = Bun.spawn([...step.command], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    // A process group of its own, so that whatever it started can be ended with it.
    detached: true,
  });
  running.add(child.pid);
  const chunks: Uint8Array[] = [];
  const streams = Promise.all([collect(child.stdout, chunks), collect(child.stderr, chunks)]);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    endGroup(child.pid);
  }, step.limitMs);
  const code = await child.exited;
  clearTimeout(timer);
  // What a step left behind would hold its pipes open, and the next step's ports.
  endGroup(child.pid);
  running.delete(child.pid);
  await Promise.race([streams, Bun.sleep(2_000)]);
  const why = isLate ? `: not done after ${step.limitMs / 1000} s` : code === 0 ? '' : `: exit code ${code}`;
  return {
    isGood: code === 0 && !isLate,
    output: Buffer.concat(chunks).toString('utf8'),
    ms: performance.now() - started,
    why,
  };
}

async function collect(stream: ReadableStream<Uint8Array>, chunks: Uint8Array[]): Promise<void> {
  for await (const chunk of stream) chunks.push(chunk);
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone already: nothing was left behind.
  }
}

function endChildrenOnSignal(): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      for (const pid of running) endGroup(pid);
      process.exit(code);
    });
  }
}

function skipped(counts: Counts): string {
  return counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
}

/** From the report; when the run died before writing it, from what it printed. */
async function readCounts(path: string, output: string): Promise<Counts> {
  const report = Bun.file(path);
  if (await report.exists()) {
    const head = /<testsuites[^>]*>/.exec(await report.text())?.[0] ?? '';
    const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
    const skipped = number('skipped');
    const failed = number('failures') + number('errors');
    return { passed: number('tests') - failed - skipped, failed, skipped };
  }
  const number = (word: string) => Number(new RegExp(`^\\s*(\\d+) ${word}\\b`, 'm').exec(output)?.[1] ?? 0);
  return { passed: number('pass'), failed: number('fail'), skipped: number('skip') };
}
