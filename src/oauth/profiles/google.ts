/** What all logins with a Google account have in common. */
import type { AuthorizePage, Profile } from '../profile.ts';

export const googleAuthorize = (redirect: AuthorizePage['redirect']): AuthorizePage => ({
  url: 'https://accounts.google.com/o/oauth2/v2/auth',
  // Without both, a second login of the same account brings no refresh token.
  parameters: { access_type: 'offline', prompt: 'consent' },
  redirect,
  isPkce: true,
});

export const googleToken: Profile['token'] = {
  url: 'https://oauth2.googleapis.com/token',
  body: 'form',
  secretIn: 'form',
};

export const googleUserinfoUrl = 'https://www.googleapis.com/oauth2/v1/userinfo';

export const googleRefreshLeadMs = 30 * 60_000;
