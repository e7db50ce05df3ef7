import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { accountSettings } from '../config/account-settings.ts';
import { AccountDirectory } from '../oauth/accounts/account-directory.ts';
import { environmentAccounts } from '../oauth/accounts/environment-accounts.ts';
import { PendingLogin } from '../oauth/engine/pending-login.ts';
import type { Profile, Service, ServiceTools } from '../oauth/profile.ts';
import { findProfile, profileNames, profiles } from '../oauth/profiles/index.ts';
import { type Accounts, openAccounts } from '../oauth/refresh/accounts.ts';
import { serviceOf } from '../oauth/service-settings.ts';
import { findProvider } from '../providers/index.ts';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { systemClock } from '../shared/clock.ts';
import { nearest } from '../shared/near-miss.ts';
import { systemRandom } from '../shared/random.ts';
import { createUpstream } from '../transport/fetch-upstream.ts';
import { version } from '../version.ts';
import type { Context } from './context.ts';
import { findPlace, isWritable } from './place.ts';

/** What the account commands work with. */
export type OAuthPlace = {
  readonly directory: AccountDirectory;
  readonly pending: PendingLogin;
  readonly home: string;
  readonly serviceOf: (profile: Profile) => Service;
  /** The accounts of the directory and of the environment. Closed by itself. */
  readonly accounts: () => Promise<Accounts>;
  readonly tools: (signal: AbortSignal) => ServiceTools;
  /** Fails where nothing can be written. */
  readonly mustBeWritable: () => void;
};

export async function withOAuth<Result>(
  context: Context,
  use: (place: OAuthPlace) => Promise<Result>,
): Promise<Result> {
  const { io, output } = context;
  const { loaded, stateDir } = await findPlace(context);
  const upstream = createUpstream({ env: io.env });
  const opened: Accounts[] = [];
  const service = (profile: Profile) => serviceOf(profile, accountSettings(loaded, profile), io.env);
  const directory = new AccountDirectory(stateDir);
  try {
    return await use({
      directory,
      pending: new PendingLogin(stateDir),
      home: io.env.HOME || io.env.USERPROFILE || homedir(),
      serviceOf: service,
      accounts: async () => {
        const accounts = await openAccounts({
          directory,
          virtual: environmentAccounts(io.env, profiles),
          serviceOf: (provider) => {
            const profile = findProfile(provider);
            return profile && service(profile);
          },
          upstream,
          clock: systemClock,
          random: systemRandom,
          version,
          // The command tells the outcome itself.
          onTrouble: (message) => {
            if (io.env.ROTATOR_DEBUG === '1') output.warn(message);
          },
        });
        opened.push(accounts);
        return accounts;
      },
      tools: (signal) => ({
        upstream,
        version,
        signal,
        now: () => systemClock.now(),
        sleep: (ms, until) => systemClock.sleep(ms, until),
      }),
      mustBeWritable: () => {
        const places = existsSync(directory.path) ? [stateDir, directory.path] : [stateDir];
        const closed = places.find((one) => !isWritable(one));
        if (closed === undefined) return;
        throw new CliError(
          ExitCode.failed,
          'state_not_writable',
          `the state directory ${closed} cannot be written`,
          'name another with --state DIR',
        );
      },
    });
  } finally {
    for (const accounts of opened) await accounts.close();
    upstream.close();
  }
}

/** The service a person means. */
export function chooseProfile(written: string): Profile {
  const profile = findProfile(written);
  if (profile) return profile;
  const keyed = findProvider(written);
  if (keyed) {
    const message = `provider "${keyed.id}" has no accounts to log in; it takes API keys`;
    throw new CliError(ExitCode.usage, 'no_accounts', message, `rotator keys add ${keyed.id}`);
  }
  const near = nearest(written.replaceAll('-', '_'), profileNames);
  const known = `known are ${profiles.map((one) => one.id).join(', ')}`;
  throw new CliError(
    ExitCode.usage,
    'unknown_provider',
    `provider "${written}" is not known`,
    near === undefined ? known : `did you mean "${near}"? ${known}`,
  );
}
