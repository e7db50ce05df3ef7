import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../shared/clock.ts';

/** Where the first connection of a call goes: the upstream, or the proxy in front of it. */
export type Hop = {
  /** Tells hops apart. */
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
  readonly isTls: boolean;
};

const REMEMBERED_MS = 60_000;
// Most answers begin sooner, and then nothing was probed at all.
const PATIENCE_MS = 1000;
// Calls that begin together share a probe. An older one is of no use: its next try may be seconds away.
const SHARED_MS = 500;
const MAX_REMEMBERED = 1000;

/**
 * The connect timeout that Bun's fetch does not have. A call that waits for its head cannot tell a silent network
 * from a model that thinks; so while the head is missing, a second connection to the same place is tried. If that
 * one is not there in time either (TLS handshake included), the place is unreachable. Places that have answered
 * within the last minute are not doubted.
 */
export class Reachability {
  readonly #clock: Clock;
  readonly #provenAt = new Map<string, number>();
  readonly #probes = new Map<string, { readonly startedAt: number; readonly probe: Probe }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isProven(hop: Hop): boolean {
    const at = this.#provenAt.get(hop.name);
    return at !== undefined && this.#clock.now() - at < REMEMBERED_MS;
  }

  /** The hop has answered. */
  prove(hop: Hop): void {
    if (this.#provenAt.size >= MAX_REMEMBERED) this.#provenAt.clear();
    this.#provenAt.set(hop.name, this.#clock.now());
  }

  /** Calls `onTimeout` unless the hop proves reachable within `timeoutMs` or the returned function is called first. */
  watch(hop: Hop, timeoutMs: number, onTimeout: () => void): () => void {
    let isOver = false;
    let probe: Probe | null = null;
    const stop = () => {
      isOver = true;
      cancelProbe();
      cancelDeadline();
      probe?.leave();
      probe = null;
    };
    const cancelProbe = this.#clock.schedule(Math.min(PATIENCE_MS, timeoutMs / 2), () => {
      if (this.isProven(hop)) return stop();
      probe = this.#probe(hop);
      // A probe that is refused has had an answer: the call itself will get the same one.
      void probe.settled.then(() => {
        if (!isOver) stop();
      });
    });
    const cancelDeadline = this.#clock.schedule(timeoutMs, () => {
      stop();
      onTimeout();
    });
    return stop;
  }

  close(): void {
    for (const { probe } of this.#probes.values()) probe.end();
    this.#probes.clear();
  }

  #probe(hop: Hop): Probe {
    const { name } = hop;
    const running = this.#probes.get(name);
    if (running && this.#clock.now() - running.startedAt < SHARED_MS && running.probe.join()) return running.probe;
    const probe = new Probe(hop, () => this.prove(hop));
    const entry = { startedAt: this.#clock.now(), probe };
    this.#probes.set(name, entry);
    void probe.settled.then(() => {
      if (this.#probes.get(name) === entry) this.#probes.delete(name);
    });
    return probe;
  }
}

/** One connection that is closed as soon as it stands. */
class Probe {
  /** Resolves when the hop has answered in any way, or when nobody waits any more. */
  readonly settled: Promise<void>;
  #watchers = 1;
  #isOver = false;
  readonly #end: () => void;

  constructor(hop: Hop, onReachable: () => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.settled = promise;
    const options = { host: hop.hostname, port: hop.port };
    // Whose certificate it is does not matter here: nothing is sent, and the call itself checks it.
    const socket = hop.isTls
      ? connectTls({
          ...options,
          rejectUnauthorized: false,
          ...(isIP(hop.hostname) === 0 && { servername: hop.hostname }),
        })
      : connect(options);
    this.#end = () => {
      this.#isOver = true;
      socket.destroy();
      resolve();
    };
    socket.once(hop.isTls ? 'secureConnect' : 'connect', () => {
      onReachable();
      this.#end();
    });
    socket.on('error', () => this.#end());
    socket.once('close', () => this.#end());
    socket.unref();
  }

  /** False when it is over already. */
  join(): boolean {
    if (this.#isOver) return false;
    this.#watchers++;
    return true;
  }

  leave(): void {
    if (--this.#watchers <= 0) this.end();
  }

  end(): void {
    if (!this.#isOver) this.#end();
  }
}
