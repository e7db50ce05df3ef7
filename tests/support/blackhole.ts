import { connect, type Socket } from 'node:net';

/** An address that takes no further connection and refuses none: what a host behind a silent firewall looks like. */
export type Blackhole = Disposable & { readonly port: number; readonly url: string };

// Linux and macOS alike drop what does not fit the queue of connections that wait to be accepted.
const listenAndStop = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    process.stdout.write(server.address().port + '\\n', () =>
      setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 10));
  });`;

export async function startBlackhole(): Promise<Blackhole> {
  const child = Bun.spawn([process.execPath, '-e', listenAndStop], { stdout: 'pipe', stderr: 'inherit' });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const port = Number(new TextDecoder().decode(value).trim());
  const sockets: Socket[] = [];
  // The queue's length is the runtime's choice; it is full when connections stay away, twice in a row.
  for (let misses = 0; misses < 2; ) {
    const waiting = Array.from({ length: misses === 0 ? 100 : 3 }, () => knock(port, sockets));
    misses = (await Promise.all(waiting)).every(Boolean) ? 0 : misses + 1;
  }
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    [Symbol.dispose]: () => {
      child.kill('SIGKILL');
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Is the connection there after a moment? Events that are waiting when the moment is over still count. */
function knock(port: number, sockets: Socket[]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    const timer = setTimeout(() => setImmediate(() => resolve(!socket.connecting)), 200);
    socket.on('connect', () => {
      clearTimeout(timer);
      resolve(true);
    });
    socket.on('error', () => {});
  });
}
