import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { commandsDoc } from '../../src/cli/commands-doc.ts';
import { Home } from './support/home.ts';

const home = new Home();
afterAll(() => home[Symbol.dispose]());

const MAIN = join(import.meta.dir, '..', '..', 'src', 'main.ts');

describe('the help', () => {
  test('of the bare program is on stdout', async () => {
    const { exitCode, stdout, stderr } = await home.run([]);
    expect(exitCode).toBe(0);
    expect(stdout).toStartWith('Usage: rotator [options] [command]');
    expect(stderr).toBe('');
  });

  test.each([['--help'], ['-h'], ['help']])('is asked for with %s', async (word) => {
    const bare = await home.run([]);
    expect(await home.run([word])).toEqual(bare);
  });

  test('of a command in a group is found with help as well', async () => {
    const page = await home.run(['keys', 'add', '--help']);
    expect(page.stdout).toStartWith('Usage: rotator keys add');
    expect(await home.run(['help', 'keys', 'add'])).toEqual(page);
    expect(await home.run(['help', 'keys', 'add', 'groq'])).toEqual(page);
    expect(await home.run(['help', 'kyes'])).toEqual(await home.run(['kyes']));
    expect(await home.run(['help', 'keys', 'ad'])).toEqual(await home.run(['keys', 'ad']));
    expect((await home.run(['help', 'keys', 'ad'])).exitCode).toBe(2);
  });

  test('of a group without its command is on stdout', async () => {
    const { exitCode, stdout } = await home.run(['keys']);
    expect(exitCode).toBe(0);
    expect(stdout).toStartWith('Usage: rotator keys');
  });

  test('of every command shows an example and the global options', () => {
    const pages = commandsDoc().split('\n## ').slice(1);
    expect(pages.map((page) => page.split('\n')[0])).toEqual([
      'rotator',
      'rotator serve',
      'rotator chat',
      'rotator keys',
      'rotator keys add',
      'rotator keys list',
      'rotator keys remove',
      'rotator keys enable',
      'rotator keys disable',
      'rotator keys test',
      'rotator keys reset',
      'rotator oauth',
      'rotator oauth login',
      'rotator oauth list',
      'rotator oauth logout',
      'rotator oauth label',
      'rotator oauth refresh',
      'rotator oauth import',
      'rotator oauth export',
      'rotator models',
      'rotator test-route',
      'rotator status',
      'rotator usage',
      'rotator logs',
      'rotator clients',
      'rotator clients add',
      'rotator clients list',
      'rotator clients remove',
      'rotator clients rotate',
      'rotator config',
      'rotator config check',
      'rotator config show',
      'rotator config path',
      'rotator config schema',
      'rotator config init',
      'rotator config set',
      'rotator config unset',
      'rotator import',
      'rotator setup',
      'rotator completion',
    ]);
    for (const page of pages) {
      expect(page).toMatch(/^Examples?:\n {2}\$ /m);
      expect(page).toContain('--state <dir>');
    }
  });

  test('prints the version', async () => {
    const { version } = await import('../../package.json');
    expect(await home.run(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
  });
});

describe('a usage error', () => {
  test.each([
    [['chta'], 'unknown command "chta"', 'did you mean "chat"?'],
    [['keys', 'lst'], 'unknown command "lst"', 'did you mean "list"?'],
    [['frobnicate'], 'unknown command "frobnicate"', 'see rotator --help'],
    [['chat', '--mdel', 'x'], 'unknown option "--mdel"', 'did you mean "--model"?'],
    [['--jsno'], 'unknown option "--jsno"', 'did you mean "--json"?'],
    [['keys', 'remove'], 'missing required argument "id"', 'see rotator keys remove --help'],
    [
      ['models', 'a', 'b'],
      'too many arguments for "models". Expected 1 argument but got 2: a, b.',
      'see rotator models --help',
    ],
    [
      ['serve', '--port', '70000'],
      'option "--port <port>" argument "70000" is invalid. expected a port from 0 to 65535.',
      'see rotator serve --help',
    ],
    [
      ['chat', '-t', 'hot'],
      'option "-t, --temperature <number>" argument "hot" is invalid. expected a number.',
      'see rotator chat --help',
    ],
    [
      ['keys', 'add', 'groq', '--key', 'k', '--stdin'],
      'option "--key <key>" cannot be used with option "--stdin"',
      'see rotator keys add --help',
    ],
    [
      ['usage', '--by', 'colour'],
      'option "--by <group>" argument "colour" is invalid. Allowed choices are provider, model, key, client, day.',
      'see rotator usage --help',
    ],
    [
      ['usage', '--since', 'yesterday'],
      'option "--since <time>" argument "yesterday" is invalid. expected a length of time such as 7d, or a date.',
      'see rotator usage --help',
    ],
    [
      ['completion', 'tcsh'],
      'command-argument value "tcsh" is invalid for argument "shell". Allowed choices are bash, zsh, fish, powershell.',
      'see rotator completion --help',
    ],
  ])('%j exits 2 and says what and what next', async (argv, message, hint) => {
    expect(await home.run(argv)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `error: ${message}\nhint: ${hint}\n`,
    });
  });

  test('is one JSON object on stderr with --json, before or after the command', async () => {
    for (const argv of [
      ['--json', 'keys', 'lst'],
      ['keys', 'lst', '--json'],
    ]) {
      const { exitCode, stdout, stderr } = await home.run(argv);
      expect([exitCode, stdout]).toEqual([2, '']);
      expect(JSON.parse(stderr)).toEqual({
        error: { code: 'usage', message: 'unknown command "lst"', hint: 'did you mean "list"?' },
      });
    }
  });

  test('a bare program or group with --json prints no page on stdout', async () => {
    for (const argv of [['--json'], ['keys', '--json']]) {
      const { exitCode, stdout, stderr } = await home.run(argv);
      expect([exitCode, stdout]).toEqual([2, '']);
      expect(JSON.parse(stderr).error.message).toBe('no command was given');
    }
  });
});

describe('completion', () => {
  test.each(['bash', 'zsh', 'fish', 'powershell'])('prints a script for %s that calls rotator', async (shell) => {
    const { exitCode, stdout, stderr } = await home.run(['completion', shell]);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/rotator complete '?--/);
  });

  test.each([
    [['te'], ['test-route']],
    [['keys', 'e'], ['enable']],
    [
      ['chat', '--m'],
      ['--model', '--max-tokens'],
    ],
    [['keys', 'list', '--js'], ['--json']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish', 'powershell'],
    ],
    [['keys', 'add', 'gro'], ['groq']],
    [
      ['usage', '--by', ''],
      ['provider', 'model', 'key', 'client', 'day'],
    ],
  ])('of %j offers %j', async (words, offered) => {
    const { exitCode, stdout } = await home.run(['complete', '--', ...words]);
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.pop()).toMatch(/^:\d+$/);
    expect(lines.map((line) => line.split('\t')[0] ?? '')).toEqual(offered);
  });
});

