import { isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
// The bare name is a stub inside Bun that ignores what it is told; this path is the package from npm.
import { Pool } from 'undici/index.js';
import { sendFailure } from './failures.ts';
import { connectThroughSocks, type SocksProxy } from './socks.ts';
import { TransportError, type UpstreamCall } from './upstream.ts';

// Shorter than what servers grant: a connection that dies just as a POST is written on it is a lost request.
const KEEP_ALIVE_MS = 10_000;
const BODILESS = new Set([204, 205, 304]);

/** Calls through SOCKS5 proxies, which Bun's fetch cannot make. HTTP/1.1 only. Loaded when the first one is wanted. */
export class SocksUpstream {
  readonly #pools = new Map<string, Pool>();
  readonly #ca: string | undefined;

  constructor(ca: string | undefined) {
    this.#ca = ca;
  }

  async call(call: UpstreamCall, url: URL, proxy: SocksProxy): Promise<Response> {
    const pool = this.#poolFor(call, url, proxy);
    try {
      const answer = await pool.request({
        path: url.pathname + url.search,
        method: call.method,
        headers: [...call.headers].flat(),
        body: call.body,
        signal: call.signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const headers = new Headers();
      for (const [name, value] of Object.entries(answer.headers)) {
        for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) headers.append(name, one);
      }
      if (!BODILESS.has(answer.statusCode)) {
        return new Response(streamOf(answer.body), { status: answer.statusCode, headers });
      }
      await answer.body.dump();
      return new Response(null, { status: answer.statusCode, headers });
    } catch (error) {
      throw call.signal.aborted ? call.signal.reason : sendFailure(error, url.host);
    }
  }

  close(): void {
    for (const pool of this.#pools.values()) void pool.destroy();
    this.#pools.clear();
  }

  #poolFor(call: UpstreamCall, url: URL, proxy: SocksProxy): Pool {
    // Everything that makes a connection another one is part of the name: a tunnel is never shared across accounts.
    const name = JSON.stringify([call.poolKey, url.origin, proxy, call.connectTimeoutMs]);
    let pool = this.#pools.get(name);
    if (!pool) {
      pool = new Pool(url.origin, {
        keepAliveTimeout: KEEP_ALIVE_MS,
        connect: (_, done) => {
          this.#connect(url, proxy, call.connectTimeoutMs).then(
            (socket) => done(null, socket),
            (error: unknown) => done(sendFailure(error, url.host), null),
          );
        },
      });
      this.#pools.set(name, pool);
    }
    return pool;
  }

  /** TCP, the proxy's handshake and TLS, all within one time limit. */
  async #connect(url: URL, proxy: SocksProxy, timeoutMs: number): Promise<Socket> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(connectTimeout(url, timeoutMs)), timeoutMs);
    const isTls = url.protocol === 'https:';
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    try {
      const socket = await connectThroughSocks(proxy, host, Number(url.port) || (isTls ? 443 : 80), abort.signal);
      return isTls ? await secure(socket, host, this.#ca, abort.signal) : socket;
    } finally {
      clearTimeout(timer);
    }
  }
}

function connectTimeout(url: URL, timeoutMs: number): TransportError {
  return new TransportError('connect-timeout', 'CONNECT_TIMEOUT', `${url.host}: not connected within ${timeoutMs} ms`);
}

function secure(socket: Socket, host: string, ca: string | undefined, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secured = connectTls({
      socket,
      ALPNProtocols: ['http/1.1'],
      host,
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== undefined && { ca }),
    });
    const finish = () => {
      secured.off('error', fail).off('close', onClose).off('secureConnect', onSecure);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown) => {
      finish();
      secured.on('error', () => undefined).destroy();
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onClose = () =>
      fail(new TransportError('not-sent', 'ECONNRESET', `${host}: the connection was closed during the TLS handshake`));
    const onSecure = () => {
      finish();
      resolve(secured);
    };
    secured.on('error', fail).on('close', onClose).on('secureConnect', onSecure);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** One chunk is asked for at a time, and errors come out of the read, as with fetch. */
function streamOf(body: AsyncIterable<Uint8Array> & { destroy(): unknown }): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    },
    async cancel() {
      body.destroy();
      await chunks.return?.();
    },
  });
}
