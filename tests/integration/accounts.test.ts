// Accounts in the place of keys: their tokens in calls, renewed while requests run, and out of use when they end.
import { describe, expect, test } from 'bun:test';
import type { CredentialView } from '../../src/gateway/operations.ts';
import { AccountFiles } from '../support/account-files.ts';
import { eventually } from '../support/eventually.ts';
import {
  after,
  type Answer,
  answer,
  chatStream,
  gate,
  type Received,
  refusal,
  reply,
  type ScriptedUpstream,
  startUpstream,
} from '../support/scripted-upstream.ts';
import { type Rotator, type RotatorOptions, startRotator } from '../support/server.ts';

const HOUR = 3_600_000;
const isToken = ({ path }: Received) => path === '/token';
const tokens = (access: string, more: object = {}): Answer =>
  reply(200, { access_token: access, token_type: 'Bearer', expires_in: 3600, ...more });
const invalidGrant = reply(400, { error: 'invalid_grant', error_description: 'Token has been revoked.' });

/** A vendor of the test's: calls by `call`, tokens by `token`. */
const vendor = (call: (request: Received) => Answer, token: (request: Received) => Answer = () => refusal(500)) =>
  startUpstream({ answer: (request) => (isToken(request) ? token(request) : call(request)) });

const xai = (upstream: ScriptedUpstream, more: object = {}) => ({
  xai: {
    base_url: upstream.baseUrl,
    oauth: { token_url: `${upstream.origin}/token`, device_url: `${upstream.origin}/device` },
    ...more,
  },
});
const start = (upstream: ScriptedUpstream, files: AccountFiles, more: RotatorOptions = {}) =>
  startRotator({ stateDir: files.path, rotation: { tolerance: 0 }, providers: xai(upstream), ...more });

const ask = (rotator: Rotator, text = 'hello') =>
  rotator.chat({ model: 'xai/grok-4', messages: [{ role: 'user', content: text }] });
const calls = (upstream: ScriptedUpstream) => upstream.calls.filter((request) => !isToken(request));
const refreshes = (upstream: ScriptedUpstream) => upstream.calls.filter(isToken);
const tokensUsed = (upstream: ScriptedUpstream) => calls(upstream).map(({ key }) => key);

async function keyOf(rotator: Rotator, id: string): Promise<CredentialView> {
  const key = (await rotator.keys()).find((one) => one.id === id);
  if (!key) throw new Error(`no credential ${id}`);
  return key;
}

