export type OidcServer = AsyncDisposable & {
  readonly issuer: string;
  readonly authorizeUrl: string;
  readonly tokenUrl: string;
  readonly deviceUrl: string;
  readonly clientId: string;
  /** Grant types of the token requests, in order of arrival. */
  readonly grants: readonly string[];
  /** Ends a token at the server, with all that came of the same consent. */
  revoke(token: string): Promise<void>;
  close(): Promise<void>;
};

/** A real OAuth server: PKCE required, refresh tokens rotate, and the reuse of an old one revokes its whole family. */
export function startOidcServer(options?: {
  readonly accessTokenSeconds?: number;
  readonly deviceCodeSeconds?: number;
  /** Beside the usual ones. */
  readonly scopes?: readonly string[];
}): Promise<OidcServer>;
