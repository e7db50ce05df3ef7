import { jsonResponse } from '../json-response.ts';
import { refuse } from '../refusal.ts';
import type { Route } from '../routes/route.ts';

/** Reads the config file again; a bad one leaves the running config in place and says why. */
export const reloadRoute: Route = {
  method: 'POST',
  path: '/admin/reload',
  access: 'admin',
  answer: async ({ deps }) => {
    const wrong = await deps.operations.reload();
    if (wrong === null) return jsonResponse({ reloaded: true });
    return refuse({ kind: 'bad-request', status: 400, message: wrong, code: 'config' });
  },
};
