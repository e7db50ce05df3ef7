import { afterEach, describe, expect, test } from 'bun:test';
import { Secret } from '../../src/shared/secret.ts';
import { requestTokens } from '../../src/oauth/engine/token-endpoint.ts';
import { retryAfterOf } from '../../src/oauth/engine/retry-after.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startVendor, type VendorAnswer, type VendorServer } from '../support/vendor-server.ts';
import { serviceAt, serviceWith, toolsWith } from './oauth-fixture.ts';

let vendor: VendorServer | null = null;
afterEach(async () => {
  await vendor?.[Symbol.asyncDispose]();
  vendor = null;
});

const grant = { type: 'refresh_token', parameters: { refresh_token: 'refresh-token-0' } };

async function asked(answer: VendorAnswer, id = 'codex') {
  vendor = startVendor({ '/token': () => answer });
  const service = serviceAt(id, vendor.origin);
  return await requestTokens(grant, service.client, service, toolsWith());
}

const failureOf = async (answer: VendorAnswer) => {
  const result = await asked(answer);
  return result.kind === 'failure' ? result.failure : result;
};

describe('a token answer', () => {
  const good = { access_token: 'at-1', token_type: 'Bearer', expires_in: 3600, refresh_token: 'rt-1' };

  test.each([
    ['by the standard', good],
    ['with a lifetime as text', { ...good, expires_in: '3600' }],
    ['without a type', { access_token: 'at-1', expires_in: 3600, refresh_token: 'rt-1' }],
    ['in another case', { ...good, token_type: 'bearer' }],
    ['wrapped', { success: true, code: '200', data: good }],
    ['with a list of scopes', { ...good, scope: ['a', 'b'] }],
    ['with an id token that is no JWT', { ...good, id_token: 'x' }],
    ['with nulls', { ...good, scope: null, id_token: null }],
  ])('%s is read', async (_, json) => {
    const clock = new ManualClock();
    vendor = startVendor({ '/token': () => ({ json }) });
    const service = serviceAt('codex', vendor.origin);
    const answer = await requestTokens(grant, service.client, service, toolsWith(clock));
    if (answer.kind !== 'tokens') throw new Error(answer.failure.reason);
    expect(answer.tokens.access.reveal()).toBe('at-1');
    expect(answer.tokens.refresh?.reveal()).toBe('rt-1');
    expect(answer.tokens.expiresAt).toBe(clock.now() + 3_600_000);
  });

  test('without a refresh token leaves the old one to its owner, and without a lifetime has no end', async () => {
    const answer = await asked({ json: { access_token: 'at-1', refresh_token: '' } });
    expect(answer).toMatchObject({ kind: 'tokens', tokens: { refresh: null, expiresAt: null } });
  });

  test.each([
    ['invalid_grant', { status: 400, json: { error: 'invalid_grant' } }, { kind: 'refused', error: 'invalid_grant' }],
    ['an error inside a 200', { json: { error: 'slow_down' } }, { kind: 'refused', error: 'slow_down' }],
    [
      'an error object',
      { status: 401, json: { error: { message: 'used before', type: 'x', code: 'refresh_token_reused' } } },
      { kind: 'refused', error: 'refresh_token_reused', reason: 'refresh_token_reused: used before (HTTP 401)' },
    ],
    [
      'a wrapped refusal',
      { json: { success: false, code: 'invalid_grant', message: 'no' } },
      { kind: 'refused', error: 'invalid_grant' },
    ],
    ['401 without a word', { status: 401, json: {} }, { kind: 'refused', error: 'http_401' }],
    ['403 as a page', { status: 403, text: '<html>no</html>' }, { kind: 'refused', error: 'http_403' }],
    ['503', { status: 503, json: { error: 'temporarily_unavailable' } }, { kind: 'unavailable' }],
    ['502 as a page', { status: 502, text: '<html>bad gateway</html>' }, { kind: 'unavailable' }],
    [
      '429 with seconds',
      { status: 429, json: { error: 'rate_limited' }, headers: { 'retry-after': '7' } },
      { kind: 'rate-limited', retryAfterMs: 7000 },
    ],
    ['429 as a page', { status: 429, text: 'slow' }, { kind: 'rate-limited', retryAfterMs: null }],
    ['a page with 200', { text: '<html>hello</html>' }, { kind: 'unreadable' }],
    ['nothing with 200', { json: {} }, { kind: 'unreadable' }],
    ['a list', { json: [] }, { kind: 'unreadable' }],
    ['a redirect', { status: 302, text: '', headers: { location: 'http://127.0.0.1:1/' } }, { kind: 'unreadable' }],
  ])('%s is a failure of its own kind', async (_, answer, expected) => {
    expect(await failureOf(answer as VendorAnswer)).toMatchObject(expected);
  });

  test('a vendor that repeats a token in its error does not get it into ours', async () => {
    const failure = await failureOf({
      status: 400,
      json: {
        error: 'invalid_grant',
        error_description: 'token ya29.a0AfB_byC1234567890 of jo.doe@example.com is bad',
      },
    });
    expect(JSON.stringify(failure)).not.toMatch(/a0AfB_byC1234567890|jo\.doe/);
  });

  test('nobody at home is told with the place and nothing else', async () => {
    const service = serviceAt('codex', 'http://127.0.0.1:1');
    const answer = await requestTokens(grant, service.client, service, toolsWith());
    expect(answer).toMatchObject({ kind: 'failure', failure: { kind: 'unavailable' } });
    expect(JSON.stringify(answer)).not.toContain('refresh-token-0');
  });
});

