import { isObject } from '../../shared/json-shape.ts';
import type { Account } from '../accounts/account.ts';
import { readAccount } from '../accounts/account-json.ts';
import { textOf } from '../json-object.ts';
import type { Service, ServiceTools } from '../profile.ts';
import { callService } from './json-call.ts';
import { subjectOf } from './jwt-claims.ts';
import type { TokenAnswer, TokenFailure, TokenSet } from './token-answer.ts';

type Granted = Extract<TokenAnswer, { kind: 'tokens' }>;

/** What a token answer may bring that no account is made of. */
const PASSING = new Set(['expires_in', 'user', 'account', 'organization', 'success', 'code', 'message']);

/**
 * An account made of the tokens of a login: who it belongs to, and what the service wants to have done once. It has no
 * place yet. Rejects only for the tools' signal.
 */
export async function newAccount(granted: Granted, service: Service, tools: ServiceTools): Promise<Account> {
  const { profile } = service;
  const rest = Object.fromEntries(Object.entries(granted.raw).filter(([name]) => !PASSING.has(name)));
  const read = readAccount(
    { ...rest, access_token: granted.tokens.access.reveal() },
    {
      id: `${profile.id}-0`,
      source: { kind: 'environment', index: 0 },
      profile,
    },
  );
  if ('problem' in read) throw new Error(read.problem);
  const said = profile.identify?.(granted.raw) ?? {};
  const account = withTokens(
    {
      ...read,
      // The refresh token belongs to the client that it was given to.
      client: service.client,
      details: { ...read.details, ...said.details },
      identity: {
        email: said.email ?? read.identity.email,
        subject: said.subject ?? read.identity.subject ?? subjectOf(granted.tokens.access.reveal()),
        accountId: said.accountId ?? read.identity.accountId,
      },
    },
    granted.tokens,
    tools.now(),
  );
  return await finishLogin(await withUserinfo(account, service, tools), service, tools);
}

/** What a service wants to have done after a login, with nothing of it lost should it throw. */
export async function finishLogin(account: Account, service: Service, tools: ServiceTools): Promise<Account> {
  const { profile } = service;
  // What the login gave is exchanged for the tokens of calls, again and again: it is kept as what refreshes.
  const refresh = account.tokens.refresh ?? account.tokens.access;
  const lasting = { ...account, tokens: { ...account.tokens, refresh } };
  const exchange = profile.renew?.(lasting, service, tools) ?? null;
  let complete = account;
  if (exchange !== null) {
    const answer = await exchange;
    if (answer.kind === 'failure') return unfinished(lasting, answer.failure, tools.now());
    complete = withAnswer(lasting, answer, service, tools.now());
  }
  return profile.afterLogin ? await profile.afterLogin(complete, service, tools) : complete;
}

/** The login is there; the tokens of calls are not, and what the login gave is none of them. */
function unfinished(account: Account, failure: TokenFailure, now: number): Account {
  const [why, link] = failure.kind === 'blocked' ? [failure.why, failure.link] : (['unfinished', null] as const);
  const tokens = { ...account.tokens, access: null };
  return { ...account, tokens, standing: { kind: 'blocked', why, reason: failure.reason, link, since: now } };
}

/** The account with what a refresh has brought. */
export function withAnswer(account: Account, answer: Granted, { profile }: Service, now: number): Account {
  const said = profile.identify?.(answer.raw) ?? {};
  return withTokens({ ...account, details: { ...account.details, ...said.details } }, answer.tokens, now);
}

/** New tokens in the place of the old ones; a refresh token that did not change is not repeated by every vendor. */
function withTokens(account: Account, fresh: TokenSet, now: number): Account {
  return {
    ...account,
    tokens: {
      access: fresh.access,
      refresh: fresh.refresh ?? account.tokens.refresh,
      id: fresh.id ?? account.tokens.id,
      type: fresh.type,
      scope: fresh.scope ?? account.tokens.scope,
      expiresAt: fresh.expiresAt,
    },
    standing: { kind: 'active' },
    lastRefreshAt: now,
  };
}

/** Asked only for a name: without an answer the account is none the worse. */
async function withUserinfo(account: Account, service: Service, tools: ServiceTools): Promise<Account> {
  const { userinfoUrl } = service.endpoints;
  if (account.identity.email !== null || userinfoUrl === null || service.profile.apiToken === 'api-key') return account;
  const headers = { authorization: `Bearer ${account.tokens.access?.reveal() ?? ''}` };
  const answer = await callService({ url: userinfoUrl, method: 'GET', headers }, service, tools);
  const json = answer.kind === 'answer' && answer.status === 200 && isObject(answer.json) ? answer.json : {};
  return {
    ...account,
    identity: {
      ...account.identity,
      email: textOf(json, 'email', 'login'),
      subject: account.identity.subject ?? textOf(json, 'sub', 'id'),
    },
  };
}
