import type { PriceSource } from '../models/catalogue.ts';
import type { TokenPrices } from '../models/card.ts';
import type { Verdict } from '../pool/pool.ts';

/** What an operator can see and do. The admin routes and the command line both stand on it; shapes are the JSON shapes. */

export type BlockView = {
  readonly scope: string;
  readonly kind: string;
  /** ISO 8601, or null: until a probe or the operator lifts it. */
  readonly until: string | null;
  readonly reason: string;
  readonly source: string;
};

/** One row of `keys list --json` and `GET /admin/keys`. */
export type CredentialView = {
  readonly id: string;
  readonly provider: string;
  readonly label: string | null;
  readonly kind: 'api_key' | 'oauth' | 'none';
  /** Of an account its masked address. */
  readonly masked: string;
  /** `config`, `env`, `demo`, or `account` for the file of one. */
  readonly source: string;
  readonly enabled: boolean;
  readonly priority: number;
  readonly state: 'ready' | 'busy' | 'blocked' | 'disabled';
  readonly in_flight: number;
  readonly blocks: readonly BlockView[];
  readonly usage: {
    readonly requests: number;
    readonly failures: number;
    readonly input_tokens: number;
    readonly output_tokens: number;
    readonly cost_usd: number | null;
  };
  /** Of `kind` `oauth` alone. */
  readonly account?: AccountReport;
};

/** What is known of an account; never a token. Times are ISO 8601. */
export type AccountReport = {
  /** Masked. */
  readonly email: string | null;
  readonly tier: string | null;
  readonly project_id: string | null;
  /** Only the first two are used. */
  readonly state: 'ready' | 'refreshing' | 'waiting' | 'needs_login' | 'blocked';
  readonly reason: string | null;
  /** Where a person can do something about a block. */
  readonly link: string | null;
  /** What brings an account back that needs a login. */
  readonly command: string | null;
  /** When a waiting one is tried again. */
  readonly retry_at: string | null;
  readonly expires_at: string | null;
  readonly last_refresh: string | null;
};

/** How much of a limit is used, as JSON. */
export type WindowReport = {
  /** `key`, `group:NAME` or `model:NAME`; of a client always `key`. */
  readonly scope: string;
  /** As the config calls it (`rpm`, `usd_per_day`), or what the provider's own window is called: `day`, `5h`. */
  readonly name: string;
  /** `usd`: of clients alone. */
  readonly unit: 'requests' | 'tokens' | 'credits' | 'percent' | 'usd';
  readonly used: number;
  /** Null: nobody has said how much there is. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** When all of it is there again; ISO 8601, or null when nobody knows. */
  readonly reset_at: string | null;
  /** When something is left again; null: something is, or nobody knows. */
  readonly room_at: string | null;
  /** The user's own limit, one read from the provider's headers, or one that it told when it was asked. */
  readonly source: 'config' | 'learned' | 'polled';
};

/** A client key that has limits. */
export type ClientReport = {
  readonly name: string;
  /** One for each of its limits. */
  readonly windows: readonly WindowReport[];
};

/** A cap of the config on one credential, and how much of it is used. */
export type CapReport = {
  /** `key`, `group:NAME`, `model:NAME`, or `models:` and the patterns. */
  readonly scope: string;
  /** The patterns of the config; empty: every model. */
  readonly models: readonly string[];
  readonly tier_name: string | null;
  /** As the config writes it: `100`, `80%`, `+5`. */
  readonly max_requests: string;
  readonly window: string;
  readonly used: number;
  /** How many requests that makes; null: the limit it goes by is not known, and it does not apply. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** When the window ends, ISO 8601; null: it has not begun, or nobody knows. */
  readonly reset_at: string | null;
  /** It is reached, and the credential rests until then; ISO 8601. */
  readonly rests_until: string | null;
  /** Why it does not apply; null: it does. */
  readonly note: string | null;
};

/** What was used. Every upstream call is one request, so a client's request that rotated counts at each key it tried. */
export type UsageTotals = {
  readonly requests: number;
  readonly failures: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** Of the input tokens: those the provider had cached. */
  readonly cached_tokens: number;
  /** Of the output tokens: those of reasoning. */
  readonly reasoning_tokens: number;
  /** Null where no price is known, never 0 for that. */
  readonly cost_usd: number | null;
};

/** A credential in `status`. */
export type CredentialReport = CredentialView & {
  /** How often in a row the provider has refused it: one that is ready again has still to prove itself. */
  readonly rejections: number;
  readonly windows: readonly WindowReport[];
  readonly caps: readonly CapReport[];
  /** What of this is of one quota group, or of a model that is in none: where there is any of it, by name. */
  readonly groups: readonly GroupReport[];
  /** Since the last daily reset; `usage` is everything since it was first used. */
  readonly today: UsageTotals;
};

/** A quota group, or a model that is in none, on one credential. */
export type GroupReport = {
  /** `group:NAME` or `model:NAME`. */
  readonly scope: string;
  /** Those that were used since the last daily reset. */
  readonly models: readonly string[];
  readonly windows: readonly WindowReport[];
  readonly blocks: readonly BlockView[];
  readonly caps: readonly CapReport[];
  readonly today: UsageTotals;
};

