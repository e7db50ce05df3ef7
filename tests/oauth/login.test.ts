import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { Secret } from '../../src/shared/secret.ts';
import { beginCode, finishCode, type PendingCode } from '../../src/oauth/engine/authorization-code.ts';
import { readPasted } from '../../src/oauth/engine/callback.ts';
import { newAccount } from '../../src/oauth/engine/new-account.ts';
import { PendingLogin } from '../../src/oauth/engine/pending-login.ts';
import type { Account } from '../../src/oauth/accounts/account.ts';
import type { Service } from '../../src/oauth/profile.ts';
import { openAccounts } from '../../src/oauth/refresh/accounts.ts';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type OidcServer, startOidcServer } from '../support/oidc-server.mjs';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { visit } from '../support/person.ts';
import { jwt, startVendor, type VendorScript } from '../support/vendor-server.ts';
import { serviceAt, serviceWith, StateDirectory, toolsWith, upstream } from './oauth-fixture.ts';

let state: StateDirectory;
beforeEach(() => {
  state = new StateDirectory();
});
afterEach(() => state[Symbol.dispose]());

async function begin(service: Service, now = Date.now()): Promise<PendingCode> {
  const pending = await beginCode(service, 4711, now);
  if (!pending) throw new Error('no page');
  return pending;
}

/** From the page to the account. */
async function logIn(service: Service, options: { login?: string; clock?: ManualClock } = {}): Promise<Account> {
  const tools = toolsWith(options.clock);
  const pending = await begin(service, tools.now());
  const callback = readPasted(await visit(pending.url, options), pending.state);
  if (callback.kind !== 'code') throw new Error(callback.kind);
  const answer = await finishCode(pending, callback.parameters, service, tools);
  if (answer.kind !== 'tokens') throw new Error(answer.failure.reason);
  return await newAccount(answer, service, tools);
}

const codexAt = (server: OidcServer) =>
  serviceWith('codex', { authorize_url: server.authorizeUrl, token_url: server.tokenUrl, client_id: server.clientId });

const open = (service: Service, clock: ManualClock) =>
  openAccounts({
    directory: state.directory(),
    virtual: [],
    serviceOf: () => service,
    upstream,
    clock,
    random: () => 0.5,
    version: '0.0.0-test',
    onTrouble: () => {},
  });

const { signal } = new AbortController();

