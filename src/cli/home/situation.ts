import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedConfig } from '../../config/load.ts';
import { CliError } from '../../shared/cli-error.ts';
import type { Context } from '../context.ts';
import { placeOf, readConfig } from '../place.ts';

/** What there is when the menu is shown. */
export type Situation = {
  /** Null: the config cannot be read. */
  readonly loaded: LoadedConfig | null;
  /** Why it cannot. */
  readonly problem: string | null;
  readonly stateDir: string | null;
  /** The running server's; null: none runs. */
  readonly url: string | null;
  readonly keys: readonly { readonly id: string; readonly provider: string; readonly label: string | null }[];
  readonly accounts: number;
  /** Variables in which keys were found. */
  readonly found: readonly { readonly provider: string; readonly name: string }[];
  /** A file of LLM-API-Key-Proxy in the current directory. */
  readonly hasEnvFile: boolean;
};

export async function lookAround(context: Context): Promise<Situation> {
  const { io } = context;
  const hasEnvFile = existsSync(join(io.cwd, '.env'));
  try {
    const loaded = (await readConfig(context))();
    const [{ stateDir }, { credentialsOf }, { findServer }] = await Promise.all([
      placeOf(context, loaded),
      import('../../config/credentials.ts'),
      import('../../server/server-file.ts'),
    ]);
    const { providers, found } = credentialsOf(loaded.config, io.env, []);
    const keys = [...providers.values()].flatMap(({ id: provider, keys: own }) =>
      own.map(({ id, label }) => ({ id, provider, label })),
    );
    const url = (await findServer(stateDir))?.url ?? null;
    return { loaded, problem: null, stateDir, url, keys, accounts: countAccounts(stateDir), found, hasEnvFile };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const nothing = { loaded: null, stateDir: null, url: null, keys: [], accounts: 0, found: [] };
    return { ...nothing, problem: error.message, hasEnvFile };
  }
}

export const isFirstRun = ({ loaded, url, keys, accounts }: Situation): boolean =>
  loaded !== null && loaded.path === null && url === null && keys.length === 0 && accounts === 0;

function countAccounts(stateDir: string): number {
  const directory = join(stateDir, 'oauth');
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.json')).length : 0;
}
