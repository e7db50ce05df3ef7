import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { startUpstream } from '../support/scripted-upstream.ts';
import { Home } from './support/home.ts';

let home: Home;

beforeEach(() => {
  home = new Home();
  home.config(
    'aliases: { smart: mock/m, fast: mock/m }\nproviders:\n  mock: { base_url: "http://127.0.0.1:1/v1", keys: [k1] }\n',
  );
  home.write('.local/state/rotator/client-key', `${KEY}\n`);
});

afterEach(() => home[Symbol.dispose]());

const KEY = 'sk-rotator-0123456789abcdef';
const read = (path: string) => readFileSync(join(home.path, path), 'utf8');
const backups = (path: string) =>
  readdirSync(dirname(join(home.path, path))).filter((name) => /\.rotator-\d{8}T\d{6}Z(-\d+)?\.bak$/.test(name));

const CLAUDE = `{
  "permissions": {
    "allow": ["Bash(git diff:*)"]
  },
  "env": {
    "ANTHROPIC_MODEL": "claude-opus-4-8"
  }
}
`;
const CODEX = `# mine
model = "gpt-5.5" # usual
model_reasoning_effort = "high"

[projects."/home/me"]
trust_level = "trusted"
`;

describe('rotator setup', () => {
  test('prints without writing, and the key only where it is asked for', async () => {
    const shown = await home.run(['setup', 'claude-code', '--show-key']);
    expect(shown.exitCode).toBe(0);
    expect(shown.stdout).toContain(`// ${home.path}/.claude/settings.json`);
    expect(shown.stdout).toContain(`"ANTHROPIC_AUTH_TOKEN": "${KEY}"`);
    expect(shown.stdout).toContain('"ANTHROPIC_MODEL": "smart"');
    expect(shown.stdout).toContain('"ANTHROPIC_DEFAULT_HAIKU_MODEL": "fast"');
    expect(shown.stderr).toContain('no server runs here yet');
    const masked = await home.run(['setup', 'claude-code']);
    expect(masked.stdout).toContain('YOUR_CLIENT_KEY');
    expect(masked.stdout + masked.stderr).not.toContain(KEY);
    expect(existsSync(join(home.path, '.claude'))).toBe(false);
  });

  test('gives a shell the place of the key, so that the line works as it is', async () => {
    const { stdout } = await home.run(['setup', 'curl']);
    expect(stdout).toContain(`Bearer $(cat '${home.stateDir}/client-key')`);
    expect(stdout).not.toContain(KEY);
  });

  test('--json names files and settings', async () => {
    const outcome = await home.run(['setup', 'codex', '--json']);
    expect(home.json(outcome)).toMatchObject({
      client: 'codex',
      url: 'http://127.0.0.1:8000',
      model: 'smart',
      files: [{ path: join(home.path, '.codex/config.toml'), format: 'toml' }],
    });
    expect(outcome.stdout).not.toContain(KEY);
    expect(outcome.stderr).toBe('');
  });

  test.each([
    ['claude-code', '.claude/settings.json', CLAUDE],
    ['codex', '.codex/config.toml', CODEX],
    ['gemini-cli', '.gemini/.env', 'GEMINI_API_KEY=mine # old\n'],
    ['opencode', '.config/opencode/opencode.jsonc', '// mine\n{\n  // night\n  "theme": "dark"\n}\n'],
    ['aider', '.aider.conf.yml', '# mine\nmodel: sonnet   # usual\ndark-mode: true\n'],
    ['continue', '.continue/config.yaml', 'name: Mine\nschema: v1\nmodels:\n  - name: x # local\n    model: y\n'],
    ['cline', '.cline/data/settings/providers.json', '{\n  "version": 1,\n  "modes": {}\n}\n'],
    ['open-webui', 'work/.env', '# mine\nWEBUI_NAME=here\n'],
    ['openai-python', 'work/.env', 'OPENAI_API_KEY=sk-old\n'],
  ])('%s: --write merges after a backup, --undo gives the very bytes back', async (client, path, text) => {
    home.write(path, text);
    chmodSync(join(home.path, path), 0o640);
    const written = await home.run(['setup', client, '--write']);
    expect(written.stderr).toContain(`written ${join(home.path, path)}`);
    expect(written.exitCode).toBe(0);
    expect(read(path)).toContain(KEY);
    expect(written.stdout + written.stderr).not.toContain(KEY);
    // What was there and says nothing of the server is there still.
    for (const line of text
      .split('\n')
      .filter((one) => /# mine|permissions|trust_level|dark|name: x|modes|WEBUI/.test(one)))
      expect(read(path)).toContain(line);
    const [backup = ''] = backups(path);
    expect(readFileSync(join(dirname(join(home.path, path)), backup), 'utf8')).toBe(text);
    expect(statSync(join(home.path, path)).mode & 0o777).toBe(0o640);
    expect(written.stderr).toContain('chmod 600');

    const again = await home.run(['setup', client, '--write']);
    expect(again.stderr).toContain(`unchanged ${join(home.path, path)}`);

    const undone = await home.run(['setup', client, '--undo']);
    expect(undone.exitCode).toBe(0);
    expect(read(path)).toBe(text);
    expect(backups(path)).toEqual([]);
    expect((await home.run(['setup', client, '--undo'])).exitCode).toBe(1);
  });

  test('files that were made are 0600, and --undo takes them away', async () => {
    await home.run(['setup', 'gemini-cli', '--write']);
    for (const path of ['.gemini/.env', '.gemini/settings.json']) {
      expect(statSync(join(home.path, path)).mode & 0o777).toBe(0o600);
    }
    const undone = await home.run(['setup', 'gemini-cli', '--undo']);
    expect(undone.stderr).toContain('removed');
    expect(readdirSync(join(home.path, '.gemini'))).toEqual([]);
  });

  test('--undo keeps what was changed since, and what the person has set in our place', async () => {
    home.write('.codex/config.toml', CODEX);
    await home.run(['setup', 'codex', '--write']);
    const path = join(home.path, '.codex/config.toml');
    const changed = `${read('.codex/config.toml').replace('model = "smart"', 'model = "own"')}\n[tui]\nnotifications = true\n`;
    writeFileSync(path, changed);
    const undone = await home.run(['setup', 'codex', '--undo']);
    expect(undone.exitCode).toBe(0);
    expect(read('.codex/config.toml')).toBe(`${CODEX.replace('"gpt-5.5"', '"own"')}\n[tui]\nnotifications = true\n`);
    expect(backups('.codex/config.toml')).toHaveLength(1);
  });

  test('--undo leaves nothing empty behind of what it made, and keeps what the person has added', async () => {
    await home.run(['setup', 'claude-code', '--write']);
    const path = join(home.path, '.claude/settings.json');
    writeFileSync(path, `${read('.claude/settings.json').trimEnd()}\n\n`);
    const undone = await home.run(['setup', 'claude-code', '--undo']);
    expect(undone.stderr).toContain('removed');
    expect(existsSync(path)).toBe(false);
    await home.run(['setup', 'claude-code', '--write']);
    writeFileSync(path, read('.claude/settings.json').replace('{', '{\n  "theme": "dark",'));
    await home.run(['setup', 'claude-code', '--undo']);
    expect(JSON.parse(read('.claude/settings.json'))).toEqual({ theme: 'dark' });
  });

  test('a second --write with another model is undone to what was there before the first', async () => {
    home.write('.claude/settings.json', CLAUDE);
    await home.run(['setup', 'claude-code', '--write']);
    await home.run(['setup', 'claude-code', '--write', '--model', 'mock/other']);
    expect(JSON.parse(read('.claude/settings.json')).env.ANTHROPIC_MODEL).toBe('mock/other');
    await home.run(['setup', 'claude-code', '--undo']);
    expect(read('.claude/settings.json')).toBe(CLAUDE);
  });

  test('a file that cannot be read as what it should be is named, and nothing is written', async () => {
    home.write('.gemini/settings.json', '{ "a": ');
    const outcome = await home.run(['setup', 'gemini-cli', '--write']);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toContain(`${home.path}/.gemini/settings.json cannot be read as JSON`);
    expect(existsSync(join(home.path, '.gemini/.env'))).toBe(false);
  });

  test('Continue keeps its other models', async () => {
    home.write('.continue/config.yaml', 'name: Mine\nmodels:\n  - name: x\n    model: y\n');
    await home.run(['setup', 'continue', '--write']);
    const { name, models } = parse(read('.continue/config.yaml'));
    expect(name).toBe('Mine');
    expect(models).toMatchObject([
      { name: 'x' },
      { name: 'rotator', provider: 'openai', model: 'smart', apiBase: 'http://127.0.0.1:8000/v1', apiKey: KEY },
      { name: 'rotator small', model: 'fast' },
    ]);
  });

  test('asks the running server for its models, with the key that the client will use', async () => {
    await using upstream = await startUpstream({ models: ['gpt-5.5', 'whisper-1'], keys: {} });
    home.config(`providers:\n  mock: { base_url: "${upstream.baseUrl}", keys: [k1] }\n`);
    const server = home.start(['serve', '--port', '0']);
    const [, url = ''] = await server.stdout.until(/listening on (http\S+)/);
    const good = await home.run(['setup', 'openai-node', '--json']);
    expect(home.json(good)).toMatchObject({ url, model: 'mock/gpt-5.5' });
    const elsewhere = await home.run(['setup', 'codex', '--url', `${url}/v1/`], {
      env: { ROTATOR_CLIENT_KEY: 'wrong' },
    });
    expect(elsewhere.exitCode).toBe(4);
    expect(elsewhere.stderr).toContain('does not take this client key');
    const byVariable = await home.run(['setup', 'codex'], {
      env: { ROTATOR_CLIENT_KEY: 'wrong', ROTATOR_URL: url },
    });
    expect(byVariable).toEqual(elsewhere);
    server.signal('SIGTERM');
    await server.ended;
  });

  test.each([
    [['setup'], 2, 'client'],
    [['setup', 'claude'], 2, 'error: client "claude" is not known\nhint: did you mean "claude-code"?\n'],
    [['setup', 'opencod'], 2, 'did you mean "opencode"?'],
    [['setup', 'cursor'], 2, 'any other takes a base URL and a client key: rotator setup curl shows both'],
    [['setup', 'curl', '--write'], 2, 'has no file of its own'],
    [['setup', 'codex', '--write', '--undo'], 2, 'cannot be used with'],
    [['setup', 'codex', '--undo'], 1, 'nothing to undo'],
    [['setup', 'codex', '--url', 'nowhere'], 2, 'is no URL'],
    [['setup', 'codex', '--url', 'http://127.0.0.1:1'], 2, 'ROTATOR_CLIENT_KEY'],
  ])('%j ends with %i and says why', async (argv, code, text) => {
    const outcome = await home.run(argv);
    expect(outcome.exitCode).toBe(code);
    expect(outcome.stderr).toContain(text);
  });

  test('a port that nobody knows yet is written nowhere', async () => {
    home.config('server: { port: 0 }\naliases: { fast: groq/x }\n');
    const outcome = await home.run(['setup', 'aider', '--write']);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toContain('start it first');
    expect(existsSync(join(home.path, '.aider.conf.yml'))).toBe(false);
  });

  test('without any model it says how to get one', async () => {
    home.config('logging: { level: info }\n');
    const outcome = await home.run(['setup', 'aider']);
    expect(outcome.exitCode).toBe(3);
    expect(outcome.stderr).toContain('rotator keys add');
  });

  test('a key of which only the digest is known is asked for by its variable', async () => {
    home.config(`server: { client_keys: [{ name: a, key: "sha256:${'0'.repeat(64)}" }] }\naliases: { fast: groq/x }\n`);
    const outcome = await home.run(['setup', 'aider']);
    expect(outcome.exitCode).toBe(2);
    expect(outcome.stderr).toContain('set ROTATOR_CLIENT_KEY');
  });
});