describe('the accounts of a service', () => {
  test('rotate in one pool with its API keys', async () => {
    using files = new AccountFiles();
    files.put('xai-1');
    files.put('xai-2');
    await using upstream = await vendor(() => answer('served'));
    const providers = xai(upstream, { keys: ['xai-api-key-0123456789'] });
    await using rotator = await start(upstream, files, { providers });
    for (let i = 0; i < 3; i++) expect((await ask(rotator, `${i}`)).status).toBe(200);
    expect(tokensUsed(upstream).sort()).toEqual(['token-xai-1', 'token-xai-2', 'xai-api-key-0123456789']);
    expect(new Set(upstream.calls.map(({ headers }) => headers.get('user-agent')?.split('/')[0]))).toEqual(
      new Set(['rotator']),
    );
  });

  test('are listed beside the keys with what a person may know of them', async () => {
    using files = new AccountFiles();
    files.put('xai-1', { email: 'ann.person@people.test', label: 'ann' });
    await using upstream = await vendor(() => answer('served'));
    await using rotator = await start(upstream, files);
    const key = await keyOf(rotator, 'xai-1');
    expect(key).toMatchObject({
      provider: 'xai',
      kind: 'oauth',
      source: 'account',
      label: 'ann',
      state: 'ready',
      enabled: true,
      account: { state: 'ready', reason: null, link: null, command: null },
    });
    expect(key.masked).not.toContain('ann.person');
    expect(key.account?.expires_at).toMatch(/^\d{4}-/);
    const report = await rotator.app.operations.testRoute('xai/grok-4', { isLive: false, isStream: false });
    expect(report).toMatchObject({ would_serve: { target: 'xai/grok-4', credential: 'xai-1' } });
  });

  test('are served without being named in the config', async () => {
    using files = new AccountFiles();
    files.put('codex-1');
    await using rotator = await startRotator({ stateDir: files.path });
    const { providers } = await rotator.status();
    expect(providers).toMatchObject([{ id: 'codex', credentials: { total: 1, ready: 1 } }]);
  });

  test('go by their own priority and switch', async () => {
    using files = new AccountFiles();
    files.put('xai-1', { priority: 2 });
    files.put('xai-2', { priority: 1 });
    files.put('xai-3', { priority: 0, disabled: true });
    await using upstream = await vendor(() => answer('served'));
    await using rotator = await start(upstream, files);
    await ask(rotator, 'one');
    await ask(rotator, 'two');
    expect(tokensUsed(upstream)).toEqual(['token-xai-2', 'token-xai-2']);
    expect(await keyOf(rotator, 'xai-3')).toMatchObject({ state: 'disabled', enabled: false });
  });

  test('can be disabled and enabled again like keys', async () => {
    using files = new AccountFiles();
    files.put('xai-1');
    await using upstream = await vendor(() => answer('served'));
    await using rotator = await start(upstream, files);
    expect((await rotator.admin('keys/xai-1/disable', { method: 'POST' })).status).toBe(200);
    expect((await ask(rotator)).status).toBe(503);
    expect((await rotator.admin('keys/xai-1/enable', { method: 'POST' })).status).toBe(200);
    expect((await ask(rotator)).status).toBe(200);
    expect(calls(upstream)).toHaveLength(1);
  });

  test('join live when their file is dropped in, and leave with it', async () => {
    using files = new AccountFiles();
    await using upstream = await vendor(() => answer('served'));
    await using rotator = await start(upstream, files);
    expect((await ask(rotator)).status).toBe(404);
    files.put('xai-1');
    await eventually('the account has joined', async () => (await rotator.keys()).length === 1);
    expect((await ask(rotator)).status).toBe(200);
    files.remove('xai-1');
    await eventually('the account has left', async () => (await rotator.keys()).length === 0);
    expect((await ask(rotator)).status).toBe(404);
  });

  test('survive a restart with what is known of them', async () => {
    using files = new AccountFiles();
    files.put('xai-1', { expiry_date: Date.now() - HOUR });
    await using upstream = await vendor(
      () => answer('served'),
      () => tokens('token-renewed', { refresh_token: 'refresh-renewed' }),
    );
    {
      await using rotator = await start(upstream, files);
      expect((await ask(rotator)).status).toBe(200);
    }
    await using again = await start(upstream, files);
    expect((await ask(again)).status).toBe(200);
    expect(tokensUsed(upstream)).toEqual(['token-renewed', 'token-renewed']);
    expect(refreshes(upstream)).toHaveLength(1);
    expect((await keyOf(again, 'xai-1')).usage.requests).toBe(2);
  });

  test('of the environment serve, and are never written', async () => {
    using files = new AccountFiles();
    await using upstream = await vendor(() => answer('served'));
    const env = { XAI_ACCESS_TOKEN: 'token-env', XAI_REFRESH_TOKEN: 'refresh-env' };
    await using rotator = await start(upstream, files, { env });
    expect((await ask(rotator)).status).toBe(200);
    expect(tokensUsed(upstream)).toEqual(['token-env']);
    expect(await rotator.keys()).toMatchObject([{ id: 'env://xai/0', source: 'env', kind: 'oauth' }]);
    expect(() => files.read('xai-1')).toThrow();
  });

  test('of the environment are left alone where nothing is taken from it', async () => {
    using files = new AccountFiles();
    await using upstream = await vendor(() => answer('served'));
    const env = { XAI_ACCESS_TOKEN: 'token-env', XAI_REFRESH_TOKEN: 'refresh-env' };
    await using rotator = await start(upstream, files, { env, sections: { discover_env: 'off' } });
    expect(await rotator.keys()).toEqual([]);
  });
});

