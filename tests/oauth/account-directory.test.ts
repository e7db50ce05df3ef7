import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '../../src/shared/secret.ts';
import { watchAccounts } from '../../src/oauth/accounts/watch-accounts.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { account, email, readOnly, StateDirectory } from './oauth-fixture.ts';

let state: StateDirectory;
beforeEach(() => {
  state = new StateDirectory();
});
afterEach(() => state[Symbol.dispose]());

const mode = (path: string) => statSync(path).mode & 0o777;

describe('the directory of accounts', () => {
  test('that is not there is empty', async () => {
    expect(await state.directory().scan()).toEqual({ accounts: [], problems: [], unread: [] });
  });

  test('gives each account a file of its own, 0600 in a directory 0700', async () => {
    const directory = state.directory();
    const first = await directory.add(account('codex', { identity: email('a@x.test') }));
    const second = await directory.add(account('codex', { identity: email('b@x.test') }));
    expect([first.account.id, second.account.id]).toEqual(['codex-1', 'codex-2']);
    expect(mode(directory.path)).toBe(0o700);
    expect(mode(join(directory.path, 'codex-1.json'))).toBe(0o600);
    expect(readdirSync(directory.path).sort()).toEqual(['codex-1.json', 'codex-2.json']);
    expect((await directory.scan()).accounts.map(({ id }) => id)).toEqual(['codex-1', 'codex-2']);
  });

  test('never gives the number of an account that is left out to another while it is there', async () => {
    const directory = state.directory();
    for (const name of ['a', 'b', 'c']) await directory.add(account('codex', { identity: email(`${name}@x.test`) }));
    await directory.remove('codex-2');
    expect((await directory.add(account('codex', { identity: email('d@x.test') }))).account.id).toBe('codex-4');
  });

  test('brings a second login of an account to its file, and keeps what the person has set there', async () => {
    const directory = state.directory();
    const first = account('codex', { identity: email('a@x.test'), rest: { note_of_mine: 1 } });
    const { account: added } = await directory.add(first);
    await directory.save({
      ...added,
      label: 'work',
      priority: 1,
      standing: { kind: 'needs_login', reason: 'r', since: 1 },
    });
    const again = account('codex', {
      identity: email('A@x.test'),
      tokens: { ...first.tokens, access: new Secret('access-token-1'), refresh: null },
    });
    const merged = await directory.add(again);
    expect(merged).toMatchObject({
      isNew: false,
      account: { id: 'codex-1', label: 'work', priority: 1, standing: { kind: 'active' } },
    });
    const text = readFileSync(join(directory.path, 'codex-1.json'), 'utf8');
    expect(text).toContain('access-token-1');
    expect(text).toContain('refresh-token-0');
    expect(text).toContain('note_of_mine');
    expect((await directory.scan()).accounts).toHaveLength(1);
  });

  test('two logins at the same moment take two numbers', async () => {
    const [one, other] = [state.directory(), state.directory()];
    const added = await Promise.all([
      one.add(account('codex', { identity: email('a@x.test') })),
      other.add(account('codex', { identity: email('b@x.test') })),
    ]);
    expect(added.map(({ account: { id } }) => id).sort()).toEqual(['codex-1', 'codex-2']);
  });

  test('finds what other tools have put there, and says what it cannot use', async () => {
    const directory = state.directory();
    mkdirSync(directory.path, { recursive: true });
    const put = (name: string, text: string) => writeFileSync(join(directory.path, name), text);
    put(
      'gemini_cli_oauth_3.json',
      JSON.stringify({ access_token: 'a', refresh_token: 'r', _proxy_metadata: { email: 'u@x.test' } }),
    );
    put('gemini_cli-9.json', JSON.stringify({ access_token: 'a', refresh_token: 'r2', email: 'U@x.test' }));
    put('work.json', JSON.stringify({ type: 'qwen', access_token: 'a', refresh_token: 'r3' }));
    put('broken.json', '{"type":');
    put('list.json', '[]');
    put('strange.json', '{"type":"unheard-of","refresh_token":"r"}');
    put('codex-1.json', '{"type":"codex"}');
    put('kimi-me@x.test.json', '{"type":"kimi","refresh_token":"r"}');
    put('empty.json', '');
    put('.codex-1.json.12.ab.tmp', '{"half":');
    put('readme.txt', 'hello');
    const { accounts, problems } = await directory.scan();
    expect(accounts.map(({ id, provider }) => [id, provider])).toEqual(
      [
        ['gemini_cli_oauth_3', 'gemini_cli'],
        ['work', 'qwen_code'],
      ].sort(([a = ''], [b = '']) => a.localeCompare(b)),
    );
    const told = Object.fromEntries(
      problems.map(({ path, problem }) => [path.slice(directory.path.length + 1), problem]),
    );
    expect(Object.keys(told).sort()).toEqual(
      ['broken.json', 'codex-1.json', 'gemini_cli-9.json', 'kimi-me@x.test.json', 'list.json', 'strange.json'].sort(),
    );
    expect(told['gemini_cli-9.json']).toContain('the same account as gemini_cli_oauth_3');
  });

  test('a write that fails leaves the old file whole and nothing beside it', async () => {
    const { account: added } = await state.directory().add(account('codex', { identity: email('a@x.test') }));
    const failing = state.directory(async () => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    });
    const fresh = { ...added, tokens: { ...added.tokens, access: new Secret('access-token-1') } };
    expect(failing.save(fresh)).rejects.toThrow('no space');
    expect((await failing.read('codex-1'))?.tokens.access?.reveal()).toBe('access-token-0');
    expect(readdirSync(failing.path)).toEqual(['codex-1.json']);
  });

  test('a directory that cannot be written is told by the rehearsal', async () => {
    const directory = state.directory();
    const { account: added } = await directory.add(account('codex'));
    expect(await directory.rehearse(added)).toBeNull();
    await readOnly(state, async () => {
      expect(await directory.rehearse(added)).toBe('EACCES');
      expect(await directory.lock(added.id)).toBeNull();
      expect((await directory.scan()).accounts).toHaveLength(1);
    });
  });

  test('a lock lets the second wait for the first', async () => {
    const directory = state.directory();
    await directory.add(account('codex'));
    const first = await directory.lock('codex-1');
    let isSecondIn = false;
    const second = state
      .directory()
      .lock('codex-1')
      .then((lock) => {
        isSecondIn = true;
        return lock;
      });
    expect(isSecondIn).toBe(false);
    await first?.release();
    await (await second)?.release();
    expect(isSecondIn).toBe(true);
  });
});

test('a file that is dropped in is noticed, one that is only on its way is not', async () => {
  const directory = state.directory();
  const seen = Promise.withResolvers<void>();
  const stop = watchAccounts(directory.path, systemClock, () => seen.resolve());
  writeFileSync(join(directory.path, 'codex-1.json'), '{"refresh_token":"r"}');
  await seen.promise;
  stop();
  expect((await directory.scan()).accounts).toHaveLength(1);
});
