import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import {
  after,
  answer,
  chatStream,
  gate,
  refusal,
  type ScriptedUpstream,
  startUpstream,
} from '../support/scripted-upstream.ts';
import { Home, type RunningCommand } from './support/home.ts';

let home: Home;
let upstream: ScriptedUpstream | null;
let running: RunningCommand[];

beforeEach(() => {
  home = new Home();
  upstream = null;
  running = [];
});

afterEach(async () => {
  for (const command of running) {
    command.signal('SIGTERM');
    command.signal('SIGTERM');
    await command.ended;
  }
  await upstream?.close();
  home[Symbol.dispose]();
});

type Options = NonNullable<Parameters<typeof startUpstream>[0]>;

async function mock(options: Options): Promise<ScriptedUpstream> {
  upstream = await startUpstream({ models: ['m'], ...options });
  home.config(
    `providers:\n  mock: { base_url: "${upstream.baseUrl}", keys: [${Object.keys(options.keys ?? {}).join(', ')}] }\n`,
  );
  return upstream;
}

/** Starts a server on a free port; resolves with its URL. */
async function serve(argv: readonly string[] = [], env: Record<string, string> = {}) {
  const command = home.start(['serve', '--port', '0', ...argv], { env });
  running.push(command);
  const first = await Promise.race([command.stdout.until(/^rotator listening on (http:\S+)\n/), command.ended]);
  if (!Array.isArray(first)) throw new Error(`serve ended: ${JSON.stringify(first)}`);
  return { command, url: first[1] ?? '' };
}

const clientKey = () => readFileSync(join(home.stateDir, 'client-key'), 'utf8').trim();
const serverFile = () => join(home.stateDir, 'server.json');

function ask(url: string): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${clientKey()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'mock/m', messages: [{ role: 'user', content: 'hi' }] }),
  });
}

