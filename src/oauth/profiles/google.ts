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

/** Calls are made in the name of a project, which Google gives to each account or the person names. */
export const lacksProject: NonNullable<Profile['lacks']> = ({ details }, { isOverridden, endpoints, profile }) => {
  // A token of the user's own server is not shown to Google: nobody can be asked for a project.
  const isAskable = !isOverridden || endpoints.apiUrl !== profile.apiUrl;
  const isMissing = isAskable && details.project_id === undefined;
  return isMissing ? 'its project is not known yet; rotator oauth refresh asks for it' : null;
};