describe('the completion script of bash', () => {
  test('works where the bash-completion package is missing', async () => {
    const { stdout: script } = await home.run(['completion', 'bash']);
    home.write('bin/rotator', `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(join(home.path, 'bin/rotator'), 0o755);
    // As readline breaks the line for a completion function: at blanks and at what COMP_WORDBREAKS names.
    const offered = async (words: readonly string[], typed: string) => {
      const list = words.map((word) => `'${word}'`).join(' ');
      const commands = `${script}${script}
compopt() { :; }
COMP_LINE='${typed}' COMP_POINT=${typed.length} COMP_WORDS=(${list}) COMP_CWORD=${words.length - 1}
__rotator_complete rotator
printf '%s\\n' "\${COMPREPLY[@]}"`;
      const child = Bun.spawn(['bash', '--norc', '-c', commands], {
        env: home.env({ PATH: `${join(home.path, 'bin')}:${process.env.PATH}` }),
        cwd: home.cwd,
        stderr: 'pipe',
      });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect(stderr).toBe('');
      return stdout
        .trim()
        .split('\n')
        .map((line) => line.trim());
    };
    expect(await offered(['rotator', 'te'], 'rotator te')).toEqual(['test-route']);
    expect(await offered(['rotator', 'keys', 'add', 'gro'], 'rotator keys add gro')).toEqual(['groq']);
    expect(await offered(['rotator', 'chat', '--ma'], 'rotator chat --ma')).toEqual(['--max-tokens']);
    expect(await offered(['rotator', 'completion', ''], 'rotator completion ')).toContain('fish');
  });
});

describe('a process', () => {
  test('whose reader closes the pipe ends quietly', async () => {
    const command = `"${process.execPath}" "${MAIN}" completion bash | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const child = Bun.spawn(['bash', '-c', command], { env: home.env(), cwd: home.cwd, stderr: 'pipe' });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    expect(stderr).toBe('');
    expect(stdout).toBe('# bash completion for rotator\n0\n');
  });

  // /dev/full is Linux's own: every write to it fails as on a full disk.
  test.skipIf(process.platform !== 'linux').each([['keys', 'list', '--json'], ['config', 'schema'], ['--help']])(
    'whose output cannot be written fails and says so: %s',
    async (...argv) => {
      const words = argv.map((word) => `"${word}"`).join(' ');
      const command = `"${process.execPath}" "${MAIN}" ${words} > /dev/full`;
      const child = Bun.spawn(['bash', '-c', command], { env: home.env(), cwd: home.cwd, stderr: 'pipe' });
      const [stderr, exitCode] = await Promise.all([new Response(child.stderr).text(), child.exited]);
      expect(stderr).toContain('ENOSPC');
      expect(exitCode).toBe(1);
    },
  );
});
