// Speed as ratios measured in one run: every repetition visits every candidate, in a rotating order, so that what the
// machine does meanwhile hits all of them alike. Linux only.
//   npm run bench -- [--reps 7] [--seconds 2] [--warm-up 8] [--only TEXT] [--binary FILE] [--against FILE] [--write]
// `--against`: an older binary, measured beside this one as `before`.
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem, type as osType, release } from 'node:os';
import { join } from 'node:path';
import { cpuNs, rssMb } from './process-cost.ts';

const here = import.meta.dir;
const root = join(here, '../..');
const option = (name: string, otherwise: string) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
};
const binary = option('binary', join(root, 'dist/rotator'));
const against = option('against', '');
const reps = Number(option('reps', '7'));
const seconds = option('seconds', '2');
const warmUpSeconds = option('warm-up', '8');
const only = option('only', '');
const work = mkdtempSync(join(tmpdir(), 'rotator-bench-'));
const running: Bun.Subprocess[] = [];

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** One thing that answers chat requests, on a port of its own. */
type Candidate = {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly model: string;
  readonly path?: string;
};

type Run = {
  rps: number;
  p50: number;
  p99: number;
  ttft50: number;
  ttft99: number;
  ck50: number;
  ck99: number;
  chunks: number;
  reqs: number;
  errs: number;
  non2xx: number;
};
type Row = Run & { readonly cpuPerRequest: number; readonly cpuPerChunk: number };

