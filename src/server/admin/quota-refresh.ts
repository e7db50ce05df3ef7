import { jsonResponse } from '../json-response.ts';
import type { Route } from '../routes/route.ts';

/** Asks the providers for their quotas now; those that cannot be asked are named. */
export const quotaRefreshRoute: Route = {
  method: 'POST',
  path: '/admin/quota/refresh',
  access: 'admin',
  answer: async ({ deps }) => jsonResponse(await deps.operations.refreshQuota()),
};
