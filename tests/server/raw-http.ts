import { connect, type Socket } from 'node:net';

/** A connection on which a test writes bytes as it likes, for what no well-behaved client sends. */
export type RawConnection = {
  send(bytes: string | Uint8Array): void;
  /** Everything received so far, as Latin-1. */
  received(): string;
  /** Resolves as soon as what was received matches; rejects when the connection closes first. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves when the other side has closed, with everything received. */
  closed: Promise<string>;
  close(): void;
};

export function rawConnection(port: number): Promise<RawConnection> {
  return new Promise((resolve, reject) => {
    let text = '';
    let isClosed = false;
    const waiting = new Set<() => void>();
    const wake = () => {
      for (const look of waiting) look();
    };
    const socket: Socket = connect(port, '127.0.0.1');
    const closed = new Promise<string>((settle) => {
      socket.on('close', () => {
        isClosed = true;
        wake();
        settle(text);
      });
    });
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      wake();
    });
    socket.once('error', reject);
    socket.once('connect', () => {
      // A reset after this point is an end like any other; `closed` tells of it.
      socket.on('error', () => {});
      resolve({
        send: (bytes) => void socket.write(bytes),
        received: () => text,
        closed,
        close: () => socket.destroy(),
        until: (pattern) =>
          new Promise((found, lost) => {
            const look = () => {
              if (pattern.test(text)) found(text);
              else if (isClosed) lost(new Error(`closed before ${pattern}: ${JSON.stringify(text)}`));
              else return;
              waiting.delete(look);
            };
            waiting.add(look);
            look();
          }),
      });
    });
  });
}