export type RouteCredential = {
  readonly id: string;
  readonly label: string | null;
  readonly verdict: Verdict;
  readonly why: string;
  readonly blocks: readonly BlockView[];
};

export type RouteTarget = {
  readonly target: string;
  readonly tier: number | null;
  /** `passthrough`: both sides speak the same protocol, and bytes pass as they are. `translate`: through the neutral form. */
  readonly lane: 'passthrough' | 'translate';
  /** Why this target cannot serve, or null. */
  readonly skipped: string | null;
  readonly changes: readonly string[];
  readonly credentials: readonly RouteCredential[];
};

export type AttemptView = {
  readonly target: string;
  readonly credential: string;
  readonly status: number | null;
  readonly failure: string | null;
  readonly ms: number;
};

/** `test-route MODEL --json` and `POST /admin/test-route`. */
export type RouteReport = {
  readonly model: string;
  readonly resolved: 'alias' | 'provider' | 'bare';
  readonly would_serve: { readonly target: string; readonly credential: string } | null;
  readonly targets: readonly RouteTarget[];
  readonly attempts: readonly AttemptView[];
};

/** A model name nobody knows: exit 2 on the command line, 404 over HTTP. */
export type UnknownModel = { readonly unknown: string; readonly message: string; readonly hint: string | null };

export type KeyTest = {
  readonly id: string;
  readonly ok: boolean;
  /** Upstream's status; null when no answer came. */
  readonly status: number | null;
  /** `ok`, or a failure kind such as `key-rejected`. */
  readonly result: string;
  readonly message: string;
  readonly ms: number;
};

export type ProviderView = {
  readonly id: string;
  readonly title: string;
  readonly tier: number | null;
  readonly protocol: string;
  readonly status: 'ready' | 'limited' | 'down' | 'no_credentials';
  readonly credentials: {
    readonly total: number;
    readonly ready: number;
    readonly busy: number;
    readonly blocked: number;
    readonly disabled: number;
  };
  /** ISO 8601 or null. */
  readonly next_available_at: string | null;
  /** How many models are known to be callable. */
  readonly models: number;
  readonly fallback: readonly string[];
};

export type StatusReport = {
  readonly version: string;
  readonly started_at: string;
  readonly config: string | null;
  readonly state: string | null;
  readonly in_flight: number;
  readonly waiting: number;
  /** A login that waits for its code. What it is redeemed with is not told. */
  readonly pending_login: { readonly provider: string; readonly expires_at: string } | null;
  /** `since`: the last daily reset, ISO 8601. */
  readonly today: UsageTotals & { readonly since: string };
  readonly providers: readonly ProviderReport[];
  readonly keys: readonly CredentialReport[];
  /** What of this is not known, and why: then `today` counts nothing. Null: all of it is. */
  readonly problem: string | null;
  /** Those that have limits. */
  readonly clients: readonly ClientReport[];
};

export type ProviderReport = ProviderView & {
  /** Blocks of the provider as a whole, or of one model for all its credentials. */
  readonly blocks: readonly BlockView[];
  readonly waiting: number;
  readonly today: UsageTotals;
};

export const USAGE_GROUPS = ['provider', 'model', 'key', 'client', 'day'] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

export const isUsageGroup = (value: string): value is UsageGroup => USAGE_GROUPS.some((group) => group === value);

export type UsageEntry = UsageTotals & {
  /**
   * The provider's id, `provider/model`, the credential's id, the client key's name (null for the anonymous client) or
   * the day as `2026-01-31` in the config's timezone.
   */
  readonly name: string | null;
  /** A credential's label; null for everything else, and for credentials that are no longer configured. */
  readonly label: string | null;
};

/** `usage --json` and `GET /admin/usage`. Days in order, everything else with the most requests first. */
export type UsageReport = {
  readonly by: UsageGroup;
  /** ISO 8601. Use is counted by the hour, so this is the beginning of one. */
  readonly since: string;
  readonly rows: readonly UsageEntry[];
  readonly total: UsageTotals;
};

/** One line of the request log. */
export type RequestView = {
  /** Counts up; unlike `id`, which the client may choose, it names one request alone. */
  readonly seq: number;
  /** `x-request-id` of the answer. */
  readonly id: string;
  /** When it arrived, ISO 8601. */
  readonly at: string;
  readonly client: string | null;
  readonly model: string | null;
  readonly target: string | null;
  readonly credential: string | null;
  readonly status: number;
  readonly failure: string | null;
  readonly stream: boolean;
  readonly queue_ms: number;
  readonly first_byte_ms: number | null;
  readonly total_ms: number;
  readonly overhead_ms: number;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cached_tokens: number | null;
  readonly reasoning_tokens: number | null;
  readonly cost_usd: number | null;
  readonly attempts: readonly LoggedAttempt[];
};

export type LoggedAttempt = AttemptView & {
  /** The first 2 KB of what the upstream said, without anything that looks like a secret; null when it served. */
  readonly error: string | null;
};

