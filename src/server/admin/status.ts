import { jsonResponse } from '../json-response.ts';
import type { Route } from '../routes/route.ts';

export const statusRoute: Route = {
  method: 'GET',
  path: '/admin/status',
  access: 'admin',
  answer: async ({ deps }) => jsonResponse(await deps.operations.status()),
};
