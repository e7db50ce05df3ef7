import type { Problem, ProblemDetail, ProblemKind } from './problem.ts';

export type OpenAiError = {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
  readonly rotator?: object;
};

/** The public error table for the OpenAI surface: `error.type` and, where it names one, `error.code`. */
const TABLE: Readonly<Record<ProblemKind, { readonly type: string; readonly code: string | null }>> = {
  'bad-request': { type: 'invalid_request_error', code: null },
  'body-too-large': { type: 'invalid_request_error', code: 'body_too_large' },
  'unsupported-encoding': { type: 'invalid_request_error', code: null },
  unauthenticated: { type: 'authentication_error', code: null },
  forbidden: { type: 'permission_error', code: null },
  'origin-refused': { type: 'permission_error', code: null },
  'misdirected-host': { type: 'invalid_request_error', code: null },
  'model-not-found': { type: 'invalid_request_error', code: 'model_not_found' },
  'route-not-found': { type: 'invalid_request_error', code: null },
  'method-not-allowed': { type: 'invalid_request_error', code: null },
  'upstream-rejected': { type: 'invalid_request_error', code: null },
  'context-too-long': { type: 'invalid_request_error', code: 'context_length_exceeded' },
  'rate-limited': { type: 'rate_limit_error', code: null },
  'client-limit': { type: 'rate_limit_error', code: 'client_limit' },
  'no-credential': { type: 'server_error', code: 'no_credential' },
  'upstream-authentication': { type: 'upstream_error', code: 'upstream_authentication' },
  'upstream-broken': { type: 'upstream_error', code: null },
  'upstream-overloaded': { type: 'upstream_error', code: 'overloaded' },
  timeout: { type: 'timeout_error', code: null },
  'credential-unavailable': { type: 'invalid_request_error', code: 'credential_unavailable' },
  loop: { type: 'upstream_error', code: 'loop' },
  internal: { type: 'server_error', code: 'internal' },
};

/** The envelope of OpenAI's APIs, chat and Responses alike. */
export function openAiError(problem: Problem, detail: ProblemDetail | null): { readonly error: OpenAiError } {
  const row = TABLE[problem.kind];
  return {
    error: {
      message: problem.message,
      type: problem.type ?? row.type,
      param: problem.param ?? null,
      code: problem.code ?? row.code,
      ...(detail && {
        rotator: {
          request_id: detail.requestId,
          target: detail.target,
          ...(detail.attempts && { attempts: detail.attempts }),
          retry_at: detail.retryAt,
        },
      }),
    },
  };
}
