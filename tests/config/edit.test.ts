import { describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { credentialId } from '../../src/config/credentials.ts';
import { addKey, addModelRules, createConfig, type NewKey, type NewRules, removeKey } from '../../src/config/edit.ts';
import { loadConfig } from '../../src/config/load.ts';
import { CliError } from '../../src/shared/cli-error.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const literal = (value: string) => ({ kind: 'literal', value }) as const;
const variable = (name: string) => ({ kind: 'variable', name }) as const;

async function edited(text: string | null, edit: (file: string) => Promise<unknown>): Promise<string> {
  using directory = temporaryDirectory();
  const file = directory.file('rotator.yaml');
  if (text !== null) writeFileSync(file, text);
  await edit(file);
  return readFileSync(file, 'utf8');
}

const added = (text: string | null, addition: Partial<NewKey> = {}) =>
  edited(text, (file) => addKey(file, { provider: 'groq', key: literal('new'), ...addition }));

const removed = (text: string, provider: string, key: string, env = {}) =>
  edited(text, (file) => removeKey(file, credentialId(provider, key), env));

async function errorOf(promise: Promise<unknown>): Promise<CliError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('adding a key', () => {
  test('of a vendor whose URL needs more writes that, too, once', async () => {
    const account = { path: ['url_variables', 'CLOUDFLARE_ACCOUNT_ID'], value: '0123' };
    const first = await added(null, { provider: 'cloudflare', fields: [account] });
    expect(first).toContain('  cloudflare_workers_ai:\n    url_variables:\n      CLOUDFLARE_ACCOUNT_ID: "0123"\n');
    const resource = { path: ['resource'], value: 'mine' };
    const second = await added('providers:\n  azure:\n    api_version: v1 # mine\n', {
      provider: 'azure',
      fields: [resource],
    });
    expect(second).toContain('api_version: v1 # mine\n');
    expect(second).toContain('resource: "mine"\n');
  });

  const cases: [name: string, before: string | null, after: string][] = [
    [
      'to no file',
      null,
      '# yaml-language-server: $schema=rotator.schema.json\nproviders:\n  groq:\n    keys:\n      - "new"\n',
    ],
    ['to comments only', '# mine\n', '# mine\nproviders:\n  groq:\n    keys:\n      - "new"\n'],
    [
      'to other sections, without a newline at the end',
      'server:\n  port: 1   # one',
      'server:\n  port: 1   # one\nproviders:\n  groq:\n    keys:\n      - "new"\n',
    ],
    [
      'to providers that are named and empty',
      'providers:   # mine\n\nserver: {port: 1}\n',
      'providers:   # mine\n  groq:\n    keys:\n      - "new"\n\nserver: {port: 1}\n',
    ],
    [
      'to another provider, with its indentation',
      'providers:\n    mistral:\n        keys: [a]   # flow\n\n# end\n',
      'providers:\n    mistral:\n        keys: [a]   # flow\n    groq:\n      keys:\n        - "new"\n\n# end\n',
    ],
    [
      'to a provider without a value',
      'providers:\n  groq:\n  mistral: {}\n',
      'providers:\n  groq:\n    keys:\n      - "new"\n  mistral: {}\n',
    ],
    [
      'to a provider without keys',
      'providers:\n  groq:\n    http2: true # fast\n  mistral: {}\n',
      'providers:\n  groq:\n    http2: true # fast\n    keys:\n      - "new"\n  mistral: {}\n',
    ],
    [
      'to a list, after its last comment',
      'providers:\n  groq:\n    keys:\n    # first\n    -   a   # one\n    - key: b\n      label: x # two\n    # after\n    http2: true\n',
      'providers:\n  groq:\n    keys:\n    # first\n    -   a   # one\n    - key: b\n      label: x # two\n    - "new"\n    # after\n    http2: true\n',
    ],
    [
      'to a list in brackets',
      'providers:\n  groq: { keys: [ a,  "b" ], http2: true } # x\n',
      'providers:\n  groq: { keys: [ a,  "b", "new" ], http2: true } # x\n',
    ],
    ['to an empty list', 'providers: { groq: { keys: [] } }\n', 'providers: { groq: { keys: ["new"] } }\n'],
    ['to an empty mapping', 'providers:\n  groq: {}\n', 'providers:\n  groq: { keys: [ "new" ] }\n'],
    [
      'to providers in braces',
      'providers: { mistral: { keys: [a] } }\n',
      'providers: { mistral: { keys: [a] }, groq: { keys: [ "new" ] } }\n',
    ],
    [
      'to a provider in the middle of the file, above the comments of what follows',
      'providers:\n  mistral:\n    concurrency:\n      max_per_key: 1 # one\n      #optimal: 2\n  #other:\n\n# About the server.\nserver:\n',
      'providers:\n  mistral:\n    concurrency:\n      max_per_key: 1 # one\n      #optimal: 2\n  groq:\n    keys:\n      - "new"\n  #other:\n\n# About the server.\nserver:\n',
    ],
    [
      'behind a block scalar',
      'providers:\n  groq:\n    keys:\n      - |\n        a\n',
      'providers:\n  groq:\n    keys:\n      - |\n        a\n      - "new"\n',
    ],
    [
      'under the name the file uses',
      'providers:\n  GROQ:\n    keys: [a]\n',
      'providers:\n  GROQ:\n    keys: [a, "new"]\n',
    ],
  ];

  test.each(cases)('%s', async (_, before, after) => {
    expect(await added(before)).toBe(after);
    if (before !== null) {
      const crlf = (text: string) => text.replaceAll('\n', '\r\n');
      if (before.includes('\n')) expect(await added(crlf(before))).toBe(crlf(after));
      expect(await added(`\ufeff${before}`)).toBe(`\ufeff${after}`);
    }
  });

  test('in long form, with what else is known of it', async () => {
    expect(await added('providers:\n  groq:\n', { key: variable('K'), label: 'my key: 1', priority: 2 })).toBe(
      'providers:\n  groq:\n    keys:\n      - key: ${K}\n        label: "my key: 1"\n        priority: 2\n',
    );
  });

  test('by its variable, which is quoted inside brackets', async () => {
    expect(await added('providers:\n  groq:\n    keys: []\n', { key: variable('K') })).toBe(
      'providers:\n  groq:\n    keys: ["${K}"]\n',
    );
  });

  test.each(['0123', 'true', 'a: b # c', '"quoted"', 'a\\b', '${NOT_A_VARIABLE}', '- x', '*alias', '{a}'])(
    'whose text is %s reads back the same',
    async (value) => {
      using directory = temporaryDirectory();
      const file = directory.file('rotator.yaml');
      await addKey(file, { provider: 'groq', key: literal(value) });
      const keys = loadConfig({ path: file, env: {}, cwd: '/' }).config.providers.groq?.keys;
      expect(Array.isArray(keys) && keys.map(({ key }) => key.reveal())).toEqual([value]);
    },
  );

  test('of a server of the user’s own', async () => {
    const own = { provider: 'my-vllm', baseUrl: 'http://127.0.0.1:8001/v1' };
    expect(await added('# x\n', { ...own, key: { kind: 'none' } })).toBe(
      '# x\nproviders:\n  my-vllm:\n    base_url: http://127.0.0.1:8001/v1\n    keys: none\n',
    );
    const error = await errorOf(added('# x\n', { provider: 'my-vllm' }));
    expect(error).toMatchObject({ exitCode: 2, code: 'config' });
    expect(error.message).toContain('needs a base_url');
  });

  test('that is there already is refused', async () => {
    const text = 'providers:\n  nvidia:\n    keys: ["${A}", b, "${NOPE}"]\n';
    const again = (key: NewKey['key']) =>
      errorOf(edited(text, (file) => addKey(file, { provider: 'nvidia-nim', key }, { A: 'a' })));
    for (const key of [literal('a'), literal('b'), variable('A'), variable('NOPE')]) {
      expect(await again(key)).toMatchObject({ exitCode: 1, code: 'duplicate_key' });
    }
  });

  test.each([
    ['an alias', 'x: &k [a]\nproviders:\n  groq:\n    keys: *k\n'],
    ['a list that an alias repeats', 'providers:\n  groq:\n    keys: &k [a]\n  mistral:\n    keys: *k\n'],
    ['keys: none', 'providers:\n  groq:\n    keys: none\n'],
    ['another base URL', 'providers:\n  groq:\n    base_url: http://127.0.0.1/v1\n'],
  ])('is refused where the file has %s', async (_, text) => {
    expect(await errorOf(added(text, { baseUrl: 'http://127.0.0.2/v1' }))).toMatchObject({
      exitCode: 1,
      code: 'not_editable',
    });
  });

  test('leaves a file alone that is no config', async () => {
    for (const text of ['- a\n', 'a: [\n', 'a: 1\n---\nb: 2\n']) {
      using directory = temporaryDirectory();
      const file = directory.file('rotator.yaml');
      writeFileSync(file, text);
      const edit = addKey(file, { provider: 'groq', key: literal('new') });
      expect((await errorOf(edit)).exitCode).toBe(2);
      expect(readFileSync(file, 'utf8')).toBe(text);
    }
  });
});

describe('removing a key', () => {
  test.each([
    [
      'from a list',
      'providers:\n  groq:\n    keys:\n      # first\n      - a # one\n      - key: b\n        label: x\n      # third\n      - c\n',
      'b',
      'providers:\n  groq:\n    keys:\n      # first\n      - a # one\n      # third\n      - c\n',
    ],
    [
      'the last of a list',
      'providers:\n  groq:\n    keys:\n      - a\n      - b\n    # after\n    http2: true\n',
      'b',
      'providers:\n  groq:\n    keys:\n      - a\n    # after\n    http2: true\n',
    ],
    [
      'the only one: the list stays, so that none is taken from the environment instead',
      'providers:\n  groq:\n    keys: # mine\n      - b\n    http2: true\n',
      'b',
      'providers:\n  groq:\n    keys: [] # mine\n    http2: true\n',
    ],
    ['from brackets', 'providers: { groq: { keys: [a, b, c] } }\n', 'b', 'providers: { groq: { keys: [a, c] } }\n'],
    ['the last in brackets', 'providers: { groq: { keys: [a, b] } }\n', 'b', 'providers: { groq: { keys: [a] } }\n'],
    ['the only one in brackets', 'providers: { groq: { keys: [b] } }\n', 'b', 'providers: { groq: { keys: [] } }\n'],
    [
      'that is there twice',
      'providers:\n  groq:\n    keys:\n      - b\n      - a\n      - key: b\n',
      'b',
      'providers:\n  groq:\n    keys:\n      - a\n',
    ],
    [
      'at the end of a file without a newline',
      'providers:\n  groq:\n    keys:\n      - a\n      - b',
      'b',
      'providers:\n  groq:\n    keys:\n      - a\n',
    ],
  ])('%s', async (_, before, key, after) => {
    expect(await removed(before, 'groq', key)).toBe(after);
    const crlf = (text: string) => text.replaceAll('\n', '\r\n');
    expect(await removed(crlf(before), 'groq', key)).toBe(crlf(after));
  });

  test('that stands there as a variable', async () => {
    const text = 'providers:\n  groq:\n    keys:\n      - ${A}\n      - ${B:-b}\n';
    expect(await removed(text, 'groq', 'a', { A: 'a' })).toBe('providers:\n  groq:\n    keys:\n      - ${B:-b}\n');
    expect(await removed(text, 'groq', 'b', { A: 'a' })).toBe('providers:\n  groq:\n    keys:\n      - ${A}\n');
  });

  test('that is not there is a usage error', async () => {
    expect(await errorOf(removed('providers: { groq: { keys: [a] } }\n', 'groq', 'b'))).toMatchObject({
      exitCode: 2,
      code: 'unknown_key',
    });
  });

  test('adding and removing gives the file back', async () => {
    const text = '# top\nproviders:\n  groq:   # g\n    keys:\n    - a\n\n\nserver:   {port: 1}\n';
    const result = await edited(text, async (file) => {
      await addKey(file, { provider: 'groq', key: literal('new'), label: 'x' });
      expect(readFileSync(file, 'utf8')).not.toBe(text);
      await removeKey(file, credentialId('groq', 'new'));
    });
    expect(result).toBe(text);
  });
});

describe('the file that is changed', () => {
  test('is made for its owner alone, with the directories on the way', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('a/b/rotator.yaml');
    expect(await addKey(file, { provider: 'groq', key: literal('new') })).toMatchObject({
      path: file,
      isNew: true,
      backup: null,
      provider: 'groq',
      credential: credentialId('groq', 'new'),
    });
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory.file('a/b'))).toEqual(['rotator.yaml']);
  });

  test.skipIf(process.platform === 'win32')('keeps its mode, and a link to it stays a link', async () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.file('real'));
    writeFileSync(directory.file('real/r.yaml'), '# x\n');
    chmodSync(directory.file('real/r.yaml'), 0o664);
    symlinkSync('real/r.yaml', directory.file('link.yaml'));
    await addKey(directory.file('link.yaml'), { provider: 'groq', key: literal('new') });
    expect(lstatSync(directory.file('link.yaml')).isSymbolicLink()).toBe(true);
    expect(statSync(directory.file('real/r.yaml')).mode & 0o777).toBe(0o664);
    expect(readFileSync(directory.file('real/r.yaml'), 'utf8')).toContain('"new"');
  });

  test('is written in place, after a backup, where a rename is refused as for a mounted file', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    writeFileSync(file, '# before\n');
    const { ino } = statSync(file);
    const refuse = () => Promise.reject(Object.assign(new Error('busy'), { code: 'EBUSY' }));
    const edit = await addKey(file, { provider: 'groq', key: literal('new') }, {}, refuse);
    expect(edit.backup).toBe(`${file}.bak`);
    expect(readFileSync(`${file}.bak`, 'utf8')).toBe('# before\n');
    expect(readFileSync(file, 'utf8')).toContain('"new"');
    expect(statSync(file).ino).toBe(ino);
    expect(readdirSync(directory.path).toSorted()).toEqual(['rotator.yaml', 'rotator.yaml.bak']);
  });

  test('holds every key when several are added at the same time', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    const keys = Array.from({ length: 8 }, (_, i) => `key-${i}`);
    await Promise.all(keys.map((key) => addKey(file, { provider: 'groq', key: literal(key) })));
    const found = loadConfig({ path: file, env: {}, cwd: '/' }).config.providers.groq?.keys;
    expect(Array.isArray(found) && found.map(({ key }) => key.reveal()).toSorted()).toEqual(keys);
    expect(readdirSync(directory.path)).toEqual(['rotator.yaml']);
  });

  test('is not made a second time', async () => {
    using directory = temporaryDirectory();
    const file = directory.file('new/rotator.yaml');
    expect(await createConfig(file)).toBe(true);
    const text = readFileSync(file, 'utf8');
    expect(await createConfig(file)).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect(existsSync(`${file}.lock`)).toBe(false);
  });
});

