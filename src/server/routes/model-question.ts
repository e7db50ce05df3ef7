import { type Refusal, refuse } from '../refusal.ts';

/** A question about a model that is no call of it: an object with a `model`. */
export type ModelQuestion = { readonly model: string; readonly fields: Readonly<Record<string, unknown>> };

export function readModelQuestion(body: Uint8Array): ModelQuestion | Refusal {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return refuse({ kind: 'bad-request', status: 400, message: 'the request body is not valid JSON' });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return refuse({ kind: 'bad-request', status: 400, message: 'the request body must be a JSON object' });
  }
  const fields: Readonly<Record<string, unknown>> = { ...json };
  if (typeof fields.model !== 'string' || fields.model.trim() === '') {
    return refuse({ kind: 'bad-request', status: 400, message: 'the request needs a "model"', param: 'model' });
  }
  return { model: fields.model, fields };
}
