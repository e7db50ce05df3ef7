import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '../../src/shared/secret.ts';
import type { Account } from '../../src/oauth/accounts/account.ts';
import { type AccountDirectory, replaceFile } from '../../src/oauth/accounts/account-directory.ts';
import { accountText } from '../../src/oauth/accounts/account-json.ts';
import type { Service } from '../../src/oauth/profile.ts';
import { type AccountEvent, type Accounts, openAccounts } from '../../src/oauth/refresh/accounts.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startVendor, type VendorScript, type VendorServer } from '../support/vendor-server.ts';
import { account, email, readOnly, serviceAt, StateDirectory, upstream } from './oauth-fixture.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let state: StateDirectory;
let clock: ManualClock;
let vendor: VendorServer | null;
let opened: Accounts[];

beforeEach(() => {
  state = new StateDirectory();
  clock = new ManualClock();
  vendor = null;
  opened = [];
});
afterEach(async () => {
  for (const accounts of opened) await accounts.close();
  await vendor?.[Symbol.asyncDispose]();
  state[Symbol.dispose]();
});

const signal = new AbortController().signal;
const rotated: VendorScript = ({ call }) => ({
  json: { access_token: `access-token-${call}`, refresh_token: `refresh-token-${call}`, expires_in: 3600 },
});

/** One account whose token ends in so many milliseconds. */
async function keep(directory: AccountDirectory, expiresIn: number, fields: Partial<Account> = {}): Promise<Account> {
  const base = account(fields.provider ?? 'codex', { identity: email('ann@people.test'), ...fields });
  const tokens = { ...base.tokens, expiresAt: clock.now() + expiresIn };
  return (await directory.add({ ...base, tokens })).account;
}

type World = { readonly accounts: Accounts; readonly events: AccountEvent[]; readonly troubles: string[] };

async function open(
  token: VendorScript,
  options: {
    readonly directory?: AccountDirectory;
    readonly virtual?: readonly Account[];
    readonly paths?: Readonly<Record<string, VendorScript>>;
    readonly change?: (service: Service) => Service;
  } = {},
): Promise<World> {
  vendor ??= startVendor({ '/token': token, ...options.paths });
  const { origin } = vendor;
  const [events, troubles]: [AccountEvent[], string[]] = [[], []];
  const accounts = await openAccounts({
    directory: options.directory ?? state.directory(),
    virtual: options.virtual ?? [],
    serviceOf: (provider) => (options.change ?? ((service) => service))(serviceAt(provider, origin)),
    upstream,
    clock,
    random: () => 0.5,
    version: '0.0.0-test',
    onTrouble: (message) => troubles.push(message),
  });
  accounts.onEvent((event) => events.push(event));
  opened.push(accounts);
  return { accounts, events, troubles };
}

async function tokenOf(accounts: Accounts, id = 'codex-1', rejected?: string): Promise<string> {
  const work = accounts.accessTokenOf(id, {
    signal,
    ...(rejected === undefined ? {} : { rejected: new Secret(rejected) }),
  });
  const result = await settled(work);
  return result.kind === 'token' ? result.token.reveal() : result.state.kind;
}

/** Lets time pass for the rests between tries, until the work is done. */
async function settled<Result>(work: Promise<Result>): Promise<Result> {
  let isDone = false;
  void work
    .finally(() => {
      isDone = true;
    })
    .catch(() => {});
  await eventually('the refresh ends', async () => {
    if (!isDone && clock.pending > 0) await clock.advance(1000);
    return isDone;
  });
  return await work;
}

const onDisk = (id = 'codex-1') => JSON.parse(readFileSync(join(state.path, 'oauth', `${id}.json`), 'utf8'));

