export type BlockKind =
  | 'rate_limit'
  | 'quota'
  | 'auth'
  | 'forbidden'
  | 'billing'
  | 'ladder'
  | 'lockout'
  | 'transient'
  | 'overload'
  | 'unreachable'
  | 'model_missing'
  | 'custom_cap';

/** A reason why a credential may not be used now. */
export type Block = {
  /**
   * `key`, `group:NAME`, `model:NAME`; pool-level ones are `provider+model:NAME` and `provider`. A cap on several models
   * is on `models:` and its patterns.
   */
  readonly scope: string;
  readonly kind: BlockKind;
  /** Milliseconds since the epoch; null: until a probe or the operator lifts it. */
  readonly until: number | null;
  readonly reason: string;
  /** Where the end was read: `retry-after`, `guess`, `operator`… */
  readonly source: string;
};
