import { type Clock, systemClock } from '../shared/clock.ts';
import { ambientProxy } from './ambient-proxy.ts';
import { bodyFailure, sendFailure } from './failures.ts';
import { withPlainBody } from './plain-body.ts';
import { type Hop, Reachability } from './reachability.ts';
import { Sessions, type Shard } from './sessions.ts';
import type { SocksProxy } from './socks.ts';
import { TransportError, type Upstream, type UpstreamCall } from './upstream.ts';

export { bodyFailure };

export type UpstreamOptions = {
  /** Where `HTTP_PROXY` and the like are read. Without it there are no ambient proxies. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** PEM certificates that are trusted instead of the usual ones. */
  readonly ca?: string;
  readonly clock?: Clock;
};

/** What leads to an upstream. `hop` is where the first connection goes. */
type Route =
  | { readonly kind: 'fetch'; readonly hop: Hop; readonly proxy: URL | null }
  | { readonly kind: 'socks'; readonly proxy: SocksProxy };

const DEFAULT_PORT: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'socks5:': 1080,
  'socks5h:': 1080,
};

/**
 * HTTP out, over Bun's fetch; over undici where the proxy speaks SOCKS5. Redirects are not followed, because they
 * would carry the key to another host. The body of a response is always plain bytes; reading it may reject, and
 * `bodyFailure` says what that means. There is no time limit but that of connecting.
 */
export function createUpstream(options: UpstreamOptions = {}): Upstream & { close(): void } {
  const sessions = new Sessions(options.ca);
  const reachability = new Reachability(options.clock ?? systemClock);
  const places = new Places(options.env ?? {});
  const withoutHttp2 = new Set<string>();
  let socks: Promise<import('./socks-upstream.ts').SocksUpstream> | null = null;

  const callThroughSocks = async (call: UpstreamCall, url: URL, proxy: SocksProxy) => {
    // Most installations never need undici; its megabyte is not read for them.
    socks ??= import('./socks-upstream.ts').then(({ SocksUpstream }) => new SocksUpstream(options.ca));
    return withPlainBody(await (await socks).call(call, url, proxy));
  };

  const callThroughFetch = async (call: UpstreamCall, url: URL, hop: Hop, proxy: URL | null): Promise<Response> => {
    const shard = sessions.shardFor(call.poolKey);
    shard.inFlight++;
    let signal = call.signal;
    let stopWatching: (() => void) | null = null;
    if (!reachability.isProven(hop)) {
      const unreachable = new AbortController();
      signal = AbortSignal.any([call.signal, unreachable.signal]);
      stopWatching = reachability.watch(hop, call.connectTimeoutMs, () => unreachable.abort(connectTimeout(hop, call)));
    }
    try {
      let response: Response;
      if (call.isHttp2 && url.protocol === 'https:' && !withoutHttp2.has(url.host)) {
        response = await fetchOver(shard, 'http2', call, signal, proxy).catch((error: unknown) => {
          if (sendFailure(error, '').code !== 'HTTP2Unsupported') throw error;
          withoutHttp2.add(url.host);
          return fetchOver(shard, 'http1.1', call, signal, proxy);
        });
      } else response = await fetchOver(shard, 'http1.1', call, signal, proxy);
      reachability.prove(hop);
      // Only a proxy answers so. For https the same refusal is an error of the tunnel.
      if (proxy && response.status === 407) {
        await response.body?.cancel();
        const message = `proxy ${proxy.host}: it wants a user name and a password (HTTP 407)`;
        throw new TransportError('not-sent', 'ERR_PROXY_AUTH', message);
      }
      return withPlainBody(response);
    } catch (error) {
      throw call.signal.aborted ? call.signal.reason : sendFailure(error, peerOf(url, proxy));
    } finally {
      stopWatching?.();
      shard.inFlight--;
    }
  };

  const send = (call: UpstreamCall): Promise<Response> => {
    call.signal.throwIfAborted();
    const place = places.find(call.url);
    const route = call.proxy ? routeThrough(call.proxy.reveal()) : place.ambient;
    const asked = call.headers.has('accept-encoding') ? call : { ...call, headers: withIdentity(call.headers) };
    return route.kind === 'socks'
      ? callThroughSocks(asked, place.url, route.proxy)
      : callThroughFetch(asked, place.url, route.hop, route.proxy);
  };
  const upstream: Upstream = (call) => {
    try {
      return send(call);
    } catch (error) {
      return Promise.reject(error);
    }
  };

  return Object.assign(upstream, {
    close() {
      sessions.close();
      reachability.close();
      void socks?.then((loaded) => loaded.close());
    },
  });
}

function fetchOver(
  { session }: Shard,
  protocol: 'http1.1' | 'http2',
  call: UpstreamCall,
  signal: AbortSignal,
  proxy: URL | null,
): Promise<Response> {
  return session.fetch(call.url, {
    method: call.method,
    headers: call.headers,
    body: call.body,
    signal,
    redirect: 'manual',
    timeout: false,
    decompress: false,
    // A proxy that was configured is meant, whatever NO_PROXY says; without one, ambient proxies were looked for.
    proxy: proxy ? { url: proxy.href, respectNoProxy: false } : false,
    protocol,
  });
}

type Place = { readonly url: URL; readonly ambient: Route };

const MAX_PLACES = 1000;

/** A provider's URLs are few, and the environment does not change while the process runs: each is read once. */
class Places {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #places = new Map<string, Place>();

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  find(address: string): Place {
    const known = this.#places.get(address);
    if (known) return known;
    const url = parseUrl(address);
    const proxy = ambientProxy(url, this.#env);
    const ambient: Route = proxy === null ? { kind: 'fetch', hop: hopOf(url), proxy: null } : routeThrough(proxy);
    if (this.#places.size >= MAX_PLACES) this.#places.clear();
    const place = { url, ambient };
    this.#places.set(address, place);
    return place;
  }
}

function routeThrough(address: string): Route {
  const proxy = URL.canParse(address) ? new URL(address) : null;
  switch (proxy?.protocol) {
    case 'http:':
    case 'https:':
      return { kind: 'fetch', hop: hopOf(proxy), proxy };
    case 'socks5:':
    case 'socks5h:': {
      const { hostname, port } = hopOf(proxy);
      const [username, password] = [decode(proxy.username), decode(proxy.password)];
      return { kind: 'socks', proxy: { hostname, port, username, password } };
    }
    default:
      // The address may hold a password: it is not repeated.
      throw new TransportError(
        'not-sent',
        'ERR_PROXY_ADDRESS',
        'the proxy must be a URL such as http://host:port, https://host:port or socks5://host:port',
      );
  }
}

function hopOf(url: URL): Hop {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port) || (DEFAULT_PORT[url.protocol] ?? 80);
  return { name: `${url.protocol}//${url.hostname}:${port}`, hostname, port, isTls: url.protocol === 'https:' };
}

function peerOf(url: URL, proxy: URL | null): string {
  return proxy ? `${url.host} through proxy ${proxy.host}` : url.host;
}

function connectTimeout(hop: Hop, call: UpstreamCall): TransportError {
  const message = `${hop.hostname}:${hop.port}: not connected within ${call.connectTimeoutMs} ms`;
  return new TransportError('connect-timeout', 'CONNECT_TIMEOUT', message);
}

function withIdentity(headers: Headers): Headers {
  const all = new Headers(headers);
  all.set('accept-encoding', 'identity');
  return all;
}

function parseUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') return parsed;
  throw new TransportError('not-sent', 'ERR_INVALID_URL', 'the upstream address must be an http:// or https:// URL');
}

/** A stray percent sign is part of the password then. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