describe('an access token', () => {
  test('that is fresh is given without asking anybody', async () => {
    await keep(state.directory(), 10 * 24 * HOUR);
    const { accounts } = await open(rotated);
    expect(await tokenOf(accounts)).toBe('access-token-0');
    expect(vendor?.requests).toEqual([]);
  });

  test('that has ended is renewed once, however many ask', async () => {
    await keep(state.directory(), -1);
    const { accounts } = await open(rotated);
    expect(await Promise.all(Array.from({ length: 20 }, () => tokenOf(accounts)))).toEqual(
      Array(20).fill('access-token-1'),
    );
    expect(vendor?.requests).toHaveLength(1);
    expect(onDisk()).toMatchObject({ access_token: 'access-token-1', refresh_token: 'refresh-token-1' });
  });

  test('inside its lead is used while it is renewed behind it', async () => {
    await keep(state.directory(), 24 * HOUR);
    const { accounts } = await open(rotated);
    expect(await tokenOf(accounts)).toBe('access-token-0');
    await eventually('renewed', () => vendor?.requests.length === 1);
    await eventually('in use', async () => (await tokenOf(accounts)) === 'access-token-1');
  });

  test('keeps its refresh token where the vendor gives no new one', async () => {
    await keep(state.directory(), -1, { provider: 'gemini_cli', id: 'gemini_cli-1', details: { project_id: 'p' } });
    const { accounts } = await open(() => ({ json: { access_token: 'access-token-1', expires_in: 3600 } }));
    expect(await tokenOf(accounts, 'gemini_cli-1')).toBe('access-token-1');
    expect(onDisk('gemini_cli-1')).toMatchObject({ refresh_token: 'refresh-token-0', access_token: 'access-token-1' });
  });

  test('comes with what a call needs beside it', async () => {
    await keep(state.directory(), 10 * 24 * HOUR, {
      identity: { email: 'a@x.test', subject: null, accountId: 'acc' },
      details: { project_id: 'p' },
    });
    const { accounts } = await open(rotated);
    expect(await accounts.accessTokenOf('codex-1', { signal })).toMatchObject({
      details: { account_id: 'acc', project_id: 'p', api_url: `${vendor?.origin}/backend-api/codex` },
    });
  });

  test('is asked for as the client that its refresh token was given to', async () => {
    await keep(state.directory(), -1, { client: { id: 'the-other-client', secret: new Secret('its-secret') } });
    const { accounts } = await open(rotated);
    await tokenOf(accounts);
    expect(vendor?.requests[0]?.fields).toMatchObject({
      client_id: 'the-other-client',
      client_secret: 'its-secret',
      refresh_token: 'refresh-token-0',
      scope: 'openid profile email',
    });
  });

  test('of an account that is not there is unavailable', async () => {
    const { accounts } = await open(rotated);
    expect(await tokenOf(accounts, 'codex-7')).toBe('needs_login');
  });

  test('stops being waited for with the caller’s signal, and is renewed all the same', async () => {
    await keep(state.directory(), -1);
    const gate = Promise.withResolvers<void>();
    const { accounts } = await open(async (request) => {
      await gate.promise;
      return rotated(request);
    });
    const left = new AbortController();
    const first = accounts.accessTokenOf('codex-1', { signal: left.signal });
    await eventually('asked', () => vendor?.requests.length === 1);
    left.abort(new Error('gone'));
    expect(first).rejects.toThrow('gone');
    gate.resolve();
    expect(await tokenOf(accounts)).toBe('access-token-1');
    expect(vendor?.requests).toHaveLength(1);
  });
});

describe('a token that the API has refused', () => {
  test('is replaced once, whoever was refused with it', async () => {
    await keep(state.directory(), 10 * 24 * HOUR);
    const { accounts } = await open(rotated);
    const again = () => tokenOf(accounts, 'codex-1', 'access-token-0');
    expect(await Promise.all([again(), again(), again()])).toEqual([
      'access-token-1',
      'access-token-1',
      'access-token-1',
    ]);
    expect(await again()).toBe('access-token-1');
    expect(vendor?.requests).toHaveLength(1);
  });

  test('right after it was given is not replaced over and over', async () => {
    await keep(state.directory(), 10 * 24 * HOUR);
    const { accounts } = await open(rotated);
    expect(await tokenOf(accounts, 'codex-1', 'access-token-0')).toBe('access-token-1');
    expect(await tokenOf(accounts, 'codex-1', 'access-token-1')).toBe('waiting');
    expect(vendor?.requests).toHaveLength(1);
    await clock.advance(2 * MINUTE);
    expect(await tokenOf(accounts, 'codex-1', 'access-token-1')).toBe('access-token-2');
  });

  test('that cannot be replaced now is not given again', async () => {
    await keep(state.directory(), 10 * 24 * HOUR);
    const { accounts } = await open(() => ({ status: 429, json: {}, headers: { 'retry-after': '30' } }));
    expect(await tokenOf(accounts, 'codex-1', 'access-token-0')).toBe('waiting');
    expect(await tokenOf(accounts, 'codex-1', 'access-token-0')).toBe('waiting');
    expect(vendor?.requests).toHaveLength(1);
  });
});

