/**
 * Real agents, run headless with one prompt that needs a tool, through the compiled rotator against an upstream of every
 * protocol: `npm run agents [-- --only claude,codex] [--dir DIR]`. Installs them (1.2 GB) from the npm registry into DIR
 * (default: a temporary directory) unless they are there. On demand; no part of the check.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startAgentUpstream } from './upstream.ts';

const PACKAGES = [
  '@anthropic-ai/claude-code@2.1.330',
  '@openai/codex@0.169.0',
  '@google/gemini-cli@0.61.0',
  'opencode-ai@1.18.33',
];
const PROMPT = 'Run the command `echo tool-ran-ok` with your shell tool, then say pong and what it printed.';
const MAX_REQUESTS = 12;
const SECONDS = 90;
const CLIENT_KEY = 'sk-rotator-agents';

const root = join(import.meta.dir, '..', '..');
const { values } = parseArgs({ options: { only: { type: 'string' }, dir: { type: 'string' } } });
const directory = values.dir ?? mkdtempSync(join(tmpdir(), 'rotator-agents-'));

type Agent = {
  readonly name: string;
  readonly command: (model: string, url: string) => readonly string[];
  readonly env: (url: string) => Readonly<Record<string, string>>;
  readonly prepare?: (home: string, work: string, model: string, url: string) => void;
};

const binary = (name: string) => join(directory, 'node_modules', '.bin', name);
const node24 = () => join(directory, 'node_modules', 'node', 'bin');

const agents: readonly Agent[] = [
  {
    name: 'claude',
    command: (model) => [binary('claude'), '-p', PROMPT, '--model', model, '--allowedTools', 'Bash'],
    env: (url) => ({
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: CLIENT_KEY,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_MAX_RETRIES: '1',
      IS_SANDBOX: '1',
    }),
  },
  {
    name: 'codex',
    command: (model, url) => [
      binary('codex'),
      'exec',
      '--ephemeral',
      '--ignore-user-config',
      '--skip-git-repo-check',
      '--dangerously-bypass-approvals-and-sandbox',
      '-c',
      'model_provider=rotator',
      '-c',
      `model_providers.rotator={name="rotator",base_url="${url}/v1",env_key="ROTATOR_KEY",wire_api="responses",request_max_retries=0,stream_max_retries=0}`,
      '-m',
      model,
      PROMPT,
    ],
    env: () => ({ ROTATOR_KEY: CLIENT_KEY }),
  },
  {
    name: 'gemini',
    command: (model) => [binary('gemini'), '-p', PROMPT, '-m', model, '--skip-trust', '-y'],
    env: (url) => ({ GEMINI_API_KEY: CLIENT_KEY, GOOGLE_GEMINI_BASE_URL: url }),
    prepare: (home) => {
      mkdirSync(join(home, '.gemini'), { recursive: true });
      const settings = { security: { auth: { selectedType: 'gemini-api-key' } } };
      writeFileSync(join(home, '.gemini', 'settings.json'), JSON.stringify(settings));
    },
  },
  {
    name: 'opencode',
    command: (model) => [binary('opencode'), 'run', '-m', `rotator/${model}`, PROMPT],
    env: () => ({ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' }),
    prepare: (_home, work, model, url) => {
      const provider = {
        npm: '@ai-sdk/openai-compatible',
        options: { baseURL: `${url}/v1`, apiKey: CLIENT_KEY },
        models: { [model]: {} },
      };
      writeFileSync(join(work, 'opencode.json'), JSON.stringify({ provider: { rotator: provider } }));
    },
  },
];

/** One of each protocol, and one whose vendor wants reasoning back. */
const models: readonly (readonly [string, string])[] = [
  ['a Gemini model', 'gemini/gemini-3-flash'],
  ['a Claude model', 'anthropic/claude-opus-4-8'],
  ['an OpenAI model (chat)', 'openai/gpt-5.5'],
  ['an OpenAI model (Responses only)', 'openai/gpt-5-pro'],
  ['a DeepSeek model', 'deepseek/deepseek-reasoner'],
  ['a local model', 'local/llama'],
];