describe('at a real server', () => {
  test('a code with PKCE becomes an account with a name', async () => {
    await using server = await startOidcServer();
    const one = await logIn(codexAt(server), { login: 'ann' });
    expect(one.identity).toEqual({ email: 'ann@people.test', subject: 'ann', accountId: null });
    expect(one.tokens.refresh).not.toBeNull();
    expect(one.client).toEqual({ id: server.clientId, secret: null });
  });

  test('a code without its verifier is worth nothing, and is good once', async () => {
    await using server = await startOidcServer();
    const service = codexAt(server);
    const pending = await begin(service);
    const callback = readPasted(await visit(pending.url), pending.state);
    if (callback.kind !== 'code') throw new Error(callback.kind);
    const stranger = { ...pending, verifier: 'x'.repeat(43) };
    const stolen = await finishCode(stranger, callback.parameters, service, toolsWith());
    expect(stolen).toMatchObject({ kind: 'failure', failure: { kind: 'refused', error: 'invalid_grant' } });
    expect((await finishCode(pending, callback.parameters, service, toolsWith())).kind).toBe('tokens');
    const late = await finishCode(pending, callback.parameters, service, toolsWith());
    expect(late).toMatchObject({ kind: 'failure', failure: { error: 'invalid_grant' } });
  });

  test('a person who refuses is told so', async () => {
    await using server = await startOidcServer();
    const pending = await begin(codexAt(server));
    expect(readPasted(await visit(pending.url, { refuses: true }), pending.state)).toMatchObject({ kind: 'denied' });
  });

  test('refresh tokens rotate, and the account lives on through them', async () => {
    await using server = await startOidcServer();
    const service = codexAt(server);
    const clock = new ManualClock();
    const { account: kept } = await state.directory().add(await logIn(service, { clock }));
    const accounts = await open(service, clock);
    const seen = new Set([kept.tokens.refresh?.reveal()]);
    for (let n = 0; n < 3; n++) {
      await clock.advance(2 * 3_600_000);
      expect((await accounts.accessTokenOf(kept.id, { signal })).kind).toBe('token');
      seen.add((await state.directory().read(kept.id))?.tokens.refresh?.reveal());
    }
    expect(seen.size).toBe(4);
    await accounts.close();
  });

  test('the reuse of an old refresh token revokes the family, and the account says what is needed', async () => {
    await using server = await startOidcServer();
    const service = codexAt(server);
    const clock = new ManualClock();
    const { account: kept } = await state.directory().add(await logIn(service, { clock }));
    const accounts = await open(service, clock);
    await clock.advance(1000);
    expect(await accounts.refresh(kept.id, signal)).toEqual({ state: { kind: 'ready' }, failure: null });
    // Somebody puts the copy of yesterday back.
    await state.directory().save(kept);
    expect((await accounts.refresh(kept.id, signal)).state.kind).toBe('needs_login');
    await accounts.close();
  });

  test('a revoked account needs a new login, which brings it back under its id', async () => {
    await using server = await startOidcServer();
    const service = codexAt(server);
    const clock = new ManualClock();
    const { account: kept } = await state.directory().add(await logIn(service, { clock }));
    await server.revoke(kept.tokens.refresh?.reveal() ?? '');
    const accounts = await open(service, clock);
    expect(await accounts.refresh(kept.id, signal)).toMatchObject({
      state: { kind: 'needs_login', command: 'rotator oauth login codex' },
    });
    const again = await state.directory().add(await logIn(service, { clock }));
    expect([again.account.id, again.isNew]).toEqual([kept.id, false]);
    await accounts.rescan();
    expect(accounts.list()).toMatchObject([{ id: kept.id, state: { kind: 'ready' } }]);
    await accounts.close();
  });

  // Lifetimes are counted from here on; no clock is compared with another's.
  test.each([[-5], [5]])('a clock that is %d hours off takes and renews tokens all the same', async (hours) => {
    await using server = await startOidcServer();
    const service = codexAt(server);
    const clock = new ManualClock(Date.now() + hours * 3_600_000);
    const { account: kept } = await state.directory().add(await logIn(service, { clock }));
    expect(kept.tokens.expiresAt).toBe(clock.now() + 3_600_000);
    const accounts = await open(service, clock);
    expect((await accounts.accessTokenOf(kept.id, { signal })).kind).toBe('token');
    await clock.advance(2 * 3_600_000);
    expect((await accounts.accessTokenOf(kept.id, { signal })).kind).toBe('token');
    expect(server.grants.filter((grant) => grant === 'refresh_token')).toHaveLength(1);
    await accounts.close();
  });
});

describe('the address to log in at', () => {
  const parametersOf = async (id: string) =>
    Object.fromEntries(new URL((await begin(serviceWith(id))).url).searchParams);

  test('of Google asks for a refresh token, with PKCE', async () => {
    const parameters = await parametersOf('gemini_cli');
    expect(parameters).toMatchObject({
      response_type: 'code',
      access_type: 'offline',
      prompt: 'consent',
      code_challenge_method: 'S256',
      redirect_uri: 'http://localhost:4711/oauth2callback',
    });
    expect(parameters.code_challenge).toHaveLength(43);
    expect(parameters.state?.length).toBeGreaterThanOrEqual(43);
  });

  test('of iFlow names its redirect in its own way, without PKCE', async () => {
    const parameters = await parametersOf('iflow');
    expect(parameters).toMatchObject({ redirect: 'http://localhost:4711/oauth2callback', loginMethod: 'phone' });
    expect(parameters).not.toHaveProperty('code_challenge');
    expect(parameters).not.toHaveProperty('redirect_uri');
  });

  test('never has the same state twice', async () => {
    const states = await Promise.all(Array.from({ length: 5 }, async () => (await parametersOf('codex')).state));
    expect(new Set(states).size).toBe(5);
  });

  test('is there for no service without a page', async () => {
    expect(await beginCode(serviceWith('kimi'), 0, 0)).toBeNull();
  });
});

