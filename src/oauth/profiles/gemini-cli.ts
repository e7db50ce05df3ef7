import { discoverProject } from '../code-assist/discover-project.ts';
import { tierPriorities } from '../code-assist/tiers.ts';
import type { Profile } from '../profile.ts';
import { googleAuthorize, googleRefreshLeadMs, googleToken, googleUserinfoUrl, lacksProject } from './google.ts';

export const geminiCli: Profile = {
  id: 'gemini_cli',
  names: ['gemini'],
  title: 'Gemini CLI',
  status: {
    kind: 'works',
    since: '2026-06-18',
    caution:
      'since 2026-06-18 Google serves only paid Code Assist licences (Standard, Enterprise) here, and its terms speak against other clients than its own; an API key of provider gemini is the plain way',
  },
  envPrefix: 'GEMINI_CLI',
  clientId: '681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com',
  hasClientSecret: true,
  installed: {
    command: 'gemini',
    files: [
      'node_modules/@google/gemini-cli-core/dist/src/code_assist/oauth2.js',
      '../gemini-cli-core/dist/src/code_assist/oauth2.js',
      'dist/src/code_assist/oauth2.js',
      'bundle/gemini.js',
    ],
    secret: /OAUTH_CLIENT_SECRET\s*=\s*["']([\w-]+)["']/,
  },
  scopes: ['cloud-platform', 'userinfo.email', 'userinfo.profile'].map(
    (scope) => `https://www.googleapis.com/auth/${scope}`,
  ),
  authorize: googleAuthorize({ port: 8085, path: '/oauth2callback' }),
  device: null,
  token: googleToken,
  apiUrl: 'https://cloudcode-pa.googleapis.com/v1internal',
  userinfoUrl: googleUserinfoUrl,
  leadMs: googleRefreshLeadMs,
  isRotating: false,
  apiToken: 'access-token',
  priorities: tierPriorities,
  lacks: lacksProject,
  afterLogin: discoverProject,
};
