import { createServer, type Server } from 'node:http';
import { type Callback, readCallback } from './callback.ts';

export type Listening =
  | {
      readonly kind: 'listening';
      readonly port: number;
      /** Waits for the one callback of this login. Closes the port then, and when the signal aborts: null. */
      receive(wanted: { readonly path: string; readonly state: string }, signal: AbortSignal): Promise<Callback | null>;
      close(): void;
    }
  | { readonly kind: 'busy'; readonly port: number; readonly code: string };

/** Binds the redirect's port on 127.0.0.1 and nowhere else; 0 takes a free one. */
export async function listenForCallback(port: number): Promise<Listening> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: '127.0.0.1', exclusive: true }, resolve);
    });
  } catch (error) {
    return { kind: 'busy', port, code: error instanceof Error && 'code' in error ? String(error.code) : 'ERROR' };
  }
  const address = server.address();
  return {
    kind: 'listening',
    port: typeof address === 'object' && address !== null ? address.port : port,
    receive: (wanted, signal) => receive(server, wanted, signal).finally(() => close(server)),
    close: () => close(server),
  };
}

function receive(
  server: Server,
  wanted: { readonly path: string; readonly state: string },
  signal: AbortSignal,
): Promise<Callback | null> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(null);
    const stop = () => resolve(null);
    signal.addEventListener('abort', stop, { once: true });
    server.on('request', (request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      // A browser also asks for an icon; scanners ask for anything.
      if (request.method !== 'GET' || url.pathname !== wanted.path) {
        response.writeHead(404, HEADERS).end(page('Not here', 'This port waits for one login and has no other page.'));
        return;
      }
      const callback = readCallback(url.searchParams, wanted.state);
      const [status, title, text] = SAID[callback.kind];
      response.writeHead(status, HEADERS).end(page(title, text), () => {
        signal.removeEventListener('abort', stop);
        resolve(callback);
      });
    });
  });
}

function close(server: Server): void {
  server.close();
  // A browser keeps its connection open, and would keep the process alive.
  server.closeIdleConnections();
}

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  // The address of this page holds the code.
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  connection: 'close',
};

const SAID = {
  code: [200, 'Almost done', 'rotator has what it needs. You can close this page and go back to the terminal.'],
  denied: [200, 'Not logged in', 'The login was refused. The terminal says more.'],
  'wrong-state': [400, 'Not this login', 'This page belongs to another login and was not accepted.'],
  unreadable: [400, 'Not a login', 'This address holds no code. The terminal says how to go on.'],
} as const satisfies Record<Callback['kind'], readonly [number, string, string]>;

const page = (title: string, text: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>rotator: ${title}</title>` +
  `<body style="font:16px sans-serif;margin:15vh auto;max-width:30em"><h1>${title}</h1><p>${text}</p></body></html>\n`;
