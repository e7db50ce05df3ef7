import type { Secret } from '../shared/secret.ts';

/** One HTTP call to an upstream. */
export type UpstreamCall = {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** Complete: nothing is added but what HTTP itself needs. */
  readonly headers: Headers;
  readonly body: Uint8Array | null;
  readonly signal: AbortSignal;
  /** Connections are kept per pool key (a provider's id), so that one provider cannot starve another. */
  readonly poolKey: string;
  /** Outbound proxy: `http://`, `https://` or `socks5://` (also `socks5h://`), with credentials in it. Null: direct. */
  readonly proxy: Secret | null;
  readonly isHttp2: boolean;
  /** Milliseconds for DNS, TCP and TLS together. */
  readonly connectTimeoutMs: number;
};

/** Resolves with the response head; the body streams. Rejects with a `TransportError`, or with the signal's reason. */
export type Upstream = (call: UpstreamCall) => Promise<Response>;

/**
 * How far the request got:
 * `not-sent`: DNS, connect, TLS or proxy refused; the upstream has not seen it.
 * `lost`: the connection died after the request was written.
 * `connect-timeout`: not connected in time, not sent.
 */
export type TransportPhase = 'not-sent' | 'lost' | 'connect-timeout';

export class TransportError extends Error {
  readonly phase: TransportPhase;
  /** The runtime's code, such as `ECONNREFUSED`. */
  readonly code: string;

  constructor(phase: TransportPhase, code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'TransportError';
    this.phase = phase;
    this.code = code;
  }
}
