import { connect, type Socket } from 'node:net';

/** A client that sends exactly these bytes, and reads only when it is told to. */
export type RawClient = Disposable & {
  readonly socket: Socket;
  send(bytes: string | Uint8Array): void;
  /** Stops reading, so that the other side meets a full socket. */
  pause(): void;
  resume(): void;
  /** Everything received so far, as Latin-1. */
  readonly received: string;
  /** Count of received bytes, also of those that `keeps: false` has dropped. */
  readonly size: number;
  /** Resolves with everything received as soon as that holds this; rejects when the connection ends first. */
  until(wanted: string | RegExp): Promise<string>;
  /** Resolves when the connection has ended, with everything received. */
  readonly ended: Promise<string>;
  close(): void;
};

export async function rawClient(url: string, options: { keeps?: boolean } = {}): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const ended = Promise.withResolvers<string>();
  let received = '';
  let size = 0;
  let isEnded = false;
  const waiting = new Set<() => void>();
  const notify = () => {
    for (const look of waiting) look();
  };
  socket.on('data', (data) => {
    size += data.length;
    if (options.keeps !== false) received += data.toString('latin1');
    notify();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isEnded = true;
    ended.resolve(received);
    notify();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', reject);
  });
  return {
    socket,
    send: (bytes) => {
      socket.write(bytes);
    },
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
    get received() {
      return received;
    },
    get size() {
      return size;
    },
    until: (wanted) =>
      new Promise((found, lost) => {
        const look = () => {
          if (typeof wanted === 'string' ? received.includes(wanted) : wanted.test(received)) found(received);
          else if (isEnded) lost(new Error(`the connection ended before ${String(wanted)} came: ${received}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    ended: ended.promise,
    close: () => {
      socket.destroy();
    },
    [Symbol.dispose]: () => {
      socket.destroy();
    },
  };
}

/** One request of exact bytes on a connection of its own; the whole reply as text. */
export async function rawExchange(url: string, head: readonly string[], body = ''): Promise<string> {
  using client = await rawClient(url);
  client.send(`${[...head, 'connection: close'].join('\r\n')}\r\n\r\n${body}`);
  return await client.ended;
}
