import { objectOf, textOf } from '../json-object.ts';
import type { Profile } from '../profile.ts';

export const claude: Profile = {
  id: 'claude',
  title: 'Claude subscription',
  status: {
    kind: 'restricted',
    since: '2026-02-17',
    reason:
      'Anthropic allows the login of a subscription in its own products only and refuses other clients; an API key of provider anthropic is the plain way',
  },
  envPrefix: 'CLAUDE',
  clientId: '9d1c250a-e61b-44d9-88ed-5944d1962f5e',
  hasClientSecret: false,
  scopes: ['user:profile', 'user:inference'],
  authorize: {
    url: 'https://claude.ai/oauth/authorize',
    parameters: { code: 'true' },
    redirect: { port: 54545, path: '/callback' },
    isPkce: true,
    echoesState: true,
  },
  device: null,
  token: { url: 'https://platform.claude.com/v1/oauth/token', body: 'json', secretIn: 'form' },
  apiUrl: 'https://api.anthropic.com/v1',
  leadMs: 4 * 3_600_000,
  isRotating: true,
  apiToken: 'access-token',
  priorities: {},
  identify(answer) {
    const account = objectOf(answer, 'account') ?? {};
    const organization = objectOf(answer, 'organization') ?? {};
    const uuid = textOf(organization, 'uuid');
    const name = textOf(organization, 'name');
    return {
      email: textOf(account, 'email_address', 'email'),
      subject: textOf(account, 'uuid'),
      details: {
        ...(uuid === null ? {} : { organization_uuid: uuid }),
        ...(name === null ? {} : { organization_name: name }),
      },
    };
  },
};
