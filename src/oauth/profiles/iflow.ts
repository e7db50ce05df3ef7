import { isObject } from '../../shared/json-shape.ts';
import { Secret } from '../../shared/secret.ts';
import type { Account } from '../accounts/account.ts';
import { COOKIE } from '../accounts/account-json.ts';
import { callService } from '../engine/json-call.ts';
import { retryAfterOf } from '../engine/retry-after.ts';
import type { TokenAnswer } from '../engine/token-answer.ts';
import { type JsonObject, textOf } from '../json-object.ts';
import type { Profile, Service, ServiceTools } from '../profile.ts';

const NO_KEY = 'it gave no API key; rotator oauth refresh tries again';
const COOKIE_NAME = 'BXAuth';
const KEY_URL = 'https://platform.iflow.cn/api/openapi/apikey';

/** Calls take an API key that the service keeps for each account, not the token. */
async function fetchApiKey(account: Account, service: Service, tools: ServiceTools): Promise<Account> {
  // What a cookie is exchanged for is the key itself.
  if (account.tokens.type === COOKIE)
    return { ...account, apiKey: account.tokens.access, standing: { kind: 'active' } };
  const unfinished: Account = {
    ...account,
    standing: { kind: 'blocked', why: 'unfinished', reason: NO_KEY, link: null, since: tools.now() },
  };
  const { userinfoUrl } = service.endpoints;
  if (userinfoUrl === null || account.tokens.access === null) return account.apiKey ? account : unfinished;
  const url = new URL(userinfoUrl);
  url.searchParams.set('accessToken', account.tokens.access.reveal());
  const answer = await callService({ url: url.href, method: 'GET' }, service, tools);
  const data = answer.kind === 'answer' && isObject(answer.json?.data) ? answer.json.data : {};
  const apiKey = textOf(data, 'apiKey');
  if (apiKey === null) return account.apiKey ? account : unfinished;
  const email = textOf(data, 'email', 'phone') ?? account.identity.email;
  return {
    ...account,
    apiKey: new Secret(apiKey),
    identity: { ...account.identity, email },
    standing: { kind: 'active' },
  };
}

/** The site shows the name of the account's key, and makes the key anew when asked by that name. */
async function redeemCookie(cookie: Secret, service: Service, tools: ServiceTools): Promise<TokenAnswer> {
  const url = service.isOverridden ? new URL(new URL(KEY_URL).pathname, service.endpoints.tokenUrl).href : KEY_URL;
  const headers = { cookie: `${COOKIE_NAME}=${cookie.reveal()};`, 'content-type': 'application/json' };
  const shown = dataOf(await callService({ url, method: 'GET', headers }, service, tools), tools);
  if ('failure' in shown) return { kind: 'failure', failure: shown.failure };
  const name = textOf(shown.data, 'name');
  if (name === null) return refused('it shows no key for this cookie');
  const body = JSON.stringify({ name });
  const made = dataOf(await callService({ url, method: 'POST', headers, body }, service, tools), tools);
  if ('failure' in made) return { kind: 'failure', failure: made.failure };
  const key = textOf(made.data, 'apiKey');
  if (key === null) return refused('it gave no key for this cookie');
  return {
    kind: 'tokens',
    raw: {},
    tokens: {
      access: new Secret(key),
      refresh: cookie,
      id: null,
      type: COOKIE,
      scope: null,
      expiresAt: expiryOf(textOf(made.data, 'expireTime')),
    },
  };
}

const refused = (reason: string): TokenAnswer => ({
  kind: 'failure',
  failure: { kind: 'refused', error: 'invalid_grant', reason },
});

type CallAnswer = Awaited<ReturnType<typeof callService>>;
type Failure = Extract<TokenAnswer, { kind: 'failure' }>['failure'];

function dataOf(
  answer: CallAnswer,
  tools: ServiceTools,
): { readonly data: JsonObject } | { readonly failure: Failure } {
  if (answer.kind === 'unreachable') return { failure: { kind: 'unavailable', reason: answer.reason } };
  const { status, headers, json } = answer;
  const reason = `HTTP ${status}`;
  if (status === 429) {
    return { failure: { kind: 'rate-limited', retryAfterMs: retryAfterOf(headers, tools.now()), reason } };
  }
  if (status >= 500) return { failure: { kind: 'unavailable', reason } };
  if (status !== 200 || json?.success === false) {
    return { failure: { kind: 'refused', error: 'invalid_grant', reason: `the cookie is not accepted (${reason})` } };
  }
  return isObject(json?.data) ? { data: json.data } : { failure: { kind: 'unreadable', reason } };
}

/** `2026-04-01 12:30`, by the clock of Beijing. */
function expiryOf(text: string | null): number | null {
  const at = text === null ? Number.NaN : Date.parse(`${text.trim().replace(' ', 'T')}:00+08:00`);
  return Number.isNaN(at) ? null : at;
}

export const iflow: Profile = {
  id: 'iflow',
  title: 'iFlow',
  status: {
    kind: 'closed',
    since: '2026-04-17',
    reason: 'the operator of iFlow has shut the service down',
    instead: 'its models are at other providers: rotator models',
  },
  envPrefix: 'IFLOW',
  clientId: '10009311001',
  hasClientSecret: true,
  scopes: [],
  authorize: {
    url: 'https://iflow.cn/oauth',
    parameters: { loginMethod: 'phone', type: 'phone' },
    redirect: { port: 11451, path: '/oauth2callback' },
    isPkce: false,
    redirectParameter: 'redirect',
  },
  device: null,
  token: { url: 'https://iflow.cn/oauth/token', body: 'form', secretIn: 'both' },
  apiUrl: 'https://apis.iflow.cn/v1',
  userinfoUrl: 'https://iflow.cn/api/oauth/getUserInfo',
  // A key made by a cookie is made anew two days before its end; a token would do with one.
  leadMs: 48 * 3_600_000,
  isRotating: true,
  apiToken: 'api-key',
  priorities: {},
  lacks: ({ apiKey }) => (apiKey === null ? NO_KEY : null),
  afterLogin: fetchApiKey,
  cookie: { name: COOKIE_NAME, redeem: redeemCookie },
  renew: ({ tokens }, service, tools) =>
    tokens.type === COOKIE && tokens.refresh !== null ? redeemCookie(tokens.refresh, service, tools) : null,
};
