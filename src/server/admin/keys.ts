import type { Operations } from '../../gateway/operations.ts';
import { jsonResponse } from '../json-response.ts';
import { type Refusal, refuse } from '../refusal.ts';
import type { Route } from '../routes/route.ts';

/** The list is the shape of `keys list --json`; a change answers with the changed credential in the same shape. */
export const adminKeyRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/admin/keys',
    access: 'admin',
    answer: async ({ deps }) => jsonResponse(await deps.operations.keys()),
  },
  change('enable', (operations, id) => operations.setEnabled(id, true)),
  change('disable', (operations, id) => operations.setEnabled(id, false)),
  change('reset', (operations, id) => operations.reset([id])),
  {
    method: 'POST',
    path: '/admin/keys/{id}/test',
    access: 'admin',
    answer: async ({ deps, id }) => {
      const result = await deps.operations.test(id);
      return result ? jsonResponse(result) : unknownKey(id);
    },
  },
];

function change(verb: string, run: (operations: Operations, id: string) => Promise<boolean>): Route {
  return {
    method: 'POST',
    path: `/admin/keys/{id}/${verb}`,
    access: 'admin',
    answer: async ({ deps, id }) => {
      const isKnown = await run(deps.operations, id);
      const key = isKnown && (await deps.operations.keys()).find((candidate) => candidate.id === id);
      return key ? jsonResponse(key) : unknownKey(id);
    },
  };
}

function unknownKey(id: string): Refusal {
  const message = `there is no credential "${id}"; GET /admin/keys lists them`;
  return refuse({ kind: 'route-not-found', status: 404, message, code: 'credential_not_found' });
}