describe('when the token endpoint is in trouble', () => {
  test('503 three times leaves the old token in use while it is good', async () => {
    await keep(state.directory(), 30 * MINUTE);
    const { accounts, troubles } = await open(() => ({ status: 503, text: 'busy' }));
    expect(await tokenOf(accounts)).toBe('access-token-0');
    await settled(eventually('three tries', () => vendor?.requests.length === 3 && troubles.length === 1));
    expect(await tokenOf(accounts)).toBe('access-token-0');
    expect(troubles).toEqual(['the token of codex-1 could not be renewed: HTTP 503']);
    // Nobody asks again before the rest is over.
    expect(vendor?.requests).toHaveLength(3);
    expect(accounts.list()[0]?.state).toEqual({ kind: 'ready' });
  });

  test('and the old token has ended, the account waits and says until when', async () => {
    await keep(state.directory(), -1);
    const { accounts } = await open(() => ({ status: 429, json: {}, headers: { 'retry-after': '90' } }));
    expect(await tokenOf(accounts)).toBe('waiting');
    const until = clock.now() + 90_000;
    expect(accounts.list()[0]?.state).toEqual({ kind: 'waiting', until, reason: 'HTTP 429' });
    expect(await tokenOf(accounts)).toBe('waiting');
    expect(vendor?.requests).toHaveLength(1);
  });

  test('it is used again when it is back', async () => {
    await keep(state.directory(), -1);
    const { accounts } = await open((request) => (request.call <= 3 ? { status: 500 } : rotated(request)));
    expect(await tokenOf(accounts)).toBe('waiting');
    await clock.advance(2 * MINUTE);
    expect(await tokenOf(accounts)).toBe('access-token-4');
  });

  test('a garbled answer ends nothing', async () => {
    await keep(state.directory(), -1);
    const { accounts } = await open(() => ({ text: '<html>login to the hotel network</html>' }));
    expect(await tokenOf(accounts)).toBe('waiting');
    expect(onDisk()).toMatchObject({ refresh_token: 'refresh-token-0' });
    expect(onDisk()).not.toHaveProperty('_rotator.standing');
  });
});