export type RequestQuery = {
  readonly limit: number;
  /** Only requests that failed. */
  readonly failedOnly: boolean;
  /** Only those before this `seq`: the page after one that ended with it. Null: from the newest. */
  readonly before: number | null;
  /** Only those after this `seq`, the newest of them first. Null: all. */
  readonly after: number | null;
};

/** What happens, as it happens. Plain data; `at` is ISO 8601. */
export type EngineEvent =
  | {
      readonly type: 'credential-blocked';
      readonly at: string;
      readonly provider: string;
      readonly credential: string;
      readonly block: BlockView;
    }
  | {
      readonly type: 'credential-unblocked';
      readonly at: string;
      readonly provider: string;
      readonly credential: string;
      readonly scope: string;
    }
  | {
      readonly type: 'lease-settled';
      readonly at: string;
      readonly provider: string;
      readonly credential: string;
      readonly model: string;
      readonly outcome: string;
      readonly input_tokens: number | null;
      readonly output_tokens: number | null;
    }
  | {
      readonly type: 'request-finished';
      readonly at: string;
      readonly id: string;
      readonly client: string | null;
      readonly model: string | null;
      readonly target: string | null;
      readonly credential: string | null;
      readonly status: number;
      readonly failure: string | null;
      readonly total_ms: number;
    }
  /** This reader was too slow: so many events before this one are missing. */
  | { readonly type: 'events-missed'; readonly at: string; readonly count: number };

/** What asking the providers for their quotas brought. */
export type QuotaRefresh = {
  readonly refreshed: readonly { readonly provider: string; readonly credentials: number }[];
  /** Configured providers that nobody can ask. */
  readonly unsupported: readonly string[];
  readonly errors: readonly { readonly provider: string; readonly credential: string; readonly message: string }[];
};

/** One line of `rotator models --json`. */
export type ModelView = {
  /** An alias, or `provider/model`, as a client would write it. */
  readonly id: string;
  /** Null for an alias; what else is said of it is said of the model that serves it first. */
  readonly provider: string | null;
  readonly context_length: number | null;
  readonly max_output_tokens: number | null;
  readonly owned_by: string | null;
  /** `text`, `image`, `audio`…; null: not known. */
  readonly input_modalities: readonly string[] | null;
  readonly output_modalities: readonly string[] | null;
  /** Each null where nobody knows. */
  readonly capabilities: {
    readonly tools: boolean | null;
    readonly reasoning: boolean | null;
    readonly structured_output: boolean | null;
  };
  /** USD per token, as in the model cards; null: no price is known. */
  readonly pricing: TokenPrices | null;
  readonly price_source: PriceSource;
};

/** A model list that could not be read: named, never silent. */
export type ModelListError = { readonly provider: string; readonly message: string };

/** One line of `rotator models --allow … --json`. */
export type RuledModelView = {
  /** `provider/model`. */
  readonly id: string;
  readonly provider: string;
  readonly shown: boolean;
  /** Which rule decides; null: none has a say. `pattern` null: the model fits none of what is allowed. */
  readonly rule: { readonly kind: 'allow' | 'deny'; readonly pattern: string | null } | null;
};

/** Rules to be tried at one provider, beside those that its config has. */
export type TriedRules = {
  readonly provider: string;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
};

export interface Operations {
  keys(): Promise<readonly CredentialView[]>;
  /** Full ids. Throws nothing for an unknown id: `false`. */
  setEnabled(id: string, isEnabled: boolean): Promise<boolean>;
  reset(ids: readonly string[] | 'all'): Promise<boolean>;
  /** Asks the provider for its model list, else for one token, with this very key. Null for an unknown id. */
  test(id: string): Promise<KeyTest | null>;
  testRoute(
    model: string,
    options: { readonly isLive: boolean; readonly isStream: boolean },
  ): Promise<RouteReport | UnknownModel>;
  status(): Promise<StatusReport>;
  providers(): Promise<readonly ProviderView[]>;
  models(options: {
    readonly provider?: string;
    readonly isRefresh?: boolean;
  }): Promise<{ readonly models: readonly ModelView[]; readonly errors: readonly ModelListError[] }>;
  /** All that these providers list, and what becomes of it under these rules. */
  tryRules(options: {
    readonly rules: readonly TriedRules[];
    readonly isRefresh?: boolean;
  }): Promise<{ readonly models: readonly RuledModelView[]; readonly errors: readonly ModelListError[] }>;
  /** `since`: milliseconds since the epoch. What is not written yet is counted too. */
  usage(query: { readonly by: UsageGroup; readonly since: number }): Promise<UsageReport>;
  /** The newest first. */
  requests(query: RequestQuery): Promise<readonly RequestView[]>;
  /** The newest request with this `x-request-id`, or the one with this `seq`. */
  request(id: string): Promise<RequestView | null>;
  /** Never ends by itself but when the gateway closes; the caller stops it with the signal. Never rejects. */
  events(signal: AbortSignal): AsyncIterable<EngineEvent>;
  /** Asks every provider that can be asked what is left of its quotas. */
  refreshQuota(): Promise<QuotaRefresh>;
  /** Reads the config file again. What was wrong, or null. */
  reload(): Promise<string | null>;
}