function install(): void {
  if (existsSync(binary('claude'))) return;
  writeFileSync(join(directory, 'package.json'), '{"private":true}');
  const added = Bun.spawnSync(['bun', 'add', ...PACKAGES], { cwd: directory, stdout: 'inherit', stderr: 'inherit' });
  if (added.exitCode !== 0) throw new Error('the agents could not be installed');
}

type Outcome = {
  readonly agent: string;
  readonly model: string;
  readonly problem: string | null;
  readonly requests: number;
};

async function tryOne(agent: Agent, model: string): Promise<Outcome> {
  const upstream = startAgentUpstream(MAX_REQUESTS);
  const home = mkdtempSync(join(tmpdir(), 'rotator-agent-home-'));
  const work = join(home, 'work');
  mkdirSync(work);
  const config = join(home, 'rotator.yaml');
  const at = (path: string) => ({ base_url: `${upstream.url}${path}`, keys: ['upstream-key'] });
  writeFileSync(
    config,
    JSON.stringify({
      server: { client_keys: [{ name: 'agents', key: CLIENT_KEY }] },
      providers: {
        gemini: at('/v1beta'),
        anthropic: at('/v1'),
        openai: at('/v1'),
        deepseek: at('/v1'),
        local: { base_url: `${upstream.url}/v1`, keys: 'none' },
      },
    }),
    { mode: 0o600 },
  );
  const server = Bun.spawn(
    [
      join(root, 'dist', 'rotator'),
      'serve',
      '--port',
      '0',
      '--json',
      '--config',
      config,
      '--state',
      join(home, 'state'),
    ],
    {
      stdout: 'pipe',
      stderr: Bun.file(join(home, 'rotator.log')),
      env: { HOME: home, PATH: process.env.PATH ?? '' },
    },
  );
  try {
    const first = await server.stdout.getReader().read();
    const { url } = JSON.parse(new TextDecoder().decode(first.value)) as { url: string };
    agent.prepare?.(home, work, model, url);
    const run = Bun.spawn(['timeout', '-k', '2', String(SECONDS), ...agent.command(model, url)], {
      cwd: work,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { HOME: home, PATH: `${node24()}:${process.env.PATH ?? ''}`, TERM: 'dumb', ...agent.env(url) },
    });
    const [out, err, code] = await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
    const problem = problemOf(code, out, err, upstream);
    if (problem && process.env.AGENTS_VERBOSE)
      console.error(`${agent.name} ${model}\n${out}\n${err}\n${await Bun.file(join(home, 'rotator.log')).text()}`);
    return { agent: agent.name, model, problem, requests: upstream.requests.length };
  } finally {
    server.kill();
    await server.exited;
    upstream.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

function problemOf(
  code: number,
  out: string,
  err: string,
  upstream: ReturnType<typeof startAgentUpstream>,
): string | null {
  const [complaint] = upstream.complaints;
  if (complaint) return complaint;
  if (upstream.requests.length > MAX_REQUESTS) return 'it went on asking';
  if (code !== 0) return `exit ${code}: ${(err || out).trim().split('\n').at(-1)?.slice(0, 200) ?? ''}`;
  if (!out.includes('pong')) return `no answer: ${out.trim().slice(0, 200)}`;
  return out.includes('tool-ran-ok') ? null : 'the result of the tool did not reach the model';
}

install();
const only = values.only?.split(',');
const outcomes: Outcome[] = [];
for (const agent of agents.filter(({ name }) => !only || only.includes(name))) {
  for (const [title, model] of models) {
    const outcome = await tryOne(agent, model);
    outcomes.push(outcome);
    console.log(
      `${outcome.problem === null ? 'ok  ' : 'FAIL'} ${agent.name} on ${title} (${outcome.requests} requests)${outcome.problem ? `: ${outcome.problem}` : ''}`,
    );
  }
}
const failed = outcomes.filter(({ problem }) => problem !== null).length;
console.log(`${outcomes.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
