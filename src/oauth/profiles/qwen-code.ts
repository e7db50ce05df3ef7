import type { Profile } from '../profile.ts';

const API_URL = 'https://portal.qwen.ai/v1';

/** The vendor tells a host, at times with a scheme, a slash or the version already there. */
function hostUrl(resource: string): string | null {
  const url = `https://${resource.replace(/^https?:\/\//, '').replace(/(\/v1)?\/*$/, '')}/v1`;
  return URL.canParse(url) ? url : null;
}

export const qwenCode: Profile = {
  id: 'qwen_code',
  names: ['qwen'],
  title: 'Qwen Code',
  status: {
    kind: 'closed',
    since: '2026-04-15',
    reason: 'Alibaba has ended the free login of Qwen Code',
    instead: 'a Model Studio key works: rotator keys add qwen_code',
  },
  envPrefix: 'QWEN_CODE',
  clientId: 'f0304373b74a44d2b584a3fb70ca9e56',
  hasClientSecret: false,
  scopes: ['openid', 'profile', 'email', 'model.completion'],
  authorize: null,
  device: { kind: 'standard', url: 'https://chat.qwen.ai/api/v1/oauth2/device/code', isPkce: true },
  token: { url: 'https://chat.qwen.ai/api/v1/oauth2/token', body: 'form', secretIn: 'form' },
  apiUrl: API_URL,
  callUrl: ({ resource_url: resource }, configured) =>
    configured ?? (resource === undefined ? null : hostUrl(resource)) ?? API_URL,
  leadMs: 3 * 3_600_000,
  isRotating: true,
  apiToken: 'access-token',
  priorities: {},
  // Each account has a host of its own.
  identify: ({ resource_url: url }) => (typeof url === 'string' ? { details: { resource_url: url } } : {}),
};
