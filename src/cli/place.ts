import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { LoadedConfig } from '../config/load.ts';
import type { ConfigError } from '../config/problems.ts';
import type { Context } from './context.ts';

/** Where a command works: the config it goes by and the directory that holds the state. */
export type Place = {
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  /** Why the file cannot be used, where only a running server is asked: `loaded` is then the defaults. */
  readonly problem?: ConfigError;
};

export type FlagOverrides = { readonly host?: string; readonly port?: number };

/** The config by the global options; `overrides` are flags that go before environment and file. Throws its problems. */
export async function readConfig({ io, globals }: Context, overrides: FlagOverrides = {}): Promise<() => LoadedConfig> {
  const { loadConfig } = await import('../config/load.ts');
  return () => loadConfig({ path: globals.config, env: io.env, cwd: io.cwd, overrides });
}

/** Throws the config's problems as a usage error. */
export async function findPlace(context: Context): Promise<Place> {
  return await placeOf(context, (await readConfig(context))());
}

export async function placeOf({ io, globals }: Context, loaded: LoadedConfig): Promise<Place> {
  const { stateDir } = await import('../config/places.ts');
  const flag = globals.state === undefined ? undefined : resolve(io.cwd, globals.state);
  return { loaded, stateDir: stateDir(loaded.config, flag, io.env) };
}

/** Makes the directory, 0700, when it is not there. False when it cannot be made or written. */
export function isWritable(stateDir: string): boolean {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    accessSync(stateDir, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A one-line file such as `client-key`; null when there is none. */
export function readStateFile(stateDir: string, name: 'client-key' | 'admin-token'): string | null {
  try {
    return readFileSync(join(stateDir, name), 'utf8').trim() || null;
  } catch {
    return null;
  }
}
