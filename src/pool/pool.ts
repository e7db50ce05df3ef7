import type { NamePattern } from '../shared/wildcard.ts';
import type { Block } from './block.ts';
import type { Cap } from './cap.ts';
import type { CredentialId, PoolCredential } from './credential.ts';
import type { FairCycleRules } from './fair-cycle.ts';
import type { Settlement } from './outcome.ts';
import type { PolledQuota } from './polled-quota.ts';

export type { Block, BlockKind } from './block.ts';

/** What a request wants of a pool. */
export type Want = {
  /** Upstream model id. */
  readonly model: string;
  /** Credentials this request will not use again. */
  readonly exclude: ReadonlySet<CredentialId>;
  /** Request body size, for the bound on waiting bodies. */
  readonly bytes: number;
  /** Tokens to reserve until the real usage is known; 0 when nobody estimated. */
  readonly tokens: number;
  /** The conversation this request belongs to; null: none. */
  readonly affinity: Affinity | null;
  /** Only this credential will do: a repeat on the same key. */
  readonly only?: CredentialId;
};

/** A conversation that is best served by the credential which served it before. */
export type Affinity = {
  /** Hashed, and namespaced by client. */
  readonly key: string;
  /** Named by the client, not inferred from the content. */
  readonly isExplicit: boolean;
  /** False: only recorded. An inferred conversation without an assistant turn may be another one's beginning. */
  readonly isHonoured: boolean;
};

/** One in-flight use of a credential. Settled exactly once. */
export type Lease = {
  readonly credentialId: CredentialId;
  readonly model: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
};

export type Refusal = {
  readonly kind: 'refused';
  /**
   * `none`: no credential is configured, enabled and allowed for the model. `excluded`: this request has tried them all.
   * `blocked`: live blocks, see `blocks`. `busy`: at their concurrency, and none came free in time.
   * `over-limit`: at limits of their own, or what room there is is saved for a request that waits; `retryAt` says when
   * a window has room for this one, too.
   * `queue-full`: too many requests wait. `aborted`: the signal fired while waiting.
   */
  readonly cause: 'none' | 'excluded' | 'blocked' | 'busy' | 'over-limit' | 'queue-full' | 'aborted';
  /** The blocks in the way, the soonest to end first. */
  readonly blocks: readonly Block[];
  /** When the soonest credential is expected back, milliseconds since the epoch; null when nobody knows. */
  readonly retryAt: number | null;
};

export type Verdict =
  | 'chosen'
  | 'ready'
  | 'busy'
  | 'blocked'
  | 'disabled'
  | 'over_limit'
  | 'model_not_allowed'
  /** It was used up in this cycle, and others come first. */
  | 'fair_cycle';

/** Why a credential would or would not be taken. */
export type Explanation = {
  readonly id: CredentialId;
  readonly label: string | null;
  readonly verdict: Verdict;
  /** For people: `least used of 2 ready`, `rate_limit for 41 s (retry-after)`. */
  readonly why: string;
  readonly blocks: readonly Block[];
};

export type CredentialStatus = {
  readonly id: CredentialId;
  readonly isEnabled: boolean;
  readonly priority: number;
  /** `blocked` only for a credential-wide block. */
  readonly state: 'ready' | 'busy' | 'blocked' | 'disabled';
  readonly inFlight: number;
  /** How often in a row the provider has refused it as a whole; 0 again when it has served. */
  readonly rejections: number;
  readonly blocks: readonly Block[];
  readonly windows: readonly WindowView[];
  readonly caps: readonly CapView[];
  readonly usage: {
    readonly requests: number;
    readonly failures: number;
    readonly inputTokens: number;
    readonly outputTokens: number;
  };
};

/** How much of a limit is used. */
export type WindowView = {
  /** `key`, `group:NAME` or `model:NAME`. */
  readonly scope: string;
  /** `rpm`, `tpm`, `rpd`, `tpd`, or what the provider's own window is called: `day`, `5h`. */
  readonly name: string;
  readonly unit: 'requests' | 'tokens' | 'credits' | 'percent';
  readonly used: number;
  readonly limit: number | null;
  readonly remaining: number | null;
  /** When all of it is there again, milliseconds since the epoch. */
  readonly resetAt: number | null;
  /** When something is left again; null: something is, or nobody knows. */
  readonly roomAt: number | null;
  /** The user's own, read from headers, or told by the provider when it was asked. */
  readonly source: 'config' | 'learned' | 'polled';
};

/** A cap of the user's own on one credential, and how much of it is used. */
export type CapView = {
  /** `key`, `group:NAME`, `model:NAME`, or `models:` and the patterns. */
  readonly scope: string;
  /** The patterns as they are written. */
  readonly models: readonly string[];
  readonly tierName: string | null;
  /** As it is written: `100`, `80%`, `+5`. */
  readonly maxRequests: string;
  /** `5h`, `daily`… */
  readonly window: string;
  readonly used: number;
  /** How many requests that makes; null: not known, then it does not apply. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** When the window ends, milliseconds since the epoch; null: it has not begun, or nobody knows. */
  readonly resetAt: number | null;
  /** It is reached: until then; null: it is not, or is for good. */
  readonly restsUntil: number | null;
  /** Why it does not apply; null: it does. */
  readonly note: string | null;
};

