/**
 * What went wrong with one upstream call, as a fact with an owner. The gateway's policy table turns it into a next
 * step, the pool into a block, the codec into an error body; none of them looks at the upstream's words again.
 */
export type WaitHint = {
  /** Milliseconds from the moment the reply arrived. Never negative; 0 means usable now. */
  readonly ms: number;
  /** Where the time was read: `retry-after`, `retry-after-ms`, `retry-info`, `reset-header`, `message`, `daily-reset`… */
  readonly source: string;
};

type FailureOf<Kind extends string, Extra = unknown> = {
  readonly kind: Kind;
  /** Upstream's HTTP status; null when no status line arrived. */
  readonly status: number | null;
  /** One line, redacted and cut to 500 characters; safe to log and to show to the client. */
  readonly message: string;
} & Extra;

/** The upstream's own words on a request it calls wrong, kept for the client. */
export type RejectedBody = {
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
};

export type Failure =
  /** The request itself is wrong (400, 413, 422): the same on every key. */
  | FailureOf<'bad-request', { readonly rejected: RejectedBody }>
  | FailureOf<'context-too-long', { readonly rejected: RejectedBody }>
  /** 404 naming a model: this provider does not have it. */
  | FailureOf<'model-missing'>
  /** 429. `isQuota`: a daily or longer allowance is used up, not a short-term rate. */
  | FailureOf<
      'rate-limited',
      {
        readonly wait: WaitHint | null;
        readonly isQuota: boolean;
        /** `model`: this model (or its group) on this key; `credential`: everything on this key. */
        readonly scope: 'model' | 'credential';
        /** The plan has no access to the model at all (Gemini's `limit: 0`). */
        readonly isPermanent: boolean;
        /** The limit that the vendor's words name; null when they name none, or a longer one than a day. */
        readonly window: 'minute' | 'day' | null;
      }
    >
  /** 402, or a 429 that says the account is out of credit. */
  | FailureOf<'billing'>
  /** 401, or a vendor's own way to say that the key is invalid. */
  | FailureOf<'key-rejected'>
  /** The account has no token now, so that nothing was sent. `until`: when it is tried again; null: a person is needed. */
  | FailureOf<'signed-out', { readonly until: number | null }>
  /** 403. `model`: only this model or region is refused. */
  | FailureOf<'forbidden', { readonly scope: 'model' | 'credential' }>
  /** 5xx, an error inside a 200, a reply that is no answer. */
  | FailureOf<'upstream-error'>
  /** 529, capacity exhausted: the model at this provider, not the key. */
  | FailureOf<'overloaded', { readonly wait: WaitHint | null }>
  /** Other 4xx: nobody's fault that is known; the key's ladder. */
  | FailureOf<'unclassified'>
  /** DNS, connect or TLS failed: the upstream has not seen the request. */
  | FailureOf<'not-sent'>
  /** The connection died after the request was written: it may have been served and billed. */
  | FailureOf<'lost'>
  | FailureOf<'timeout', { readonly phase: 'first-byte' | 'total' | 'idle' | 'connect' }>
  /** The stream ended without its end. `isCommitted`: the client has seen part of it. */
  | FailureOf<'stream-broken', { readonly isCommitted: boolean }>
  /** A reply that says nothing: no content and no finish reason. */
  | FailureOf<'empty'>
  /** The upstream is this server. */
  | FailureOf<'loop'>
  | FailureOf<'client-gone'>
  /** The request's own deadline passed. */
  | FailureOf<'deadline'>;

export type FailureKind = Failure['kind'];
