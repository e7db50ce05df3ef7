/** What the config allows a client key. Null: no limit. */
export type ClientLimits = {
  readonly requestsPerMinute: number | null;
  /** Input and output. */
  readonly tokensPerMinute: number | null;
  readonly requestsPerDay: number | null;
  readonly usdPerDay: number | null;
  readonly usdPerMonth: number | null;
};
