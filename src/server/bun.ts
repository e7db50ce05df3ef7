import { CliError } from '../shared/cli-error.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { Peer, ServerFetch } from './fetch.ts';

export type ListenOptions = {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Tells its peer when the body is read and when the answer is ready: the socket's idle timer goes by that. */
  readonly fetch: ServerFetch;
  /** Something threw outside `fetch`'s own care. One line; never a stack to the client. */
  readonly onError?: (error: unknown) => void;
  /** Seconds of silence allowed while a request is read and between requests. Default 30; Bun counts in steps of 4. */
  readonly idleSeconds?: number;
};

export type Listener = {
  /** Where this machine reaches it: a wildcard address is written as the loopback one. No slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Requests that are being answered. */
  pending(): number;
  /** Takes no new connections and lets open requests finish; after `graceMs` cuts what is left. True: all finished. */
  stop(graceMs: number): Promise<boolean>;
  /** Cuts everything now; the requests' signals abort. */
  abort(): void;
};

const IDLE_SECONDS = 30;

/** The only socket that listens. Throws a `CliError` when the address cannot be had. */
export function listen(options: ListenOptions): Listener {
  const idleSeconds = options.idleSeconds ?? IDLE_SECONDS;
  const server = open(options, () =>
    Bun.serve({
      hostname: options.hostname,
      port: options.port,
      idleTimeout: idleSeconds,
      // Bun refuses a larger body with a bare 413. The fetch core counts for itself and answers in its envelope.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      // Said aloud because `development: false` alone makes Bun 1.4.5 set SO_REUSEPORT: a second server on this port
      // would then start without an error and take half of the connections.
      reusePort: false,
      fetch: (request, socket) => options.fetch(request, new SocketPeer(request, socket, idleSeconds)),
      error: (error) => {
        options.onError?.(error);
        return new Response(null, { status: 500 });
      },
    }),
  );
  let isAborted = false;
  const abort = () => {
    isAborted = true;
    void server.stop(true);
  };
  return {
    url: `http://${reachable(options.hostname)}:${server.port}`,
    port: server.port ?? options.port,
    pending: () => server.pendingRequests,
    stop: async (graceMs) => {
      const timer = setTimeout(abort, graceMs);
      try {
        await server.stop();
      } finally {
        clearTimeout(timer);
      }
      return !isAborted;
    },
    abort,
  };
}

/** Keeps Bun's idle timer from cutting what is merely quiet. */
class SocketPeer implements Peer {
  readonly #request: Request;
  readonly #socket: Bun.Server<undefined>;
  readonly #idleSeconds: number;

  constructor(request: Request, socket: Bun.Server<undefined>, idleSeconds: number) {
    this.#request = request;
    this.#socket = socket;
    this.#idleSeconds = idleSeconds;
  }

  get address(): string | null {
    return this.#socket.requestIP(this.#request)?.address ?? null;
  }

  onBodyRead(): void {
    // The timer also runs while an answer is awaited, and would cut it without a status line.
    this.#socket.timeout(this.#request, 0);
  }

  onAnswer(isWhole: boolean): void {
    // Nothing quiet follows a whole answer. Without this the connection, kept alive, would never be closed.
    if (isWhole) this.#socket.timeout(this.#request, this.#idleSeconds);
  }
}

function open<Server>({ hostname, port }: ListenOptions, serve: () => Server): Server {
  try {
    return serve();
  } catch (cause) {
    const address = `${hostname}:${port}`;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    switch (code) {
      case 'EADDRINUSE': {
        const hint = 'stop the other program, or choose another port with --port (0 takes a free one)';
        throw new CliError(1, 'port_in_use', `port ${port} on ${hostname} is in use`, hint, cause);
      }
      case 'EACCES':
        throw new CliError(
          1,
          'port_forbidden',
          `not allowed to listen on ${address}`,
          'choose a port above 1023',
          cause,
        );
      case 'EADDRNOTAVAIL': {
        const hint = 'set server.host (or --host) to 127.0.0.1 or to an address of this machine';
        throw new CliError(1, 'address_unavailable', `this machine has no address "${hostname}"`, hint, cause);
      }
      case 'ENOENT':
      case 'ENOTFOUND':
        throw new CliError(
          1,
          'address_unavailable',
          `the name "${hostname}" does not resolve`,
          'set server.host (or --host) to 127.0.0.1',
          cause,
        );
      default: {
        const reason = reasonOf(cause);
        throw new CliError(1, 'listen_failed', `cannot listen on ${address}: ${reason}`, undefined, cause);
      }
    }
  }
}

function reachable(hostname: string): string {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  if (bare === '0.0.0.0') return '127.0.0.1';
  if (bare === '::') return '[::1]';
  return bare.includes(':') ? `[${bare}]` : bare;
}
