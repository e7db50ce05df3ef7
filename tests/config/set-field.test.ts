import { describe, expect, test } from 'bun:test';
import { parsePath } from '../../src/config/field-path.ts';
import { previewEdit } from '../../src/config/set-field.ts';

const FILE = `# mine
server: { port: 8000 }
providers:
  gemini-cli: {}
  groq:
    tier: 2   # fast
    keys:
      - gsk_0123456789abcdef   # first
      - key: \${GROQ_KEY}
        label: work
aliases:
  "gpt-4.1": groq/a
`;

const preview = (path: string, value: string | null, text: string | null = FILE) =>
  previewEdit('rotator.yaml', text, { path: parsePath(path), value }, {});
const changed = (path: string, value: string | null) => preview(path, value).text;

describe('setting a field', () => {
  test.each([
    ['server.port', '9000', '{ port: 8000 }', '{ port: 9000 }'],
    ['server.host', '127.0.0.1', '{ port: 8000 }', '{ port: 8000, host: 127.0.0.1 }'],
    ['providers.groq.tier', '3', 'tier: 2   # fast', 'tier: 3   # fast'],
    ['providers.GROQ.tier', '3', 'tier: 2   # fast', 'tier: 3   # fast'],
    ['providers.groq.keys[1].label', 'home: "x" # y', 'label: work', 'label: "home: \\"x\\" # y"'],
    ['providers.groq.keys[1].label', '0123', 'label: work', 'label: "0123"'],
    ['providers.groq.keys[1].priority', '1', 'label: work\n', 'label: work\n        priority: 1\n'],
    [
      'providers.groq.keys[0].priority',
      '1',
      '- gsk_0123456789abcdef   # first',
      '- key: gsk_0123456789abcdef\n        priority: 1   # first',
    ],
    ['aliases."gpt-4.1"', '{ targets: [groq/b, groq/c] }', 'groq/a', '{ targets: [ groq/b, groq/c ] }'],
    ['providers.gemini_cli.tier', '4', 'gemini-cli: {}', 'gemini-cli: { tier: 4 }'],
    ['rotation.daily_reset', '03:30', 'groq/a\n', 'groq/a\nrotation:\n  daily_reset: 03:30\n'],
    ['server.cors', '[https://a.example]', '{ port: 8000 }', '{ port: 8000, cors: [ https://a.example ] }'],
    ['chat.model', 'fast', 'groq/a\n', 'groq/a\nchat:\n  model: fast\n'],
  ])('%s to %s', (path, value, from, to) => {
    expect(FILE).toContain(from);
    expect(changed(path, value)).toBe(FILE.replace(from, () => to));
  });

  test.each([
    ['server.prot', '1', 'server.prot: unknown field. Did you mean "port"?'],
    ['server.port', 'many', 'server.port: expected a whole number from 0 to 65535, got "many"'],
    ['logging.level', 'inf', 'Did you mean "info"?'],
    ['server.cors', '[', 'cannot be read as YAML'],
    ['server.port.deep', '1', 'server.port is not a mapping'],
    ['providers.groq.keys[7]', 'x', 'has no place 7'],
    ['providers.groq.keys', 'sk-x', 'expected a list'],
  ])('%s to %s is refused: %s', (path, value, message) => {
    expect(() => changed(path, value)).toThrow(message);
  });

  test('makes the file that is not there', () => {
    expect(preview('server.port', '9000', null).text).toBe(
      '# yaml-language-server: $schema=rotator.schema.json\nserver:\n  port: 9000\n',
    );
  });

  test('a byte order mark stays', () => {
    expect(preview('server.port', '9000', `\ufeff${FILE}`).text).toStartWith('\ufeff# mine');
  });

  test('what was wrong before does not stand in the way of mending it', () => {
    const broken = FILE.replace('port: 8000', 'port: many, prot: 1');
    expect(preview('server.port', '9000', broken).text).toContain('port: 9000, prot: 1');
  });
});

describe('unsetting a field', () => {
  test.each([
    ['server.port', '{ port: 8000 }', '{}'],
    ['providers.groq.tier', '    tier: 2   # fast\n', ''],
    ['providers.groq.keys[0]', '      - gsk_0123456789abcdef   # first\n', ''],
    ['aliases."gpt-4.1"', 'aliases:\n  "gpt-4.1": groq/a\n', 'aliases: {}\n'],
    ['timeouts.idle', '', ''],
  ])('%s', (path, from, to) => {
    expect(changed(path, null)).toBe(FILE.replace(from, () => to));
  });

  test.each([
    ['server.prot', 'server.prot: unknown field. Did you mean "port"?'],
    ['nothing.here', 'nothing: unknown field'],
  ])('%s, which is no field and not in the file, is refused by its name', (path, message) => {
    expect(() => changed(path, null)).toThrow(message);
  });

  test('a field that is unknown but in the file is taken out', () => {
    const broken = FILE.replace('port: 8000', 'port: 8000, prot: 1');
    expect(preview('server.prot', null, broken).text).toBe(FILE);
  });

  test('what others need is refused', () => {
    expect(() => changed('providers.groq.keys[1].key', null)).toThrow('providers.groq.keys[1].key');
  });
});

describe('the difference', () => {
  test('shows the lines that change with a little around them', () => {
    expect(preview('providers.groq.tier', '3').difference).toEqual([
      { kind: 'kept', text: '  gemini-cli: {}' },
      { kind: 'kept', text: '  groq:' },
      { kind: 'removed', text: '    tier: 2   # fast' },
      { kind: 'added', text: '    tier: 3   # fast' },
      { kind: 'kept', text: '    keys:' },
      { kind: 'kept', text: '      - gsk_…cdef   # first' },
    ]);
  });

  test('shows no key, neither the old one nor the new one', () => {
    const { difference, text } = preview('providers.groq.keys[0]', 'gsk_fedcba9876543210');
    expect(text).toContain('gsk_fedcba9876543210');
    const shown = difference.map((line) => line.text).join('\n');
    expect(shown).not.toMatch(/0123456789abcdef|fedcba9876543210/);
    expect(shown).toContain('gsk_…3210');
    expect(shown).toContain('${GROQ_KEY}');
  });

  test('is empty when nothing changes', () => {
    expect(preview('server.port', '8000').difference).toEqual([]);
    expect(preview('timeouts.idle', null).difference).toEqual([]);
  });
});
