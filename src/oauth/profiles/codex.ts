import { claimsOf } from '../engine/jwt-claims.ts';
import { objectOf, textOf } from '../json-object.ts';
import type { Profile } from '../profile.ts';

/** Under this name OpenAI's id token tells the workspace and the plan. */
const CLAIM = 'https://api.openai.com/auth';

export const codex: Profile = {
  id: 'codex',
  names: ['chatgpt'],
  title: 'Codex (ChatGPT)',
  status: { kind: 'works', since: '2026-08-31', caution: null },
  envPrefix: 'CODEX',
  clientId: 'app_EMoamEEZ73f0CkXaXp7hrann',
  hasClientSecret: false,
  scopes: ['openid', 'profile', 'email', 'offline_access'],
  authorize: {
    url: 'https://auth.openai.com/oauth/authorize',
    parameters: { prompt: 'login', id_token_add_organizations: 'true', codex_cli_simplified_flow: 'true' },
    redirect: { port: 1455, path: '/auth/callback' },
    isPkce: true,
  },
  device: {
    kind: 'code-exchange',
    url: 'https://auth.openai.com/api/accounts/deviceauth/usercode',
    verificationUrl: 'https://auth.openai.com/codex/device',
    redirectUri: 'https://auth.openai.com/deviceauth/callback',
  },
  token: {
    url: 'https://auth.openai.com/oauth/token',
    body: 'form',
    secretIn: 'form',
    refreshScope: 'openid profile email',
  },
  apiUrl: 'https://chatgpt.com/backend-api/codex',
  leadMs: 5 * 86_400_000,
  isRotating: true,
  apiToken: 'access-token',
  priorities: { enterprise: 1, business: 1, team: 1, edu: 1, pro: 1, plus: 2, free: 3 },
  identify(answer) {
    const token = textOf(answer, 'id_token');
    const auth = token === null ? null : objectOf(claimsOf(token), CLAIM);
    if (auth === null) return {};
    const plan = textOf(auth, 'chatgpt_plan_type');
    return {
      accountId: textOf(auth, 'chatgpt_account_id'),
      ...(plan === null ? {} : { details: { tier: plan } }),
    };
  },
};
