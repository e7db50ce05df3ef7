import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '../../src/shared/secret.ts';
import type { Clock } from '../../src/shared/clock.ts';
import type { Account } from '../../src/oauth/accounts/account.ts';
import { AccountDirectory, type Write } from '../../src/oauth/accounts/account-directory.ts';
import type { Profile, Service, ServiceTools } from '../../src/oauth/profile.ts';
import { findProfile } from '../../src/oauth/profiles/index.ts';
import { NO_SETTINGS, serviceOf, type ServiceSettings } from '../../src/oauth/service-settings.ts';
import { createUpstream } from '../../src/transport/fetch-upstream.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const upstream = createUpstream();

/** Tools with time in the test's hands; real sockets. */
export function toolsWith(
  clock: Clock = new ManualClock(),
  signal: AbortSignal = new AbortController().signal,
): ServiceTools {
  return {
    upstream,
    version: '0.0.0-test',
    signal,
    now: () => clock.now(),
    sleep: (ms, until) => clock.sleep(ms, until),
  };
}

export function profileNamed(id: string): Profile {
  const profile = findProfile(id);
  if (!profile) throw new Error(`no profile ${id}`);
  return profile;
}

/** A service of which these settings are the user's own. */
export const serviceWith = (id: string, settings: Partial<ServiceSettings> = {}): Service =>
  serviceOf(profileNamed(id), { ...NO_SETTINGS, ...settings }, {});

/** A service with every address at one server of the test's. */
export const serviceAt = (id: string, origin: string, settings: Partial<ServiceSettings> = {}): Service =>
  serviceWith(id, {
    authorize_url: `${origin}/authorize`,
    token_url: `${origin}/token`,
    device_url: `${origin}/device/code`,
    api_url: origin,
    ...settings,
  });

export class StateDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'rotator-oauth-'));

  directory(write?: Write): AccountDirectory {
    return new AccountDirectory(this.path, write);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** An account without a place. */
export function account(provider: string, fields: Partial<Account> = {}): Account {
  return {
    id: `${provider}-1`,
    provider,
    source: { kind: 'environment', index: 0 },
    tokens: {
      access: new Secret('access-token-0'),
      refresh: new Secret('refresh-token-0'),
      id: null,
      type: 'Bearer',
      scope: null,
      expiresAt: null,
    },
    apiKey: null,
    identity: { email: null, subject: null, accountId: null },
    details: {},
    client: null,
    label: null,
    priority: null,
    isEnabled: true,
    standing: { kind: 'active' },
    lastRefreshAt: null,
    rest: {},
    ...fields,
  };
}

export const email = (address: string): Account['identity'] => ({ email: address, subject: null, accountId: null });

const NOBODY = 65_534;

/** Does something while the accounts of a state directory can be read and not written. Root becomes nobody for that long. */
export async function readOnly(state: StateDirectory, work: () => Promise<void>): Promise<void> {
  const directory = join(state.path, 'oauth');
  const isRoot = process.getuid?.() === 0;
  for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o444);
  chmodSync(directory, 0o555);
  chmodSync(state.path, 0o755);
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(directory, 0o755);
  }
}
