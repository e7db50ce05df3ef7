// The five keys of the demo, each with a way of its own to behave, so that rotation has something to do.
import type { DemoProblem } from './demo-problem.ts';

export type DemoKey = {
  /** Also its label in the pool, and what the demo calls it in its answers. */
  readonly name: string;
  /** What is sent as the bearer token. It opens nothing but the demo. */
  readonly secret: string;
  readonly behaviour: 'healthy' | 'three-a-minute' | 'fails-every-fourth' | 'revoked';
};

export const demoKeys: readonly DemoKey[] = [
  { name: 'healthy-1', secret: 'sk-demo-healthy-1-4b1e07aa', behaviour: 'healthy' },
  { name: 'healthy-2', secret: 'sk-demo-healthy-2-91c6d3f0', behaviour: 'healthy' },
  { name: 'limited', secret: 'sk-demo-limited-5e20b7c4', behaviour: 'three-a-minute' },
  { name: 'flaky', secret: 'sk-demo-flaky-c08d4a1b', behaviour: 'fails-every-fourth' },
  { name: 'revoked', secret: 'sk-demo-revoked-7fa3e562', behaviour: 'revoked' },
];

const PER_MINUTE = 3;
const MINUTE_MS = 60_000;
const FAILS_EVERY = 4;

/** What one key has been through. */
export type KeyHistory = {
  /** Calls ever counted. */
  readonly calls: number;
  /** Times of the calls served within the last minute, oldest first; milliseconds since the epoch. */
  readonly recent: readonly number[];
};

export const freshHistory: KeyHistory = { calls: 0, recent: [] };

export type Admission = {
  readonly history: KeyHistory;
  /** Null when the call is served. */
  readonly problem: DemoProblem | null;
  /** Headers of the reply, served or not. */
  readonly headers: Readonly<Record<string, string>>;
};

/** One more call with this key. */
export function admit(key: DemoKey, history: KeyHistory, now: number): Admission {
  const calls = history.calls + 1;
  switch (key.behaviour) {
    case 'healthy':
      return { history: { ...history, calls }, problem: null, headers: {} };
    case 'fails-every-fourth':
      return { history: { ...history, calls }, problem: calls % FAILS_EVERY === 0 ? serverError : null, headers: {} };
    case 'three-a-minute':
      return admitLimited(history, calls, now);
    case 'revoked':
      return { history, problem: wrongKey(key.secret), headers: {} };
  }
}

function admitLimited(history: KeyHistory, calls: number, now: number): Admission {
  const recent = history.recent.filter((at) => at > now - MINUTE_MS);
  const [oldest] = recent;
  if (recent.length < PER_MINUTE || oldest === undefined) {
    const left = PER_MINUTE - recent.length - 1;
    return { history: { calls, recent: [...recent, now] }, problem: null, headers: limitHeaders(left) };
  }
  const seconds = Math.max(1, Math.ceil((oldest + MINUTE_MS - now) / 1000));
  return {
    // A refused call takes nothing from the next minute.
    history: { calls, recent },
    problem: {
      status: 429,
      type: 'requests',
      code: 'rate_limit_exceeded',
      param: null,
      message: `Rate limit reached for requests per minute (RPM): Limit ${PER_MINUTE}, Used ${PER_MINUTE}, Requested 1. Please try again in ${seconds}s.`,
    },
    headers: { ...limitHeaders(0), 'retry-after': String(seconds) },
  };
}

function limitHeaders(left: number): Record<string, string> {
  return { 'x-ratelimit-limit-requests': String(PER_MINUTE), 'x-ratelimit-remaining-requests': String(left) };
}

const serverError: DemoProblem = {
  status: 500,
  type: 'server_error',
  code: null,
  param: null,
  message: 'The server had an error while processing your request. Sorry about that!',
};

export function wrongKey(secret: string): DemoProblem {
  const shown = secret.length > 12 ? `${secret.slice(0, 8)}****${secret.slice(-4)}` : '****';
  return {
    status: 401,
    type: 'invalid_request_error',
    code: 'invalid_api_key',
    param: null,
    message: `Incorrect API key provided: ${shown}.`,
  };
}
