import { jsonResponse } from '../json-response.ts';
import type { Route } from './route.ts';

/** For people, load balancers and our own commands: no key, no secret, no config. */
export const healthRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/',
    access: 'public',
    answer: ({ deps }) => jsonResponse({ name: 'rotator', status: 'ok', version: deps.version }),
  },
  {
    method: 'GET',
    path: '/health',
    access: 'public',
    answer: ({ deps }) => jsonResponse({ status: 'ok', version: deps.version, instance: deps.instance }),
  },
  {
    method: 'GET',
    path: '/ready',
    access: 'public',
    answer: ({ deps }) =>
      deps.isReady() ? jsonResponse({ status: 'ready' }) : jsonResponse({ status: 'no_credentials' }, 503),
  },
];
