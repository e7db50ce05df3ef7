// What the docs say of the project's own files, tests, config and commands is so. tests/e2e/docs.test.ts runs what they
// tell to run. Whether it is well said, people judge.
import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { buildProgram } from '../src/cli/program.ts';
import { readConfig } from '../src/config/load.ts';
import { routes } from '../src/server/routes/table.ts';
import { valuesInJsonc } from './support/jsonc-values.ts';
import { commandsIn, type Fence, readPages, root } from './support/doc-pages.ts';

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const pages = readPages();
const fences = pages.flatMap((page) => page.fences);
const at = ({ page, line }: Fence) => `${page}:${line}`;

describe.each(pages.map(({ path, text }) => [path, text] as const))('%s', (path, text) => {
  test('links to what is there', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !existsSync(join(root, dirname(path), link)))).toEqual([]);
  });

  test('names files that are there', () => {
    const named = [...text.matchAll(/`((?:src|tests|scripts|docs)\/[\w./-]+)`/g)].map((match) => match[1] ?? '');
    // NAME stands for what the reader writes.
    expect(named.filter((file) => !file.includes('NAME') && !existsSync(join(root, file)))).toEqual([]);
  });

  test('names tests by the words under which they stand in their file', () => {
    const named = [...text.matchAll(/`(tests\/[\w./-]+\.test\.ts)`: \*([^*]+)\*/g)];
    expect(named.filter(([, file = '', name = '']) => !read(file).includes(name)).map(([whole]) => whole)).toEqual([]);
  });
});

describe('blocks', () => {
  test('have a language that says what they are', () => {
    const known = [
      'sh',
      'console',
      'ts',
      'python',
      'yaml',
      'json',
      'jsonc',
      'toml',
      'ini',
      'nginx',
      'caddy',
      'mermaid',
    ];
    const plain = fences.filter(({ language }) => language === '');
    expect(fences.filter(({ language }) => language !== '' && !known.includes(language)).map(at)).toEqual([]);
    // What looks like a command is one, and is run.
    expect(plain.filter(({ text }) => /^\$ /m.test(text)).map(at)).toEqual([]);
  });

  test('are left out of the run for a reason alone', () => {
    const left = fences.filter(({ noRun }) => noRun !== null);
    expect(left.filter(({ noRun }) => (noRun ?? '').length < 10).map(at)).toEqual([]);
    expect(fences.filter(({ language, noRun }) => language === 'python' && noRun === null).map(at)).toEqual([]);
  });

  test.each(fences.filter(({ language }) => language === 'yaml').map((fence) => [at(fence), fence] as const))(
    '%s is YAML, and a config where it says nothing else',
    (_, fence) => {
      if (fence.notConfig !== null) {
        expect(parseAllDocuments(fence.text).flatMap(({ errors }) => errors)).toEqual([]);
        return;
      }
      const text = fence.text.replaceAll('sha256:…', `sha256:${'0'.repeat(64)}`);
      const variables = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => [name, `value-of-${name}`]);
      const source = { text, shown: at(fence), path: '/rotator.yaml', isFound: false };
      expect(readConfig(source, { env: Object.fromEntries(variables) }).warnings).toEqual([]);
    },
  );

  test.each(fences.filter(({ language }) => /^jsonc?$/.test(language)).map((fence) => [at(fence), fence] as const))(
    '%s is JSON',
    (_, { language, text }) => {
      if (language === 'json') expect(() => JSON.parse(text)).not.toThrow();
      else expect(valuesInJsonc(text).length).toBeGreaterThan(0);
    },
  );

  test('show commands and options that the program has', () => {
    const program = buildProgram(() => {
      throw new Error('nothing is run here');
    });
    const global = program.options.map((option) => option.long);
    const lines = [
      ...fences
        .filter(({ language }) => language === 'sh' || language === 'console')
        .flatMap((fence) => commandsIn(fence).split('\n')),
      ...pages.flatMap(({ path, text }) =>
        path === 'docs/commands.md'
          ? []
          : [...text.matchAll(/`([^`\n]*\brotator [^`\n]*)`/g)].map((match) => match[1] ?? ''),
      ),
    ];
    const calls = lines.flatMap((line) =>
      [...line.matchAll(/(?:^|\| |&& )rotator ((?:\\\||[^#|&\n])+)/g)].map((match) => match[1] ?? ''),
    );
    expect(calls.length).toBeGreaterThan(50);
    for (const call of calls) {
      const words = call.trim().split(/\s+/);
      const first = program.commands.find((command) => command.name() === words[0]);
      // `keys add\|list` names several at once.
      const hasChildren = (first?.commands.length ?? 0) > 0;
      const names = hasChildren && words[1] && !words[1].startsWith('-') ? words[1].split('\\|') : [''];
      for (const name of words[0]?.startsWith('-') ? [] : names) {
        const command = name === '' ? first : first?.commands.find((child) => child.name() === name);
        expect([call, command?.name()]).toEqual([call, name === '' ? words[0] : name]);
        const flags = words.flatMap((word) => /^\[?(--[a-z-]+)/.exec(word)?.[1] ?? []);
        const known = [...global, '--help', ...(command?.options ?? []).map((option) => option.long)];
        expect([call, flags.filter((flag) => !known.includes(flag))]).toEqual([call, []]);
      }
    }
  });
});

describe('the README', () => {
  const readme = read('README.md');

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
