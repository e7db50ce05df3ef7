import type { AccountState, AccountView } from '../../oauth/refresh/accounts.ts';
import type { Paint } from './colour.ts';
import { duration } from './human-time.ts';
import { plainText } from './plain-text.ts';
import { table } from './table.ts';

export type AccountsTextOptions = {
  readonly paint: Paint;
  readonly maxColumns: number | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

const HEAD = ['ID', 'PROVIDER', 'LABEL', 'ACCOUNT', 'TIER', 'PROJECT', 'SOURCE', 'STATE', 'TOKEN', 'WHY'];
const DROP_FIRST = ['PROVIDER', 'SOURCE', 'PROJECT', 'TOKEN', 'TIER', 'LABEL'];

export function accountsText(accounts: readonly AccountView[], options: AccountsTextOptions): string {
  const { paint, maxColumns, now } = options;
  const styles = {
    ready: paint.green,
    refreshing: paint.cyan,
    waiting: paint.yellow,
    needs_login: paint.red,
    blocked: paint.red,
  } as const;
  const rows = accounts.map((account) => [
    account.id,
    account.provider,
    plainText(account.label ?? ''),
    account.email ?? '',
    account.tier ?? '',
    plainText(account.projectId ?? ''),
    account.source,
    account.isEnabled ? styles[account.state.kind](account.state.kind) : paint.dim('disabled'),
    tokenText(account.expiresAt, now),
    plainText(whyText(account.state)),
  ]);
  return table(HEAD, rows, { maxColumns, styleHead: paint.dim, dropFirst: DROP_FIRST });
}

function tokenText(expiresAt: number | null, now: number): string {
  if (expiresAt === null) return '';
  return expiresAt <= now ? 'ended' : `for ${duration(expiresAt - now)}`;
}

function whyText(state: AccountState): string {
  switch (state.kind) {
    case 'ready':
    case 'refreshing':
      return '';
    case 'waiting':
      return state.reason;
    case 'needs_login':
      return `${state.command} (${state.reason})`;
    case 'blocked':
      return state.link === null ? state.reason : `${state.link} (${state.reason})`;
  }
}