describe('a token request', () => {
  test('is a form under this program’s own name', async () => {
    await asked({ json: {} });
    const [request] = vendor?.requests ?? [];
    expect(request?.headers.get('user-agent')).toBe('rotator/0.0.0-test');
    expect(request?.headers.get('content-type')).toStartWith('application/x-www-form-urlencoded');
    expect(request?.fields).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'refresh-token-0',
      client_id: 'app_EMoamEEZ73f0CkXaXp7hrann',
    });
  });

  test('is JSON where the vendor reads JSON', async () => {
    await asked({ json: {} }, 'claude');
    const [request] = vendor?.requests ?? [];
    expect(request?.headers.get('content-type')).toBe('application/json');
    expect(JSON.parse(request?.body ?? '')).toMatchObject({
      grant_type: 'refresh_token',
      refresh_token: 'refresh-token-0',
    });
  });

  test('carries a secret in the form, and for one vendor in the header too', async () => {
    vendor = startVendor({ '/token': () => ({ json: {} }) });
    for (const id of ['gemini_cli', 'iflow']) {
      const service = serviceAt(id, vendor.origin, { client_id: 'me', client_secret: new Secret('s3cret') });
      await requestTokens(grant, service.client, service, toolsWith());
    }
    expect(vendor.requests.map(({ fields }) => [fields.client_id, fields.client_secret])).toEqual([
      ['me', 's3cret'],
      ['me', 's3cret'],
    ]);
    expect(vendor.requests.map(({ headers }) => headers.get('authorization'))).toEqual([
      null,
      `Basic ${btoa('me:s3cret')}`,
    ]);
  });

  test('goes to no server without TLS but this machine', async () => {
    const service = serviceWith('codex', { token_url: 'http://tokens.test/token', authorize_url: 'https://a.test/' });
    const answer = await requestTokens(grant, service.client, service, toolsWith());
    expect(answer).toMatchObject({ kind: 'failure', failure: { kind: 'unreadable' } });
  });

  test('ends with its signal', async () => {
    const end = new AbortController();
    vendor = startVendor({
      '/token': async () => {
        end.abort(new Error('enough'));
        await new Promise(() => {});
        return {};
      },
    });
    const service = serviceAt('codex', vendor.origin);
    const answer = requestTokens(grant, service.client, service, toolsWith(new ManualClock(), end.signal));
    expect(answer).rejects.toThrow('enough');
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1);
  test.each([
    [{ 'retry-after': '5' }, 5000],
    [{ 'retry-after': '1.5' }, 1500],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Thu, 01 Jan 2025 00:00:30 GMT' }, null],
    [{ 'retry-after': '-3' }, null],
    [{ 'retry-after': 'soon' }, null],
    [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
    [{}, null],
  ])('%j is %j ms', (headers, ms) => expect(retryAfterOf(new Headers(headers), now)).toBe(ms));
});
