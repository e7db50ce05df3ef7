import { isObject } from '../../shared/json-shape.ts';
import type { Problem, ProblemDetail, ProblemKind } from '../problem.ts';
import { frame, type WireEvent } from './frame.ts';

/** The public error table for the Messages surface: `error.type`. */
const TYPES: Readonly<Record<ProblemKind, string>> = {
  'bad-request': 'invalid_request_error',
  'body-too-large': 'request_too_large',
  'unsupported-encoding': 'invalid_request_error',
  unauthenticated: 'authentication_error',
  forbidden: 'permission_error',
  'origin-refused': 'permission_error',
  'misdirected-host': 'invalid_request_error',
  'model-not-found': 'not_found_error',
  'route-not-found': 'not_found_error',
  'method-not-allowed': 'invalid_request_error',
  'upstream-rejected': 'invalid_request_error',
  'context-too-long': 'invalid_request_error',
  'rate-limited': 'rate_limit_error',
  'client-limit': 'rate_limit_error',
  'no-credential': 'overloaded_error',
  'upstream-authentication': 'api_error',
  'upstream-broken': 'api_error',
  'upstream-overloaded': 'overloaded_error',
  timeout: 'timeout_error',
  'credential-unavailable': 'invalid_request_error',
  loop: 'api_error',
  internal: 'api_error',
};

/** Other vendors’ codes are numbers at times. */
const isWord = (code: string | null | undefined) => /^[a-z_]+$/i.test(code ?? '');

const IS_ABOUT_REQUEST: ReadonlySet<ProblemKind> = new Set(['bad-request', 'upstream-rejected']);

/** Anthropic's own status for an overload; its SDKs know it. */
const OVERLOADED = 529;

export function encodeError(problem: Problem, detail: ProblemDetail | null): { status: number; body: string } {
  const status = problem.kind === 'upstream-overloaded' ? OVERLOADED : problem.status;
  return { status, body: JSON.stringify(envelope(problem, detail)) };
}

/** The event that ends a stream which has already begun. Nothing follows it: `message_stop` would look like a normal end. */
export function errorFrames(problem: Problem, detail: ProblemDetail | null): string {
  return frame(envelope(problem, detail));
}

function envelope(problem: Problem, detail: ProblemDetail | null): WireEvent {
  const isTooLarge = problem.kind === 'upstream-rejected' && problem.status === 413;
  return {
    type: 'error',
    error: {
      type: isTooLarge ? 'request_too_large' : TYPES[problem.kind],
      message: problem.message,
      // What its own vendor calls it; SDKs go by that.
      ...(IS_ABOUT_REQUEST.has(problem.kind) && isWord(problem.code) && { details: { error_code: problem.code } }),
    },
    ...(detail && {
      rotator: {
        request_id: detail.requestId,
        target: detail.target,
        ...(detail.attempts && { attempts: detail.attempts }),
        retry_at: detail.retryAt,
      },
    }),
    request_id: detail?.requestId ?? null,
  };
}

/** An error that travels inside a 200: as an `error` event, or as a bare `{error}`. */
export function errorIn(json: unknown, event: string | null): unknown {
  if (!isObject(json)) return event === 'error' ? { error: json } : undefined;
  if (event === 'error' || json.type === 'error') return json;
  return json.type === undefined && isObject(json.error) ? json : undefined;
}
