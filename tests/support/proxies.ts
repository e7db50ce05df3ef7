import { connect, createServer, type Server, type Socket } from 'node:net';

/** What one client asked a proxy for, and how many bytes went each way after that. */
export type Tunnel = {
  /** `host:port` of a CONNECT or of a SOCKS5 request; the absolute URL of a plain HTTP request. */
  readonly target: string;
  readonly kind: 'connect' | 'plain' | 'socks5';
  /** `user:password` as the proxy received it. */
  readonly login: string | null;
  sent: number;
  received: number;
};

export type TestProxy = Disposable & {
  /** Without credentials. */
  readonly url: string;
  urlFor(username: string, password?: string): string;
  readonly tunnels: readonly Tunnel[];
  /** Requests turned away for their credentials. */
  readonly refusals: number;
};

export type ProxyOptions = {
  /** `user:password` that is demanded. */
  readonly login?: string;
  /** Every connection goes there, whatever name was asked for. */
  readonly leadsTo?: { readonly host: string; readonly port: number };
};

type Relay = { tunnels: Tunnel[]; refusals: number; options: ProxyOptions };

/** A real HTTP proxy: CONNECT tunnels, and absolute URLs for plain http. */
export async function startHttpProxy(options: ProxyOptions = {}): Promise<TestProxy> {
  const relay: Relay = { tunnels: [], refusals: 0, options };
  return await start('http', relay, (client) => {
    readUntil(client, '\r\n\r\n', (head, rest) => {
      const [line = '', ...fields] = head.split('\r\n');
      const [method = '', target = ''] = line.split(' ');
      const basic = /^proxy-authorization: basic (.+)$/im.exec(fields.join('\n'))?.[1];
      const login = basic === undefined ? null : Buffer.from(basic, 'base64').toString();
      if (options.login !== undefined && login !== options.login) {
        relay.refusals++;
        client.end(
          'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n',
        );
        return;
      }
      if (method === 'CONNECT') {
        const { hostname, port } = new URL(`http://${target}`);
        const tunnel: Tunnel = { target, kind: 'connect', login, sent: 0, received: 0 };
        join(client, tunnel, { host: hostname, port: Number(port) }, relay, (origin) => {
          client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
          forward(origin, tunnel, rest);
        });
        return;
      }
      const url = new URL(target);
      const tunnel: Tunnel = { target, kind: 'plain', login, sent: 0, received: 0 };
      const kept = fields.filter((field) => !/^proxy-/i.test(field) && !/^connection:/i.test(field));
      join(client, tunnel, { host: url.hostname, port: Number(url.port) || 80 }, relay, (origin) => {
        const request = [`${method} ${url.pathname}${url.search} HTTP/1.1`, ...kept, 'connection: close', '', ''];
        forward(origin, tunnel, Buffer.concat([Buffer.from(request.join('\r\n'), 'latin1'), rest]));
      });
    });
  });
}

/** A real SOCKS5 proxy (RFC 1928) with user name and password (RFC 1929). */
export async function startSocksProxy(options: ProxyOptions = {}): Promise<TestProxy> {
  const relay: Relay = { tunnels: [], refusals: 0, options };
  return await start('socks5', relay, (client) => {
    let login: string | null = null;
    let state: 'greeting' | 'password' | 'request' = 'greeting';
    let buffer: Buffer = Buffer.alloc(0);
    const onData = (data: Buffer) => {
      buffer = Buffer.concat([buffer, data]);
      if (state === 'greeting' && buffer.length >= 2 && buffer.length >= 2 + at(buffer, 1)) {
        const methods = buffer.subarray(2, 2 + at(buffer, 1));
        buffer = buffer.subarray(2 + methods.length);
        const method = methods.includes(2) && options.login !== undefined ? 2 : options.login === undefined ? 0 : 0xff;
        if (method === 0xff) relay.refusals++;
        client.write(Uint8Array.from([5, method]));
        state = method === 2 ? 'password' : 'request';
      }
      if (state === 'password' && buffer.length >= 2) {
        const userEnd = 2 + at(buffer, 1);
        if (buffer.length <= userEnd || buffer.length < userEnd + 1 + at(buffer, userEnd)) return;
        const end = userEnd + 1 + at(buffer, userEnd);
        login = `${buffer.subarray(2, userEnd)}:${buffer.subarray(userEnd + 1, end)}`;
        buffer = buffer.subarray(end);
        const isRight = login === options.login;
        if (!isRight) relay.refusals++;
        client.write(Uint8Array.from([1, isRight ? 0 : 1]));
        if (!isRight) return void client.end();
        state = 'request';
      }
      if (state === 'request' && buffer.length >= 5) {
        const type = at(buffer, 3);
        const from = type === 3 ? 5 : 4;
        const end = from + (type === 1 ? 4 : type === 4 ? 16 : at(buffer, 4));
        if (buffer.length < end + 2) return;
        client.off('data', onData);
        const name = buffer.subarray(from, end);
        const host =
          type === 3
            ? name.toString()
            : type === 1
              ? [...name].join('.')
              : (name.toString('hex').match(/.{4}/g) ?? []).join(':');
        const port = buffer.readUInt16BE(end);
        const tunnel: Tunnel = { target: `${host}:${port}`, kind: 'socks5', login, sent: 0, received: 0 };
        join(
          client,
          tunnel,
          { host, port },
          relay,
          () => client.write(Uint8Array.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])),
          () => client.end(Uint8Array.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0])),
        );
      }
    };
    client.on('data', onData);
  });
}

function at(buffer: Buffer, index: number): number {
  return buffer[index] ?? 0;
}

async function start(scheme: string, relay: Relay, serve: (client: Socket) => void): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => {}).on('close', () => sockets.delete(client));
    serve(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    urlFor: (username, password = '') =>
      `${scheme}://${encodeURIComponent(username)}:${encodeURIComponent(password)}@127.0.0.1:${port}`,
    tunnels: relay.tunnels,
    get refusals() {
      return relay.refusals;
    },
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function join(
  client: Socket,
  tunnel: Tunnel,
  target: { host: string; port: number },
  relay: Relay,
  onOpen: (origin: Socket) => void,
  onRefused: () => void = () => client.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n'),
): void {
  relay.tunnels.push(tunnel);
  const { host, port } = relay.options.leadsTo ?? target;
  const origin = connect(port, host.replace(/^\[(.*)\]$/, '$1'));
  let isOpen = false;
  origin.on('connect', () => {
    isOpen = true;
    onOpen(origin);
    client.on('data', (data: Buffer) => forward(origin, tunnel, data));
  });
  origin.on('data', (data) => {
    tunnel.received += data.length;
    client.write(data);
  });
  origin.on('error', () => (isOpen ? client.destroy() : onRefused()));
  origin.on('end', () => client.end());
  client.on('close', () => origin.destroy());
}

function forward(origin: Socket, tunnel: Tunnel, data: Buffer): void {
  tunnel.sent += data.length;
  origin.write(data);
}

function readUntil(socket: Socket, mark: string, found: (head: string, rest: Buffer) => void): void {
  let buffer: Buffer = Buffer.alloc(0);
  const onData = (data: Buffer) => {
    buffer = Buffer.concat([buffer, data]);
    const end = buffer.indexOf(mark);
    if (end === -1) return;
    socket.off('data', onData);
    found(buffer.subarray(0, end).toString('latin1'), buffer.subarray(end + mark.length));
  };
  socket.on('data', onData);
}
