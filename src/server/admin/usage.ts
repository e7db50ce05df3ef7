import { isUsageGroup, USAGE_GROUPS } from '../../gateway/operations.ts';
import { parseSince } from '../../shared/since.ts';
import { jsonResponse } from '../json-response.ts';
import type { Route } from '../routes/route.ts';
import { badParameter } from './bad-parameter.ts';

const DEFAULT_SINCE = '7d';

/** `?by=provider|model|key|client|day&since=7d` → the shape of `usage --json`. `since` may also be an ISO 8601 time. */
export const usageRoute: Route = {
  method: 'GET',
  path: '/admin/usage',
  access: 'admin',
  answer: async ({ deps, query }) => {
    const parameters = new URLSearchParams(query);
    const by = parameters.get('by') ?? 'provider';
    if (!isUsageGroup(by)) return badParameter('by', `one of ${USAGE_GROUPS.join(', ')}`);
    const since = parseSince(parameters.get('since') ?? DEFAULT_SINCE, deps.clock.now());
    if (since === null)
      return badParameter('since', 'a length of time such as 7d or 12h, or a time such as 2026-01-31');
    return jsonResponse(await deps.operations.usage({ by, since }));
  },
};
