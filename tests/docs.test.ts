// What the docs say of the project's own files, tests and commands is there. Whether it is well said, people judge.
import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { buildProgram } from '../src/cli/program.ts';
import { readConfig } from '../src/config/load.ts';
import { routes } from '../src/server/routes/table.ts';

const root = dirname(import.meta.dir);
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
].map((path) => ({ path, text: read(path) }));

/** Fenced blocks of one language, without what follows a `#` on a shell's line. */
function blocks(text: string, language: string): readonly string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map((match) => match[1] ?? '');
}

describe.each(pages.map(({ path, text }) => [path, text] as const))('%s', (path, text) => {
  test('links to what is there', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !existsSync(join(root, dirname(path), link)))).toEqual([]);
  });

  test('names files that are there', () => {
    const named = [...text.matchAll(/`((?:src|tests|scripts|docs)\/[\w./-]+)`/g)].map((match) => match[1] ?? '');
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  test('names tests by the words under which they stand in their file', () => {
    const named = [...text.matchAll(/`(tests\/[\w./-]+\.test\.ts)`: \*([^*]+)\*/g)];
    expect(named.filter(([, file = '', name = '']) => !read(file).includes(name)).map(([whole]) => whole)).toEqual([]);
  });
});

describe('the README', () => {
  const readme = read('README.md');

  test('shows configs that are valid', () => {
    const env = {
      AZURE_API_KEY: 'z',
      GEMINI_API_KEY: 'a',
      GROQ_API_KEY_1: 'b',
      GROQ_API_KEY_2: 'c',
      OPENROUTER_API_KEY: 'd',
    };
    const digest = `sha256:${'0'.repeat(64)}`;
    for (const yaml of blocks(readme, 'yaml')) {
      const text = yaml.replaceAll('sha256:…', digest);
      const source = { text, shown: 'README.md', path: '/README.md', isFound: false };
      expect(readConfig(source, { env: { ...env, ROTATOR_CLIENT_KEY: 'e' } }).warnings).toEqual([]);
    }
  });

  test('shows commands and options that the program has', () => {
    const program = buildProgram(() => {
      throw new Error('nothing is run here');
    });
    const global = program.options.map((option) => option.long);
    const lines = [
      ...blocks(readme, 'sh').flatMap((block) => block.split('\n')),
      ...[...readme.matchAll(/`([^`\n]*\brotator [^`\n]*)`/g)].map((match) => match[1] ?? ''),
    ];
    const calls = lines.flatMap((line) =>
      [...line.matchAll(/(?:^|\| )rotator ((?:\\\||[^#|\n])+)/g)].map((match) => match[1] ?? ''),
    );
    expect(calls.length).toBeGreaterThan(10);
    for (const call of calls) {
      const words = call.trim().split(/\s+/);
      // `keys add\|list` names several at once.
      const names = (words[0] === 'keys' || words[0] === 'config') && words[1] ? words[1].split('\\|') : [''];
      for (const name of names) {
        const first = program.commands.find((command) => command.name() === words[0]);
        const command = name === '' ? first : first?.commands.find((child) => child.name() === name);
        expect([call, command?.name()]).toEqual([call, name === '' ? words[0] : name]);
        const flags = words.flatMap((word) => /^\[?(--[a-z-]+)/.exec(word)?.[1] ?? []);
        const known = [...global, ...(command?.options ?? []).map((option) => option.long)];
        expect([call, flags.filter((flag) => !known.includes(flag))]).toEqual([call, []]);
      }
    }
  });

  test('names every route, and none that is not there', () => {
    const table = readme.slice(readme.indexOf('## HTTP'), readme.indexOf('## Providers'));
    const named = [...table.matchAll(/`(GET|POST|DELETE) ([^`]+)`/g)].map(([, method, path]) => `${method} ${path}`);
    const shown = routes.filter((route) => route.access !== 'admin' && route.path !== '/');
    expect(named.sort()).toEqual(shown.map((route) => `${route.method} ${route.path}`).sort());
  });

  test('names every target that can be built', () => {
    const systems = new Set([...read('scripts/build.ts').matchAll(/^ {2}'(\w+)-/gm)].map((match) => match[1]));
    expect([...systems].sort()).toEqual(['darwin', 'linux', 'windows']);
    for (const name of ['Linux', 'macOS', 'Windows', 'x64', 'arm64']) expect(readme).toContain(name);
  });
});
