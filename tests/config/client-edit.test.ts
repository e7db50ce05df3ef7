import { describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { addClient, type NewClient, removeClient, rotateClient } from '../../src/config/client-edit.ts';
import { CliError } from '../../src/shared/cli-error.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const HASH = `sha256:${'ab'.repeat(32)}`;

async function edited(text: string | null, edit: (file: string) => Promise<unknown>): Promise<string> {
  using directory = temporaryDirectory();
  const file = directory.file('rotator.yaml');
  if (text !== null) writeFileSync(file, text);
  await edit(file);
  return readFileSync(file, 'utf8');
}

const added = (text: string | null, client: Partial<NewClient> = {}) =>
  edited(text, (file) => addClient(file, { name: 'phone', key: HASH, models: [], limits: [], ...client }));

async function refusalOf(promise: Promise<unknown>): Promise<CliError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('adding a client key', () => {
  const cases: [name: string, before: string | null, client: Partial<NewClient>, after: string][] = [
    [
      'to no file',
      null,
      {},
      `# yaml-language-server: $schema=rotator.schema.json\nserver:\n  client_keys:\n    - name: phone\n      key: "${HASH}"\n`,
    ],
    [
      'to a list, below the comments of the last',
      'server:\n  client_keys:   # who\n    - { name: a, key: one }   # mine\n      # { name: b }\nproviders: {}\n',
      {},
      `server:\n  client_keys:   # who\n    - { name: a, key: one }   # mine\n      # { name: b }\n    - name: phone\n      key: "${HASH}"\nproviders: {}\n`,
    ],
    [
      'with all that it may have',
      'server:\n  port: 1 # one\n',
      {
        models: ['groq/*', 'fast'],
        limits: [
          ['rpm', '60'],
          ['tpm', '200k'],
          ['usd_per_day', '0.5'],
        ],
      },
      `server:\n  port: 1 # one\n  client_keys:\n    - name: phone\n      key: "${HASH}"\n      models:\n        - groq/*\n        - fast\n      limits:\n        rpm: 60\n        tpm: 200k\n        usd_per_day: 0.5\n`,
    ],
    [
      'to a flow list, with a variable',
      'server: { client_keys: [{ name: a, key: one }] }\n',
      { key: '${PHONE}' },
      'server: { client_keys: [{ name: a, key: one }, { name: phone, key: "${PHONE}" }] }\n',
    ],
  ];
  test.each(cases)('%s', async (_, before, client, after) => {
    const env = { PHONE: 'x' };
    const text = await edited(before, (file) =>
      addClient(file, { name: 'phone', key: HASH, models: [], limits: [], ...client }, env),
    );
    expect(text).toBe(after);
  });

  const refused: [name: string, text: string, client: Partial<NewClient>, code: string, exit: number, said: string][] =
    [
      [
        'a name that is taken',
        'server: { client_keys: [{ name: phone, key: a }] }\n',
        {},
        'duplicate_client',
        1,
        'phone',
      ],
      ['an open server', 'server: { client_keys: none }\n', {}, 'not_editable', 1, '"none"'],
      ['a limit that is none', '', { limits: [['rpm', 'many']] }, 'config', 2, 'limits.rpm'],
      ['a limit of 0 dollars', '', { limits: [['usd_per_day', '0']] }, 'config', 2, 'above 0'],
    ];
  test.each(refused)('is refused for %s, and the file stays', async (_, before, client, code, exitCode, said) => {
    const after = await edited(before, async (file) => {
      const error = await refusalOf(addClient(file, { name: 'phone', key: HASH, models: [], limits: [], ...client }));
      expect(error).toMatchObject({ code, exitCode });
      expect(error.message).toContain(said);
    });
    expect(after).toBe(before);
  });

  test('quotes a name that YAML would take for something else', async () => {
    expect(await added('', { name: 'true' })).toContain('name: "true"');
  });
});

describe('removing a client key', () => {
  const two =
    'server:\n  client_keys:\n    # first\n    - { name: a, key: one }\n    - { name: b, key: two } # second\n';

  test('leaves the others and their comments', async () => {
    expect(await edited(two, (file) => removeClient(file, 'a'))).toBe(
      'server:\n  client_keys:\n    # first\n    - { name: b, key: two } # second\n',
    );
  });

  test('is refused for the only one, and for one that is not there', async () => {
    const one = 'server:\n  client_keys: [{ name: laptop, key: one }]\n';
    await edited(one, async (file) => {
      expect(await refusalOf(removeClient(file, 'laptop'))).toMatchObject({ code: 'last_client', exitCode: 1 });
      const unknown = await refusalOf(removeClient(file, 'labtop'));
      expect(unknown).toMatchObject({ code: 'unknown_client', exitCode: 2 });
      expect(unknown.hint).toContain('laptop');
    });
  });
});

describe('rotating a client key', () => {
  test('changes the key and nothing else', async () => {
    const before =
      'server:\n  client_keys:\n    - name: a # mine\n      key: old   # from the shop\n      limits: { rpm: 5 }\n    - { name: b, key: two }\n';
    expect(await edited(before, (file) => rotateClient(file, { name: 'a', key: HASH }))).toBe(
      before.replace('old', `"${HASH}"`),
    );
    expect(await edited(before, (file) => rotateClient(file, { name: 'b', key: HASH }))).toBe(
      before.replace('two', `"${HASH}"`),
    );
  });

  test.each([{ A: 'set' }, {}])('is refused for a key that a variable holds (%p)', async (env) => {
    const text = 'server:\n  client_keys:\n    - { name: a, key: "${A}" }\n';
    await edited(text, async (file) => {
      expect(await refusalOf(rotateClient(file, { name: 'a', key: HASH }, env))).toMatchObject({
        code: 'key_from_environment',
        exitCode: 2,
      });
    });
  });

  test('is refused for an alias of YAML, which would change two keys', async () => {
    const text = 'x: &k secret\nserver: { client_keys: [{ name: a, key: *k }] }\n';
    await edited(text, async (file) => {
      expect((await refusalOf(rotateClient(file, { name: 'a', key: HASH }))).exitCode).toBeGreaterThan(0);
    });
  });
});
