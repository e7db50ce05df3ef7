import { jsonResponse } from '../json-response.ts';
import { refuse } from '../refusal.ts';
import type { Route } from '../routes/route.ts';
import { badParameter } from './bad-parameter.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1000;

/** The request log, the newest first; `?limit=50&failed=1&before=SEQ&after=SEQ`. One is found by its `x-request-id` or its `seq`. */
export const requestRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/admin/requests',
    access: 'admin',
    answer: async ({ deps, query }) => {
      const parameters = new URLSearchParams(query);
      const limit = readCount(parameters.get('limit'), DEFAULT_LIMIT);
      if (limit === null || limit < 1 || limit > MAX_LIMIT)
        return badParameter('limit', `a whole number from 1 to ${MAX_LIMIT}`);
      const before = readCount(parameters.get('before'), 0);
      if (before === null) return badParameter('before', 'the seq of a request');
      const after = readCount(parameters.get('after'), 0);
      if (after === null) return badParameter('after', 'the seq of a request');
      const failed = parameters.get('failed') ?? '0';
      if (!['0', '1', 'true', 'false'].includes(failed)) return badParameter('failed', '1 or 0');
      const failedOnly = failed === '1' || failed === 'true';
      const wanted = { limit, failedOnly, before: before === 0 ? null : before, after: after === 0 ? null : after };
      return jsonResponse(await deps.operations.requests(wanted));
    },
  },
  {
    method: 'GET',
    path: '/admin/requests/{id}',
    access: 'admin',
    answer: async ({ deps, id }) => {
      const request = await deps.operations.request(id);
      if (request) return jsonResponse(request);
      const message = `there is no request "${id}" in the log; GET /admin/requests lists them`;
      return refuse({ kind: 'route-not-found', status: 404, message, code: 'request_not_found' });
    },
  },
];

function readCount(text: string | null, absent: number): number | null {
  if (text === null) return absent;
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}
