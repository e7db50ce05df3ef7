// Bun keeps at most 64 idle connections per distinct TLS configuration; a margin covers answers whose body is still
// being read when the next request begins.
const CALLS_PER_SESSION = 48;
const MAX_SESSIONS_PER_KEY = 64;
const IDLE_SECONDS = 60;

/** A session and its calls whose head has not come yet. */
export type Shard = { readonly session: Bun.FetchSession; inFlight: number };

/**
 * Connections, kept apart by pool key. One key's calls spread over as many sessions as its concurrency needs: with
 * 200 calls at once a single one closes and reopens TLS connections all the time and falls to a fifth of its
 * throughput. A passphrase without a key to unlock changes nothing but what Bun takes for a distinct configuration.
 *
 * Plain connections share one such pool of 64 whatever is done here; without a handshake that costs little.
 */
export class Sessions {
  readonly #shards = new Map<string, Shard[]>();
  readonly #ca: string | undefined;

  constructor(ca: string | undefined) {
    this.#ca = ca;
  }

  /** Closes idle connections. Calls in flight finish. */
  close(): void {
    for (const shards of this.#shards.values()) for (const { session } of shards) session.close();
    this.#shards.clear();
  }

  /**
   * The first with room, so that few calls share few, warm connections. Whoever takes it counts itself in, and out when
   * the head has come or the call has failed.
   */
  shardFor(poolKey: string): Shard {
    const shards = this.#shards.get(poolKey) ?? [];
    if (shards.length === 0) this.#shards.set(poolKey, shards);
    let quietest: Shard | undefined;
    for (const shard of shards) {
      if (shard.inFlight < CALLS_PER_SESSION) return shard;
      if (!quietest || shard.inFlight < quietest.inFlight) quietest = shard;
    }
    if (quietest && shards.length >= MAX_SESSIONS_PER_KEY) return quietest;
    const session = new Bun.FetchSession({
      tls: { passphrase: `${poolKey}-${shards.length}`, ...(this.#ca !== undefined && { ca: this.#ca }) },
      keepAlive: { idleTimeout: IDLE_SECONDS },
    });
    const shard = { session, inFlight: 0 };
    shards.push(shard);
    return shard;
  }
}
