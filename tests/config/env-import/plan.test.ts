import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parseDocument } from '../../../src/config/document.ts';
import { parseDotenv } from '../../../src/config/env-import/dotenv.ts';
import {
  type ImportPlan,
  type ImportSources,
  type ImportTarget,
  planImport,
} from '../../../src/config/env-import/plan.ts';
import { readConfig } from '../../../src/config/load.ts';
import { ConfigError, type Problem } from '../../../src/config/problems.ts';

/** What a problem of a field says, whatever it is. */
const NOT_YET = 'not supported by this version';
const golden = join(import.meta.dir, 'golden');

function problemsOf(text: string): readonly Problem[] {
  try {
    readConfig({ text, shown: 'rotator.yaml', path: '/rotator.yaml', isFound: false }, { env: {} });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const target: ImportTarget = { existing: null, problemsOf, providerInFile: (id) => id, env: {} };

const sources = (text: string, more: Partial<ImportSources> = {}): ImportSources => ({
  dotenvs: [{ name: '.env', text }],
  launcher: null,
  viewer: null,
  others: [],
  ...more,
});

const plan = (text: string, more?: Partial<ImportSources>) => planImport(sources(text, more), target);

/** One line per entry: what a person has to know of it. */
const lines = ({ entries }: ImportPlan) =>
  entries.map(({ name, result }) => {
    switch (result.kind) {
      case 'imported':
        return `${name} → ${result.to}${result.isThere ? ' (there)' : ''}`;
      case 'translated':
        return `${name} → ${result.to}: ${result.change}`;
      case 'kept':
        return `${name} kept ${result.at}`;
      case 'part':
        return `${name} with ${result.of}`;
      case 'account':
        return `${name} is an account (${result.source.kind})`;
      default:
        return `${name} ✗ ${result.reason}`;
    }
  });

const treeOf = (text: string) => parseDocument(text, {}).tree;

/** What is expected. `UPDATE_GOLDEN=1` makes that what is made now, to be read before it is committed. */
function matching(file: string, text: string): string {
  const path = join(golden, file);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
  return readFileSync(path, 'utf8');
}

describe('the golden files', () => {
  const cases = readdirSync(golden)
    .filter((name) => name.endsWith('.env'))
    .map((name) => name.slice(0, -'.env'.length));

  // Without the check of this version, so that what it learns later does not change what a variable means.
  test.each(cases)('%s.env becomes this config and this report', (name) => {
    const text = readFileSync(join(golden, `${name}.env`), 'utf8');
    const result = planImport(sources(text), { ...target, problemsOf: () => [] });
    const yaml = matching(`${name}.yaml`, result.text ?? '');
    // Not the text: the order of the fields is that of the schema, which grows.
    expect(treeOf(result.text ?? '')).toEqual(treeOf(yaml));
    const report = `${[...lines(result), ...result.notes.map((note) => `note: ${note}`)].join('\n')}\n`;
    expect(report).toBe(matching(`${name}.txt`, report));
  });

  test.each(cases)('%s.env becomes a config that this version takes', (name) => {
    const result = plan(readFileSync(join(golden, `${name}.env`), 'utf8'));
    expect(problemsOf(result.text ?? '')).toEqual([]);
  });
});

describe('what this version does not support', () => {
  test('is left out by name and for this reason, with everything that builds on it', () => {
    const result = planImport(
      sources(
        'AAA_API_BASE=http://127.0.0.1:1/v1\nAAA_API_KEY=k\nROTATION_MODE_AAA=sequential\nMODEL_ROUTE_X=aaa/m\nGROQ_API_KEY=g',
      ),
      {
        ...target,
        problemsOf: (text) => [
          ...(text.includes('sequential') ? [{ path: 'providers.aaa.rotation', place: null, message: NOT_YET }] : []),
          ...(text.includes('base_url') ? [{ path: 'providers.aaa.base_url', place: null, message: NOT_YET }] : []),
          ...problemsOf(text),
        ],
      },
    );
    expect(lines(result)).toEqual([
      `AAA_API_BASE ✗ providers.aaa.base_url: ${NOT_YET}`,
      'AAA_API_KEY ✗ providers.aaa: provider "aaa" is not known, and a server of your own needs a base_url',
      `ROTATION_MODE_AAA ✗ providers.aaa.rotation: ${NOT_YET}`,
      'MODEL_ROUTE_X ✗ aliases.x.targets[0]: provider "aaa" is not known',
      'GROQ_API_KEY → providers.groq.keys[0]',
    ]);
  });

  test('does not take with it what only has a similar name', () => {
    const result = plan(`LOCAL_API_BASE=http://127.0.0.1:1/v1\nLOCAL_MODELS={"a":{},"a.b":{"options":{"model":"x"}}}`);
    expect(lines(result).slice(2)).toEqual([
      'LOCAL_MODELS → providers.local.models.define.a',
      expect.stringContaining('LOCAL_MODELS ✗ providers.local.models.define.a.b.options.model: model is the client’s'),
    ]);
  });
});

describe('the base of a vendor with a protocol of its own', () => {
  test('gets the version that the project left to its library', () => {
    const result = plan(`GEMINI_API_BASE=https://gateway.test/google/
ANTHROPIC_API_BASE=https://gateway.test/v1
OPENAI_API_BASE=https://gateway.test/openai
`);
    const { providers } = readConfig(
      { text: result.text ?? '', shown: 'a', path: '/a', isFound: false },
      { env: {} },
    ).config;
    expect(Object.entries(providers).map(([id, fields]) => [id, fields.base_url])).toEqual([
      ['gemini', 'https://gateway.test/google/v1beta'],
      ['anthropic', 'https://gateway.test/v1'],
      ['openai', 'https://gateway.test/openai'],
    ]);
    expect(lines(result)[0]).toBe('GEMINI_API_BASE → providers.gemini.base_url: with its version segment');
  });
});

describe('several files', () => {
  test('are read as the project reads them: the first that sets a variable counts', () => {
    const result = plan('A=1\nGROQ_API_KEY=one\nBARE\n', {
      dotenvs: [
        { name: '.env', text: 'HOST=127.0.0.1\nGROQ_API_KEY=one\nBARE\n' },
        { name: 'b.env', text: 'GROQ_API_KEY=two\nX_API_BASE=http://${HOST}:1/v1\nBARE=3\n' },
      ],
    });
    expect(lines(result)).toEqual([
      'HOST ✗ no such variable is known here',
      'GROQ_API_KEY → providers.groq.keys[0]',
      'BARE ✗ it has no value',
      'X_API_BASE → providers.x.base_url',
      'X_API_BASE → providers.x.keys: there is no key for it, so none is sent',
      'BARE ✗ no such variable is known here',
      'GROQ_API_KEY ✗ .env sets it before this file does',
    ]);
    expect(result.text).toContain('base_url: http://127.0.0.1:1/v1');
  });

  test('of the launcher and the viewer have their settings told', () => {
    const result = plan('', {
      launcher: {
        name: 'launcher_config.json',
        text: '{"host":"0.0.0.0","port":9000,"enable_raw_logging":true,"new":1}',
      },
      viewer: { name: 'quota_viewer_config.json', text: '{"remotes":[]' },
      others: [{ name: 'usage/usage_groq.json', reason: 'why' }],
    });
    expect(lines(result)).toEqual([
      'host → server.host',
      'port → server.port',
      'enable_raw_logging ✗ rotator keeps no log of raw bytes',
      'new ✗ no such setting is known here',
      'the whole file ✗ it holds no JSON object',
      'usage/usage_groq.json ✗ why',
    ]);
  });
});

describe('any file', () => {
  const words = [
    'GEMINI',
    'GROQ',
    'LOCAL',
    'GEMINI_CLI',
    'G4F',
    'AZURE',
    'API_KEY',
    'API_BASE',
    'MODELS',
    'IGNORE_MODELS',
    'WHITELIST_MODELS',
    'ROTATION_MODE',
    'QUOTA_GROUPS',
    'FAIR_CYCLE',
    'CUSTOM_CAP',
    'COOLDOWN',
    'TDEFAULT',
    'T1',
    'FALLBACK_GROUP',
    'MODEL_ROUTE',
    'MODEL_PRICE',
    'INPUT',
    'PROVIDER_PRIORITY',
    'OAUTH',
    'ACCESS_TOKEN',
    'REFRESH_TOKEN',
    'PRIORITY',
    'CONCURRENCY_MULTIPLIER',
    '1',
    '2',
    '__proto__',
    'constructor',
    'é',
  ];
  const name = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('_'));
  const fixed = fc.constantFrom('GLOBAL_TIMEOUT', 'MODEL_FALLBACK_GROUPS', 'FALLBACK_GROUPS', 'PROXY_API_KEY');
  const value = fc.oneof(
    fc.constantFrom(
      '',
      '1',
      '-3',
      'true',
      'sequential',
      'http://127.0.0.1:1/v1',
      'groq/m',
      'groq/a,gemini/b',
      '*',
      '80%',
    ),
    fc.constantFrom(
      'group:1',
      '[["groq/a","gemini/b"]]',
      '{"a":{"id":"b"},"__proto__":{"options":{"x":[1,{}]}}}',
      '[]',
    ),
    fc.string(),
    fc.string({ unit: 'binary' }),
  );
  const line = fc.oneof(
    fc.tuple(fc.oneof(name, fixed), value).map(([left, right]) => `${left}=${right}`),
    fc.tuple(name, value).map(([left, right]) => `export ${left}='${right}'`),
    fc.string(),
  );
  const file = fc.array(line, { maxLength: 12 }).map((all) => all.join('\n'));

  test('gives a config without problems and a report in which every variable is named', () => {
    fc.assert(
      fc.property(file, (text) => {
        const result = plan(text);
        if (result.text !== null) expect(problemsOf(result.text)).toEqual([]);
        const told = new Set(result.entries.map((entry) => entry.name));
        const { bindings, unreadable } = parseDotenv(text);
        for (const binding of bindings) expect(told).toContain(binding.name);
        for (const broken of unreadable) expect(told).toContain(broken.name ?? `line ${broken.line}`);
        for (const { result: end } of result.entries) if (end.kind === 'not-carried') expect(end.reason).not.toBe('');
      }),
      { numRuns: 100 },
    );
  });

  test('is merged without touching a line of the config that is there', () => {
    const before = [
      '# mine',
      'providers:',
      '  groq: # fast',
      '    keys: [one] # the only',
      '    rotation: { mode: balanced }',
      '  nvidia_nim: {keys: ["n"]}',
      'aliases: { "1": groq/m }',
      'server:',
      '  # where',
      '  port: 9000',
      '',
    ].join('\n');
    const merging: ImportTarget = {
      ...target,
      existing: { text: before, tree: treeOf(before) },
      providerInFile: (id) => (id === 'nvidia' ? 'nvidia_nim' : id),
    };
    fc.assert(
      fc.property(file, (text) => {
        const { text: after, entries } = planImport(sources(text), merging);
        expect(new Set(entries.map((entry) => entry.name))).toEqual(
          new Set(plan(text).entries.map((entry) => entry.name)),
        );
        if (after === null) return;
        expect(problemsOf(after)).toEqual([]);
        const old = readConfig({ text: before, shown: 'a', path: '/a', isFound: false }, { env: {} }).config;
        const { config } = readConfig({ text: after, shown: 'a', path: '/a', isFound: false }, { env: {} });
        expect(config.server.port).toBe(old.server.port);
        expect(config.aliases['1']).toEqual(old.aliases['1']);
        expect(config.providers['groq']?.rotation).toMatchObject({ mode: 'balanced' });
        for (const comment of ['# mine', '# fast', '# the only', '# where']) expect(after).toContain(comment);
      }),
      { numRuns: 60 },
    );
  });
});
