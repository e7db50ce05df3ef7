/** Where the config and the state are, per platform. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Config } from './schema.ts';
import type { Env } from './environment.ts';

export type ConfigPlace = {
  /** Absolute. */
  readonly path: string;
  /**
   * `flag`, `env`: named by the user, existing or not. `found`: `./rotator.yaml`, which may be somebody else's.
   * `home`: the user's own config directory.
   */
  readonly source: 'flag' | 'env' | 'found' | 'home';
};

export type Surroundings = {
  /** `--config`. */
  readonly path?: string | undefined;
  readonly env: Env;
  readonly cwd: string;
  readonly platform?: NodeJS.Platform | undefined;
};

const FILE = 'rotator.yaml';

/** The first of `--config`, `$ROTATOR_CONFIG`, `./rotator.yaml`, the user's own that exists; null: none. */
export function configPath(around: Surroundings): ConfigPlace | null {
  const named = namedConfig(around);
  if (named) return named;
  const found = path.resolve(around.cwd, FILE);
  if (existsSync(found)) return { path: found, source: 'found' };
  const own = homeConfig(around);
  return existsSync(own) ? { path: own, source: 'home' } : null;
}

/** Where a new config is made: where the user says, else at home; never in the current directory unasked. */
export function newConfigPath(around: Surroundings): string {
  return namedConfig(around)?.path ?? homeConfig(around);
}

/** Absolute. `--state`, then `ROTATOR_STATE`, then the config's `storage.dir`, then the platform's own place. */
export function stateDir(
  config: Pick<Config, 'storage'> | null,
  flag: string | undefined,
  env: Env,
  platform: NodeJS.Platform = process.platform,
): string {
  const chosen = flag || env.ROTATOR_STATE || config?.storage.dir;
  if (chosen) return path.resolve(expandHome(chosen, env));
  if (platform === 'win32') return path.join(env.LOCALAPPDATA || path.join(home(env), 'AppData', 'Local'), 'rotator');
  return path.join(absoluteOr(env.XDG_STATE_HOME, path.join(home(env), '.local', 'state')), 'rotator');
}

/** A leading `~/`, which no shell has expanded inside a file. */
export const expandHome = (text: string, env: Env): string =>
  text === '~' || /^~[/\\]/.test(text) ? path.join(home(env), text.slice(1)) : text;

function namedConfig({ path: flag, env, cwd }: Surroundings): ConfigPlace | null {
  if (flag) return { path: path.resolve(cwd, flag), source: 'flag' };
  if (env.ROTATOR_CONFIG) return { path: path.resolve(cwd, env.ROTATOR_CONFIG), source: 'env' };
  return null;
}

function homeConfig({ env, platform = process.platform }: Surroundings): string {
  if (platform === 'win32') {
    return path.join(env.APPDATA || path.join(home(env), 'AppData', 'Roaming'), 'rotator', FILE);
  }
  return path.join(absoluteOr(env.XDG_CONFIG_HOME, path.join(home(env), '.config')), 'rotator', FILE);
}

// The XDG specification: a relative path in these variables is to be ignored.
const absoluteOr = (value: string | undefined, standard: string): string =>
  value && path.isAbsolute(value) ? value : standard;

const home = (env: Env): string => env.HOME || env.USERPROFILE || homedir();
