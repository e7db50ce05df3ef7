import { describe, expect, test } from 'bun:test';
import { awaitDevice, beginDevice, type DeviceEnd } from '../../src/oauth/engine/device-code.ts';
import { startOidcServer } from '../support/oidc-server.mjs';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { visit } from '../support/person.ts';
import { startVendor, type VendorAnswer, type VendorScript } from '../support/vendor-server.ts';
import { serviceAt, serviceWith, toolsWith } from './oauth-fixture.ts';

const TOKENS: VendorAnswer = { json: { access_token: 'at-1', refresh_token: 'rt-1', expires_in: 3600 } };
const CODE: VendorAnswer = {
  json: { device_code: 'dc', user_code: 'AB-CD', verification_uri: 'https://v.test/', expires_in: 900, interval: 5 },
};
const pending: VendorAnswer = { status: 400, json: { error: 'authorization_pending' } };

/** Plays a login against scripted polls and notes when each poll was made, in seconds since the begin. */
async function play(
  polls: readonly VendorAnswer[],
  options: { id?: string; code?: VendorAnswer; until?: number } = {},
) {
  const clock = new ManualClock();
  const start = clock.now();
  const at: number[] = [];
  await using vendor = startVendor({
    '/device/code': () => options.code ?? CODE,
    '/token': ({ call }) => {
      at.push((clock.now() - start) / 1000);
      return polls[Math.min(call, polls.length) - 1] ?? pending;
    },
  });
  const tools = toolsWith(clock);
  const begun = await beginDevice(serviceAt(options.id ?? 'kimi', vendor.origin), tools);
  if (begun.kind === 'failure') throw new Error(begun.reason);
  const end = await run(awaitDevice(begun.login, tools), clock);
  return { end, at, vendor, login: begun.login };
}

/** Lets time pass, one timer after the other, until the work is done. */
async function run(work: Promise<DeviceEnd>, clock: ManualClock): Promise<DeviceEnd> {
  let end: DeviceEnd | null = null;
  void work.then((result) => {
    end = result;
  });
  await eventually('the login ends', async () => {
    if (clock.pending > 0) await clock.advance(1000);
    return end !== null;
  });
  return await work;
}

describe('a device login', () => {
  test('asks at the interval until the person is done', async () => {
    const { end, at, vendor } = await play([pending, pending, TOKENS]);
    expect(end).toMatchObject({ kind: 'tokens' });
    expect(at).toEqual([5, 10, 15]);
    expect(vendor.at('/token')[0]?.fields).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: 'dc',
    });
  });

  test('knows pending inside a 200', async () => {
    const { end, at } = await play([{ json: { error: 'authorization_pending' } }, TOKENS]);
    expect(end).toMatchObject({ kind: 'tokens' });
    expect(at).toEqual([5, 10]);
  });

  test('asks five seconds slower from then on when told to slow down', async () => {
    const slow: VendorAnswer = { status: 400, json: { error: 'slow_down' } };
    const { at } = await play([slow, pending, { json: { error: 'slow_down', interval: 10 } }, TOKENS]);
    expect(at).toEqual([5, 15, 25, 40]);
  });

  test('takes 429 for the same, and waits as long as it says', async () => {
    const { at } = await play([
      { status: 429, text: 'slow' },
      { status: 429, json: {}, headers: { 'retry-after': '30' } },
      TOKENS,
    ]);
    expect(at).toEqual([5, 15, 45]);
  });

  test.each([
    ['a gateway’s page', { status: 502, text: '<html>' }],
    ['503', { status: 503, json: {} }],
  ])('goes on through %s', async (_, trouble) => {
    expect((await play([trouble, TOKENS])).end).toMatchObject({ kind: 'tokens' });
  });

  test('goes on when the network fails while it asks', async () => {
    const clock = new ManualClock();
    let isDown = true;
    await using vendor = startVendor({ '/device/code': () => CODE, '/token': () => TOKENS });
    const tools = toolsWith(clock);
    const flaky = {
      ...tools,
      upstream: (call: Parameters<typeof tools.upstream>[0]) =>
        tools.upstream(call.url.endsWith('/token') && isDown ? { ...call, url: 'http://127.0.0.1:1/token' } : call),
    };
    const begun = await beginDevice(serviceAt('kimi', vendor.origin), flaky);
    if (begun.kind === 'failure') throw new Error(begun.reason);
    const { login } = begun;
    const seen: string[] = [];
    const counted = {
      ...login,
      poll: async () => {
        const answer = await login.poll();
        seen.push(answer.kind === 'failure' ? answer.failure.kind : answer.kind);
        if (seen.length === 2) isDown = false;
        return answer;
      },
    };
    expect(await run(awaitDevice(counted, flaky), clock)).toMatchObject({ kind: 'tokens' });
    expect(seen).toEqual(['unavailable', 'unavailable', 'tokens']);
  });

  test('ends when the vendor says that the code has expired', async () => {
    expect((await play([pending, { status: 400, json: { error: 'expired_token' } }])).end).toEqual({ kind: 'expired' });
  });

  test('ends by itself when the code has expired', async () => {
    const code = { json: { ...(CODE.json as object), expires_in: 12 } };
    const { end, at } = await play([pending], { code });
    expect(end).toEqual({ kind: 'expired' });
    expect(at).toEqual([5, 10]);
  });

  test('ends when the person says no', async () => {
    expect((await play([{ status: 400, json: { error: 'access_denied' } }])).end).toMatchObject({ kind: 'denied' });
  });

  test('ends at an error that nobody knows', async () => {
    expect((await play([{ status: 400, json: { error: 'invalid_client' } }])).end).toMatchObject({
      kind: 'failure',
      failure: { kind: 'refused', error: 'invalid_client' },
    });
  });

  test('says why there is no code', async () => {
    await using vendor = startVendor({
      '/device/code': () => ({ status: 400, json: { error: 'invalid_client', error_description: 'unknown client' } }),
    });
    expect(await beginDevice(serviceAt('kimi', vendor.origin), toolsWith())).toEqual({
      kind: 'failure',
      reason: 'unknown client (HTTP 400)',
    });
  });

  test('with PKCE sends a challenge, and its verifier with every question', async () => {
    const { vendor } = await play([TOKENS], { id: 'qwen_code' });
    const [begin] = vendor.at('/device/code');
    const verifier = vendor.at('/token')[0]?.fields.code_verifier ?? '';
    expect(begin?.fields).toMatchObject({
      code_challenge_method: 'S256',
      scope: 'openid profile email model.completion',
    });
    const digest = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url');
    expect(begin?.fields.code_challenge).toBe(digest);
  });
});

