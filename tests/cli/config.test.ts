import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Home } from './support/home.ts';

let home: Home;

beforeEach(() => {
  home = new Home();
});

afterEach(() => home[Symbol.dispose]());

const CONFIG = 'server: { port: 9000 }\nproviders:\n  groq: { keys: [gsk_0123456789abcdef] }\n';

describe('config check', () => {
  test('a good file is exit 0', async () => {
    home.config(CONFIG);
    expect(await home.run(['config', 'check'])).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: `${home.configPath} is valid\n`,
    });
    const outcome = await home.run(['config', 'check', '--json']);
    expect(home.json(outcome)).toEqual({ ok: true, path: home.configPath, warnings: [] });
  });

  test('says what is in the file and has no effect', async () => {
    home.config('providers:\n  groq: { keys: [same-key, same-key] }\n');
    const { exitCode, stderr } = await home.run(['config', 'check']);
    expect(exitCode).toBe(0);
    expect(stderr).toStartWith(
      'note: providers.groq.keys[1] holds the same key as providers.groq.keys[0]; it is one credential\n',
    );
  });

  test.skipIf(!existsSync('/dev/zero'))('a device without end is refused and not read', async () => {
    const { exitCode, stderr } = await home.run(['--config', '/dev/zero', 'config', 'check']);
    expect([exitCode, stderr]).toEqual([2, 'error: /dev/zero is a device; expected a file\n']);
  });

  test('a bad one is exit 2 with every problem and its place', async () => {
    const path = home.config('server: { prot: 9000 }\ntimeouts: { idle: soon }\n');
    const { exitCode, stdout, stderr } = await home.run(['config', 'check']);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toStartWith(`error: 2 problems in ${path}:\n`);
    expect(stderr).toContain(`${path}:1:11: server.prot: unknown field. Did you mean "port"?`);
    expect(stderr).toContain(`${path}:2:`);
    const json = await home.run(['config', 'check', '--json']);
    expect([json.exitCode, json.stdout]).toEqual([2, '']);
    expect(JSON.parse(json.stderr).error.code).toBe('config');
  });

  test('without any file the defaults are fine', async () => {
    const { exitCode, stderr } = await home.run(['config', 'check']);
    expect(exitCode).toBe(0);
    expect(stderr).toBe('there is no config file: the built-in defaults are used\n');
  });

  test('a named file that is not there is exit 2', async () => {
    const { exitCode, stderr } = await home.run(['--config', 'missing.yaml', 'config', 'check']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('missing.yaml does not exist');
  });
});

