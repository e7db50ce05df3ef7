import type { AccountState, AccountView } from '../oauth/refresh/accounts.ts';

/** An account as `--json` shows it. Stable: scripts read it. */
export const accountShape = (account: AccountView) => ({
  id: account.id,
  provider: account.provider,
  label: account.label,
  email: account.email,
  tier: account.tier,
  project_id: account.projectId,
  priority: account.priority,
  source: account.source,
  enabled: account.isEnabled,
  ...stateShape(account.state),
  expires_at: isoOrNull(account.expiresAt),
  last_refresh: isoOrNull(account.lastRefreshAt),
});

const isoOrNull = (at: number | null) => (at === null ? null : new Date(at).toISOString());

function stateShape(state: AccountState) {
  return {
    state: state.kind,
    reason: 'reason' in state ? state.reason : null,
    /** Why an account is blocked: `banned`, `validation`, `ineligible`, `unfinished`. */
    blocked: state.kind === 'blocked' ? state.why : null,
    link: state.kind === 'blocked' ? state.link : null,
    command: state.kind === 'needs_login' ? state.command : null,
    retry_at: state.kind === 'waiting' ? isoOrNull(state.until) : null,
  };
}
