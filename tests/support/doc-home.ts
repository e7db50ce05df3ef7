import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { binaryPath } from './binary.ts';
import { consoleSteps, type Fence, root } from './doc-pages.ts';
import { type TempHome, tempHome } from './temp-home.ts';

/**
 * Where the documentation's commands are run: a home that is shown as /home/me, with `rotator` on the PATH and an internet
 * that the vendors' proxy plays. A server that a page starts listens on a free port, and 127.0.0.1:8000 means that one.
 */

/** What a reader has there when the first block of a page is run. */
const PLACES: Readonly<Record<string, (home: DocHome) => Promise<void>>> = {
  own: async () => {},
  demo: (home) => home.serve('rotator serve --demo --state .rotator-demo'),
  keys: (home) => home.configure(),
  serving: async (home) => {
    await home.configure();
    await home.serve('rotator serve');
  },
  // Several providers of one model, of which the first has nothing left.
  fallback: (home) => home.configure(FALLBACK),
  // The example of the README's section on gpt4free.
  g4f: (home) => home.configure(G4F),
  // Nearly all of its keys are in trouble.
  trouble: async (home) => {
    await home.configure(TROUBLE);
    await home.serve('rotator serve');
  },
  // A checkout of LLM-API-Key-Proxy that was in use.
  proxy: (home) =>
    home.write('LLM-API-Key-Proxy/.env', 'PROXY_API_KEY=sk-mine\nGROQ_API_KEY_1=gsk_one\nGLOBAL_TIMEOUT=30\n'),
};

/** A config as the pages speak of it; the keys say how the vendors' proxy answers them. */
const CONFIG = `
providers:
  groq:
    keys:
      - { key: gsk_work, label: work, priority: 1 }
      - { key: gsk_home, label: home }
  gemini: { keys: [AIza_one] }
  anthropic: { keys: [sk-ant-one] }
  openrouter: { keys: [sk-or-one] }
aliases:
  fast: { targets: [groq/llama-3.3-70b-versatile, gemini/gemini-2.5-flash] }
`;

const TROUBLE = `
server:
  client_keys:
    - { name: me, key: sk-rotator-mine }
    - { name: ci, key: sk-rotator-ci, models: ["groq/*"], limits: { rpm: 1 } }
fallback: { enabled: false }
providers:
  groq: { keys: [gsk_limited] }
  openrouter: { keys: [sk-or-revoked] }
  deepseek: { keys: [sk-broke] }
  mistral: { keys: [mistral-one] }
  my-vllm: { base_url: "http://127.0.0.1:1/v1", keys: none }
`;

const FALLBACK = `
providers:
  groq: { keys: [gsk_limited_a, gsk_limited_b] }
  openrouter: { keys: [sk-or-one] }
  gemini: { keys: [AIza_one] }
  nvidia: { keys: [nvapi-one] }
aliases:
  fast: { targets: [cerebras/llama-3.3-70b, groq/llama-3.3-70b-versatile, gemini/gemini-2.5-flash] }
`;

const G4F = `
providers:
  groq: { keys: [gsk_one] }
  gemini: { keys: [AIza_one] }
  g4f: { base_url: "http://127.0.0.1:1337/v1" }
aliases:
  fast: { targets: [groq/llama-3.3-70b-versatile, gemini/gemini-2.5-flash, g4f/gpt-4o-mini] }
`;

const SHOWN_HOME = '/home/me';
const LISTENING = /listening on http:\/\/127\.0\.0\.1:(\d+)/;

export type Ran = { readonly code: number; readonly output: string };

export class DocHome implements AsyncDisposable {
  readonly #home: TempHome;
  readonly #env: Record<string, string>;
  #server: { readonly child: Bun.Subprocess; readonly shown: string; readonly real: string } | null = null;

  private constructor(home: TempHome, env: Record<string, string>) {
    this.#home = home;
    this.#env = env;
  }

  static async open(place: string, internet: Readonly<Record<string, string>>): Promise<DocHome> {
    const prepare = PLACES[place];
    if (!prepare) throw new Error(`in=${place}: there is no such place`);
    const temp = await tempHome();
    await mkdir(temp.path('bin'));
    await symlink(binaryPath, temp.path('bin', 'rotator'));
    // For blocks of TypeScript: what `npm install openai` would bring.
    await symlink(join(root, 'node_modules'), join(temp.cwd, 'node_modules'));
    const home = new DocHome(temp, {
      PATH: `${temp.path('bin')}:${process.env['PATH'] ?? ''}`,
      HOME: temp.dir,
      LANG: 'C.UTF-8',
      ...internet,
    });
    await prepare(home);
    return home;
  }

  configure(config: string = CONFIG): Promise<void> {
    return this.write('.config/rotator/rotator.yaml', config);
  }

  async write(path: string, text: string): Promise<void> {
    await this.#home.write(path, text);
  }

