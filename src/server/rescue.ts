import type { Log } from '../observe/log.ts';
import { openAiChat } from '../protocols/openai-chat/index.ts';
import type { Problem } from '../protocols/problem.ts';
import { jsonTextResponse } from './json-response.ts';
import type { Refusal } from './refusal.ts';

/** Whom an error is told to. */
export type Told = { readonly requestId: string; readonly showsRoute: boolean };

/** A refusal as status and body. Every route of this room speaks OpenAI's envelope, admin and unknown paths included. */
export function refusalResponse(refusal: Refusal, told: Told): Response {
  const detail = { requestId: told.requestId, target: null, attempts: told.showsRoute ? [] : null, retryAt: null };
  const { status, body } = openAiChat.encodeError(refusal.refused, detail);
  return jsonTextResponse(body, status, refusal.headers);
}

/** Something threw, which is a bug: the log gets it whole and once, the client gets none of it. */
export function crashResponse(error: unknown, told: Told, log: Log, where: { method: string; path: string }): Response {
  log.error('a request failed because of a bug in rotator', {
    request_id: told.requestId,
    method: where.method,
    path: where.path,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return refusalResponse({ refused: INTERNAL, headers: {} }, told);
}

const INTERNAL: Problem = {
  kind: 'internal',
  status: 500,
  message: 'rotator itself failed on this request; its log has the details under this x-request-id',
  code: 'internal',
};