describe('an account that needs a new login', () => {
  const gone: VendorScript = () => ({
    status: 400,
    json: { error: 'invalid_grant', error_description: 'Token has been revoked.' },
  });

  test('leaves rotation with the command that repairs it, and others go on', async () => {
    await keep(state.directory(), -1);
    await keep(state.directory(), 10 * 24 * HOUR, { identity: email('bob@people.test') });
    const { accounts, events, troubles } = await open(gone);
    expect(await tokenOf(accounts)).toBe('needs_login');
    expect(await tokenOf(accounts, 'codex-2')).toBe('access-token-0');
    expect(troubles).toEqual([
      'codex-1 needs a new login (invalid_grant: Token has been revoked. (HTTP 400)): rotator oauth login codex',
    ]);
    expect(events).toContainEqual({
      type: 'account-changed',
      id: 'codex-1',
      state: {
        kind: 'needs_login',
        reason: 'invalid_grant: Token has been revoked. (HTTP 400)',
        command: 'rotator oauth login codex',
      },
    });
    // It is rotation fuel no more.
    expect(await tokenOf(accounts)).toBe('needs_login');
    expect(vendor?.requests).toHaveLength(1);
  });

  test('still needs one after a restart', async () => {
    await keep(state.directory(), -1);
    await tokenOf((await open(gone)).accounts);
    const { accounts } = await open(gone);
    expect(accounts.list()[0]?.state.kind).toBe('needs_login');
    expect(vendor?.requests).toHaveLength(1);
  });

  test('is back as soon as somebody has logged in', async () => {
    await keep(state.directory(), -1);
    const { accounts } = await open(gone);
    await tokenOf(accounts);
    await keep(state.directory(), HOUR, { tokens: { ...account('codex').tokens, access: new Secret('new-access') } });
    await accounts.rescan();
    expect(accounts.list()).toHaveLength(1);
    expect(await tokenOf(accounts)).toBe('new-access');
  });

  test('is tried once more when the operator asks', async () => {
    await keep(state.directory(), -1);
    const { accounts } = await open((request) => (request.call === 1 ? gone(request) : rotated(request)));
    await tokenOf(accounts);
    expect(await accounts.refresh('codex-1', signal)).toEqual({ state: { kind: 'ready' }, failure: null });
    expect(onDisk()).not.toHaveProperty('_rotator.standing');
  });

  test('or was never given a refresh token, says so', async () => {
    await keep(state.directory(), -1, { tokens: { ...account('codex').tokens, refresh: null } });
    const { accounts } = await open(rotated);
    expect(await tokenOf(accounts)).toBe('needs_login');
    expect(vendor?.requests).toEqual([]);
  });
});

describe('an account that the vendor has put out of use', () => {
  test('keeps the reason and the link, over a restart too', async () => {
    await keep(state.directory(), HOUR);
    const { accounts } = await open(rotated);
    const link = 'https://support.test/appeal';
    await accounts.setAside('codex-1', { kind: 'blocked', why: 'banned', reason: 'terms', link, since: clock.now() });
    expect(await tokenOf(accounts)).toBe('blocked');
    const again = await open(rotated);
    expect(again.accounts.list()[0]?.state).toEqual({ kind: 'blocked', why: 'banned', reason: 'terms', link });
    expect(vendor?.requests).toEqual([]);
  });

  test('asks again by itself only for what was left unfinished', async () => {
    await keep(state.directory(), 10 * HOUR, {
      provider: 'gemini_cli',
      id: 'gemini_cli-1',
      standing: { kind: 'blocked', why: 'unfinished', reason: 'no project', link: null, since: 0 },
    });
    const { accounts } = await open(rotated, {
      paths: {
        '/v1internal:loadCodeAssist': () => ({
          json: { currentTier: { id: 'standard-tier' }, cloudaicompanionProject: 'p-1' },
        }),
      },
    });
    accounts.start();
    await settled(eventually('found', () => accounts.list()[0]?.state.kind === 'ready'));
    expect(accounts.list()[0]).toMatchObject({ projectId: 'p-1', tier: 'PRO', priority: 2 });
    expect(vendor?.at('/token')).toEqual([]);
  });
});

