import type { Problem, ProblemDetail, ProblemKind } from '../problem.ts';

/** The public error table for the Gemini surface: `error.status`, a name of google.rpc.Code. */
const STATUS: Readonly<Record<ProblemKind, string>> = {
  'bad-request': 'INVALID_ARGUMENT',
  'body-too-large': 'INVALID_ARGUMENT',
  'unsupported-encoding': 'INVALID_ARGUMENT',
  unauthenticated: 'UNAUTHENTICATED',
  forbidden: 'PERMISSION_DENIED',
  'origin-refused': 'PERMISSION_DENIED',
  'misdirected-host': 'INVALID_ARGUMENT',
  'model-not-found': 'NOT_FOUND',
  'route-not-found': 'NOT_FOUND',
  'method-not-allowed': 'UNIMPLEMENTED',
  'upstream-rejected': 'INVALID_ARGUMENT',
  'context-too-long': 'INVALID_ARGUMENT',
  'rate-limited': 'RESOURCE_EXHAUSTED',
  'client-limit': 'RESOURCE_EXHAUSTED',
  'no-credential': 'UNAVAILABLE',
  'upstream-authentication': 'UNAVAILABLE',
  'upstream-broken': 'UNAVAILABLE',
  'upstream-overloaded': 'UNAVAILABLE',
  timeout: 'DEADLINE_EXCEEDED',
  'credential-unavailable': 'FAILED_PRECONDITION',
  loop: 'UNAVAILABLE',
  internal: 'INTERNAL',
};

export function encodeError(problem: Problem, detail: ProblemDetail | null): { status: number; body: string } {
  return { status: problem.status, body: JSON.stringify(envelope(problem, detail)) };
}

/** The last event of a stream that has already begun. Gemini's streams have no end mark to follow it. */
export function errorFrames(problem: Problem, detail: ProblemDetail | null): string {
  return `data: ${JSON.stringify(envelope(problem, detail))}\n\n`;
}

function envelope(problem: Problem, detail: ProblemDetail | null): object {
  const details = errorDetails(problem);
  return {
    error: {
      code: problem.status,
      message: problem.message,
      status: STATUS[problem.kind],
      ...(details.length > 0 && { details }),
    },
    ...(detail && {
      rotator: {
        request_id: detail.requestId,
        target: detail.target,
        ...(detail.attempts && { attempts: detail.attempts }),
        retry_at: detail.retryAt,
      },
    }),
  };
}

/** What Google's clients look for: which field is wrong, and how long to wait. */
function errorDetails(problem: Problem): readonly object[] {
  const details: object[] = [];
  if (problem.param) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.BadRequest',
      fieldViolations: [{ field: problem.param, description: problem.message }],
    });
  }
  if (problem.retryAfterMs !== undefined) {
    const seconds = Math.max(1, Math.ceil(problem.retryAfterMs / 1000));
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${seconds}s` });
  }
  return details;
}
