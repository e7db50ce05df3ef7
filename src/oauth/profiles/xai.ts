import type { Profile } from '../profile.ts';

export const xai: Profile = {
  id: 'xai',
  names: ['grok'],
  title: 'xAI Grok',
  status: {
    kind: 'works',
    since: '2026-08-22',
    caution: 'xAI keeps a list of the clients it serves here; an API key of api.x.ai is the plain way',
  },
  envPrefix: 'XAI',
  clientId: 'b1a00492-073a-47ea-816f-4c329264a828',
  hasClientSecret: false,
  scopes: ['openid', 'profile', 'email', 'offline_access', 'grok-cli:access', 'api:access'],
  authorize: null,
  // The endpoints its discovery document names; `device_url` and `token_url` replace them should they move.
  device: { kind: 'standard', url: 'https://auth.x.ai/oauth2/device/code', isPkce: false },
  token: { url: 'https://auth.x.ai/oauth2/token', body: 'form', secretIn: 'form' },
  apiUrl: 'https://api.x.ai/v1',
  leadMs: 5 * 60_000,
  isRotating: true,
  apiToken: 'access-token',
  priorities: {},
};
