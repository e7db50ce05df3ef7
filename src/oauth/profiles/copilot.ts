import { Secret } from '../../shared/secret.ts';
import type { Account } from '../accounts/account.ts';
import { callService } from '../engine/json-call.ts';
import type { TokenAnswer } from '../engine/token-answer.ts';
import { retryAfterOf } from '../engine/retry-after.ts';
import { numberOf, objectOf, textOf } from '../json-object.ts';
import type { Profile, Service, ServiceTools } from '../profile.ts';

/** GitHub's own token, which has no end, is exchanged for one of Copilot's, which lasts for half an hour. */
async function exchange(account: Account, service: Service, tools: ServiceTools): Promise<TokenAnswer> {
  const url = `${service.endpoints.apiUrl}/copilot_internal/v2/token`;
  const headers = { authorization: `token ${account.tokens.refresh?.reveal() ?? ''}` };
  const answer = await callService({ url, method: 'GET', headers }, service, tools);
  if (answer.kind === 'unreachable')
    return { kind: 'failure', failure: { kind: 'unavailable', reason: answer.reason } };
  const json = answer.json ?? {};
  const reason = `HTTP ${answer.status}`;
  const token = textOf(json, 'token');
  if (answer.status === 200 && token !== null) {
    const endsAt = numberOf(json, 'expires_at');
    const base = textOf(objectOf(json, 'endpoints') ?? {}, 'api');
    return {
      kind: 'tokens',
      raw: { ...(base === null ? {} : { api_base: base }), ...(textOf(json, 'sku') === null ? {} : { sku: json.sku }) },
      tokens: {
        access: new Secret(token),
        refresh: null,
        id: null,
        type: 'Bearer',
        scope: null,
        expiresAt: endsAt === null ? null : endsAt * 1000 + skewOf(answer.headers, tools.now()),
      },
    };
  }
  switch (answer.status) {
    case 401:
      return { kind: 'failure', failure: { kind: 'refused', error: 'invalid_grant', reason } };
    case 403:
    case 404: {
      const why = 'the account has no Copilot subscription, or GitHub does not serve this client';
      return {
        kind: 'failure',
        failure: {
          kind: 'blocked',
          why: 'ineligible',
          reason: `${why} (${reason})`,
          link: 'https://github.com/settings/copilot',
        },
      };
    }
    case 429:
      return {
        kind: 'failure',
        failure: { kind: 'rate-limited', retryAfterMs: retryAfterOf(answer.headers, tools.now()), reason },
      };
    default:
      return { kind: 'failure', failure: { kind: 'unavailable', reason } };
  }
}

/** The end is given by the vendor's clock; how far this one is ahead of it. */
function skewOf(headers: Headers, now: number): number {
  const theirs = Date.parse(headers.get('date') ?? '');
  const skew = now - theirs;
  // A second or two is the line's.
  return Number.isNaN(theirs) || Math.abs(skew) < 5_000 ? 0 : skew;
}

export const copilot: Profile = {
  id: 'copilot',
  names: ['github_copilot'],
  title: 'GitHub Copilot',
  status: {
    kind: 'restricted',
    since: '2026-04-01',
    reason:
      'GitHub serves Copilot to officially supported clients only; GitHub Models with a personal token is the plain way',
  },
  envPrefix: 'COPILOT',
  clientId: 'Iv1.b507a08c87ecfe98',
  hasClientSecret: false,
  scopes: ['read:user'],
  authorize: null,
  device: { kind: 'standard', url: 'https://github.com/login/device/code', isPkce: false },
  token: { url: 'https://github.com/login/oauth/access_token', body: 'form', secretIn: 'form' },
  apiUrl: 'https://api.github.com',
  // Business and enterprise accounts have hosts of their own, told with each token.
  callUrl: ({ api_base: base }, configured) => base ?? configured ?? 'https://api.githubcopilot.com',
  userinfoUrl: 'https://api.github.com/user',
  leadMs: 60_000,
  isRotating: false,
  apiToken: 'access-token',
  priorities: {},
  identify: ({ api_base: base }) => (typeof base === 'string' ? { details: { api_base: base } } : {}),
  renew: exchange,
};
