import type { Route } from '../routes/route.ts';

/** For Prometheus: `authorization: {credentials_file: <state>/admin-token}` in its scrape config. */
export const metricsRoute: Route = {
  method: 'GET',
  path: '/metrics',
  access: 'admin',
  answer: async ({ deps }) => {
    const { text, contentType } = await deps.metrics();
    return new Response(text, { headers: { 'content-type': contentType, 'cache-control': 'no-store' } });
  },
};
