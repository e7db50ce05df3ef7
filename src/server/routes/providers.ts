import { jsonResponse } from '../json-response.ts';
import type { Route } from './route.ts';

export const providersRoute: Route = {
  method: 'GET',
  path: '/v1/providers',
  access: 'client',
  answer: async ({ deps }) => jsonResponse({ object: 'list', data: await deps.operations.providers() }),
};
