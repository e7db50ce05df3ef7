import { anthropic } from './anthropic.ts';
import type { Provider } from './provider.ts';

/** The API's own switch for tokens of accounts. */
const OAUTH_BETA = 'oauth-2025-04-20';

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
};
