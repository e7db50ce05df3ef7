import type { Client } from '../gateway/gateway.ts';
import { CliError } from '../shared/cli-error.ts';
import { nearest } from '../shared/near-miss.ts';
import { checkAdmin, identifyClient, stripKeys } from './auth.ts';
import { readBody } from './body.ts';
import type { ServerDeps } from './deps.ts';
import { isHostAllowed } from './host-rule.ts';
import { addCorsHeaders, isPreflight, judgeOrigin, type OriginVerdict, preflightResponse } from './origin-rule.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { requestIdOf } from './request-id.ts';
import { crashResponse, outOfOrderResponse, refusalResponse, type Told } from './rescue.ts';
import { createMatcher, type Match } from './routes/match.ts';
import type { Route } from './routes/route.ts';
import { routes } from './routes/table.ts';
import type { ServerSettings } from './settings.ts';
import { surfaceOf } from './surface.ts';
import { type Target, targetOf } from './target.ts';

export type { ServerDeps } from './deps.ts';
export type { ClientKey, ServerSettings } from './settings.ts';

/** The other end of the connection, as far as whoever holds the socket knows it. */
export type Peer = {
  readonly address: string | null;
  /** Called once the body is in, or is known to be of no interest: silence from here on is an answer in the making. */
  readonly onBodyRead?: () => void;
  /** Called with what is to be sent: all at once, or as it comes. */
  readonly onAnswer?: (isWhole: boolean) => void;
};

export type ServerFetch = (request: Request, peer: Peer) => Promise<Response>;

/** One request on its way through the doors. */
type Visit = {
  readonly deps: ServerDeps;
  readonly settings: ServerSettings;
  readonly request: Request;
  readonly peer: Peer;
  readonly requestId: string;
  readonly arrivedAt: number;
  readonly target: Target;
};

const ANONYMOUS: Client = { id: '', name: null, models: [] };
const NOTHING = new Uint8Array();
const match = createMatcher(routes);

/**
 * The server without a socket: a request in, its answer out, never a rejection. The doors stand in this order: Host,
 * Origin, route, key, content type, body. Nothing of a body is read before its sender is known.
 */
export function createFetch(deps: ServerDeps): ServerFetch {
  return async (request, peer) => {
    const arrivedAt = deps.clock.now();
    const settings = deps.settings();
    const requestId = requestIdOf(request.headers);
    const target = targetOf(request.url);
    const visit: Visit = { deps, settings, request, peer, requestId, arrivedAt, target };
    const origin = judgeOrigin(request.headers.get('origin'), isAdminPath(target.path), settings.cors);
    let response: Response;
    try {
      const answer = await pass(visit, origin);
      if (isRefusal(answer)) {
        // Path only: a query can hold a key.
        const { kind, status } = answer.refused;
        deps.log.debug('request refused', {
          request_id: requestId,
          status,
          reason: kind,
          method: request.method,
          path: target.path,
          peer: peer.address,
        });
        response = refusalResponse(answer, toldOf(visit));
      } else response = answer;
    } catch (error) {
      response =
        error instanceof CliError && isAdminPath(target.path)
          ? outOfOrderResponse(error, toldOf(visit), deps.log)
          : crashResponse(error, toldOf(visit), deps.log, { method: request.method, path: target.path });
    }
    return finished(response, visit, origin);
  };
}

const toldOf = ({ requestId, settings, target, request }: Visit): Told => ({
  requestId,
  showsRoute: settings.exposeRoute,
  surface: surfaceOf(target.path, request.headers),
});

function pass(visit: Visit, origin: OriginVerdict): Promise<Response | Refusal> | Response | Refusal {
  const { settings, request, target } = visit;
  if (!isHostAllowed(settings.host, request.headers.get('host') ?? hostOf(request.url), settings.allowedHosts)) {
    return refuse({ kind: 'misdirected-host', status: 421, message: HOST_REFUSED });
  }
  if (origin.kind === 'refused') {
    const message = isAdminPath(target.path) ? ADMIN_ORIGIN_REFUSED : ORIGIN_REFUSED;
    return refuse({ kind: 'origin-refused', status: 403, message });
  }
  if (origin.kind === 'allowed' && isPreflight(request)) return preflightResponse(request);
  const found = match(request.method, target.path);
  if (found.kind !== 'route') return noRoute(found, request.method, target.path);
  return answerRoute(visit, found.route, found.id);
}

