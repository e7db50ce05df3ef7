/** The name that a person gives an account. */
import type { AccountDirectory } from '../oauth/accounts/account-directory.ts';

type Named = { readonly id: string; readonly label: string | null };

/** Why this account cannot be called so, as a sentence; null: it can. A name means one account. */
export function labelTrouble(wanted: string, id: string, accounts: readonly Named[]): string | null {
  const others = accounts.filter((other) => other.id !== id);
  if (others.some((other) => other.id === wanted)) return `"${wanted}" is the id of another account`;
  const taken = others.find((other) => other.label === wanted);
  return taken ? `the label "${wanted}" is that of ${taken.id}` : null;
}

/** Under the account's own lock: another process may be about to write its new tokens. */
export async function writeLabel(directory: AccountDirectory, id: string, label: string | null): Promise<void> {
  const lock = await directory.lock(id);
  try {
    const account = await directory.read(id);
    if (account) await directory.save({ ...account, label });
  } finally {
    await lock?.release();
  }
}
