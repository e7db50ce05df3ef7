import { type AccountState, type CallDetails, toldState } from '../oauth/refresh/accounts.ts';
import type { AccountCall } from '../providers/account-hooks.ts';
import type { Failure } from '../providers/failure.ts';
import { authorize, movedUrl } from '../providers/request.ts';
import type { Secret } from '../shared/secret.ts';
import type { CredentialAccess, ProviderRuntime } from './gateway.ts';

/** With what one call is made: a key, an account's token of now, or nothing. */
export type SignedIn = {
  readonly secret: Secret | null;
  /** Null for a key. */
  readonly account: CallDetails | null;
};

/** An account that has no token now. */
export type SignedOut = { readonly state: Exclude<AccountState, { kind: 'ready' }> };

export const isSignedOut = (value: SignedIn | SignedOut): value is SignedOut => 'state' in value;

/** Only an account is waited for. Rejects only with the signal's reason. */
export async function signIn(
  { key, account }: CredentialAccess,
  options: { readonly signal: AbortSignal; readonly rejected?: Secret },
): Promise<SignedIn | SignedOut> {
  if (!account) return { secret: key, account: null };
  const given = await account.token(options);
  return given.kind === 'token' ? { secret: given.token, account: given.details } : { state: given.state };
}

/** Where an account's calls go: to the provider's own place, or to the host that the account was told. */
export function placeOf({ account }: SignedIn, runtime: ProviderRuntime, url: string): string {
  return account === null ? url : movedUrl(url, runtime.baseUrl, account.api_url);
}

type Asked = Omit<AccountCall, 'account' | 'requestId'>;

/** Puts the key, or the token with what goes along with it, into the headers; gives the body that goes upstream. */
export function sign(
  { secret, account }: SignedIn,
  { provider }: Pick<ProviderRuntime, 'provider'>,
  headers: Headers,
  body: Uint8Array | null,
  asked: Asked,
): Uint8Array | null {
  authorize(provider, headers, secret);
  const hooks = provider.accounts;
  if (account === null || !hooks) return body;
  const call: AccountCall = { ...asked, account, requestId: crypto.randomUUID() };
  const wrapped = body && hooks.wrap ? hooks.wrap(body, call) : body;
  hooks.headers?.(headers, call, wrapped);
  return wrapped;
}

/** What it means to a request that its account has no token. */
export function signedOutFailure({ state }: SignedOut): Failure {
  const message = `the account ${toldState(state)}`;
  const until = state.kind === 'waiting' ? state.until : null;
  return { kind: 'signed-out', status: null, message, until };
}
