import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { TransportError } from './upstream.ts';

/** A SOCKS5 proxy. Without a user name none is offered; a user name alone is sent with an empty password. */
export type SocksProxy = {
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
};

/** RFC 1928 §6. */
const REPLIES: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'not allowed by its rules',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'time to live expired',
  7: 'command not supported',
  8: 'address type not supported',
};

const VERSION = 5;
const NO_AUTH = 0;
const PASSWORD_AUTH = 2;
const CONNECT = 1;
const IPV4 = 1;
const DOMAIN = 3;
const IPV6 = 4;

/**
 * A TCP connection to `host:port` through a SOCKS5 proxy (RFC 1928, 1929). The name is resolved by the proxy, for
 * `socks5://` as for `socks5h://`. Rejects with a `TransportError` that was not sent, or with the signal's reason.
 *
 * undici's own Socks5ProxyAgent is not used: it gives up after a fixed 5 s whatever the connect timeout, waits those
 * 5 s when the proxy hangs up, has no time limit for TLS, and prints a warning to stderr.
 */
export function connectThroughSocks(
  proxy: SocksProxy,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const handshake = greet(proxy, host, port);
    const socket = connectTcp({ host: proxy.hostname, port: proxy.port });
    let received: Buffer = Buffer.alloc(0);

    const finish = () => {
      socket.off('data', onData).off('error', onError).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown) => {
      finish();
      // A late error on a socket that nobody holds would end the process.
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const refuse = (code: string, why: string) =>
      fail(new TransportError('not-sent', code, `SOCKS5 proxy ${proxy.hostname}:${proxy.port}: ${why}`));
    const onAbort = () => fail(signal.reason);
    const onError = (error: NodeJS.ErrnoException) =>
      refuse(error.code ?? 'SOCKS_CONNECT', `cannot be reached (${error.code})`);
    const onClose = () => refuse('SOCKS_CLOSED', 'closed the connection during the handshake');
    const onData = (data: Buffer) => {
      received = received.length === 0 ? data : Buffer.concat([received, data]);
      for (;;) {
        const step = handshake.next(received);
        if (step.kind === 'more') return;
        if (step.kind === 'refused') return refuse(step.code, step.why);
        received = received.subarray(step.used);
        if (step.kind === 'send') socket.write(step.bytes);
        else {
          finish();
          socket.pause();
          if (received.length > 0) socket.unshift(received);
          return resolve(socket);
        }
      }
    };

    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.setNoDelay(true);
    socket.on('error', onError).on('close', onClose).on('data', onData);
    socket.once('connect', () => socket.write(handshake.first));
  });
}

type Step =
  | { readonly kind: 'more' }
  | { readonly kind: 'send'; readonly used: number; readonly bytes: Uint8Array }
  | { readonly kind: 'open'; readonly used: number }
  | { readonly kind: 'refused'; readonly code: string; readonly why: string };

type Handshake = { readonly first: Uint8Array; next(received: Uint8Array): Step };

/**
 * The client's side of the handshake, without a socket: what to send first, and what each answer leads to. Throws a
 * `TransportError` for names and passwords that SOCKS5 has no room for.
 */
export function greet(proxy: SocksProxy, host: string, port: number): Handshake {
  const hasUser = proxy.username !== '' || proxy.password !== '';
  const login = passwordRequest(proxy);
  const request = connectRequest(host, port);
  let state: 'method' | 'password' | 'reply' = 'method';
  return {
    first: Uint8Array.from(hasUser ? [VERSION, 2, NO_AUTH, PASSWORD_AUTH] : [VERSION, 1, NO_AUTH]),
    next(received) {
      if (received.length < 2) return { kind: 'more' };
      const answer = received[1];
      switch (state) {
        case 'method':
          if (received[0] !== VERSION) return refused('SOCKS_VERSION', 'does not speak SOCKS5');
          if (answer === PASSWORD_AUTH && hasUser) {
            state = 'password';
            return { kind: 'send', used: 2, bytes: login };
          }
          if (answer !== NO_AUTH)
            return refused('SOCKS_AUTH', hasUser ? 'accepts no password' : 'wants a user name and a password');
          state = 'reply';
          return { kind: 'send', used: 2, bytes: request };
        case 'password':
          if (answer !== 0) return refused('SOCKS_AUTH', 'did not accept the user name and password');
          state = 'reply';
          return { kind: 'send', used: 2, bytes: request };
        default: {
          if (received[0] !== VERSION) return refused('SOCKS_VERSION', 'does not speak SOCKS5');
          if (answer !== 0)
            return refused('SOCKS_REFUSED', `did not connect: ${REPLIES[answer ?? 1] ?? `reply ${answer}`}`);
          const length = replyLength(received);
          return length === null || received.length < length ? { kind: 'more' } : { kind: 'open', used: length };
        }
      }
    },
  };
}

function refused(code: string, why: string): Step {
  return { kind: 'refused', code, why };
}

/** Head, bound address, port. Null while the length of a name is not there yet. */
function replyLength(received: Uint8Array): number | null {
  switch (received[3]) {
    case IPV4:
      return 4 + 4 + 2;
    case IPV6:
      return 4 + 16 + 2;
    case DOMAIN:
      return received[4] === undefined ? null : 5 + received[4] + 2;
    default:
      return received.length < 4 ? null : 4;
  }
}

function connectRequest(host: string, port: number): Uint8Array {
  return Uint8Array.from([VERSION, CONNECT, 0, ...address(host), port >> 8, port & 0xff]);
}

function address(host: string): number[] {
  const family = isIP(host);
  if (family === 4) return [IPV4, ...host.split('.').map(Number)];
  if (family === 6) return [IPV6, ...ipv6Bytes(host)];
  const name = new TextEncoder().encode(host);
  if (name.length > 255) throw new TransportError('not-sent', 'SOCKS_NAME', 'the host name is too long for SOCKS5');
  return [DOMAIN, name.length, ...name];
}

function ipv6Bytes(host: string): number[] {
  // The URL parser writes every form, an embedded IPv4 address included, as groups of hexadecimal digits.
  const groups = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::');
  const [head = [], tail = []] = groups.map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** RFC 1929. Each part is at most 255 bytes there. */
function passwordRequest(proxy: SocksProxy): Uint8Array {
  const encoder = new TextEncoder();
  const username = encoder.encode(proxy.username);
  const password = encoder.encode(proxy.password);
  if (username.length > 255 || password.length > 255)
    throw new TransportError('not-sent', 'SOCKS_AUTH', 'the user name or the password is too long for SOCKS5');
  return Uint8Array.from([1, username.length, ...username, password.length, ...password]);
}
