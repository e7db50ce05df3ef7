import type { Secret } from '../shared/secret.ts';

/** What the config can say to single vendors beside what it can say to all. Read by `Provider.configure` alone. */
export type VendorSettings = {
  /** The user's own `base_url`; null: none is given. */
  readonly baseUrl: string | null;
  /** Name → what stands in its place in the vendor's URL: an account, a region, a host. */
  readonly urlVariables: Readonly<Record<string, string>>;
  readonly resource: string | null;
  readonly apiVersion: string | null;
  /** Model → deployment. */
  readonly deployments: Readonly<Record<string, string>>;
  /** Family of models → base URL. */
  readonly bases: Readonly<Record<string, string>>;
  /** Null: a key where there is one. */
  readonly auth: 'none' | 'secret' | 'key' | null;
  readonly pathStyle: 'v1' | 'api';
  /** An application of a directory, which signs in instead of a key. */
  readonly application: Application | null;
};

/** OAuth client credentials (RFC 6749 §4.4) of an application of the user's own. */
export type Application = {
  readonly tenant: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** Null: the vendor's own. */
  readonly tokenUrl: string | null;
};

/** Fields of a provider's config that only the vendors naming them understand. */
export const vendorFields = [
  'url_variables',
  'resource',
  'api_version',
  'deployments',
  'entra',
  'bases',
  'auth',
  'path_style',
] as const;

export type VendorField = (typeof vendorFields)[number];
