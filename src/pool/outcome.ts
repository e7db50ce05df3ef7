/** How a lease ended, in the pool's own words. Events are plain data, so that they can be stored and shared. */
export type Outcome =
  | { readonly kind: 'success' }
  /** Says nothing about the credential: the client left, the request was wrong, the model does not exist. */
  | { readonly kind: 'neutral' }
  | {
      readonly kind: 'rate-limited';
      /** Milliseconds from now, as the provider said; null when it did not. */
      readonly waitMs: number | null;
      /** Where the time was read, for people: `retry-after`, `retry-info`… */
      readonly source: string;
      readonly isQuota: boolean;
      readonly scope: 'model' | 'credential';
      readonly isPermanent: boolean;
      /** The limit that the provider's words name; null when they name none. */
      readonly window: 'minute' | 'day' | null;
    }
  | { readonly kind: 'auth' }
  | { readonly kind: 'forbidden'; readonly scope: 'model' | 'credential' }
  | { readonly kind: 'billing' }
  /** Climbs the credential's ladder on this model: unclassified 4xx, empty completion, timeout, broken stream. */
  | { readonly kind: 'failed' }
  /** 5xx: counts for the provider's model, never against the credential. */
  | { readonly kind: 'upstream-error' }
  | { readonly kind: 'overloaded'; readonly waitMs: number | null }
  | { readonly kind: 'unreachable' }
  /** The provider does not have this model. */
  | { readonly kind: 'model-missing' };

/** Tokens to count, also for an answer that was cut short. Null where nobody said. */
export type LeaseUsage = {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** US dollars; null or absent: no price is known. */
  readonly costUsd?: number | null;
};

/** One ceiling as a provider's headers tell it. */
export type LearnedCeiling = {
  readonly limit: number | null;
  readonly remaining: number | null;
  /** Milliseconds from now until it is full again. */
  readonly resetMs: number | null;
};

export type LearnedLimits = {
  readonly requestsPerMinute?: LearnedCeiling;
  readonly tokensPerMinute?: LearnedCeiling;
  readonly requestsPerDay?: LearnedCeiling;
  readonly tokensPerDay?: LearnedCeiling;
};

export type Settlement = {
  readonly outcome: Outcome;
  readonly usage: LeaseUsage | null;
  readonly reason: string;
  /** What this reply's headers say of the credential's limits on the model; null when they say nothing. */
  readonly learned: LearnedLimits | null;
};