describe('a token', () => {
  test('that has ended is renewed once, however many requests wait for it', async () => {
    using files = new AccountFiles();
    files.put('xai-1', { expiry_date: Date.now() - 1000 });
    const asked = gate();
    await using upstream = await vendor(
      () => answer('served'),
      () => after(asked, tokens('token-new', { refresh_token: 'refresh-new' })),
    );
    await using rotator = await start(upstream, files);
    const requests = Array.from({ length: 12 }, (_, i) => ask(rotator, `${i}`));
    await asked.reached;
    asked.open();
    expect((await Promise.all(requests)).map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(refreshes(upstream)).toHaveLength(1);
    expect(new Set(tokensUsed(upstream))).toEqual(new Set(['token-new']));
    expect(files.read('xai-1')).toMatchObject({ access_token: 'token-new', refresh_token: 'refresh-new' });
  });

  test('that the API refuses is renewed once for all who were refused, and each is served by the same account', async () => {
    using files = new AccountFiles();
    files.put('xai-1');
    await using upstream = await vendor(
      ({ key }) => (key === 'token-new' ? answer('served') : refusal(401, { message: 'token expired' })),
      () => tokens('token-new'),
    );
    await using rotator = await start(upstream, files);
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(rotator, `${i}`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(refreshes(upstream)).toHaveLength(1);
    expect(answers.map(({ headers }) => headers.get('x-rotator-attempts'))).toEqual(Array(8).fill('1'));
    expect((await keyOf(rotator, 'xai-1')).blocks).toEqual([]);
  });

  test('that is refused although it is new makes the request go on with another account', async () => {
    using files = new AccountFiles();
    files.put('xai-1', { priority: 1 });
    files.put('xai-2', { priority: 2 });
    await using upstream = await vendor(
      ({ key }) => (key === 'token-xai-2' ? answer('served') : refusal(401)),
      () => tokens('token-new'),
    );
    await using rotator = await start(upstream, files);
    expect((await ask(rotator)).status).toBe(200);
    expect(tokensUsed(upstream)).toEqual(['token-xai-1', 'token-new', 'token-xai-2']);
    expect(await keyOf(rotator, 'xai-1')).toMatchObject({ state: 'blocked', blocks: [{ kind: 'auth' }] });
  });

  test('is renewed for a stream, too', async () => {
    using files = new AccountFiles();
    files.put('xai-1');
    await using upstream = await vendor(
      ({ key }) => (key === 'token-new' ? chatStream('streamed') : refusal(401)),
      () => tokens('token-new'),
    );
    await using rotator = await start(upstream, files);
    const response = await rotator.stream({ model: 'xai/grok-4' });
    expect(await response.text()).toContain('streamed');
  });
});

describe('an account that has lost its login', () => {
  const lost = async (files: AccountFiles) => {
    files.put('xai-1', { priority: 1, expiry_date: Date.now() - 1000 });
    files.put('xai-2', { priority: 2 });
    return await vendor(
      () => answer('served'),
      () => invalidGrant,
    );
  };

  test('leaves the pool, the others serve, and the way back is shown everywhere', async () => {
    using files = new AccountFiles();
    await using upstream = await lost(files);
    await using rotator = await start(upstream, files);
    expect((await ask(rotator)).status).toBe(200);
    expect((await ask(rotator, 'again')).status).toBe(200);
    expect(tokensUsed(upstream)).toEqual(['token-xai-2', 'token-xai-2']);
    const key = await keyOf(rotator, 'xai-1');
    expect(key).toMatchObject({
      state: 'blocked',
      account: { state: 'needs_login', command: 'rotator oauth login xai' },
    });
    expect(key.blocks[0]).toMatchObject({ scope: 'key', kind: 'auth', until: null, source: 'account' });
    expect(key.blocks[0]?.reason).toContain('rotator oauth login xai');
    const report = await rotator.app.operations.testRoute('xai/grok-4', { isLive: false, isStream: false });
    expect(report).toMatchObject({
      targets: [
        {
          credentials: [
            { id: 'xai-1', verdict: 'blocked' },
            { id: 'xai-2', verdict: 'chosen' },
          ],
        },
      ],
    });
    expect(rotator.log.some((line) => line.includes('xai-1 needs a new login'))).toBe(true);
  });

  test('is told to whoever listens, and so is its return', async () => {
    using files = new AccountFiles();
    await using upstream = await lost(files);
    await using rotator = await start(upstream, files);
    const response = await rotator.admin('events');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const heard = async (event: string) => {
      while (!text.includes(`event: ${event}`)) text += (await reader?.read())?.value ?? '';
    };
    await ask(rotator);
    await heard('credential-blocked');
    files.put('xai-1', { access_token: 'token-fresh' });
    await heard('credential-unblocked');
    await reader?.cancel();
    expect(text).toContain('rotator oauth login xai');
    expect(text).not.toMatch(/token-|refresh-/);
  });

  test('before the start is told at the start', async () => {
    using files = new AccountFiles();
    await using upstream = await lost(files);
    {
      await using rotator = await start(upstream, files);
      await ask(rotator);
    }
    await using again = await start(upstream, files);
    expect(again.log.some((line) => line.includes('xai-1 needs a new login'))).toBe(true);
    expect((await keyOf(again, 'xai-1')).state).toBe('blocked');
  });

  test('is not asked for again, and is back with its new login', async () => {
    using files = new AccountFiles();
    await using upstream = await lost(files);
    await using rotator = await start(upstream, files);
    for (const text of ['one', 'two', 'three']) await ask(rotator, text);
    expect(refreshes(upstream)).toHaveLength(1);
    files.put('xai-1', { access_token: 'token-fresh', refresh_token: 'refresh-fresh', priority: 1 });
    await eventually('it is back', async () => (await keyOf(rotator, 'xai-1')).state === 'ready');
    expect((await ask(rotator, 'four')).status).toBe(200);
    expect(tokensUsed(upstream).at(-1)).toBe('token-fresh');
  });

  test('alone is a refusal, and makes the server unready', async () => {
    using files = new AccountFiles();
    files.put('xai-1', { expiry_date: Date.now() - 1000 });
    await using upstream = await vendor(
      () => answer('served'),
      () => invalidGrant,
    );
    await using rotator = await start(upstream, files);
    const response = await ask(rotator);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: 'upstream_authentication' } });
    expect((await ask(rotator)).status).toBe(502);
    expect((await rotator.get('/ready')).status).toBe(503);
  });

  test('is not taken for lost while the token server is away', async () => {
    using files = new AccountFiles();
    files.put('xai-1', { expiry_date: Date.now() - 1000 });
    let isAway = true;
    await using upstream = await vendor(
      () => answer('served'),
      () => (isAway ? refusal(429, {}, { 'retry-after': '1' }) : tokens('token-new')),
    );
    await using rotator = await start(upstream, files, { timeouts: { acquire: '5s' } });
    expect((await ask(rotator)).status).toBe(502);
    expect((await keyOf(rotator, 'xai-1')).account).toMatchObject({ state: 'waiting' });
    isAway = false;
    await eventually('it serves again', async () => (await ask(rotator, `${Math.random()}`)).status === 200);
  });
});

