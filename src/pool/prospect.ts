import type { CredentialId } from './credential.ts';
import type { Refusal } from './pool.ts';

/** Why nobody can be taken now, and when that changes. */
export type Prospect = {
  readonly refusal: Refusal;
  /** When some credential has room for a request of this size, at the soonest; Infinity: that is not what is missing. */
  readonly roomAt: number;
  /** Of those that lack nothing but room, the one that has it the soonest; null: there is none. */
  readonly soonest: CredentialId | null;
};
