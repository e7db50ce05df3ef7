// The compiled program as a stranger meets it: what it says, where it looks, how it ends.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import manifest from '../../package.json' with { type: 'json' };
import { binaryPath, CLIENT_KEY, endAll, ensureBinary, runBinary, startServer } from '../support/binary.ts';
import { readCompletion } from '../support/chat-replies.ts';
import { answer, startUpstream } from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

let home: TempHome;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
});
afterEach(() => home[Symbol.asyncDispose]());
afterAll(endAll);

describe('without a server', () => {
  test('--version prints the version alone', async () => {
    expect(await runBinary(['--version'], { home })).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  test('no command, without a terminal: the help, on stdout', async () => {
    const { code, stdout } = await runBinary([], { home });
    expect(code).toBe(0);
    for (const command of ['serve', 'chat', 'keys', 'models', 'test-route', 'config', 'completion']) {
      expect(stdout).toContain(command);
    }
  });

  test.each([
    ['an unknown command', ['serv']],
    ['an unknown option', ['serve', '--prot', '1']],
    ['a bad port', ['serve', '--port', 'eighty']],
    ['a config file that is not there', ['serve', '--config', 'nowhere.yaml']],
    ['a provider nobody knows', ['test-route', 'grok/some-model']],
    ['an id nobody knows', ['keys', 'disable', 'groq-0000000000']],
    ['chat without a prompt and without a terminal', ['chat', '-m', 'demo/chat']],
  ])('%s is exit code 2 with one error line', async (_, args) => {
    const { code, stdout, stderr } = await runBinary(args, { home });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error: /m);
    // No stack traces.
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('with --json an error is an object on stderr', async () => {
    const { code, stdout, stderr } = await runBinary(['--json', 'test-route', 'grok/some-model'], { home });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr).error).toMatchObject({
      code: expect.any(String),
      message: expect.stringContaining('grok'),
    });
  });

  test('a near miss is named', async () => {
    const { stderr } = await runBinary(['test-route', 'grok/some-model'], { home });
    expect(stderr).toContain('groq');
  });

  test('nothing is written where it is run', async () => {
    await runBinary(['config', 'path'], { home });
    await runBinary(['keys', 'list'], { home });
    expect(await readdir(home.cwd)).toEqual([]);
  });

  test('a reader that closes the pipe early ends it quietly', async () => {
    const piped = Bun.spawn(['sh', '-c', `'${binaryPath}' config schema | head -c 1`], {
      env: { ...home.env },
      cwd: home.cwd,
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [stdout, stderr] = await Promise.all([piped.stdout.text(), piped.stderr.text(), piped.exited]);
    expect({ stdout, stderr }).toEqual({ stdout: '{', stderr: '' });
  });
});

describe('serve', () => {
  test('in an empty directory, with no key anywhere, starts, says so, and answers', async () => {
    await using server = await startServer([], { home });
    expect(server.stdout()).toMatch(/^rotator listening on http:\/\/127\.0\.0\.1:\d+\n$/);
    await server.untilStderr('keys add');
    expect(await (await server.fetch('/')).json()).toMatchObject({
      name: 'rotator',
      status: 'ok',
      version: manifest.version,
    });
    expect((await server.fetch('/health')).status).toBe(200);
    // No credential can serve.
    expect((await server.fetch('/ready')).status).toBe(503);
    expect((await server.chat({ model: 'groq/m', messages: [{ role: 'user', content: 'x' }] })).status).toBe(404);
  });

  test('with --json says where it listens as an object', async () => {
    await using server = await startServer(['--json'], { home });
    const [line = ''] = server.stdout().split('\n');
    expect(JSON.parse(line)).toEqual({ event: 'listening', url: server.url, pid: server.pid });
  });

  test('keeps its process id, so that who started it can end it', async () => {
    await using server = await startServer([], { home });
    const status = JSON.parse(await Bun.file(home.path('state', 'server.json')).text());
    expect(status).toMatchObject({ pid: server.pid, url: server.url });
    expect((await stat(home.path('state', 'server.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(home.state)).mode & 0o777).toBe(0o700);
  });

  test('makes a client key when none is given, and takes no other', async () => {
    await using server = await startServer([], { home, env: { ROTATOR_CLIENT_KEY: undefined } });
    const key = (await Bun.file(home.path('state', 'client-key')).text()).trim();
    expect(key).toStartWith('sk-rotator-');
    const list = (bearer: string) => server.fetch('/v1/models', { headers: { authorization: `Bearer ${bearer}` } });
    expect((await list(key)).status).toBe(200);
    expect((await list(CLIENT_KEY)).status).toBe(401);
    // Not a terminal: the key itself is not shown.
    expect(server.stderr()).not.toContain(key);
  });

  test('takes keys from the environment and lists the names of the variables only', async () => {
    const key = 'gsk_not_a_real_key_0123456789';
    await using server = await startServer([], { home, env: { GROQ_API_KEY_2: key, UNRELATED_API_KEY: 'x' } });
    await server.untilStderr('GROQ_API_KEY_2');
    expect(server.stderr()).not.toContain(key);
    const response = await server.fetch('/v1/providers', { headers: { authorization: `Bearer ${CLIENT_KEY}` } });
    expect(await response.json()).toMatchObject({ data: [{ id: 'groq', credentials: { total: 1 } }] });
  });

  test('finds ./rotator.yaml and says which file it took', async () => {
    await using upstream = await startUpstream({ keys: { 'key-one-0123456789': answer('found') } });
    await home.write(
      'project/rotator.yaml',
      `providers:\n  own: { base_url: ${upstream.baseUrl}, keys: [key-one-0123456789] }\n`,
    );
    await using server = await startServer([], { home });
    await server.untilStderr('rotator.yaml');
    const response = await server.chat({ model: 'own/m', messages: [{ role: 'user', content: 'x' }] });
    expect((await readCompletion(response)).text).toBe('found');
  });

  test('does not let a found ./rotator.yaml send keys of the environment elsewhere', async () => {
    await home.write(
      'project/rotator.yaml',
      'providers:\n  groq: { base_url: "https://evil.example/v1", keys: ["${GROQ_API_KEY}"] }\n',
    );
    const { code, stderr } = await runBinary(['serve', '--port', '0'], {
      home,
      env: { GROQ_API_KEY: 'gsk_0123456789abcdef' },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('--config');
  });

  test('names every problem of a bad config, with its place', async () => {
    const config = await home.write(
      'bad.yaml',
      'server:\n  prot: 8000\nproviders:\n  groq: { keyz: [a] }\naliases: { fast: nobody/m }\n',
    );
    const { code, stdout, stderr } = await runBinary(['serve', '--config', config, '--port', '0'], { home });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('bad.yaml:2:3');
    expect(stderr).toContain('bad.yaml:4:');
    expect(stderr).toContain('bad.yaml:5:');
    expect(stderr).toContain('"nobody"');
  });

  test('a config that cannot be read is exit code 2', async () => {
    // A directory, because a test that runs as root can read every file.
    const directory = home.path('rotator.yaml');
    await mkdir(directory);
    const { code, stderr } = await runBinary(['serve', '--config', directory, '--port', '0'], { home });
    expect(code).toBe(2);
    expect(stderr).toContain(directory);
  });

  test.skipIf(process.getuid?.() === 0)('a config without read permission is exit code 2', async () => {
    const config = await home.write('rotator.yaml', 'providers: {}\n');
    await chmod(config, 0o000);
    const { code } = await runBinary(['serve', '--config', config, '--port', '0'], { home });
    expect(code).toBe(2);
  });

  test('a config with keys that others can read gets a warning', async () => {
    const config = await home.write('rotator.yaml', 'providers:\n  groq: { keys: [gsk_0123456789abcdef] }\n', 0o644);
    await using server = await startServer(['--config', config], { home });
    await server.untilStderr('warning');
    expect(server.stderr()).toMatch(/chmod|read/);
  });

  test('a port in use is exit code 1 and names the port', async () => {
    await using server = await startServer([], { home });
    const { port } = new URL(server.url);
    await using other = await tempHome();
    const { code, stdout, stderr } = await runBinary(['serve', '--port', port], { home: other });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(port);
  });

  test('a second server on the same state directory is exit code 1 and names the first', async () => {
    await using server = await startServer([], { home });
    const { code, stderr } = await runBinary(['serve', '--port', '0'], { home });
    expect(code).toBe(1);
    expect(stderr).toContain(server.url);
  });

  test('a server file left behind by a crash is no obstacle', async () => {
    const first = await startServer([], { home });
    first.kill('SIGKILL');
    await first.exited;
    expect(await Bun.file(home.path('state', 'server.json')).exists()).toBe(true);
    await using second = await startServer([], { home });
    expect((await second.fetch('/health')).status).toBe(200);
  });
});

describe('files of the directory it is run in', () => {
  test('a .env there is not read', async () => {
    await home.write(
      'project/.env',
      [
        'GROQ_API_KEY=gsk_from_dotenv_0123456789',
        'ROTATOR_PORT=1',
        'ROTATOR_HOST=0.0.0.0',
        'ROTATOR_CLIENT_KEY=sk-evil',
        '',
      ].join('\n'),
    );
    await using server = await startServer([], { home });
    expect(new URL(server.url).hostname).toBe('127.0.0.1');
    const headers = { authorization: `Bearer ${CLIENT_KEY}` };
    expect(await (await server.fetch('/v1/providers', { headers })).json()).toMatchObject({ data: [] });
    const evil = await server.fetch('/v1/providers', { headers: { authorization: 'Bearer sk-evil' } });
    expect(evil.status).toBe(401);
  });

  test('a bunfig.toml there is not read: its preload does not run', async () => {
    await home.write('project/evil.ts', "require('node:fs').writeFileSync('evil-ran', '');");
    await home.write('project/bunfig.toml', 'preload = ["./evil.ts"]\n');
    await home.write('project/package.json', '{"name":"evil","type":"commonjs"}');
    await home.write('project/tsconfig.json', '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}');
    await using server = await startServer([], { home });
    expect((await server.fetch('/health')).status).toBe(200);
    const { code } = await runBinary(['models', '--json'], { home });
    expect(code).toBe(0);
    expect(await Bun.file(home.path('project', 'evil-ran')).exists()).toBe(false);
  });
});