describe('the account that a login makes', () => {
  const made = async (id: string, scripts: Record<string, VendorScript>, code = 'the-code') => {
    await using vendor = startVendor(scripts);
    const service = serviceAt(id, vendor.origin, { client_id: 'me', client_secret: new Secret('s3cret') });
    const tools = toolsWith();
    const pending = await begin(service);
    const callback = readPasted(code, pending.state);
    if (callback.kind !== 'code') throw new Error(callback.kind);
    const answer = await finishCode(pending, callback.parameters, service, tools);
    if (answer.kind !== 'tokens') throw new Error(answer.failure.reason);
    return { account: await newAccount(answer, service, tools), vendor, pending };
  };

  const tokens = { access_token: 'at', refresh_token: 'rt', expires_in: 3600 };

  test('of Codex tells workspace and plan', async () => {
    const id = jwt({
      email: 'u@x.test',
      sub: 's-1',
      'https://api.openai.com/auth': { chatgpt_account_id: 'acc', chatgpt_plan_type: 'plus' },
    });
    const { account } = await made('codex', { '/token': () => ({ json: { ...tokens, id_token: id } }) });
    expect(account).toMatchObject({
      identity: { email: 'u@x.test', subject: 's-1', accountId: 'acc' },
      details: { tier: 'plus' },
    });
  });

  test('of Claude repeats the state in JSON, and tells the organisation', async () => {
    const { account, vendor, pending } = await made('claude', {
      '/token': () => ({
        json: {
          ...tokens,
          account: { uuid: 'u-1', email_address: 'u@x.test' },
          organization: { uuid: 'o-1', name: 'Org' },
        },
      }),
    });
    expect(vendor.requests[0]?.fields).toMatchObject({
      state: pending.state,
      code: 'the-code',
      redirect_uri: pending.redirectUri,
    });
    expect(account).toMatchObject({
      identity: { email: 'u@x.test', subject: 'u-1' },
      details: { organization_uuid: 'o-1', organization_name: 'Org' },
    });
    expect(account.rest).not.toHaveProperty('account');
  });

  test('of Google is named by userinfo when no id token tells it', async () => {
    const { account, vendor } = await made('gemini_cli', {
      '/token': () => ({ json: tokens }),
      '/oauth2/v1/userinfo': () => ({ json: { email: 'g@x.test', id: '42' } }),
      '/v1internal:loadCodeAssist': () => ({
        json: { currentTier: { id: 'free-tier' }, cloudaicompanionProject: 'p' },
      }),
    });
    expect(account).toMatchObject({
      identity: { email: 'g@x.test', subject: '42' },
      details: { project_id: 'p', tier: 'FREE' },
    });
    expect(vendor.at('/oauth2/v1/userinfo')[0]?.headers.get('authorization')).toBe('Bearer at');
  });

  test('of iFlow holds the API key that its calls take', async () => {
    const { account } = await made('iflow', {
      '/token': () => ({ json: { success: true, data: tokens } }),
      '/api/oauth/getUserInfo': () => ({ json: { success: true, data: { apiKey: 'ak-1', phone: '13912345678' } } }),
    });
    expect(account.apiKey?.reveal()).toBe('ak-1');
    expect(account).toMatchObject({ identity: { email: '13912345678' }, standing: { kind: 'active' } });
  });

  test('of iFlow without a key is unfinished, not lost', async () => {
    const { account } = await made('iflow', { '/token': () => ({ json: tokens }) });
    expect(account).toMatchObject({ standing: { kind: 'blocked', why: 'unfinished' } });
    expect(account.tokens.refresh?.reveal()).toBe('rt');
  });
});

