import { Secret } from '../../shared/secret.ts';
import type { Account } from '../accounts/account.ts';
import { callService } from '../engine/json-call.ts';
import { isObject, textOf } from '../json-object.ts';
import type { Profile, Service, ServiceTools } from '../profile.ts';

const NO_KEY = 'it gave no API key; rotator oauth refresh tries again';

/** Calls take an API key that the service keeps for each account, not the token. */
async function fetchApiKey(account: Account, service: Service, tools: ServiceTools): Promise<Account> {
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
  leadMs: 24 * 3_600_000,
  isRotating: true,
  apiToken: 'api-key',
  priorities: {},
  afterLogin: fetchApiKey,
};
