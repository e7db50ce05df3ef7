/**
 * What a client is told when its request cannot be answered, in no protocol yet. Each codec writes it in its own
 * envelope; the kinds are the rows of the public error table.
 */
export type ProblemKind =
  | 'bad-request'
  | 'body-too-large'
  | 'unsupported-encoding'
  | 'unauthenticated'
  | 'forbidden'
  | 'origin-refused'
  | 'misdirected-host'
  | 'model-not-found'
  | 'route-not-found'
  | 'method-not-allowed'
  | 'upstream-rejected'
  | 'context-too-long'
  | 'rate-limited'
  /** The client key has used up a limit of its own; no credential has anything to do with it. */
  | 'client-limit'
  | 'no-credential'
  | 'upstream-authentication'
  | 'upstream-broken'
  | 'upstream-overloaded'
  | 'timeout'
  /** The request carries something that one credential issued and only it can read; that one cannot serve. */
  | 'credential-unavailable'
  | 'loop'
  | 'internal';

/** One upstream call as it is told to a client that may see routes. */
export type AttemptRecord = {
  readonly target: string;
  readonly credential: string;
  /** Upstream's HTTP status; null when none arrived. */
  readonly status: number | null;
  /** Failure kind, or null for the attempt that served. */
  readonly failure: string | null;
  readonly ms: number;
};

export type Problem = {
  readonly kind: ProblemKind;
  readonly status: number;
  readonly message: string;
  /** `error.code`, where the table names one or the upstream gave one. */
  readonly code?: string | null;
  /** Upstream's own `error.type`, kept for requests it calls wrong. */
  readonly type?: string;
  readonly param?: string | null;
  /** Milliseconds until a retry can succeed; becomes `Retry-After`. */
  readonly retryAfterMs?: number;
};

/** What stands beside the error for people who debug: `error.rotator`. */
export type ProblemDetail = {
  readonly requestId: string;
  readonly target: string | null;
  /** Null where clients may not see routes. */
  readonly attempts: readonly AttemptRecord[] | null;
  readonly retryAt: string | null;
};