describe('Codex’s own device login', () => {
  const begin: VendorAnswer = { json: { device_auth_id: 'da', user_code: 'XY-ZW', interval: '5' } };

  const playCodex = async (polls: readonly VendorAnswer[], exchange: VendorScript = () => TOKENS) => {
    const clock = new ManualClock();
    await using vendor = startVendor({
      '/deviceauth/usercode': () => begin,
      '/deviceauth/token': ({ call }) => polls[Math.min(call, polls.length) - 1] ?? {},
      '/token': exchange,
    });
    const service = serviceAt('codex', vendor.origin, { device_url: `${vendor.origin}/deviceauth/usercode` });
    const begun = await beginDevice(service, toolsWith(clock));
    if (begun.kind === 'failure') throw new Error(begun.reason);
    return { end: await run(awaitDevice(begun.login, toolsWith(clock)), clock), vendor, login: begun.login };
  };

  test('takes 403 and 404 for pending, and redeems the code it is given', async () => {
    const { end, vendor, login } = await playCodex([
      { status: 403, json: {} },
      { status: 404, text: 'not yet' },
      { json: { authorization_code: 'ac-1', code_verifier: 'v'.repeat(43), code_challenge: 'c' } },
    ]);
    expect(login).toMatchObject({ userCode: 'XY-ZW', verificationUrl: 'https://auth.openai.com/codex/device' });
    expect(end).toMatchObject({ kind: 'tokens' });
    expect(vendor.at('/deviceauth/token')[0]?.fields).toEqual({ device_auth_id: 'da', user_code: 'XY-ZW' });
    expect(vendor.at('/token')[0]?.fields).toMatchObject({
      grant_type: 'authorization_code',
      code: 'ac-1',
      code_verifier: 'v'.repeat(43),
      redirect_uri: 'https://auth.openai.com/deviceauth/callback',
    });
  });

  test('ends at an answer without a code', async () => {
    const { end } = await playCodex([{ status: 400, json: { error: 'access_denied' } }]);
    expect(end).toMatchObject({ kind: 'denied' });
  });
});

describe('a device login at a real server', () => {
  const settings = (server: { tokenUrl: string; deviceUrl: string; clientId: string }) => ({
    token_url: server.tokenUrl,
    device_url: server.deviceUrl,
    client_id: server.clientId,
  });

  test('is pending, then approved', async () => {
    await using server = await startOidcServer();
    const clock = new ManualClock();
    const tools = toolsWith(clock);
    const begun = await beginDevice(serviceWith('xai', settings(server)), tools);
    if (begun.kind === 'failure') throw new Error(begun.reason);
    const { login } = begun;
    expect(await login.poll()).toMatchObject({ failure: { error: 'authorization_pending' } });
    expect(await visit(login.completeUrl ?? '', { userCode: login.userCode })).toBe('done');
    expect(await run(awaitDevice(login, tools), clock)).toMatchObject({ kind: 'tokens' });
  });

  test('is refused by the person', async () => {
    await using server = await startOidcServer();
    const clock = new ManualClock();
    const begun = await beginDevice(serviceWith('xai', settings(server)), toolsWith(clock));
    if (begun.kind === 'failure') throw new Error(begun.reason);
    await visit(begun.login.completeUrl ?? '', { userCode: begun.login.userCode, refuses: true });
    expect(await run(awaitDevice(begun.login, toolsWith(clock)), clock)).toMatchObject({ kind: 'denied' });
  });
});
