import { chooseKey } from './key-choice.ts';

/** The account a person means: its id, its label, or the beginning of one id. */
export const chooseAccount = <Account extends { readonly id: string; readonly label: string | null }>(
  written: string,
  accounts: readonly Account[],
): Account => chooseKey(written, accounts, 'rotator oauth list');