describe('a new refresh token', () => {
  test('is on disk before it is used', async () => {
    await keep(state.directory(), -1);
    const order: string[] = [];
    const directory = state.directory(async (file, text) => {
      await replaceFile(file, text);
      order.push(`written ${JSON.parse(text).access_token}`);
    });
    const { accounts } = await open(rotated, { directory });
    order.push(`used ${await tokenOf(accounts)}`);
    expect(order).toEqual(['written access-token-1', 'used access-token-1']);
  });

  test('that cannot be written is not used until it can be, and not asked for twice', async () => {
    await keep(state.directory(), -1);
    let isFull = true;
    const directory = state.directory(async (file, text) => {
      if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      await replaceFile(file, text);
    });
    const { accounts, troubles } = await open(rotated, { directory });
    expect(await tokenOf(accounts)).toBe('waiting');
    expect(troubles[0]).toContain('cannot be written (ENOSPC)');
    isFull = false;
    await clock.advance(2 * MINUTE);
    expect(await tokenOf(accounts)).toBe('access-token-1');
    expect(vendor?.requests).toHaveLength(1);
    expect(onDisk()).toMatchObject({ refresh_token: 'refresh-token-1' });
  });

  test('of a process that died at the write leaves the old pair whole, and the next process says what is needed', async () => {
    await keep(state.directory(), -1);
    const spent = new Set<string>();
    const once: VendorScript = (request) => {
      const token = request.fields.refresh_token ?? '';
      if (spent.has(token)) return { status: 400, json: { error: 'invalid_grant' } };
      spent.add(token);
      return rotated(request);
    };
    const dead = Promise.withResolvers<void>();
    const dying = state.directory(async (file) => {
      // Half of a new file lies there, and nothing comes after.
      writeFileSync(join(file, '..', '.codex-1.json.1.aa.tmp'), '{"access_tok');
      dead.resolve();
      await new Promise(() => {});
    });
    const first = await open(once, { directory: dying });
    void first.accounts.accessTokenOf('codex-1', { signal });
    await dead.promise;
    opened = [];
    expect(onDisk()).toMatchObject({ access_token: 'access-token-0', refresh_token: 'refresh-token-0' });
    // The dead process's lock.
    for (const name of readdirSync(join(state.path, 'oauth'))) {
      if (name.endsWith('.lock')) await Bun.$`rm -rf ${join(state.path, 'oauth', name)}`;
    }
    const { accounts } = await open(once);
    expect(accounts.list()).toHaveLength(1);
    expect(await tokenOf(accounts)).toBe('needs_login');
  });

  test('is not asked for where the answer could not be kept', async () => {
    await keep(state.directory(), -1);
    await readOnly(state, async () => {
      const { accounts, troubles } = await open(rotated);
      expect(await tokenOf(accounts)).toBe('waiting');
      expect(troubles[0]).toContain('codex-1.json cannot be written (EACCES)');
    });
    expect(vendor?.requests).toEqual([]);
  });

  test('that is the old one needs no file: a read-only directory serves on', async () => {
    await keep(state.directory(), -1, { provider: 'gemini_cli', id: 'gemini_cli-1', details: { project_id: 'p' } });
    await readOnly(state, async () => {
      const { accounts } = await open(() => ({ json: { access_token: 'access-token-1', expires_in: 3600 } }));
      expect(await tokenOf(accounts, 'gemini_cli-1')).toBe('access-token-1');
      // What is on disk is older, and must not come back.
      await accounts.rescan();
      expect(await tokenOf(accounts, 'gemini_cli-1')).toBe('access-token-1');
    });
    expect(vendor?.requests).toHaveLength(1);
  });

  test('is waited for when the process ends', async () => {
    await keep(state.directory(), -1);
    const gate = Promise.withResolvers<void>();
    const { accounts } = await open(async (request) => {
      await gate.promise;
      return rotated(request);
    });
    void accounts.accessTokenOf('codex-1', { signal });
    await eventually('asked', () => vendor?.requests.length === 1);
    const closed = accounts.close();
    gate.resolve();
    await closed;
    expect(onDisk()).toMatchObject({ refresh_token: 'refresh-token-1' });
  });
});

