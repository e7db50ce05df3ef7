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
  readonly kind: 'api_key' | 'none';
  readonly masked: string;
  /** `config`, `env` or `demo`. */
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
  readonly providers: readonly (ProviderView & { readonly blocks: readonly BlockView[]; readonly waiting: number })[];
  readonly keys: readonly CredentialView[];
};

/** One line of `rotator models --json`. */
export type ModelView = {
  /** `provider/model`, as a client would write it. */
  readonly id: string;
  readonly provider: string;
  readonly context_length: number | null;
  readonly max_output_tokens: number | null;
  readonly owned_by: string | null;
};

/** A model list that could not be read: named, never silent. */
export type ModelListError = { readonly provider: string; readonly message: string };

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
  /** Reads the config file again. What was wrong, or null. */
  reload(): Promise<string | null>;
}
