import type { NamePattern } from '../shared/wildcard.ts';

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
  /** False when the user's config or the operator's override says so. */
  readonly isEnabled: boolean;
};