describe('another process', () => {
  test('that has renewed the account meanwhile is believed', async () => {
    const kept = await keep(state.directory(), -1);
    const { accounts } = await open(rotated);
    await state.directory().save({
      ...kept,
      tokens: {
        ...kept.tokens,
        access: new Secret('theirs'),
        refresh: new Secret('theirs-too'),
        expiresAt: clock.now() + 10 * 24 * HOUR,
      },
    });
    expect(await tokenOf(accounts)).toBe('theirs');
    expect(vendor?.requests).toEqual([]);
  });

  test('that is at it now is waited for', async () => {
    const kept = await keep(state.directory(), -1);
    const { accounts } = await open(rotated);
    const lock = await state.directory().lock('codex-1');
    const asked = tokenOf(accounts);
    await state.directory().save({
      ...kept,
      tokens: { ...kept.tokens, access: new Secret('theirs'), expiresAt: clock.now() + 10 * 24 * HOUR },
    });
    await lock?.release();
    expect(await asked).toBe('theirs');
  });

  test('that was told to log in anew is believed, and this log says so too', async () => {
    const kept = await keep(state.directory(), -1);
    const { accounts, events, troubles } = await open(rotated);
    await state.directory().save({ ...kept, standing: { kind: 'needs_login', reason: 'invalid_grant', since: 1 } });
    expect(await tokenOf(accounts)).toBe('needs_login');
    const told = ['codex-1 needs a new login (invalid_grant): rotator oauth login codex'];
    expect(troubles).toEqual(told);
    await accounts.rescan();
    expect([troubles, events.map(({ type }) => type)]).toEqual([told, ['account-changed']]);
    // Nothing is asked with what the service has taken back.
    expect(vendor?.requests).toEqual([]);
  });

  test('that logs in again while the old login is found to be dead is not undone', async () => {
    await keep(state.directory(), -1);
    const gate = Promise.withResolvers<void>();
    const { accounts } = await open(async () => {
      await gate.promise;
      return { status: 400, json: { error: 'invalid_grant' } };
    });
    const asked = tokenOf(accounts);
    await eventually('asked', () => vendor?.requests.length === 1);
    const login = keep(state.directory(), HOUR, { tokens: { ...account('codex').tokens, access: new Secret('new') } });
    gate.resolve();
    expect(await asked).toBe('needs_login');
    await login;
    expect(onDisk()).toMatchObject({ access_token: 'new' });
    expect(onDisk()).not.toHaveProperty('_rotator.standing');
    await accounts.rescan();
    expect(await tokenOf(accounts)).toBe('new');
  });

  test('that has logged in again is not put out of use for what was said of the old login', async () => {
    await keep(state.directory(), HOUR);
    const { accounts } = await open(rotated);
    await keep(state.directory(), HOUR, { tokens: { ...account('codex').tokens, access: new Secret('new') } });
    await accounts.setAside('codex-1', { kind: 'blocked', why: 'banned', reason: 'r', link: null, since: 0 });
    expect(await tokenOf(accounts)).toBe('new');
  });

  test('that logs the account out ends its renewal, and its file does not come back', async () => {
    await keep(state.directory(), -1);
    const { accounts } = await open(rotated);
    unlinkSync(join(state.path, 'oauth', 'codex-1.json'));
    expect(await tokenOf(accounts)).toBe('waiting');
    expect(readdirSync(join(state.path, 'oauth')).filter((name) => name.endsWith('.json'))).toEqual([]);
    await accounts.rescan();
    expect(accounts.list()).toEqual([]);
  });
});

describe('the list', () => {
  test('follows files that come and go, and tells of it', async () => {
    const { accounts, events } = await open(rotated);
    expect(accounts.list()).toEqual([]);
    await keep(state.directory(), HOUR, { label: 'work', details: { tier: 'plus' } });
    await accounts.rescan();
    expect(accounts.list()).toMatchObject([
      {
        id: 'codex-1',
        provider: 'codex',
        label: 'work',
        email: 'an…@pe….test',
        tier: 'plus',
        priority: 2,
        source: 'file',
      },
    ]);
    await accounts.rescan();
    unlinkSync(join(state.path, 'oauth', 'codex-1.json'));
    await accounts.rescan();
    expect(events.map(({ type }) => type)).toEqual(['account-joined', 'account-left']);
  });

  test('loses nobody to a file that is written by hand, half of it first', async () => {
    await keep(state.directory(), HOUR);
    const { accounts, events } = await open(rotated);
    const file = join(state.path, 'oauth', 'codex-1.json');
    const whole = readFileSync(file, 'utf8');
    for (const part of ['', whole.slice(0, 40)]) {
      writeFileSync(file, part);
      await accounts.rescan();
      expect(accounts.list()).toHaveLength(1);
    }
    writeFileSync(file, whole);
    await accounts.rescan();
    expect([accounts.list().length, accounts.problems(), events]).toEqual([1, [], []]);
  });

  test('puts paid accounts first, and a person’s own word before that', async () => {
    const google = (tier: string, fields: Partial<Account> = {}) =>
      keep(state.directory(), HOUR, {
        provider: 'gemini_cli',
        identity: email(`${tier}@x.test`),
        details: { tier, project_id: 'p' },
        ...fields,
      });
    await google('FREE');
    await google('PRO');
    await google('ULTRA');
    await google('new-tier');
    await google('own', { priority: 5 });
    const { accounts } = await open(rotated);
    expect(accounts.list().map(({ priority }) => priority)).toEqual([3, 2, 1, 10, 5]);
  });

  test('holds no secret', async () => {
    await keep(state.directory(), -1, { apiKey: new Secret('the-api-key') });
    const { accounts, events, troubles } = await open(() => ({
      status: 400,
      json: { error: 'invalid_grant', error_description: 'refresh-token-0 is bad, ann@people.test' },
    }));
    await tokenOf(accounts);
    const seen = JSON.stringify([accounts.list(), events, troubles, accounts.problems()]);
    for (const secret of ['access-token-0', 'refresh-token-0', 'the-api-key', 'ann@people'])
      expect(seen).not.toContain(secret);
  });
});

