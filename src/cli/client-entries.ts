import type { Config } from '../config/schema.ts';
import type { Env } from '../config/environment.ts';
import type { ClientReport, WindowReport } from '../gateway/operations.ts';

/** One row of `clients list --json`. */
export type ClientEntry = {
  readonly name: string;
  /** The first 16 digits of the key's SHA-256. */
  readonly id: string;
  /** `env`: ROTATOR_CLIENT_KEY; `state`: made at the first start. */
  readonly source: 'config' | 'env' | 'state';
  /** Empty: all. */
  readonly models: readonly string[];
  /** Null: no limit. */
  readonly limits: Limits;
  /** How much of each limit is used, as the running server says; null: there are limits, and no server says it. */
  readonly windows: readonly WindowReport[] | null;
};

type Limits = Exclude<Config['server']['client_keys'], 'none' | null>[number]['limits'];

const UNLIMITED: Limits = { rpm: null, tpm: null, rpd: null, usd_per_day: null, usd_per_month: null };
const ID_DIGITS = 16;

/** `stateKey`: the key that was made at the first start; null when there is none. */
export async function clientEntries(
  config: Config,
  env: Env,
  stateKey: string | null,
): Promise<readonly ClientEntry[]> {
  const { digestOfKey } = await import('../config/client-keys.ts');
  const idOf = (key: string) => digestOfKey(key).slice(0, ID_DIGITS);
  const { client_keys: keys } = config.server;
  if (keys === 'none') return [];
  const given = env.ROTATOR_CLIENT_KEY?.trim();
  if (keys === null) {
    const key = given || stateKey;
    if (!key) return [];
    return [
      { name: 'default', id: idOf(key), source: given ? 'env' : 'state', models: [], limits: UNLIMITED, windows: [] },
    ];
  }
  return keys.map(({ name, key, models, limits }) => ({
    name: name ?? 'default',
    id: idOf(key.reveal()),
    // The environment's key joins the list under this name, or without one where that is taken.
    source: (name ?? 'default') === 'default' && given && idOf(key.reveal()) === idOf(given) ? 'env' : 'config',
    models,
    limits,
    windows: isLimited(limits) ? null : [],
  }));
}

/** With what a server says of the clients that have limits; null: none does. */
export function withUse(
  entries: readonly ClientEntry[],
  running: readonly ClientReport[] | null,
): readonly ClientEntry[] {
  const byName = new Map(running?.map(({ name, windows }) => [name, windows]));
  return entries.map((entry) => ({ ...entry, windows: byName.get(entry.name) ?? entry.windows }));
}

export const isLimited = (limits: Limits) => Object.values(limits).some((limit) => limit !== null);