async function start(name: string, port: number, command: string[], env: Record<string, string> = {}): Promise<number> {
  const log = openSync(join(work, `${name}-${port}.log`), 'w');
  const child = Bun.spawn(command, {
    env: { PATH: process.env['PATH'] ?? '', HOME: work, ...env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  running.push(child);
  for (let tries = 0; tries < 200; tries++) {
    if (await accepts(port)) return child.pid;
    if (child.exitCode !== null) break;
    await Bun.sleep(25);
  }
  throw new Error(`${name} did not start: ${readFileSync(join(work, `${name}-${port}.log`), 'utf8')}`);
}

async function accepts(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

async function compile(source: string): Promise<string> {
  const out = join(work, source.replace('.c', ''));
  const built = Bun.spawnSync(['gcc', '-O2', '-o', out, join(here, source)]);
  if (!built.success) throw new Error(built.stderr.toString());
  return out;
}

/** One that is free now: what else runs on this machine is not known. */
function newPort(): number {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

const generator = await compile('load-generator.c');
const upstreamBinary = await compile('upstream.c');
const upstreamPort = newPort();
await start('upstream', upstreamPort, [upstreamBinary, '-p', String(upstreamPort)]);
const upstream = `http://127.0.0.1:${upstreamPort}`;

async function startFloor(path = ''): Promise<Candidate> {
  const port = newPort();
  const env = { PORT: String(port), UPSTREAM: `${upstream}${path}`, BUN_CONFIG_MAX_HTTP_REQUESTS: '65535' };
  const pid = await start('floor', port, [process.execPath, join(here, 'floor-splice.ts')], env);
  return { name: 'floor', port, pid, model: 'up-model' };
}

async function startNginx(path = ''): Promise<Candidate | null> {
  if (!existsSync('/usr/sbin/nginx')) return null;
  const port = newPort();
  const file = join(work, `nginx-${port}.conf`);
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${work}/nginx-${port}.pid; error_log /dev/null;
events { worker_connections 8192; }
http { access_log off; client_max_body_size 64m; client_body_buffer_size 1m; proxy_buffering off;
  client_body_temp_path ${work}/b${port}; proxy_temp_path ${work}/p${port}; fastcgi_temp_path ${work}/f${port}; uwsgi_temp_path ${work}/u${port}; scgi_temp_path ${work}/s${port};
  upstream up { server 127.0.0.1:${upstreamPort}; keepalive 1024; }
  server { listen 127.0.0.1:${port} backlog=8192; location / { proxy_pass http://up${path}/v1/chat/completions; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization "Bearer up-1"; } } }`,
  );
  const pid = await start('nginx', port, ['/usr/sbin/nginx', '-c', file]);
  return { name: 'nginx', port, pid, model: 'up-model' };
}

async function startRotator(name: string, keys: readonly string[], path = '', program = binary): Promise<Candidate> {
  const port = newPort();
  // Apart from the logs: rotator watches the directory of its config, and would be told of every line it writes.
  const directory = join(work, `config-${port}`);
  mkdirSync(directory);
  const file = join(directory, 'rotator.yaml');
  const provider = { base_url: `${upstream}${path}/v1`, keys };
  const config = {
    server: { port, client_keys: [{ name: 'bench', key: 'client' }] },
    providers: { bench: provider },
    discover_env: 'off',
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const pid = await start(name, port, [program, 'serve', '--config', file, '--state', join(work, `state-${port}`)]);
  return { name, port, pid, model: 'bench/up-model' };
}

function bodyFile(bytes: number, model: string, isStream: boolean): string {
  const file = join(work, `body-${bytes}-${model.replace('/', '-')}-${isStream}.json`);
  const filler = 'All work and no play makes a long prompt, "quoted" and escaped.\n'
    .repeat(Math.ceil(bytes / 60))
    .slice(0, Math.max(0, bytes - 120));
  const body = {
    model,
    ...(isStream && { stream: true }),
    messages: [{ role: 'user', content: filler }],
    max_tokens: 64,
  };
  writeFileSync(file, JSON.stringify(body));
  return file;
}

async function load(
  candidate: Candidate,
  body: string,
  connections: number,
  more: readonly string[] = [],
  duration = seconds,
): Promise<Run> {
  const url = `http://127.0.0.1:${candidate.port}/v1/chat/completions`;
  const command = [generator, '-u', url, '-c', String(connections), '-d', duration, '-w', '0.3', '-b', body];
  const child = Bun.spawn(
    [...command, '-H', 'Authorization: Bearer client', '-H', 'Content-Type: application/json', ...more],
    { stdout: 'pipe', stderr: 'inherit' },
  );
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0 || output === '') throw new Error(`no load on ${candidate.name}: ${output}`);
  return JSON.parse(output) as Run;
}

async function measure(
  candidate: Candidate,
  body: string,
  connections: number,
  more: readonly string[] = [],
): Promise<Row> {
  const before = cpuNs(candidate.pid);
  const run = await load(candidate, body, connections, more);
  const cpuUs = (cpuNs(candidate.pid) - before) / 1000;
  // The generator does not count its warm-up; the process worked during it all the same.
  const share = (Number(seconds) + 0.3) / Number(seconds);
  return {
    ...run,
    cpuPerRequest: cpuUs / Math.max(1, run.reqs * share),
    cpuPerChunk: cpuUs / Math.max(1, run.chunks * share),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

const spread = (values: readonly number[]) => `${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)}`;

const lines: string[] = [];
const say = (line: string) => {
  lines.push(line);
  console.log(line);
};

type Scenario = {
  readonly title: string;
  readonly bytes: number;
  readonly connections: number;
  readonly isStream?: boolean;
  readonly more?: readonly string[];
};

const warm = new Set<Candidate>();

/** Interleaved repetitions; each ratio is taken within a repetition, then the median over them. */
async function compare(scenario: Scenario, candidates: readonly Candidate[], baseline: string): Promise<void> {
  if (only !== '' && !scenario.title.includes(only)) return;
  const isStream = scenario.isStream === true;
  const rows = new Map<string, Row[]>(candidates.map(({ name }) => [name, []]));
  for (const candidate of candidates) {
    // What a process has been doing for a while, not its first seconds: Bun's compiler needs tens of thousands of
    // requests before it has finished with a program of some size, and some more of them when the bodies grow.
    const duration = warm.has(candidate) ? String(Math.min(3, Number(warmUpSeconds))) : warmUpSeconds;
    warm.add(candidate);
    const body = bodyFile(scenario.bytes, candidate.model, isStream);
    await load(candidate, body, scenario.connections, scenario.more, duration);
  }
  for (let rep = 0; rep < reps; rep++) {
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[(i + rep) % candidates.length];
      if (!candidate) continue;
      const body = bodyFile(scenario.bytes, candidate.model, isStream);
      rows.get(candidate.name)?.push(await measure(candidate, body, scenario.connections, scenario.more));
    }
  }
  for (const { name } of candidates) {
    const mine = rows.get(name) ?? [];
    const base = rows.get(baseline) ?? [];
    const cost = (row: Row) => (isStream ? row.cpuPerChunk : row.cpuPerRequest);
    // Requests (or chunks) per CPU second, relative to the baseline.
    const perCpu = mine.map((row, rep) => cost(base[rep] ?? row) / cost(row));
    const speed = mine.map((row, rep) =>
      isStream ? row.chunks / (base[rep]?.chunks ?? 1) : row.rps / (base[rep]?.rps ?? 1),
    );
    const of = (read: (row: Row) => number, digits: number) => median(mine.map(read)).toFixed(digits);
    const errors = mine.reduce((sum, row) => sum + row.errs + row.non2xx, 0);
    const latency = isStream
      ? `${of((row) => row.ttft50, 2)} / ${of((row) => row.ttft99, 2)}`
      : `${of((row) => row.p50, 2)} / ${of((row) => row.p99, 2)}`;
    say(
      `| ${scenario.title} | ${name} | ${median(perCpu).toFixed(2)} (${spread(perCpu)}) | ${median(speed).toFixed(2)} | ${of(cost, 1)} | ${latency} | ${errors} |`,
    );
  }
}

const head = (baseline: string) => {
  say(
    `\n| scenario | candidate | per CPU second, ${baseline} = 1 (spread) | per second, ${baseline} = 1 | CPU µs | p50 / p99 ms | failed |`,
  );
  say('|---|---|--:|--:|--:|--:|--:|');
};

const isOn = (name: string) => only === '' || name.includes(only);

say(
  `Machine: ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${osType()} ${release()}, Bun ${Bun.version}.`,
);
say(
  `${reps} interleaved repetitions of ${seconds} s after ${warmUpSeconds} s of warm-up each; medians. Generator, upstream and proxy share the machine.`,
);

const floor = await startFloor();
const nginx = await startNginx();
const rotator = await startRotator('rotator', ['up-1', 'up-2', 'up-3']);
const keysOfThree = ['up-1', 'up-2', 'up-3'];
const before = against === '' ? null : await startRotator('before', keysOfThree, '', against);
const three = [floor, ...(nginx ? [nginx] : []), ...(before ? [before] : []), rotator];

say('\n### Whole answers');
head('floor');
for (const connections of [1, 16, 64, 256])
  await compare({ title: `1 KB, ${connections} connections`, bytes: 1000, connections }, three, 'floor');
for (const [size, bytes] of [
  ['20 KB', 20_000],
  ['500 KB', 500_000],
] as const) {
  await compare({ title: `${size}, 16 connections`, bytes, connections: 16 }, three, 'floor');
}

if (isOn('keys')) {
  say('\n### Keys');
  head('1 key');
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `up-${i}`);
  const one = await startRotator('1 key', keys(1));
  const many = [one, await startRotator('100 keys', keys(100)), await startRotator('5,000 keys', keys(5000))];
  await compare({ title: 'keys: 1 KB, 16 connections', bytes: 1000, connections: 16 }, many, '1 key');

  head('none of 20 limited');
  const limited = (share: number) => Array.from({ length: 20 }, (_, i) => `${i < share * 20 ? 'bad' : 'up'}-${i}`);
  const good = await startRotator('none of 20 limited', limited(0));
  const mixed = [
    good,
    await startRotator('10 % limited', limited(0.1)),
    await startRotator('50 % limited', limited(0.5)),
  ];
  await compare(
    { title: 'keys that answer 429: 1 KB, 16 connections', bytes: 1000, connections: 16 },
    mixed,
    'none of 20 limited',
  );
}

if (isOn('stream')) {
  say('\n### Streams');
  const paced = '/m/n=50,d=20';
  const streams = [await startFloor(paced), await startRotator('rotator', ['up-1', 'up-2', 'up-3'], paced)];
  if (against !== '') streams.push(await startRotator('before', keysOfThree, paced, against));
  const proxy = await startNginx(paced);
  if (proxy) streams.push(proxy);
  head('floor');
  await compare(
    { title: 'stream: 200 × 50 chunks/s', bytes: 1000, connections: 200, isStream: true },
    streams,
    'floor',
  );
  await compare(
    { title: 'stream: first byte, 1 connection', bytes: 1000, connections: 1, isStream: true },
    streams,
    'floor',
  );

  const slow = '/m/n=20,d=1000';
  const open = [await startFloor(slow), await startRotator('rotator', ['up-1', 'up-2', 'up-3'], slow)];
  say('\n| 1,000 open streams | memory MB | idle before MB |\n|---|--:|--:|');
  for (const candidate of open) {
    const idle = rssMb(candidate.pid);
    const loading = load(candidate, bodyFile(1000, candidate.model, true), 1000);
    await Bun.sleep(Number(seconds) * 1000);
    say(`| ${candidate.name} | ${rssMb(candidate.pid).toFixed(0)} | ${idle.toFixed(0)} |`);
    await loading;
  }
}

if (isOn('ceilings')) {
  // One request at a time per connection and an upstream that takes 200 ms: with 256 in flight at most, 400 connections
  // would see every second wave wait.
  const slow = await startRotator('rotator', ['up-1', 'up-2', 'up-3'], '/m/t=500');
  const run = await load(slow, bodyFile(1000, slow.model, false), 600);
  say(
    `\nCeilings: 600 requests in flight to an upstream that takes 500 ms: p50 ${run.p50.toFixed(0)} ms, p99 ${run.p99.toFixed(0)} ms, ${run.errs + run.non2xx} failed.`,
  );
}

if (isOn('start')) {
  say('\n### Start and idle');
  const bare = join(work, 'bare');
  writeFileSync(join(work, 'bare.ts'), "console.log('0.0.0');\n");
  const built = Bun.spawnSync([
    process.execPath,
    'build',
    '--compile',
    '--minify',
    '--bytecode',
    '--format=esm',
    join(work, 'bare.ts'),
    '--outfile',
    bare,
  ]);
  if (!built.success) throw new Error(built.stderr.toString());
  const times = { bare: [] as number[], rotator: [] as number[], help: [] as number[] };
  const timed = (command: string[]) => {
    const before = performance.now();
    Bun.spawnSync(command, { env: { HOME: work, PATH: '' } });
    return performance.now() - before;
  };
  for (let i = 0; i < reps * 3; i++) {
    times.bare.push(timed([bare]));
    times.rotator.push(timed([binary, '--version']));
    times.help.push(timed([binary, '--help']));
  }
  const idle = await startRotator('idle', ['up-1', 'up-2', 'up-3']);
  await Bun.sleep(1500);
  say('\n| | median ms | against a bare compiled program |\n|---|--:|--:|');
  for (const [name, values] of [
    ['a bare compiled program', times.bare],
    ['rotator --version', times.rotator],
    ['rotator --help', times.help],
  ] as const) {
    say(`| ${name} | ${median(values).toFixed(1)} | ${(median(values) / median(times.bare)).toFixed(2)} |`);
  }
  say(`\nIdle memory of \`serve\` with three keys: ${rssMb(idle.pid).toFixed(0)} MB.`);
}

if (process.argv.includes('--write')) {
  writeFileSync(
    join(root, 'docs/bench.md'),
    `# Speed\n\nMade by \`npm run bench -- --write\`. Ratios of one run; absolute times are this machine's.\n\n${lines.join('\n')}\n`,
  );
}
process.exit(0);