async function answerRoute(visit: Visit, route: Route, id: string): Promise<Response | Refusal> {
  const { deps, settings, request, requestId, arrivedAt, target } = visit;
  const client = admit(route, request.headers, target.query, settings);
  if (isRefusal(client)) return client;
  stripKeys(request.headers);
  let body: Uint8Array = NOTHING;
  if (route.method === 'POST') {
    if (route.access === 'client' && settings.clientKeys === 'open' && !isJson(request.headers)) {
      return refuse({ kind: 'unsupported-encoding', status: 415, message: NOT_JSON });
    }
    const read = await readBody(request, settings.maxBodyBytes);
    if (isRefusal(read)) return read;
    body = read;
  }
  visit.peer.onBodyRead?.();
  return route.answer({ deps, settings, request, requestId, arrivedAt, client, id, query: target.query, body });
}

function admit(route: Route, headers: Headers, query: string, settings: ServerSettings): Client | Refusal {
  switch (route.access) {
    case 'public':
      return ANONYMOUS;
    case 'admin':
      return checkAdmin(headers, settings.adminToken) ?? ANONYMOUS;
    case 'client':
      return identifyClient(headers, query, settings.clientKeys);
  }
}

/** The headers that every answer carries, whoever made it; a HEAD loses its body here and nowhere else. */
function finished(response: Response, { request, requestId, settings, peer }: Visit, origin: OriginVerdict): Response {
  const { headers } = response;
  peer.onAnswer?.(headers.has('content-length'));
  headers.set('x-request-id', requestId);
  if (settings.cors.length > 0) headers.append('vary', 'origin');
  // A host that was refused is told nothing, its pages included.
  if (origin.kind === 'allowed' && response.status !== 421) addCorsHeaders(headers, origin.origin);
  return request.method === 'HEAD' ? new Response(null, { status: response.status, headers }) : response;
}

const HOST_REFUSED =
  'this Host name is not served here: use a loopback name such as 127.0.0.1, or list the name in server.allowed_hosts';
const ORIGIN_REFUSED = 'web pages of this origin may not call: list it in server.cors';
const ADMIN_ORIGIN_REFUSED = 'the admin API takes no calls from web pages';
// A page can send text/plain across origins without asking first, but not JSON; with no key to stop it, this does.
const NOT_JSON = 'with client_keys: none a POST must be content-type application/json';

function noRoute(found: Exclude<Match, { kind: 'route' }>, method: string, path: string): Refusal {
  if (found.kind === 'wrong-method') {
    const message = `${path} does not answer ${method}; it answers ${found.allow}`;
    return refuse({ kind: 'method-not-allowed', status: 405, message }, { allow: found.allow });
  }
  return refuse({ kind: 'route-not-found', status: 404, message: `there is no ${method} ${path}${suggestion(path)}` });
}

const SUGGESTED = routes.filter((route) => route.access === 'client').map((route) => route.path);

/** Most unknown paths are a base URL with one `/v1` too few, too many or a slash doubled. */
function suggestion(path: string): string {
  if (path.length > 64) return '';
  const likely = SUGGESTED.find((known) => path.length > 4 && known.endsWith(path)) ?? nearest(path, SUGGESTED);
  return likely === undefined ? '' : `. Did you mean ${likely}?`;
}

function isAdminPath(path: string): boolean {
  return path === '/admin' || path.startsWith('/admin/');
}

function isJson(headers: Headers): boolean {
  return /^application\/json\s*(;|$)/i.test(headers.get('content-type') ?? '');
}

/** For requests that never had a socket, and so no Host header: the name they were addressed to. */
function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).host : null;
}
