import type { WireCodec } from '../protocols/codec.ts';
import type { AttemptRecord, Problem, ProblemDetail } from '../protocols/problem.ts';

// SDKs wait out a short Retry-After by themselves; above this they are told to give up at once.
const LONG_WAIT_MS = 60_000;

/** What a response says besides its body, for clients that may see routes. */
export type RouteHeaders = {
  readonly target: string | null;
  readonly credential: string | null;
  readonly attempts: number;
  readonly overheadMs: number | null;
  readonly warnings: readonly string[];
  /** The provider that served in place of the one that was asked; null: none did. */
  readonly fallbackProvider?: string | null;
};

/** Adds them to `headers`, and gives those back. */
export function addRouteHeaders(headers: Record<string, string>, route: RouteHeaders): Record<string, string> {
  if (route.target !== null) headers['x-rotator-target'] = headerText(route.target);
  if (route.credential !== null) headers['x-rotator-credential'] = route.credential;
  headers['x-rotator-attempts'] = String(route.attempts);
  if (route.overheadMs !== null) headers['x-rotator-overhead-ms'] = route.overheadMs.toFixed(2);
  if (route.fallbackProvider) headers['x-fallback-provider'] = route.fallbackProvider;
  if (route.warnings.length > 0) headers['x-rotator-warnings'] = warningsText(route.warnings);
  return headers;
}

/** A problem as a whole response in the protocol of the surface that was called. */
export function problemResponse(
  codec: WireCodec,
  problem: Problem,
  detail: ProblemDetail | null,
  headers: Readonly<Record<string, string>>,
): Response {
  const { status, body } = codec.encodeError(problem, detail);
  const bytes = new TextEncoder().encode(body);
  return new Response(bytes, {
    status,
    headers: {
      'content-type': 'application/json',
      'content-length': String(bytes.length),
      ...retryHeaders(problem),
      ...headers,
    },
  });
}

/** `Retry-After` in whole seconds, rounded up, at least 1, with the exact milliseconds beside it. */
function retryHeaders(problem: Problem): Record<string, string> {
  if (problem.retryAfterMs === undefined) return {};
  const ms = Math.max(0, Math.ceil(problem.retryAfterMs));
  return {
    'retry-after': String(Math.max(1, Math.ceil(ms / 1000))),
    'retry-after-ms': String(ms),
    ...(ms > LONG_WAIT_MS && { 'x-should-retry': 'false' }),
  };
}

export function problemDetail(
  requestId: string,
  target: string | null,
  attempts: readonly AttemptRecord[] | null,
  problem: Problem,
  now: number,
): ProblemDetail {
  const retryAt = problem.retryAfterMs === undefined ? null : new Date(now + problem.retryAfterMs).toISOString();
  return { requestId, target, attempts, retryAt };
}

const MAX_HEADER_LENGTH = 1024;

/**
 * As a comment between the frames of a stream, whose headers have left: SDKs pass over it. Empty where there is nothing to
 * tell.
 */
export const warningsComment = (warnings: readonly string[]): string =>
  warnings.length > 0 ? `: x-rotator-warnings: ${warningsText(warnings)}\n\n` : '';

/** As many as fit, and how many are left; the first stands in any case. */
function warningsText(warnings: readonly string[]): string {
  const [first = '', ...others] = warnings.map(headerText);
  let text = first;
  for (const [at, warning] of others.entries()) {
    const rest = `; and ${others.length - at} more`;
    if (text.length + warning.length + rest.length + 2 > MAX_HEADER_LENGTH) return text + rest;
    text += `; ${warning}`;
  }
  return text;
}

const PRINTABLE = /^[\x20-\x7e]*$/;

/** Model names come from clients; a header takes only printable ASCII. */
function headerText(text: string): string {
  if (text.length <= MAX_HEADER_LENGTH && PRINTABLE.test(text)) return text;
  return text
    .replaceAll('→', '->')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, MAX_HEADER_LENGTH);
}