describe('serve', () => {
  test('says where it listens on the first line of stdout, and answers there', async () => {
    await mock({ keys: { k1: answer('ok') } });
    const { command, url } = await serve();
    expect((await ask(url)).status).toBe(200);
    await command.stderr.until(/Try it:[^]*rotator status --watch/);
    expect(command.stdout.text).toBe(`rotator listening on ${url}\n`);
    expect(command.stderr.text).toContain(`config       ${home.configPath}\n`);
    expect(command.stderr.text).toContain('credentials  mock 1\n');
    expect(command.stderr.text).toContain(`curl ${url}/v1/models`);
    expect(command.stderr.text).toContain(`$(cat '${join(home.stateDir, 'client-key')}')`);
    expect(command.stderr.text).not.toContain(clientKey());
  });

  test('with --json says it as one object', async () => {
    const command = home.start(['serve', '--port', '0', '--json']);
    running.push(command);
    const [line = ''] = await command.stdout.until(/^.*\n/);
    expect(JSON.parse(line)).toEqual({
      event: 'listening',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      pid: process.pid,
    });
  });

  test('is loud when there are no credentials', async () => {
    const { command } = await serve();
    await command.stderr.until(/There are no credentials/);
    expect(command.stderr.text).toContain('rotator keys add groq');
  });

  test('names the variables in which it found keys, not the keys', async () => {
    const { command } = await serve([], { GROQ_API_KEY_1: 'gsk_0123456789abcdef' });
    await command.stderr.until(/environment {2}GROQ_API_KEY_1 \(groq\)\n/);
    expect(command.stderr.text).not.toContain('gsk_0123456789abcdef');
  });

  test('with --demo answers without a key', async () => {
    await serve(['--demo']);
    const { exitCode, stdout } = await home.run(['chat', '-m', 'demo/chat', 'hi there']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('hi there');
    expect((await home.run(['models'])).stdout).toContain('demo/chat');
  });

  test('with --quiet says only what is wrong', async () => {
    await mock({ keys: { k1: answer('ok') } });
    const { command, url } = await serve(['--quiet']);
    await ask(url);
    expect(command.stderr.text).toBe('');
  });

  test('ends with 0 once the open requests are answered', async () => {
    const asked = gate();
    await mock({ keys: { k1: after(asked, answer('late')) } });
    const { command, url } = await serve();
    const reply = ask(url);
    await asked.reached;
    expect(existsSync(serverFile())).toBe(true);
    command.signal('SIGTERM');
    await command.stderr.until(/waiting up to 30 s for 1 open request;/);
    asked.open();
    expect((await reply).status).toBe(200);
    expect(await command.ended).toMatchObject({ exitCode: 0 });
    expect(existsSync(serverFile())).toBe(false);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('a second signal %s ends at once with %d', async (signal, exitCode) => {
    const asked = gate();
    await mock({ keys: { k1: after(asked, answer('never')) } });
    const { command, url } = await serve();
    const reply = ask(url).catch(() => null);
    await asked.reached;
    command.signal('SIGTERM');
    await command.stderr.until(/waiting up to 30 s/);
    command.signal(signal);
    expect(await command.ended).toMatchObject({ exitCode });
    expect(existsSync(serverFile())).toBe(false);
    await reply;
  });

  test('a bad config is exit 2 with every problem', async () => {
    home.config('server: { prot: 1 }\ntimeouts: { idle: soon }\n');
    const { exitCode, stdout, stderr } = await home.run(['serve', '--port', '0']);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toStartWith(`error: 2 problems in ${home.configPath}:\n`);
  });

  test('a port in use is exit 1', async () => {
    const { url } = await serve();
    const port = new URL(url).port;
    const { exitCode, stderr } = await home.run(['serve', '--port', port, '--state', join(home.path, 'other')]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`error: port ${port} on 127.0.0.1 is in use\n`);
    expect(existsSync(join(home.path, 'other/server.json'))).toBe(false);
  });

  test('a second one on the same state directory is exit 1 and names the first', async () => {
    const { url } = await serve();
    const { exitCode, stdout, stderr } = await home.run(['serve', '--port', '0']);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain(url);
  });

  test('a state directory that cannot be written is a warning', async () => {
    const state = join(home.write('a-file', ''), 'state');
    const { command, url } = await serve(['--state', state]);
    await command.stderr.until(/Watch it.*/);
    expect(command.stderr.text).toContain(`: ROTATOR_ADMIN_TOKEN=… rotator status --watch --url ${url}\n`);
    expect(command.stderr.text).toContain(`warning: the state directory ${state} cannot be written: running in memory`);
    expect(command.stderr.text).toContain('warning: the client key could not be kept');
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  test('on every address says that others reach it, for the URL names only this machine', async () => {
    const { command } = await serve(['--host', '0.0.0.0']);
    await command.stderr.until(/^reachable +from other machines: it listens on every address \(0\.0\.0\.0\)$/m);
    const own = await serve(['--state', join(home.path, 'other')]);
    await own.command.stderr.until(/Try it:/);
    expect(own.command.stderr.text).not.toContain('reachable');
  });

  test('prints a curl that a shell can run from any state directory', async () => {
    const state = join(home.path, "it's mine");
    const { command, url } = await serve(['--state', state]);
    await command.stderr.until(/Try it:[^]*client-key/);
    const curl = command.stderr.text.slice(command.stderr.text.indexOf('  curl ')).trim();
    const child = Bun.spawn(['sh', '-c', `curl() { printf '%s\\n' "$@"; }\n${curl}`], { env: home.env() });
    expect(await new Response(child.stdout).text()).toBe(
      `${url}/v1/models\n-H\nauthorization: Bearer ${readFileSync(join(state, 'client-key'), 'utf8').trim()}\n`,
    );
  });

  test('open to everybody on another address than loopback is refused', async () => {
    home.config('server: { client_keys: none }\n');
    const { exitCode, stderr } = await home.run(['serve', '--port', '0', '--host', '0.0.0.0']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('0.0.0.0');
  });
});

describe('a running server', () => {
  test('takes a changed config, and keeps the old one when the new is bad', async () => {
    await mock({ keys: { k1: answer('ok') } });
    const { command } = await serve();
    await command.stderr.until(/Try it:/);
    home.config('providers: { groq: { kees: [x] } }\n');
    await command.stderr.until(/config not reloaded/);
    home.config('providers: { groq: { keys: [one, two] } }\nserver: { port: 9999 }\n');
    await command.stderr.until(/config reloaded/);
    // Its port was given by a flag, so the file's is no news.
    expect(command.stderr.text).not.toContain('server.port changed');
    const outcome = await home.run(['keys', 'list', '--json']);
    expect(home.json(outcome)).toHaveLength(2);
  });

  test('goes on with a config that is deleted, and does not take another one for it', async () => {
    home.config('providers: { groq: { keys: [one] } }\n');
    const { command } = await serve();
    await command.stderr.until(/Try it:/);
    rmSync(home.configPath);
    await command.stderr.until(/config not reloaded.*rotator\.yaml is gone; that takes effect at the next start/);
    expect(home.json(await home.run(['keys', 'list', '--json']))).toMatchObject([{ provider: 'groq' }]);
    const found = join(home.cwd, 'rotator.yaml');
    writeFileSync(found, 'providers: { mistral: { keys: [two] } }\n');
    command.signal('SIGHUP');
    await command.stderr.until(/config not reloaded.*rotator\.yaml would be read instead of /);
    expect(home.json(await home.run(['keys', 'list', '--json']))).toMatchObject([{ provider: 'groq' }]);
    rmSync(found);
    home.config('providers: { groq: { keys: [one, two] } }\n');
    await command.stderr.until(/config reloaded/);
    expect(home.json(await home.run(['keys', 'list', '--json']))).toHaveLength(2);
  });

  test('reads again on SIGHUP, even with --no-watch', async () => {
    const { command } = await serve(['--no-watch']);
    await command.stderr.until(/Try it:/);
    home.config('providers: { groq: { keys: [one] } }\nstorage: { dir: elsewhere }\n');
    command.signal('SIGHUP');
    await command.stderr.until(/storage\.dir changed: it takes effect at the next start/);
    await command.stderr.until(/config reloaded/);
  });

  test('picks up the first key that is added', async () => {
    const { command } = await serve();
    await command.stderr.until(/Try it:/);
    expect((await home.run(['keys', 'add', 'groq', '--key', 'gsk_0123456789abcdef'])).exitCode).toBe(0);
    await command.stderr.until(/config reloaded/);
    const outcome = await home.run(['keys', 'list', '--json']);
    expect(home.json(outcome)).toMatchObject([{ provider: 'groq' }]);
  });

  test('is what chat, keys and test-route go through', async () => {
    await mock({ keys: { k1: [chatStream('ok'), refusal(429, { message: 'slow down' }, { 'retry-after': '60' })] } });
    const { command } = await serve();
    expect((await home.run(['chat', '-m', 'mock/m', 'hi'])).stdout).toBe('ok\n');
    expect(home.json(await home.run(['keys', 'list', '--json']))).toMatchObject([{ usage: { requests: 1 } }]);
    expect((await home.run(['chat', '-m', 'mock/m', 'hi'])).exitCode).toBe(3);

    const blocked = await home.run(['test-route', 'mock/m']);
    expect(blocked.exitCode).toBe(3);
    expect(blocked.stdout).toContain('✗ mock/m would not be served now');
    expect(blocked.stderr).toMatch(/hint: the next one is back in \d+ s\n$/);

    const reset = await home.run(['keys', 'reset']);
    expect(reset.stderr).toMatch(/^reset mock-\w{10}\n$/);
    expect((await home.run(['test-route', 'mock/m'])).exitCode).toBe(0);

    expect((await home.run(['keys', 'disable', 'mock'])).exitCode).toBe(0);
    expect((await home.run(['chat', '-m', 'mock/m', 'hi'])).exitCode).toBe(3);
    expect(home.json(await home.run(['keys', 'list', '--json']))).toMatchObject([{ state: 'disabled' }]);
    expect(command.stdout.text).toMatch(/^rotator listening on \S+\n$/);
  });

  test('is passed by with chat --local', async () => {
    await mock({ keys: { k1: chatStream('ok') } });
    await serve();
    expect((await home.run(['chat', '--local', '-m', 'mock/m', 'hi'])).stdout).toBe('ok\n');
    expect(home.json(await home.run(['keys', 'list', '--json']))).toMatchObject([{ usage: { requests: 0 } }]);
  });

  test('refuses a client key that it does not know: exit 4', async () => {
    await mock({ keys: { k1: answer('ok') } });
    await serve();
    const { exitCode, stderr } = await home.run(['chat', '-m', 'mock/m', 'hi'], {
      env: { ROTATOR_CLIENT_KEY: 'sk-rotator-wrong' },
    });
    expect(exitCode).toBe(4);
    expect(stderr).toContain('hint: set ROTATOR_CLIENT_KEY to a key that the server knows, or use --local\n');
  });

  test('does not share its demo with a chat that must not use it', async () => {
    await serve();
    const { exitCode } = await home.run(['chat', '-m', 'demo/chat', 'hi']);
    expect(exitCode).toBe(0);
    await eventually(
      'the server knows no demo',
      async () => (home.json(await home.run(['keys', 'list', '--json'])) as []).length === 0,
    );
  });

  test('tells how things are although its file has a problem by now', async () => {
    await mock({ keys: { k1: answer('ok') } });
    const { url } = await serve(['--no-watch']);
    home.config('providers: { groq: { kees: [x] } }\n');
    const problem = `${home.configPath}:1:22: providers.groq.kees: unknown field. Did you mean "keys"?\n`;
    const warning = `warning: the server at ${url} goes on with the config that it had; in the file is ${problem}`;
    for (const command of [['status'], ['keys', 'list'], ['usage'], ['logs'], ['test-route', 'mock/m']]) {
      const { exitCode, stderr } = await home.run(command);
      expect({ command, exitCode }).toEqual({ command, exitCode: 0 });
      expect(stderr).toStartWith(warning);
    }
    expect((await home.run(['keys', 'disable', 'mock'])).exitCode).toBe(0);
    expect(home.json(await home.run(['keys', 'list', '--json']))).toMatchObject([{ state: 'disabled' }]);
    // What a gateway in this process would have to do is not done by a config that nobody wrote.
    const local = await home.run(['test-route', 'demo/chat']);
    expect(local.exitCode).toBe(2);
    expect(local.stderr).toEndWith(`error: ${problem}`);
  });

  test('is not asked about the problem of a config that is not its own', async () => {
    await mock({ keys: { k1: answer('ok') } });
    await serve();
    const other = home.write('other.yaml', 'providers: 5\n');
    const { exitCode, stderr } = await home.run(['status', '--config', other]);
    expect(exitCode).toBe(2);
    expect(stderr).toStartWith(`error: ${other}:1:12: `);
  });

  test('that goes by another config than the one named here says so', async () => {
    await mock({ keys: { k1: answer('from the server') } });
    await serve();
    const other = home.write('other.yaml', 'providers: { groq: { keys: [one-key] } }\n');
    const listed = await home.run(['--config', other, 'keys', 'list']);
    const note = `goes by ${home.configPath}, not by ${other}`;
    expect(listed.stdout).toContain('mock-');
    expect(listed.stderr).toContain(note);
    expect(listed.stderr).toContain('--state');
    const chat = await home.run(['--config', other, 'chat', '--no-stream', '-m', 'mock/m', 'hi']);
    expect(chat.stdout).toBe('from the server\n');
    expect(chat.stderr).toContain(note);
    const same = await home.run(['--config', home.configPath, 'keys', 'list']);
    expect(same.stderr).toBe('');
  });
});
