import type { NamePattern } from '../shared/wildcard.ts';
import type { Block } from './block.ts';

/** Id of a credential: `provider-` and ten hex digits, never revealing the key. */
export type CredentialId = string & { readonly brand: 'CredentialId' };

/** What the pool knows of a credential. Not its secret. */
export type PoolCredential = {
  readonly id: CredentialId;
  readonly label: string | null;
  /** 1 is best; all credentials of a better priority are used before the next. */
  readonly priority: number;
  /** Share of the load relative to its peers. */
  readonly weight: number;
  /** Only these models; empty means all. */
  readonly models: readonly NamePattern[];
  readonly limits: KeyLimits;
  /** Which caps are for it: those of its tier, and those that name none. Null: only the latter. */
  readonly tierName: string | null;
  /** Credentials of one quota pool (keys of one project) share quota blocks; null: on its own. */
  readonly quotaPool: string | null;
  /** False when the user's config or the operator's override says so. */
  readonly isEnabled: boolean;
  /**
   * What keeps it from use whatever the pool itself knows, such as an account that needs a login. Whoever set it lifts it,
   * by another `update`. Absent: nothing.
   */
  readonly hold?: Block;
};

/** Neither the user nor anything outside the pool keeps it from use. */
export const isInUse = ({ isEnabled, hold }: PoolCredential): boolean => isEnabled && hold === undefined;

/** The user's own limits for one key, below the vendor's; null: none. */
export type KeyLimits = {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly requestsPerDay: number | null;
  readonly tokensPerDay: number | null;
  /** Requests in flight; goes before the provider's `max_per_key`. */
  readonly concurrency: number | null;
};

export const NO_LIMITS: KeyLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerDay: null,
  tokensPerDay: null,
  concurrency: null,
};