describe('adding rules for models', () => {
  const ruled = (text: string, rules: Partial<NewRules>) =>
    edited(text, (file) => addModelRules(file, [{ provider: 'groq', allow: [], deny: [], ...rules }]));

  test('makes what of the way there is missing, and keeps all else', async () => {
    const text = 'providers:\n  groq:\n    keys: [a] # mine\n';
    expect(await ruled(text, { deny: ['*-preview'] })).toBe(
      'providers:\n  groq:\n    keys: [a] # mine\n    models:\n      deny:\n        - "*-preview"\n',
    );
  });

  test('appends to a list, and does not write twice what is there', async () => {
    const text = 'providers:\n  groq: { keys: [a], models: { allow: ["llama-*"] } }\n';
    expect(await ruled(text, { allow: ['llama-*', 'qwen*'] })).toBe(
      'providers:\n  groq: { keys: [a], models: { allow: ["llama-*", "qwen*"] } }\n',
    );
  });

  test('finds a provider under whichever of its names the file has', async () => {
    const text = 'providers:\n  nvidia_nim: { keys: [a] }\n';
    expect(await ruled(text, { provider: 'nvidia', deny: ['x'] })).toBe(
      'providers:\n  nvidia_nim: { keys: [a], models: { deny: [ "x" ] } }\n',
    );
  });

  test('takes no part of a pattern for a variable', async () => {
    const text = 'providers:\n  groq: { keys: [a] }\n';
    const after = await ruled(text, { deny: ['${X}*'] });
    expect(after).toContain('$${X}*');
  });
});
