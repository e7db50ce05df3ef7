import { describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { addKey, removeKey } from '../../src/config/edit.ts';
import { loadConfig, readConfig } from '../../src/config/load.ts';
import { exampleYaml } from '../../src/config/reference.ts';
import { showConfig } from '../../src/config/show.ts';
import { CliError } from '../../src/shared/cli-error.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Stands nowhere else in a file. */
const MARK = 'kq7-mark';

const env = { A: 'a', LONG: 'x'.repeat(100), WEIRD: '${A} # [', GROQ_API_KEY: 'gsk' };

/** A config or a `CliError`; anything else is a bug. */
function attempt(text: string, isFound = false): void {
  try {
    showConfig(readConfig({ text, shown: 'c', path: '/c', isFound }, { env }).config);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    expect(error.exitCode).toBe(2);
    expect(error.message).not.toBe('');
  }
}

const name = fc.oneof(
  fc.constantFrom('server', 'port', 'client_keys', 'providers', 'groq', 'keys', 'key', 'models', 'define', 'rotation'),
  fc.constantFrom('cooldowns', 'ladder', 'timeouts', 'aliases', 'headers', '<<', '__proto__', 'constructor', '1', ''),
  fc.string({ maxLength: 5 }),
);
const scalar = fc.oneof(
  fc.constantFrom(
    'none',
    '${A}',
    '${NOPE}',
    '${NOPE:-}',
    '${',
    '$${A}',
    '30s',
    0,
    -1,
    1e400,
    true,
    null,
    '*',
    '&a',
    '!t',
  ),
  fc.constantFrom(
    'http://127.0.0.1/v1',
    'https://example.com',
    'socks5://u:p@h:1',
    'sequential',
    'sha256:0',
    '\0',
    '\ud800',
  ),
  fc.string(),
  fc.integer(),
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    scalar,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(name, tie('tree'), { maxKeys: 5 }),
  ),
}));

/** A line of YAML moved, doubled, cut or joined with garbage: what half-finished edits look like. */
const damaged = fc
  .array(
    fc.tuple(
      fc.nat(),
      fc.nat(60),
      fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('\t', '- ', ': ', '{', '[', '"', '*a', '&a ', '#')),
    ),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((edits) =>
    edits.reduce((text, [at, length, addition]) => {
      const from = at % (text.length + 1);
      return text.slice(0, from) + addition + text.slice(from + length);
    }, exampleYaml()),
  );

/** On a machine that is busy with other things, the default of five seconds is not enough. */
const SLOW_MS = 60_000;

describe('whatever stands in a config', () => {
  test(
    'a random tree is a config or a list of problems',
    () => {
      fc.assert(
        fc.property(tree, fc.boolean(), fc.boolean(), (value, isFound, isFlow) => {
          attempt(stringify(value, isFlow ? { collectionStyle: 'flow' } : {}), isFound);
        }),
        { numRuns: 400 },
      );
    },
    SLOW_MS,
  );

  test(
    'random text is a config or a list of problems',
    () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), (text) => attempt(text)),
        { numRuns: 300 },
      );
    },
    SLOW_MS,
  );

  test(
    'a damaged example is a config or a list of problems',
    () => {
      fc.assert(
        fc.property(damaged, (text) => attempt(text)),
        { numRuns: 60 },
      );
    },
    SLOW_MS,
  );

  test(
    'random bytes in the file are a config or an error',
    () => {
      using directory = temporaryDirectory();
      const file = directory.file('c.yaml');
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          writeFileSync(file, bytes);
          try {
            loadConfig({ path: file, env, cwd: '/' });
          } catch (error) {
            if (!(error instanceof CliError)) throw error;
          }
        }),
      );
    },
    SLOW_MS,
  );
});

describe('whatever stands in a config that is edited', () => {
  test(
    'the edit does what it says or leaves the file alone',
    async () => {
      using directory = temporaryDirectory();
      const file = directory.file('c.yaml');
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            damaged,
            tree.map((value) => stringify(value)),
          ),
          async (text) => {
            writeFileSync(file, text);
            try {
              const { credential } = await addKey(file, { provider: 'groq', key: { kind: 'literal', value: MARK } });
              expect(readFileSync(file, 'utf8')).toContain(MARK);
              await removeKey(file, credential ?? '');
              expect(readFileSync(file, 'utf8')).not.toContain(MARK);
            } catch (error) {
              if (!(error instanceof CliError)) throw error;
              expect(readFileSync(file, 'utf8')).toBe(text);
            }
          },
        ),
        { numRuns: 40 },
      );
    },
    SLOW_MS,
  );
});
