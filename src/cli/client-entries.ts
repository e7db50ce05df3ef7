import type { Config } from '../config/schema.ts';
import type { Env } from '../config/environment.ts';

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
    return [{ name: 'default', id: idOf(key), source: given ? 'env' : 'state', models: [], limits: UNLIMITED }];
  }
  return keys.map(({ name, key, models, limits }) => ({
    name: name ?? 'default',
    id: idOf(key.reveal()),
    // The environment's key joins the list under this name, or without one where that is taken.
    source: (name ?? 'default') === 'default' && given && idOf(key.reveal()) === idOf(given) ? 'env' : 'config',
    models,
    limits,
  }));
}