describe('config show', () => {
  test('prints what is in effect, with secrets masked', async () => {
    home.config(CONFIG);
    const { exitCode, stdout, stderr } = await home.run(['config', 'show']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain('port: 9000');
    expect(stdout).toContain('idle: 5m');
    expect(stdout).not.toContain('gsk_0123456789abcdef');
    const json = await home.run(['config', 'show', '--json']);
    expect(home.json(json)).toMatchObject({ server: { port: 9000, host: '127.0.0.1' }, timeouts: { idle: '5m' } });
    expect(json.stdout).not.toContain('gsk_0123456789abcdef');
  });
});

describe('config path', () => {
  test('is the file in use, or where one would be made', async () => {
    expect(await home.run(['config', 'path'])).toEqual({
      exitCode: 0,
      stdout: `${home.configPath}\n`,
      stderr: 'this file does not exist yet: rotator config init creates it\n',
    });
    const found = home.write('work/rotator.yaml', CONFIG);
    expect(await home.run(['config', 'path'])).toEqual({ exitCode: 0, stdout: `${found}\n`, stderr: '' });
    const other = home.write('other.yaml', CONFIG);
    expect((await home.run(['config', 'path', '--config', '../other.yaml'])).stdout).toBe(`${other}\n`);
    const env = { ROTATOR_CONFIG: join(home.path, 'none.yaml') };
    const json = await home.run(['config', 'path', '--json'], { env });
    expect(home.json(json)).toEqual({ path: env.ROTATOR_CONFIG, exists: false });
  });
});

describe('config schema', () => {
  test('is a JSON Schema', async () => {
    const outcome = await home.run(['config', 'schema']);
    expect(outcome.exitCode).toBe(0);
    expect(home.json(outcome)).toMatchObject({ type: 'object', properties: { providers: {} } });
  });
});

describe('config init', () => {
  test('makes a private file that is valid, and never a second time', async () => {
    const made = await home.run(['config', 'init']);
    expect(made).toEqual({ exitCode: 0, stdout: `${home.configPath}\n`, stderr: '' });
    expect(statSync(home.configPath).mode & 0o777).toBe(0o600);
    expect((await home.run(['config', 'check'])).exitCode).toBe(0);
    const again = await home.run(['config', 'init']);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toStartWith(`error: ${home.configPath} exists already\n`);
  });

  test('makes the file that is named', async () => {
    const { exitCode } = await home.run(['config', 'init', '--config', 'here.yaml']);
    expect(exitCode).toBe(0);
    expect(existsSync(join(home.cwd, 'here.yaml'))).toBe(true);
  });

  test('says which file cannot be written', async () => {
    const path = join(home.write('a-file', ''), 'rotator.yaml');
    for (const argv of [
      ['config', 'init'],
      ['keys', 'add', 'groq', '--key', 'one-key'],
    ]) {
      const { exitCode, stderr } = await home.run([...argv, '--config', path]);
      expect(exitCode).toBe(1);
      expect(stderr.replace(/\(E\w+\)/, '(code)')).toBe(`error: ${path} cannot be written (code)\n`);
    }
  });
});

describe('config set and unset', () => {
  test('show what changes, write it, and leave everything else alone', async () => {
    home.config('# mine\nserver: { port: 9000 } # here\n');
    const set = await home.run(['config', 'set', 'server.port', '9001']);
    expect(set).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: `  # mine\n- server: { port: 9000 } # here\n+ server: { port: 9001 } # here\nchanged ${home.configPath}\nserver.port takes effect when the server is started again\n`,
    });
    expect(home.readConfig()).toBe('# mine\nserver: { port: 9001 } # here\n');
    expect((await home.run(['config', 'unset', 'server.port'])).exitCode).toBe(0);
    expect(home.readConfig()).toBe('# mine\nserver: {} # here\n');
  });

  test('--dry-run shows and writes nothing', async () => {
    home.config(CONFIG);
    const { exitCode, stderr } = await home.run(['config', 'set', 'rotation.mode', 'sequential', '--dry-run']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('+   mode: sequential');
    expect(home.readConfig()).toBe(CONFIG);
  });

  test('a value that the field does not take is exit 2 and changes nothing', async () => {
    home.config(CONFIG);
    const { exitCode, stderr } = await home.run(['config', 'set', 'rotation.mode', 'balancd']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('rotation.mode: expected one of balanced, sequential');
    expect(stderr).toContain('Did you mean "balanced"?');
    expect(home.readConfig()).toBe(CONFIG);
  });

  test('without a file one is made for its owner alone', async () => {
    const { exitCode, stderr } = await home.run(['config', 'set', 'chat.model', 'groq/x']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`created ${home.configPath}`);
    expect(statSync(home.configPath).mode & 0o777).toBe(0o600);
  });

  test('--json says what was changed', async () => {
    home.config(CONFIG);
    const outcome = await home.run(['config', 'set', 'providers.groq.keys[0]', 'gsk_fedcba9876543210', '--json']);
    expect(home.json(outcome)).toMatchObject({ path: home.configPath, field: 'providers.groq.keys[0]', changed: true });
    expect(outcome.stdout + outcome.stderr).not.toMatch(/fedcba9876543210|0123456789abcdef/);
    const again = await home.run(['config', 'set', 'providers.groq.keys[0]', 'gsk_fedcba9876543210', '--json']);
    expect(home.json(again)).toMatchObject({ changed: false, difference: [] });
  });
});
