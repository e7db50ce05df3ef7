import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

const pem = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');

/** Self-signed, for `localhost`, `api.example.test`, 127.0.0.1 and ::1. */
export const localCertificate = { cert: pem('localhost.cert'), key: pem('localhost.key') };
/** Self-signed, for `elsewhere.example.test`. */
export const elsewhereCertificate = { cert: pem('elsewhere.cert'), key: pem('elsewhere.key') };

/** A server that does to its sockets exactly what a test wants. */
export type SocketServer = Disposable & {
  readonly port: number;
  readonly url: string;
  /** Connections taken so far. */
  readonly connections: number;
  /** Everything received, as Latin-1. */
  readonly received: string;
};

export type SocketServerOptions = {
  readonly tls?: { readonly cert: string; readonly key: string; readonly [option: string]: unknown };
  readonly onConnect?: (socket: Socket) => void;
  /** Called with each request's head (and what came with it). */
  readonly onRequest?: (socket: Socket, request: string) => void;
};

export async function startSocketServer(options: SocketServerOptions): Promise<SocketServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let received = '';
  const take = (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    let request = '';
    if (options.onRequest) {
      socket.on('data', (data) => {
        received += data.toString('latin1');
        request += data.toString('latin1');
        if (!request.includes('\r\n\r\n')) return;
        options.onRequest?.(socket, request);
        request = '';
      });
    }
    options.onConnect?.(socket);
  };
  const server: Server = options.tls
    ? createTlsServer(options.tls, take).on('tlsClientError', () => {})
    : createServer(take);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    port,
    url: `${options.tls ? 'https://localhost' : 'http://127.0.0.1'}:${port}`,
    get connections() {
      return connections;
    },
    get received() {
      return received;
    },
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** The text of a whole HTTP response. */
export function http(body: string, status = '200 OK', ...headers: string[]): string {
  return [`HTTP/1.1 ${status}`, `content-length: ${Buffer.byteLength(body)}`, ...headers, '', body].join('\r\n');
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = await startSocketServer({});
  server[Symbol.dispose]();
  return server.port;
}
