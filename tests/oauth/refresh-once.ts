// A process of its own that asks for one account's token: `refresh-once.ts <state> <origin> <id>`. Prints what it got.
import { AccountDirectory } from '../../src/oauth/accounts/account-directory.ts';
import { openAccounts } from '../../src/oauth/refresh/accounts.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { serviceWith, upstream } from './oauth-fixture.ts';

const [state = '', token = '', authorize = '', client = '', id = ''] = process.argv.slice(2);
const service = serviceWith('codex', { token_url: token, authorize_url: authorize, client_id: client });
const accounts = await openAccounts({
  directory: new AccountDirectory(state),
  virtual: [],
  serviceOf: () => service,
  upstream,
  clock: systemClock,
  random: Math.random,
  version: '0.0.0-test',
  onTrouble: (message) => process.stderr.write(`${message}\n`),
});
process.stdout.write('ready\n');
for await (const _ of process.stdin) break;
const result = await accounts.accessTokenOf(id, { signal: new AbortController().signal });
process.stdout.write(`${result.kind === 'token' ? result.token.reveal() : result.state.kind}\n`);
await accounts.close();
process.exit(0);
