import { anthropic } from './anthropic.ts';
import { readError } from './error-body.ts';
import { badRequest, rateLimited } from './failure-from.ts';
import type { ErrorReply, Provider } from './provider.ts';
import { untilMoment } from './wait-hint.ts';

/** The API's own switch for tokens of accounts. */
const OAUTH_BETA = 'oauth-2025-04-20';

/** A subscription has windows of five hours and a week; the last is for some models alone. */
const WINDOWS = ['5h', '7d', '7d_oi'] as const;

/** Milliseconds until each window that has said no is open again. */
function rejectedWindows({ headers, now }: ErrorReply): ReadonlyMap<string, number> {
  const waits = WINDOWS.flatMap((window): [string, number][] => {
    const at = `anthropic-ratelimit-unified-${window}`;
    const ms = headers.get(`${at}-status`) === 'rejected' ? untilMoment(headers.get(`${at}-reset`), now) : null;
    return ms === null ? [] : [[window, Math.max(0, ms)]];
  });
  return new Map(waits);
}

const { authorize: _, keyUrl: __, ...shared } = anthropic;

/** Claude with the account of a subscription. Anthropic serves its own clients: its refusal is passed on as it is. */
export const claude: Provider = {
  ...shared,
  id: 'claude',
  title: 'Claude subscription',
  keyEnv: [],
  key: 'account',
  tier: null,
  accounts: {
    headers: (headers) => {
      const asked = headers.get('anthropic-beta');
      if (asked?.includes(OAUTH_BETA)) return;
      headers.set('anthropic-beta', asked === null ? OAUTH_BETA : `${asked},${OAUTH_BETA}`);
    },
  },
  classify: (reply) => {
    const error = readError(reply);
    if (error.status !== 429) return anthropic.classify(reply);
    // Said of a request that asks for what the plan does not include: the same on every account.
    if (/fast mode/i.test(error.text)) return badRequest(error);
    const rejected = rejectedWindows(reply);
    if (rejected.size === 0) return undefined;
    const scope = rejected.size === 1 && rejected.has('7d_oi') ? 'model' : 'credential';
    const ms = Math.max(...rejected.values());
    return rateLimited(error, { ms, source: 'reset-header' }, { isQuota: true, scope });
  },
};