/** What a pool tells as it happens; plain data. Times are milliseconds since the epoch. */
export type PoolEvent =
  | {
      readonly kind: 'credential-blocked';
      readonly provider: string;
      readonly credential: CredentialId;
      readonly block: Block;
      readonly at: number;
    }
  | {
      readonly kind: 'credential-unblocked';
      readonly provider: string;
      readonly credential: CredentialId;
      readonly scope: string;
      readonly at: number;
    }
  | {
      readonly kind: 'lease-settled';
      readonly provider: string;
      readonly credential: CredentialId;
      readonly model: string;
      readonly outcome: string;
      readonly inputTokens: number | null;
      readonly outputTokens: number | null;
      readonly at: number;
    };

export type PoolStatus = {
  readonly credentials: readonly CredentialStatus[];
  /** Blocks of the provider, or of a model at the provider. */
  readonly blocks: readonly Block[];
  readonly waiting: number;
};

export type PoolSettings = {
  /** `sequential` stays with one credential until it is exhausted. */
  readonly mode: 'balanced' | 'sequential';
  /** What evens out among peers since the last daily reset. Cost falls back to tokens while no price is known. */
  readonly balanceBy: 'requests' | 'tokens' | 'cost';
  readonly isAffinityOn: boolean;
  /** When day counters roll and guessed blocks are cleared. */
  readonly dailyReset: { readonly hour: number; readonly minute: number; readonly timezone: string };
  /** Quota groups: models that share blocks, windows and caps. */
  readonly groups: readonly { readonly name: string; readonly models: readonly NamePattern[] }[];
  /** Limits of the user's own, per credential. */
  readonly caps: readonly Cap[];
  /** Whoever was used up sits out until the others are, too; null: not so. */
  readonly fairCycle: FairCycleRules | null;
  /** 0 is strict least-used, larger is more random. */
  readonly tolerance: number;
  readonly maxWaiting: number;
  readonly cooldowns: {
    readonly ladderMs: readonly number[];
    readonly rateLimitMs: number;
    readonly authMs: number;
    readonly transientMs: number;
  };
  readonly concurrency: {
    /** 0: unlimited. */
    readonly maxPerKey: number;
    /** Soft: spread before stacking. 0: none. */
    readonly optimalPerKey: number;
    /** Priority → factor on both. */
    readonly priorityMultipliers: Readonly<Record<number, number>>;
  };
};

/** All credentials of one provider. Synchronous but for `acquire`; no `await` between looking and leasing. */
export interface Pool {
  /** A lease at once, or why not and when. Never waits, never queues. */
  lease(want: Want, now: number): Lease | Refusal;
  /** Somebody could serve a request for this model at once. Takes nothing and draws nothing. */
  isReadyFor(want: Pick<Want, 'model' | 'tokens'>): boolean;
  /**
   * A lease, waiting in line where that can help. Refused at once when the soonest credential comes back after
   * `deadline` (or, for one that is blocked, after `blockedDeadline`), or when the line is full.
   * Both are milliseconds since the epoch.
   */
  acquire(
    want: Want,
    limits: { readonly deadline: number; readonly blockedDeadline: number; readonly signal: AbortSignal },
  ): Promise<Lease | Refusal>;
  /**
   * At the commit point: the credential works. Ends blocks and probation as a success does, but failures in a row only
   * end with the answer itself, which can still break. The lease stays open.
   */
  confirm(lease: Lease): void;
  /** A key test or the operator proved that the credential works: lifts what only a proof can lift. */
  prove(id: CredentialId): void;
  /**
   * What the provider answered when it was asked what is left. Authoritative: a scope with nothing left is blocked until
   * its reset, one that was blocked for its quota before the question and has some left is free.
   */
  tellQuota(id: CredentialId, quota: PolledQuota): void;
  /** What must survive a restart, as plain JSON: blocks over a minute, windows, ceilings, totals, affinity. */
  snapshot(): unknown;
  /** Ends a lease. A second call for the same lease is a bug and throws. */
  settle(lease: Lease, settlement: Settlement): void;
  /** After a sibling served the request: these credentials failed with 5xx on it and rest `transient` on the model. */
  rest(credentials: Iterable<CredentialId>, model: string): void;
  /** What a model's limits are named by: `group:NAME` of its quota group, `model:NAME` where it is in none. */
  scopeOf(model: string): string;
  explain(want: Want): readonly Explanation[];
  status(): PoolStatus;
  /** Lifts every block of one credential, or of all. */
  reset(id?: CredentialId): void;
  /** New config: what is still there keeps its state, what is gone finishes its leases, waiters look again. */
  update(credentials: readonly PoolCredential[], settings: PoolSettings): void;
  /** Refuses everybody who waits. */
  close(): void;
}

export const isRefusal = (value: Lease | Refusal): value is Refusal => 'cause' in value;
