import { type Dialect, discoverProject } from '../code-assist/discover-project.ts';
import { tierPriorities } from '../code-assist/tiers.ts';
import type { Profile } from '../profile.ts';
import { googleAuthorize, googleRefreshLeadMs, googleToken, googleUserinfoUrl, lacksProject } from './google.ts';

const dialect: Dialect = {
  metadata: { ideType: 'ANTIGRAVITY' },
  onboardBody: (tierId, projectId) => ({
    tier_id: tierId,
    ...(projectId === null ? {} : { cloudaicompanion_project: projectId }),
    // Says who asks: this is no IDE, and no version of one.
    metadata: { ide_type: 'ANTIGRAVITY', ide_name: 'rotator' },
  }),
};

export const antigravity: Profile = {
  id: 'antigravity',
  title: 'Antigravity',
  status: {
    kind: 'restricted',
    since: '2026-02-11',
    reason:
      'Google disables accounts that use Antigravity through other clients than its own, and since 2026-02-20 serves only its own client’s versions',
  },
  envPrefix: 'ANTIGRAVITY',
  clientId: '1071006060591-tmhssin2h21lcre235vtolojh4g403ep.apps.googleusercontent.com',
  hasClientSecret: true,
  scopes: ['cloud-platform', 'userinfo.email', 'userinfo.profile', 'cclog', 'experimentsandconfigs'].map(
    (scope) => `https://www.googleapis.com/auth/${scope}`,
  ),
  authorize: googleAuthorize({ port: 51121, path: '/oauth-callback' }),
  device: null,
  token: googleToken,
  apiUrl: 'https://cloudcode-pa.googleapis.com/v1internal',
  userinfoUrl: googleUserinfoUrl,
  leadMs: googleRefreshLeadMs,
  isRotating: false,
  apiToken: 'access-token',
  priorities: tierPriorities,
  lacks: lacksProject,
  afterLogin: (account, service, tools) => discoverProject(account, service, tools, dialect),
};
