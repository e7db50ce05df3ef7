import { jsonResponse } from '../json-response.ts';
import { refuse } from '../refusal.ts';
import type { Route } from '../routes/route.ts';

/** `{"model": NAME, "live"?: boolean, "stream"?: boolean}` → the shape of `test-route --json`. */
export const testRouteRoute: Route = {
  method: 'POST',
  path: '/admin/test-route',
  access: 'admin',
  answer: async ({ deps, body }) => {
    const asked = readQuestion(body);
    if (typeof asked === 'string') return refuse({ kind: 'bad-request', status: 400, message: asked });
    const report = await deps.operations.testRoute(asked.model, { isLive: asked.isLive, isStream: asked.isStream });
    if ('unknown' in report) {
      const message = report.hint === null ? report.message : `${report.message}. ${report.hint}`;
      return refuse({ kind: 'model-not-found', status: 404, message, param: 'model' });
    }
    return jsonResponse(report);
  },
};

type Question = { readonly model: string; readonly isLive: boolean; readonly isStream: boolean };

/** Or what is wrong with it. */
function readQuestion(body: Uint8Array): Question | string {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return 'the request body is not valid JSON';
  }
  if (typeof json !== 'object' || json === null || !('model' in json) || typeof json.model !== 'string') {
    return 'the request body must be an object with a "model"';
  }
  const isLive = 'live' in json ? json.live : false;
  const isStream = 'stream' in json ? json.stream : false;
  if (typeof isLive !== 'boolean' || typeof isStream !== 'boolean') return '"live" and "stream" must be true or false';
  return { model: json.model, isLive, isStream };
}
