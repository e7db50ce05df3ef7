import * as oauth from 'oauth4webapi';
import type { AuthorizePage, Service, ServiceTools } from '../profile.ts';
import type { TokenAnswer } from './token-answer.ts';
import { redeemCode } from './token-endpoint.ts';

/** A login that waits for its code. Kept on disk when the code comes with another command. */
export type PendingCode = {
  readonly provider: string;
  /** What the person opens. */
  readonly url: string;
  readonly state: string;
  /** Null for a service without PKCE. */
  readonly verifier: string | null;
  readonly redirectUri: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
};

// Vendors' codes live for minutes, and a person may have to find their phone first.
const PENDING_MS = 15 * 60_000;

/** Begins a login; null for a service without a page to log in at. */
export async function beginCode(service: Service, redirectPort: number, now: number): Promise<PendingCode | null> {
  const page = service.profile.authorize;
  const { authorizeUrl } = service.endpoints;
  if (page === null || authorizeUrl === null) return null;
  const state = oauth.generateRandomState();
  const verifier = page.isPkce ? oauth.generateRandomCodeVerifier() : null;
  const redirectUri = redirectUriOf(page, redirectPort);
  const url = new URL(authorizeUrl);
  const parameters: Record<string, string> = {
    client_id: service.client.id,
    response_type: 'code',
    [page.redirectParameter ?? 'redirect_uri']: redirectUri,
    ...(service.profile.scopes.length > 0 ? { scope: service.profile.scopes.join(' ') } : {}),
    ...page.parameters,
    state,
    ...(verifier === null
      ? {}
      : { code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { provider: service.profile.id, url: url.href, state, verifier, redirectUri, expiresAt: now + PENDING_MS };
}

/** `localhost`, as it is registered with the vendors; the listener itself is bound to the address. */
export const redirectUriOf = (page: AuthorizePage, port: number): string =>
  `http://localhost:${port}${page.redirect.path}`;

/** Redeems what came back. `parameters`: as `readCallback` or `readPasted` accepted them. */
export async function finishCode(
  pending: PendingCode,
  parameters: URLSearchParams,
  service: Service,
  tools: ServiceTools,
): Promise<TokenAnswer> {
  return await redeemCode(
    parameters,
    {
      redirectUri: pending.redirectUri,
      verifier: pending.verifier,
      further: service.profile.authorize?.echoesState ? { state: pending.state } : {},
    },
    service,
    tools,
  );
}