describe('a cookie of iFlow', () => {
  const KEY = '/api/openapi/apikey';
  const redeemed = async (script: VendorScript) => {
    await using vendor = startVendor({ [KEY]: script });
    const service = serviceAt('iflow', vendor.origin);
    const answer = await service.profile.cookie?.redeem(new Secret('cookie-1'), service, toolsWith());
    return { answer, service, vendor };
  };

  test('becomes a key, which is made anew before it ends', async () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    await using vendor = startVendor({
      [KEY]: ({ method, call }) => ({
        json: {
          success: true,
          data:
            method === 'GET'
              ? { name: 'mine', apiKeyMask: 'k***' }
              : { apiKey: `key-${call}`, expireTime: '2026-01-08 08:00' },
        },
      }),
    });
    const service = serviceAt('iflow', vendor.origin);
    const answer = await service.profile.cookie?.redeem(new Secret('cookie-1'), service, toolsWith(clock));
    if (answer?.kind !== 'tokens') throw new Error('refused');
    expect(answer.tokens.expiresAt).toBe(Date.UTC(2026, 0, 8));
    expect(vendor.requests.map(({ method, headers }) => [method, headers.get('cookie')])).toEqual([
      ['GET', 'BXAuth=cookie-1;'],
      ['POST', 'BXAuth=cookie-1;'],
    ]);
    const { account: kept } = await state.directory().add(await newAccount(answer, service, toolsWith(clock)));
    const accounts = await open(service, clock);
    const first = await accounts.accessTokenOf(kept.id, { signal });
    await clock.advance(6 * 86_400_000);
    expect(await accounts.refresh(kept.id, signal)).toEqual({ state: { kind: 'ready' }, failure: null });
    const second = await accounts.accessTokenOf(kept.id, { signal });
    if (first.kind !== 'token' || second.kind !== 'token') throw new Error('unavailable');
    expect(second.token.reveal()).not.toBe(first.token.reveal());
    expect(JSON.stringify(vendor.requests.map(({ path }) => path))).not.toContain('token');
    expect((await state.directory().read(kept.id))?.tokens.refresh?.reveal()).toBe('cookie-1');
    await accounts.close();
  });

  test.each([
    ['is refused', { status: 401, json: {} }, 'refused'],
    ['is not its own', { json: { success: false } }, 'refused'],
    ['has no key', { json: { success: true, data: {} } }, 'refused'],
    ['meets a server in trouble', { status: 502, text: '<html>' }, 'unavailable'],
    ['comes too often', { status: 429, json: {} }, 'rate-limited'],
    ['meets a page', { text: '<html>' }, 'unreadable'],
  ] as const)('that %s is told apart', async (_, reply, kind) => {
    expect((await redeemed(() => reply)).answer).toMatchObject({ kind: 'failure', failure: { kind } });
  });
});

test('an account of Kimi has one device id for good, and the subject of its token for a name', async () => {
  const service = serviceAt('kimi', 'http://127.0.0.1:1');
  const access = new Secret(jwt({ sub: 'user-7' }));
  const tokens = { access, refresh: new Secret('rt'), id: null, type: 'Bearer', scope: null, expiresAt: 1 };
  const made = await newAccount({ kind: 'tokens', raw: { access_token: 'x' }, tokens }, service, toolsWith());
  expect(made.details.device_id).toHaveLength(36);
  expect(made.identity.subject).toBe('user-7');
  const { account: kept } = await state.directory().add(made);
  const again = await newAccount({ kind: 'tokens', raw: { access_token: 'x' }, tokens }, service, toolsWith());
  expect((await state.directory().add(again)).account.id).toBe(kept.id);
  expect((await state.directory().read(kept.id))?.details.device_id).toBe(made.details.device_id);
});

