import { describe, expect, test } from 'bun:test';
import { chooseKey } from '../../src/cli/key-choice.ts';
import { CliError } from '../../src/shared/cli-error.ts';

const keys = [
  { id: 'groq-77aa01b2c3', label: 'work' },
  { id: 'groq-77bb01b2c3', label: null },
  { id: 'gemini_cli-1a2b3c4d5e', label: 'twin' },
  { id: 'openai-0000000000', label: 'twin' },
];

const thrownBy = (written: string): CliError => {
  try {
    chooseKey(written, keys);
  } catch (error) {
    if (error instanceof CliError) return error;
  }
  throw new Error(`"${written}" was accepted`);
};

describe('a credential on the command line', () => {
  test.each([
    ['groq-77aa01b2c3', 'groq-77aa01b2c3'],
    ['groq-77a', 'groq-77aa01b2c3'],
    ['GROQ-77B', 'groq-77bb01b2c3'],
    ['work', 'groq-77aa01b2c3'],
    ['gemini-cli', 'gemini_cli-1a2b3c4d5e'],
    ['openai', 'openai-0000000000'],
  ])('%s means %s', (written, id) => expect(chooseKey(written, keys).id).toBe(id));

  test('several candidates are a usage error that lists them', () => {
    const error = thrownBy('groq');
    expect(error.exitCode).toBe(2);
    expect(error.message).toBe('"groq" means 2 credentials');
    expect(error.hint).toBe('write more of the id: groq-77aa01b2c3 (work), groq-77bb01b2c3');
    expect(thrownBy('twin').hint).toContain('gemini_cli-1a2b3c4d5e (twin), openai-0000000000 (twin)');
  });

  test('an unknown one is a usage error with the nearest', () => {
    const error = thrownBy('worm');
    expect(error.exitCode).toBe(2);
    expect(error.message).toBe('no credential has the id or label "worm"');
    expect(error.hint).toContain('did you mean "work"?');
  });
});