describe('in the background', () => {
  test('accounts are renewed ahead of their end, at moments of their own', async () => {
    for (let n = 0; n < 8; n++) await keep(state.directory(), HOUR, { identity: email(`p${n}@x.test`) });
    let dice = 0;
    vendor = startVendor({ '/token': rotated });
    const { origin } = vendor;
    const accounts = await openAccounts({
      directory: state.directory(),
      virtual: [],
      serviceOf: (provider) => serviceAt(provider, origin),
      upstream,
      clock,
      random: () => (dice++ % 8) / 8,
      version: '0.0.0-test',
      onTrouble: () => {},
    });
    opened.push(accounts);
    accounts.start();
    expect(vendor.requests).toEqual([]);
    await clock.advance(12_000);
    await eventually('the first have been renewed', () => (vendor?.requests.length ?? 0) >= 1);
    expect(vendor.requests.length).toBeLessThan(8);
    await settled(eventually('all are', () => accounts.list().every(({ lastRefreshAt }) => lastRefreshAt !== null)));
    expect(vendor.requests).toHaveLength(8);
  });
});

describe('an account of the environment', () => {
  const virtual = () => {
    const base = account('codex', { id: 'env://codex/1', source: { kind: 'environment', index: 1 } });
    return { ...base, tokens: { ...base.tokens, expiresAt: clock.now() - 1 } };
  };

  test('is renewed in memory, rotated token and all, and never touches the disk', async () => {
    const { accounts } = await open(rotated, { virtual: [virtual()] });
    expect(await tokenOf(accounts, 'env://codex/1')).toBe('access-token-1');
    await clock.advance(2 * HOUR);
    expect(await tokenOf(accounts, 'env://codex/1')).toBe('access-token-2');
    expect(vendor?.requests[1]?.fields.refresh_token).toBe('refresh-token-1');
    await accounts.setAside('env://codex/1', { kind: 'needs_login', reason: 'r', since: 0 });
    await accounts.rescan();
    expect(accounts.list()).toMatchObject([
      { id: 'env://codex/1', source: 'environment', state: { kind: 'needs_login' } },
    ]);
    expect(readdirSync(state.path)).toEqual([]);
  });

  test('whose refresh token is good for one use is warned of at the start', async () => {
    const lasting = account('gemini_cli', { id: 'env://gemini_cli/1', source: { kind: 'environment', index: 1 } });
    const { accounts, troubles } = await open(rotated, { virtual: [virtual(), lasting] });
    accounts.start();
    expect(troubles).toEqual([
      'env://codex/1: its refresh token is good for one use, and the next one lives as long as this process',
    ]);
  });
});

test('a file written by hand joins with the fields it has', async () => {
  const directory = state.directory();
  await keep(directory, HOUR);
  writeFileSync(join(directory.path, 'kimi-1.json'), accountText(account('kimi', { id: 'kimi-1' })));
  const { accounts } = await open(rotated);
  expect(accounts.list().map(({ id }) => id)).toEqual(['codex-1', 'kimi-1']);
});
