import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';

const golden = path.join(import.meta.dir, 'golden');
const env = { PORT_WORDS: 'eighty' };

/** `GOLDEN=write bun test` writes what is said now; the difference is then for a person to read. */
const isWriting = process.env.GOLDEN === 'write';

describe('what is said of a config with problems', () => {
  for (const name of readdirSync(golden).filter((file) => file.endsWith('.yaml'))) {
    test(name, () => {
      const expected = path.join(golden, name.replace(/\.yaml$/, '.txt'));
      const said = `${problemsOf(readFileSync(path.join(golden, name), 'utf8'))}\n`;
      if (isWriting) writeFileSync(expected, said);
      expect(said).toBe(readFileSync(expected, 'utf8'));
    });
  }

  test('no secret is repeated in a problem', () => {
    const text =
      'providers:\n  groq:\n    base_url: "sk-live-1"\n    proxy: user:sk-live-2@x\n    headers: { a: "sk-live-3\\n" }\n';
    expect(problemsOf(text)).not.toContain('sk-live');
  });
});

describe('limits of what is read', () => {
  test.each([
    ['brackets without end', '['.repeat(100_000)],
    ['braces without end', '{a: '.repeat(20_000)],
    ['aliases that stand for billions of values', billionLaughs()],
    ['mappings in mappings', Array.from({ length: 200 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ])('%s are a problem and no crash', (_, text) => {
    expect(problemsOf(text)).not.toBe('');
  });
});

function billionLaughs(): string {
  const levels = Array.from({ length: 12 }, (_, i) => {
    const below = i === 0 ? '"lol"' : `*l${i - 1}`;
    return `l${i}: &l${i} [${Array(10).fill(below).join(', ')}]`;
  });
  return `${levels.join('\n')}\n`;
}

function problemsOf(text: string): string {
  try {
    readConfig({ text, shown: 'rotator.yaml', path: '/etc/rotator.yaml', isFound: false }, { env });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('this config has no problem');
}
