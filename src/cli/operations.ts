import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { App } from '../app.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { StatusReport } from '../gateway/operations.ts';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { Secret } from '../shared/secret.ts';
import type { Context } from './context.ts';
import { Output } from './output.ts';
import { findPlace, isWritable, type Place, placeOf, readStateFile } from './place.ts';
import { type Endpoint, remoteOperations, type ServerOperations } from './remote.ts';

export type LocalNeeds = {
  /** Start the demo provider too. */
  readonly isDemo: boolean;
  /** What is changed must last: without a writable state directory the command fails instead of running in memory. */
  readonly isKept: boolean;
};

export const isDemoModel = (model: string) => model === 'demo' || model.startsWith('demo/');

/** The gateway's operations: of the server that runs on this state directory, else of a gateway in this process. */
export async function withOperations<Result>(
  context: Context,
  needs: LocalNeeds,
  use: (operations: ServerOperations, place: Place, endpoint: Endpoint | null) => Promise<Result>,
): Promise<Result> {
  const place = await findPlace(context).catch((problem: unknown) => placeOfServer(context, problem));
  const endpoint = await findEndpoint(context, place);
  if (endpoint) {
    const operations = remoteOperations(endpoint);
    if (!needs.isDemo || (await hasDemo(operations))) {
      await tellOtherConfig(context, place, endpoint.url, operations);
      return await use(operations, place, endpoint);
    }
  }
  if (place.problem) throw place.problem;
  return await withLocalApp(context, place, needs, (app) => use(app.operations, place, null));
}

/** The status of the server that runs on this state directory; null when none does. */
export async function serverStatus(context: Context, place: Place): Promise<StatusReport | null> {
  const endpoint = await findEndpoint(context, place);
  if (!endpoint) return null;
  const operations = remoteOperations(endpoint);
  await tellOtherConfig(context, place, endpoint.url, operations);
  return await operations.status();
}

/**
 * Whoever answers for this state directory at the moment of asking: a server that has started meanwhile, has moved or is
 * gone is noticed. Without one a gateway in this process says what the database remembers.
 */
export async function followedSource(
  context: Context,
  follow: (
    source: () => Promise<{ readonly operations: ServerOperations; readonly url: string | null }>,
  ) => Promise<void>,
): Promise<void> {
  let place = await findPlace(context).catch((problem: unknown) => placeOfServer(context, problem));
  // What it has to say belongs into no screen.
  const silent = { ...context, output: new Output({ ...context.io, stderr: nowhere() }, SILENT) };
  let local: Promise<App> | null = null;
  const closeLocal = async () => {
    const app = await local;
    local = null;
    await app?.close();
  };
  try {
    await follow(async () => {
      const endpoint = await findEndpoint(context, place);
      if (endpoint) {
        await closeLocal();
        return { operations: remoteOperations(endpoint), url: endpoint.url };
      }
      // The server that went on without the file is gone: from now on the file counts.
      if (place.problem) place = await findPlace(context);
      local ??= openLocalApp(silent, place, place.loaded, { isDemo: false, isKept: false });
      return { operations: (await local).operations, url: null };
    });
  } finally {
    await closeLocal();
    silent.output.release();
  }
}

const SILENT = { isQuiet: true, isColourOff: true };

const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });

/** A gateway in this process, whether or not a server runs. */
export async function withLocalApp<Result>(
  context: Context,
  place: Place,
  needs: LocalNeeds,
  use: (app: App) => Promise<Result>,
): Promise<Result> {
  const app = await openLocalApp(context, place, place.loaded, needs);
  try {
    return await use(app);
  } finally {
    await app.close();
  }
}

