import { blockView } from '../gateway/create-operations.ts';
import type { EngineEvent } from '../gateway/operations.ts';
import { type Accounts, type AccountState, type AccountView, toldState } from '../oauth/refresh/accounts.ts';
import { type CredentialId, NO_LIMITS } from '../pool/credential.ts';
import type { Block, Pool } from '../pool/pool.ts';
import type { Provider } from '../providers/provider.ts';
import type { ConfiguredCredential } from './runtimes.ts';
import { assertNever } from '../shared/assert-never.ts';
import type { Secret } from '../shared/secret.ts';

/** Accounts as credentials of a pool, beside its keys. */

export function accountCredential(
  seen: AccountView,
  accounts: Accounts,
  { provider, proxy, now }: { readonly provider: Provider; readonly proxy: Secret | null; readonly now: () => number },
): ConfiguredCredential {
  const { id } = seen;
  const hold = holdOf(seen.state);
  return {
    id: id as CredentialId, // Of the account's own, which no key's id can be.
    label: seen.label,
    key: null,
    account: {
      get view() {
        return accounts.list().find((view) => view.id === id) ?? seen;
      },
      token: (options) => accounts.accessTokenOf(id, options),
      refuse: (refusal) => void accounts.setAside(id, { ...refusal, since: now() }).catch(() => undefined),
    },
    proxy,
    source: seen.source === 'file' ? 'account' : 'env',
    sourceName: null,
    isEnabledInConfig: seen.isEnabled,
    priority: seen.priority,
    weight: 1,
    models: provider.accounts?.models?.(seen.tier) ?? [],
    limits: NO_LIMITS,
    tierName: seen.tier?.toLowerCase() ?? null,
    quotaPool: null,
    ...(hold && { hold }),
  };
}

/** An account that is out of use on its own account, so to say, or is back: for whoever follows what happens. */
export function heldEvent(provider: string, credential: string, hold: Block | null, now: number): EngineEvent {
  const at = new Date(now).toISOString();
  if (hold) return { type: 'credential-blocked', at, provider, credential, block: blockView(hold) };
  return { type: 'credential-unblocked', at, provider, credential, scope: 'key' };
}

export const isHeld = (pool: Pool | undefined, id: CredentialId): boolean =>
  pool?.status().credentials.some((one) => one.id === id && one.blocks.some(({ source }) => source === HELD_BY)) ??
  false;

const HELD_BY = 'account';

/** Why an account cannot be used, as a block of its pool; null: it can. */
export function holdOf(state: AccountState): Block | null {
  const block = (kind: Block['kind'], until: number | null): Block => ({
    scope: 'key',
    kind,
    until,
    reason: toldState(state),
    source: HELD_BY,
  });
  switch (state.kind) {
    case 'ready':
    case 'refreshing':
      return null;
    case 'waiting':
      return block('transient', state.until);
    case 'needs_login':
      return block('auth', null);
    case 'blocked':
      return block('forbidden', null);
    default:
      return assertNever(state);
  }
}
