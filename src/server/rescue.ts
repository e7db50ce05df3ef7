import type { Log } from '../observe/log.ts';
import type { WireCodec } from '../protocols/codec.ts';
import type { Problem } from '../protocols/problem.ts';
import type { CliError } from '../shared/cli-error.ts';
import { jsonTextResponse } from './json-response.ts';
import type { Refusal } from './refusal.ts';

/** Whom an error is told to. */
export type Told = {
  readonly requestId: string;
  readonly showsRoute: boolean;
  /** In whose words. */
  readonly surface: Pick<WireCodec, 'encodeError'>;
};

/** A refusal as status and body, in the envelope of the surface that was called. */
export function refusalResponse(refusal: Refusal, told: Told): Response {
  const detail = { requestId: told.requestId, target: null, attempts: told.showsRoute ? [] : null, retryAt: null };
  const { status, body } = told.surface.encodeError(refusal.refused, detail);
  return jsonTextResponse(body, status, refusal.headers);
}

/** For the operator: the state on disk does not work, and says itself what is wrong with it; the rest does. */
export function outOfOrderResponse({ message, code }: CliError, told: Told, log: Log): Response {
  log.warn(message, { request_id: told.requestId });
  return refusalResponse({ refused: { kind: 'internal', status: 503, message, code }, headers: {} }, told);
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
