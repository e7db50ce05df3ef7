/** A request that is over, as it is logged and kept. Nothing of what was asked or answered; credentials by their ids. */
export type LoggedRequest = {
  readonly id: string;
  /** When it arrived, milliseconds since the epoch. */
  readonly at: number;
  /** The client key's name; null for the anonymous client. */
  readonly client: string | null;
  /** The model as the client wrote it; null when the request could not be read. */
  readonly model: string | null;
  /** `provider/model` that answered, or was tried last. */
  readonly target: string | null;
  /** The credential that answered. */
  readonly credential: string | null;
  readonly status: number;
  /** The kind of failure; null for an answer. A stream can fail with status 200. */
  readonly failure: string | null;
  readonly isStream: boolean;
  /** Milliseconds spent waiting for a credential and between tries. */
  readonly queueMs: number;
  /** Milliseconds from the arrival to the first byte of a stream. */
  readonly firstByteMs: number | null;
  readonly totalMs: number;
  /** Milliseconds that were rotator's own. */
  readonly overheadMs: number;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Of the input tokens. */
  readonly cachedTokens: number | null;
  /** Of the output tokens. */
  readonly reasoningTokens: number | null;
  /** Null where no price is known. */
  readonly costUsd: number | null;
  /** Upstream calls, in order. */
  readonly attempts: readonly LoggedAttempt[];
};

/** `seq` counts up and names one request alone; an id may have been chosen by the client, twice. */
export type KeptRequest = LoggedRequest & { readonly seq: number };

export type LoggedAttempt = {
  readonly target: string;
  readonly credential: string;
  /** Upstream's HTTP status; null when none arrived. */
  readonly status: number | null;
  readonly failure: string | null;
  readonly ms: number;
  /** The upstream's own words, without secrets; never in the log line. Null when it served. */
  readonly error: string | null;
};

/** What else is known of it in the moment when it is over. */
export type RequestRecord = Omit<LoggedRequest, 'attempts'> & {
  readonly attempts: readonly AttemptSummary[];
  /** Steps from one target to the next, with the kind of the problem that made it. */
  readonly fallbacks: readonly { readonly from: string; readonly to: string; readonly reason: string }[];
  /** What OpenTelemetry calls it: `chat`, `embeddings`. */
  readonly operation: string;
  /** W3C's header of the client's own trace, as it came; null: none did. */
  readonly traceParent: string | null;
};

export type AttemptSummary = LoggedAttempt & {
  /** When it began, in milliseconds after the request. */
  readonly startMs: number;
};