test('no token is in any list, answer, error or line of the log', async () => {
  using files = new AccountFiles();
  files.put('xai-1', { access_token: 'at-secret-1', refresh_token: 'rt-secret-1', priority: 1 });
  files.put('xai-2', { access_token: 'at-secret-2', refresh_token: 'rt-secret-2', priority: 2 });
  await using upstream = await vendor(
    ({ key }) => refusal(key?.includes('secret-3') ? 400 : 401, { message: `bad token ${key}` }),
    ({ text }) =>
      reply(text.includes('rt-secret-1') ? 400 : 200, { error: 'invalid_grant', access_token: 'at-secret-3' }),
  );
  await using rotator = await start(upstream, files);
  const said = [
    await (await ask(rotator)).text(),
    JSON.stringify(await rotator.status()),
    JSON.stringify(await rotator.keys()),
    await (await rotator.admin('requests')).text(),
    ...rotator.log,
  ].join('\n');
  expect(calls(upstream).length).toBeGreaterThan(1);
  expect(said).not.toMatch(/[ar]t-secret/);
});

test('a login that waits for its code is shown without what it is redeemed with', async () => {
  using files = new AccountFiles();
  const { PendingLogin } = await import('../../src/oauth/engine/pending-login.ts');
  const expiresAt = Date.now() + HOUR;
  await new PendingLogin(files.path).write({
    provider: 'codex',
    url: 'https://auth.test/?state=state-secret',
    state: 'state-secret',
    verifier: 'verifier-secret',
    redirectUri: 'http://localhost:1455/auth/callback',
    expiresAt,
  });
  await using rotator = await startRotator({ stateDir: files.path });
  const text = await (await rotator.admin('status')).text();
  expect(JSON.parse(text)).toMatchObject({
    pending_login: { provider: 'codex', expires_at: new Date(expiresAt).toISOString() },
  });
  expect(text).not.toContain('secret');
});
