import { describe, expect, test } from 'bun:test';
import * as fc from 'fast-check';
import { changeClientText, readClientText } from '../../../src/cli/setup/client-text.ts';
import type { Change, FileFormat } from '../../../src/cli/setup/setting.ts';

const changed = (format: FileFormat, text: string, ...changes: Change[]) =>
  changeClientText(format, text, changes, `file.${format}`);

const JSONC = `// mine
{
    "permissions": { "allow": ["Bash(git diff:*)"] }, // keep
    "env": {
        "FOO": "1",
    },
}
`;

const TOML = `# Codex
model = "gpt-5.5"  # the usual
approval_policy = "on-request"

[projects."/home/me/work"]
trust_level = "trusted"

# servers
[mcp_servers.docs]
command = "npx"
args = ["-y", "docs"]
`;

const YAML = `name: Mine
version: 1.0.0
schema: v1
models:
  - name: Local   # on the desk
    provider: ollama
    model: llama3
`;

const ENV = `# keys
export FOO=1
OPENAI_API_KEY="sk-old" # mine
`;

describe('a client’s file', () => {
  test('in JSON keeps comments, order and indentation', () => {
    expect(changed('json', JSONC, { path: ['env', 'URL'], value: 'http://127.0.0.1:8000' })).toBe(
      JSONC.replace('"FOO": "1",\n', '"FOO": "1",\n        "URL": "http://127.0.0.1:8000",\n'),
    );
  });

  test('in TOML changes and gets lines where they belong', () => {
    const after = changed(
      'toml',
      TOML,
      { path: ['model'], value: 'fast' },
      { path: ['model_provider'], value: 'rotator' },
      { path: ['model_providers', 'rotator', 'base_url'], value: 'http://127.0.0.1:8000/v1' },
      { path: ['model_providers', 'rotator', 'name'], value: 'rotator' },
    );
    expect(after).toBe(
      TOML.replace('"gpt-5.5"', '"fast"').replace(
        'approval_policy = "on-request"\n',
        'approval_policy = "on-request"\nmodel_provider = "rotator"\n',
      ) + '\n[model_providers.rotator]\nbase_url = "http://127.0.0.1:8000/v1"\nname = "rotator"\n',
    );
    expect(
      changed(
        'toml',
        after,
        { path: ['model_providers', 'rotator', 'name'], value: undefined },
        { path: ['model_providers', 'rotator', 'base_url'], value: undefined },
        { path: ['model_provider'], value: undefined },
        { path: ['model'], value: 'gpt-5.5' },
      ),
    ).toBe(TOML);
  });

  test('in TOML is left alone where a line cannot be changed without risk', () => {
    const inline = 'model_providers = { rotator = { name = "x" } }\n';
    expect(() => changed('toml', inline, { path: ['model_providers', 'rotator', 'name'], value: 'y' })).toThrow(
      'cannot be edited without risk',
    );
    const several = 'model = """\nfast"""\n';
    expect(() => changed('toml', several, { path: ['model'], value: 'y' })).toThrow('cannot be edited without risk');
  });

  test('in YAML finds an item by its name', () => {
    const item = { name: 'rotator', provider: 'openai', model: 'fast' };
    const after = changed('yaml', YAML, { path: ['models', { name: 'rotator' }], value: item });
    expect(after).toBe(`${YAML}  - name: rotator\n    provider: openai\n    model: fast\n`);
    const again = changed('yaml', after, { path: ['models', { name: 'rotator' }], value: { ...item, model: 'slow' } });
    expect(again).toBe(after.replace('model: fast', 'model: slow'));
    expect(changed('yaml', again, { path: ['models', { name: 'rotator' }], value: undefined })).toBe(YAML);
  });

  test('as .env keeps comments, and what a shell exports', () => {
    const after = changed('env', ENV, { path: ['OPENAI_API_KEY'], value: 'sk-new' }, { path: ['FOO'], value: 'a b' });
    expect(after).toBe('# keys\nexport FOO="a b"\nOPENAI_API_KEY=sk-new\n');
    expect(readClientText('env', ENV, '.env')).toEqual({ FOO: '1', OPENAI_API_KEY: 'sk-old' });
  });

  test.each([
    ['json', '{ "a": '],
    ['json', '[]'],
    ['toml', 'a = = 1'],
    ['yaml', 'a: [1'],
  ] as const)('that is no %s is named and left alone', (format, text) => {
    expect(() => changed(format, text, { path: ['a'], value: 'x' })).toThrow(`file.${format} cannot be read`);
  });

  test.each(['json', 'toml', 'yaml', 'env'] as const)(
    'in %s says afterwards what was set, whatever it is',
    (format) => {
      fc.assert(
        fc.property(fc.string({ unit: fc.constantFrom(...'ab "\'\\#={}[]:,$-') }), (value) => {
          const base = { json: JSONC, toml: TOML, yaml: YAML, env: ENV }[format];
          const after = changed(format, base, { path: ['model'], value });
          expect(readClientText(format, after, 'file')).toMatchObject({ model: value });
        }),
        { numRuns: 200 },
      );
    },
  );
});
