import { homedir } from 'node:os';
import { plainText } from '../ui/plain-text.ts';
import { type Desk, menu, orBack } from './desk.ts';

export async function accountsMenu(desk: Desk): Promise<void> {
  const one = (verb: string) => async () => {
    const id = await chooseAccount(desk);
    if (id !== null) await desk.act(['oauth', verb, id]);
  };
  await menu(desk, 'Accounts', async () => [
    { value: 'list', label: 'Show them', run: () => desk.act(['oauth', 'list']) },
    { value: 'login', label: 'Log in with another', run: () => login(desk) },
    { value: 'import', label: 'Take over accounts that are on this machine', run: () => takeOver(desk) },
    { value: 'refresh', label: 'Renew the tokens', run: () => desk.act(['oauth', 'refresh']) },
    { value: 'logout', label: 'Forget one', run: one('logout') },
  ]);
}

/** In the first run: what other tools are logged in with, else a login. */
export async function addAccounts(desk: Desk): Promise<void> {
  if (!(await takeOver(desk))) await login(desk);
}

async function login(desk: Desk): Promise<void> {
  const { profiles } = await import('../../oauth/profiles/index.ts');
  const chosen = await orBack(
    desk.ask.choose(
      'Which service?',
      profiles.map(({ id, title }) => ({ value: id, label: title, hint: id })),
    ),
  );
  if (chosen !== null) await desk.act(['oauth', 'login', chosen]);
}

/** True: something was found and taken. */
async function takeOver(desk: Desk): Promise<boolean> {
  const { io, output } = desk.context;
  const { usualPlaces } = await import('../../oauth/accounts/import-accounts.ts');
  const found = await usualPlaces(io.env.HOME || io.env.USERPROFILE || homedir());
  const accounts = found.flatMap((one) =>
    'accounts' in one ? one.accounts.map(({ provider }) => `${provider} (${plainText(one.path)})`) : [],
  );
  if (accounts.length === 0) {
    output.note('no other tool on this machine has an account that is known here');
    return false;
  }
  output.note(`found: ${accounts.join(', ')}`);
  if (!(await orBack(desk.ask.confirm('Take them over?', true)))) return false;
  return (await desk.act(['oauth', 'import'])) === 0;
}

async function chooseAccount({ ask, context }: Desk): Promise<string | null> {
  const { withOAuth } = await import('../oauth-place.ts');
  const accounts = await withOAuth(context, async (place) => (await place.accounts()).list());
  if (accounts.length === 0) {
    context.output.note('no accounts yet');
    return null;
  }
  return await orBack(
    ask.choose(
      'Which account?',
      accounts.map(({ id, label }) => ({ value: id, label: plainText(label ?? id), hint: id })),
    ),
  );
}
