import { describe, expect, test } from 'bun:test';
import { parse } from 'yaml';
import { assign, remove, type ValuePath } from '../../src/config/yaml-text.ts';

const FILE = `# mine
server:
  port: 8000   # the usual
  # nobody else
  cors: []
providers:
  groq:
    keys:
      - a   # one
      - key: b
        label: x
  local: { base_url: "http://127.0.0.1:1/v1", keys: none }   # here

aliases:
  fast: groq/llama
  "gpt-4.1":
    targets:
      - groq/a
      - groq/b
`;

describe('giving a place a value', () => {
  const cases: readonly (readonly [string, ValuePath, unknown, from: string, to: string])[] = [
    ['a scalar', ['server', 'port'], 9000, 'port: 8000   # the', 'port: 9000   # the'],
    ['an empty list', ['server', 'cors'], ['https://a.example'], 'cors: []', 'cors: [ https://a.example ]'],
    ['an item', ['providers', 'groq', 'keys', 0], 'c', '- a   # one', '- c   # one'],
    ['a field of an item', ['providers', 'groq', 'keys', 1, 'label'], 'y', 'label: x', 'label: y'],
    [
      'a new field of an item',
      ['providers', 'groq', 'keys', 1, 'priority'],
      1,
      'label: x\n',
      'label: x\n        priority: 1\n',
    ],
    ['the place behind the last', ['providers', 'groq', 'keys', 2], 'c', 'label: x\n', 'label: x\n      - c\n'],
    ['a field in braces', ['providers', 'local', 'keys'], ['k'], 'keys: none }', 'keys: [ k ] }'],
    ['a new field in braces', ['providers', 'local', 'http2'], true, 'keys: none }', 'keys: none, http2: true }'],
    [
      'a name with a dot',
      ['aliases', 'gpt-4.1'],
      'groq/c',
      '"gpt-4.1":\n    targets:\n      - groq/a\n      - groq/b',
      '"gpt-4.1": groq/c',
    ],
    ['a section', ['logging', 'level'], 'debug', '      - groq/b\n', '      - groq/b\nlogging:\n  level: debug\n'],
    [
      'a list of lines',
      ['aliases', 'gpt-4.1', 'targets'],
      ['groq/c'],
      '      - groq/a\n      - groq/b\n',
      '      - groq/c\n',
    ],
  ];

  test.each(cases)('%s', (_, path, value, from, to) => {
    expect(FILE).toContain(from);
    expect(assign(FILE, path, value)).toBe(FILE.replace(from, () => to));
    const crlf = (text: string) => text.replaceAll('\n', '\r\n');
    expect(assign(crlf(FILE), path, value)).toBe(crlf(FILE.replace(from, () => to)));
  });

  test('what needs quotes in braces gets them, and nothing else is lost', () => {
    const after = assign(FILE, ['providers', 'local', 'keys'], 'a, b: }');
    expect(parse(after).providers.local.keys).toBe('a, b: }');
    expect(after).toContain('# nobody else');
    expect(after).toContain('# here');
  });
});

describe('taking a place away', () => {
  const cases: readonly (readonly [string, ValuePath, from: string, to: string])[] = [
    ['a field with its comment', ['server', 'port'], '  port: 8000   # the usual\n', ''],
    ['an item', ['providers', 'groq', 'keys', 0], '      - a   # one\n', ''],
    ['a field in braces', ['providers', 'local', 'keys'], ', keys: none', ''],
    ['the first field in braces', ['providers', 'local', 'base_url'], 'base_url: "http://127.0.0.1:1/v1", ', ''],
    [
      'a field of several lines',
      ['providers', 'groq'],
      FILE.slice(FILE.indexOf('  groq:\n'), FILE.indexOf('  local')),
      '',
    ],
    [
      'the last field of a mapping',
      ['aliases', 'gpt-4.1', 'targets'],
      '"gpt-4.1":\n    targets:\n      - groq/a\n      - groq/b\n',
      '"gpt-4.1": {}\n',
    ],
    ['nothing where nothing is', ['server', 'host'], '', ''],
  ];

  test.each(cases)('%s', (_, path, from, to) => {
    expect(FILE).toContain(from);
    expect(remove(FILE, path)).toBe(FILE.replace(from, () => to));
  });

  test('what is put in and taken out again leaves the file as it was', () => {
    for (const [path, value] of [
      [['server', 'host'], '127.0.0.1'],
      [['providers', 'groq', 'tier'], 2],
      [['providers', 'local', 'tier'], 2],
      [['aliases', 'new'], { targets: ['a/b'] }],
    ] as const)
      expect(remove(assign(FILE, path, value), path)).toBe(FILE);
  });
});