export async function openLocalApp(
  context: Context,
  place: Place,
  loaded: LoadedConfig,
  needs: LocalNeeds,
): Promise<App> {
  const { io, output } = context;
  const isStateWritable = isWritable(place.stateDir);
  if (!isStateWritable && needs.isKept)
    throw new CliError(
      ExitCode.failed,
      'state_not_writable',
      `the state directory ${place.stateDir} cannot be written`,
      'name another with --state DIR',
    );
  if (!isStateWritable && existsSync(join(place.stateDir, 'rotator.db')))
    output.warn(`the state directory ${place.stateDir} cannot be written: what is remembered there is not used`);
  const [{ createApp }, { createLog }, { findServer }] = await Promise.all([
    import('../app.ts'),
    import('../observe/log.ts'),
    import('../server/server-file.ts'),
  ]);
  return await createApp({
    loaded,
    env: io.env,
    stateDir: isStateWritable ? place.stateDir : null,
    accountsIn: place.stateDir,
    // One command answers for itself: what went wrong is in its own error, not in the gateway's log.
    log: createLog({
      level: io.env.ROTATOR_DEBUG === '1' ? 'debug' : needs.isKept ? 'warn' : 'error',
      format: 'pretty',
      write: (line) => output.error(`${line}\n`),
    }),
    withDemo: needs.isDemo,
    // A server on this directory keeps the pools' state itself; two writers would undo each other.
    savesPools: (await findServer(place.stateDir)) === null,
  });
}

/**
 * Where the server runs that goes on with the config it had, although its file has a problem now: then of all times a
 * person asks how things are. Throws the problem when no such server runs.
 */
async function placeOfServer(context: Context, problem: unknown): Promise<Place> {
  const { io, globals, output } = context;
  const [{ readConfig }, { configPath }, { ConfigError }] = await Promise.all([
    import('../config/load.ts'),
    import('../config/places.ts'),
    import('../config/problems.ts'),
  ]);
  const file = configPath({ path: globals.config, env: io.env, cwd: io.cwd })?.path ?? null;
  if (!(problem instanceof ConfigError) || file === null) throw problem;
  const { config } = readConfig(null, { env: io.env });
  const place = await placeOf(context, { config, path: file, isFound: false, warnings: [] });
  const endpoint = await findEndpoint(context, place).catch(() => null);
  const running =
    endpoint &&
    (await remoteOperations(endpoint)
      .status()
      .catch(() => null));
  // Where the file would have put the state is not known: another server may run at the usual place.
  if (!endpoint || running?.config !== file) throw problem;
  output.warn(`the server at ${endpoint.url} goes on with the config that it had; in the file is ${problem.message}`);
  return { ...place, problem };
}

/** Where the running server of this state directory is and the token for its admin routes; null when none runs. */
async function findEndpoint({ io }: Context, place: Place): Promise<Endpoint | null> {
  const { findServer } = await import('../server/server-file.ts');
  const server = await findServer(place.stateDir);
  if (!server) return null;
  const token = io.env.ROTATOR_ADMIN_TOKEN || readStateFile(place.stateDir, 'admin-token');
  if (!token)
    throw new CliError(
      ExitCode.failed,
      'no_admin_token',
      `a server runs at ${server.url}, but its admin token is not in ${place.stateDir}`,
      'set ROTATOR_ADMIN_TOKEN to the token that the server was started with',
    );
  return { url: server.url, token: new Secret(token) };
}

/** A config that was named and is not the server's own has no effect on what the server does: nobody should guess that. */
async function tellOtherConfig(
  { io, globals, output }: Context,
  { loaded }: Place,
  url: string,
  operations: ServerOperations,
): Promise<void> {
  if (globals.config === undefined && !io.env.ROTATOR_CONFIG) return;
  const { config } = await operations.status();
  if (config === loaded.path) return;
  output.warn(
    `the server at ${url} goes by ${config ?? 'no config file'}, not by ${loaded.path}; name another directory with --state to do without it`,
  );
}

/** The same for a command that speaks to the server's public routes. Without the admin token nobody can tell. */
export async function tellOtherConfigOf(context: Context, place: Place): Promise<void> {
  if (context.globals.config === undefined && !context.io.env.ROTATOR_CONFIG) return;
  const endpoint = await findEndpoint(context, place).catch(() => null);
  if (endpoint) await tellOtherConfig(context, place, endpoint.url, remoteOperations(endpoint)).catch(() => {});
}

async function hasDemo(operations: ServerOperations): Promise<boolean> {
  const { providers } = await operations.status();
  return providers.some((provider) => provider.id === 'demo');
}