  /** Runs `rotator serve …` until the page is over or serves anew. */
  async serve(command: string): Promise<void> {
    await this.#endServer();
    const shown = `127.0.0.1:${/ --port (\d+)/.exec(command)?.[1] ?? '8000'}`;
    const child = this.#spawn(`exec ${this.#real(command).replace(/ +#.*/, '')} --port 0`);
    let output = '';
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      output += decoder.decode(chunk, { stream: true });
      const port = LISTENING.exec(output)?.[1];
      if (port === undefined) continue;
      this.#server = { child, shown, real: `127.0.0.1:${port}` };
      return;
    }
    throw new Error(`${command} ended with ${await child.exited} before it listened: ${await child.stderr.text()}`);
  }

  /** A whole script; it stops at the first command that fails. */
  async script(fence: Fence): Promise<Ran> {
    const lines = fence.text.trimEnd().split('\n');
    const server = /^rotator serve\b/.test(lines.at(-1) ?? '') ? lines.pop() : undefined;
    const script = `set -eo pipefail\n${this.#real(lines.join('\n'))}`;
    const ran = await (fence.typing ? this.#onTerminal(script, fence.typing) : this.#run(script));
    if (server !== undefined && ran.code === 0) await this.serve(server);
    return ran;
  }

  /** One command, without its standard error. */
  command(command: string): Promise<Ran> {
    return this.#run(`exec 2>/dev/null\n${this.#real(command)}`);
  }

  /** Each command of a console block by itself, in one shell. */
  async console(fence: Fence): Promise<readonly (Ran & { readonly command: string; readonly wanted: string })[]> {
    const steps = consoleSteps(fence.text);
    const script = steps.map(({ command }) => `{ ${this.#real(command)}\n} 2>&1\nprintf '\\n@@%s@@\\n' $?\n`).join('');
    const { output } = await this.#run(`set -o pipefail\n${script}`);
    const parts = output.split(/\n@@(\d+)@@\n/);
    return steps.map(({ command, output: wanted }, i) => ({
      command,
      wanted,
      code: Number(parts[2 * i + 1] ?? Number.NaN),
      output: parts[2 * i] ?? '',
    }));
  }

  /** TypeScript, under Bun. */
  async typescript(fence: Fence): Promise<Ran> {
    const path = await this.#home.write('project/example.ts', this.#real(fence.text));
    const name = this.#env['ROTATOR_CLIENT_KEY'] ?? '$(cat .rotator-demo/client-key)';
    return this.#run(`export ROTATOR_CLIENT_KEY="${name}"\n'${process.execPath}' '${path}'`);
  }

  async #run(script: string): Promise<Ran> {
    const child = this.#spawn(`exec 2>&1\n${script}`);
    const [code, output] = await Promise.all([child.exited, child.stdout.text()]);
    return { code, output: this.#shown(output) };
  }

  async #onTerminal(script: string, { asks, types }: { asks: string; types: string }): Promise<Ran> {
    let output = '';
    let isTyped = false;
    const decoder = new TextDecoder();
    const terminal = new Bun.Terminal({
      cols: 100,
      rows: 30,
      data: (self, bytes) => {
        output += Bun.stripANSI(decoder.decode(bytes, { stream: true }));
        if (isTyped || !output.includes(asks)) return;
        isTyped = true;
        self.write(`${types}\r`);
      },
    });
    const env = { ...this.#env, TERM: 'xterm-256color' };
    const code = await Bun.spawn(['bash', '-c', script], { cwd: this.#home.cwd, env, terminal }).exited;
    terminal.close();
    return { code: isTyped ? code : -1, output: this.#shown(output) };
  }

  #spawn(script: string) {
    return Bun.spawn(['bash', '-c', script], {
      cwd: this.#home.cwd,
      env: this.#env,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
  }

  /** What a page says, as it is here. */
  #real(text: string): string {
    const moved = text.replaceAll(SHOWN_HOME, this.#home.dir);
    return this.#server ? moved.replaceAll(this.#server.shown, this.#server.real) : moved;
  }

  /** What was printed here, as a page says it. */
  #shown(text: string): string {
    const moved = text.replaceAll('\r\n', '\n').replaceAll(this.#home.dir, SHOWN_HOME);
    return this.#server ? moved.replaceAll(this.#server.real, this.#server.shown) : moved;
  }

  async #endServer(): Promise<void> {
    this.#server?.child.kill('SIGTERM');
    await this.#server?.child.exited;
    this.#server = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endServer();
    await this.#home[Symbol.asyncDispose]();
  }
}

/**
 * Does the output say what the page says? `…` is any text in a line; a line of nothing else is any number of lines. Ids of
 * credentials come from keys, so any will do.
 */
export function isAsWritten(output: string, wanted: string): boolean {
  if (wanted.trim() === '') return true;
  const anyId = (text: string) => text.replaceAll(/(?<=[a-z]-)[0-9a-f]{10}\b/g, '0123456789');
  const lines = anyId(wanted).trimEnd().split('\n');
  const pattern = lines
    .map((line) =>
      line.trim() === '…' ? '(?:.*\\n)*' : `${line.trimEnd().split('…').map(RegExp.escape).join('.*')} *\\n`,
    )
    .join('');
  return new RegExp(`^${pattern}$`).test(`${anyId(output).trimEnd()}\n`);
}
