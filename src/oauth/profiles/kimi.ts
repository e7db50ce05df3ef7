import type { Profile } from '../profile.ts';

export const kimi: Profile = {
  id: 'kimi',
  names: ['kimi_code'],
  title: 'Kimi coding plan',
  status: { kind: 'works', since: '2026-08-22', caution: null },
  envPrefix: 'KIMI',
  clientId: '17e5f671-d194-4dfb-9706-5516cb48c098',
  hasClientSecret: false,
  scopes: [],
  authorize: null,
  device: { kind: 'standard', url: 'https://auth.kimi.com/api/oauth/device_authorization', isPkce: false },
  token: { url: 'https://auth.kimi.com/api/oauth/token', body: 'form', secretIn: 'form' },
  apiUrl: 'https://api.kimi.com/coding/v1',
  leadMs: 5 * 60_000,
  isRotating: true,
  apiToken: 'access-token',
  priorities: {},
  // Its API wants to hear the same device from then on.
  afterLogin: async (account) =>
    account.details.device_id === undefined
      ? { ...account, details: { ...account.details, device_id: crypto.randomUUID() } }
      : account,
};
