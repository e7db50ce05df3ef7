/** What the `Origin` of a request means. Only web pages send one; `none` is every other client. */
export type OriginVerdict =
  | { readonly kind: 'none' }
  | { readonly kind: 'allowed'; readonly origin: string }
  | { readonly kind: 'refused' };

/** What a page's script may read besides the CORS-safelisted headers. */
const EXPOSED = [
  'x-request-id',
  'x-rotator-target',
  'x-rotator-credential',
  'x-rotator-attempts',
  'x-rotator-overhead-ms',
  'x-rotator-warnings',
  'x-fallback-provider',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
].join(', ');

/** Ten minutes: long enough to spare a preflight per call, short enough for a changed config to be felt. */
const PREFLIGHT_SECONDS = '600';

const NO_ORIGIN: OriginVerdict = { kind: 'none' };

/** The admin API is for programs of the operator; no page may call it, listed or not. */
export function judgeOrigin(origin: string | null, isAdmin: boolean, cors: readonly string[]): OriginVerdict {
  if (origin === null) return NO_ORIGIN;
  if (isAdmin) return { kind: 'refused' };
  const wanted = normal(origin);
  const isListed = cors.some((allowed) => allowed === '*' || normal(allowed) === wanted);
  return isListed ? { kind: 'allowed', origin } : { kind: 'refused' };
}

export function isPreflight(request: Request): boolean {
  return request.method === 'OPTIONS' && request.headers.has('access-control-request-method');
}

/** The answer to a preflight of an allowed origin. Every header is allowed: SDKs send many of their own. */
export function preflightResponse(request: Request): Response {
  const headers = new Headers({
    'access-control-allow-methods': 'GET, HEAD, POST',
    'access-control-max-age': PREFLIGHT_SECONDS,
  });
  const wanted = request.headers.get('access-control-request-headers');
  if (wanted !== null) headers.set('access-control-allow-headers', wanted);
  // Chrome asks this before a public page may reach a private address.
  if (request.headers.get('access-control-request-private-network') === 'true') {
    headers.set('access-control-allow-private-network', 'true');
  }
  return new Response(null, { status: 204, headers });
}

export function addCorsHeaders(headers: Headers, origin: string): void {
  headers.set('access-control-allow-origin', origin);
  headers.set('access-control-expose-headers', EXPOSED);
}

/** Scheme and host in lower case, no default port, no trailing slash. `app://` and the like have no parsed origin. */
function normal(origin: string): string {
  const parsed = URL.canParse(origin) ? new URL(origin).origin : 'null';
  return parsed === 'null' ? origin.toLowerCase().replace(/\/+$/, '') : parsed;
}