describe('a login that waits for its code', () => {
  test('is kept 0600, found by another command, and gone when it is done or too old', async () => {
    const pending = await begin(serviceWith('codex'), 1000);
    const store = new PendingLogin(state.path);
    await store.write(pending);
    expect(statSync(join(state.path, 'oauth-login.json')).mode & 0o777).toBe(0o600);
    expect(await new PendingLogin(state.path).read(2000)).toEqual(pending);
    expect(await store.read(pending.expiresAt)).toBeNull();
    await store.clear();
    expect(await store.read(2000)).toBeNull();
  });

  test('is seen by others, and one that only its own command can finish is no less', async () => {
    const store = new PendingLogin(state.path);
    const pending = await begin(serviceWith('codex'), 1000);
    const { provider, expiresAt } = pending;
    await store.write(pending);
    expect(await store.notice(2000)).toEqual({ provider, expiresAt });
    await store.announce({ provider: 'xai', expiresAt: 9000 });
    expect([await store.notice(2000), await store.notice(9000), await store.read(2000)]).toEqual([
      { provider: 'xai', expiresAt: 9000 },
      null,
      null,
    ]);
  });

  test('is the only one', async () => {
    const first = await new PendingLogin(state.path).begin();
    expect(await new PendingLogin(state.path).begin()).toBeNull();
    await first?.end();
    const second = await new PendingLogin(state.path).begin();
    expect(second).not.toBeNull();
    await second?.end();
  });
});

describe('Copilot', () => {
  const NOW = Date.UTC(2026, 0, 1);
  const renewed = async (script: VendorScript) => {
    await using vendor = startVendor({ '/copilot_internal/v2/token': script });
    const service = serviceAt('copilot', vendor.origin);
    const tools = toolsWith(new ManualClock(NOW));
    const granted = {
      kind: 'tokens',
      raw: { access_token: 'gh-token' },
      tokens: { access: new Secret('gh-token'), refresh: null, id: null, type: 'bearer', scope: null, expiresAt: null },
    } as const;
    return { account: await newAccount(granted, service, tools), vendor };
  };

  test('exchanges GitHub’s token for its own, and keeps both', async () => {
    const { account, vendor } = await renewed(() => ({
      json: {
        token: 'cp-token',
        expires_at: NOW / 1000 + 1500,
        refresh_in: 1500,
        endpoints: { api: 'https://api.business.test' },
      },
      headers: { date: new Date(NOW).toUTCString() },
    }));
    expect(vendor.requests.at(-1)?.headers.get('authorization')).toBe('token gh-token');
    expect([account.tokens.access?.reveal(), account.tokens.refresh?.reveal()]).toEqual(['cp-token', 'gh-token']);
    expect(account).toMatchObject({
      tokens: { expiresAt: NOW + 1_500_000 },
      details: { api_base: 'https://api.business.test' },
    });
  });

  test('reads the end of a token by the vendor’s clock', async () => {
    const { account } = await renewed(() => ({
      json: { token: 'cp-token', expires_at: NOW / 1000 + 1500 - 7200 },
      headers: { date: new Date(NOW - 7_200_000).toUTCString() },
    }));
    expect(account.tokens.expiresAt).toBe(NOW + 1_500_000);
  });

  test.each([
    [403, 'ineligible'],
    [404, 'ineligible'],
    [500, 'unfinished'],
    [401, 'unfinished'],
  ])('%d leaves the login there and the account out of use: %s', async (status, why) => {
    const { account } = await renewed(() => ({ status, json: {} }));
    expect(account).toMatchObject({ standing: { kind: 'blocked', why } });
    expect([account.tokens.access, account.tokens.refresh?.reveal()]).toEqual([null, 'gh-token']);
  });

  test('that could not be reached after the login is ready as soon as it can be', async () => {
    const { account } = await renewed(() => ({ status: 500, json: {} }));
    const { account: kept } = await state.directory().add(account);
    const clock = new ManualClock(NOW);
    await using vendor = startVendor({
      '/copilot_internal/v2/token': () => ({ json: { token: 'cp-token', expires_at: NOW / 1000 + 1500 } }),
    });
    const accounts = await open(serviceAt('copilot', vendor.origin), clock);
    accounts.start();
    await eventually('ready', async () => {
      await clock.advance(1000);
      return accounts.list()[0]?.state.kind === 'ready';
    });
    expect((await accounts.accessTokenOf(kept.id, { signal })).kind).toBe('token');
    await accounts.close();
  });
});
