import { join } from 'node:path';
import type { App } from '../app.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { LineWriter } from '../observe/line-writer.ts';
import type { Log } from '../observe/log.ts';
import type { Context } from './context.ts';
import { Interrupted } from './interrupted.ts';
import type { SignalName } from './io.ts';
import { isWritable, type Place, placeOf, readConfig, readStateFile } from './place.ts';
import { bannerText } from './ui/banner.ts';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { version } from '../version.ts';

export type ServeOptions = {
  readonly host?: string;
  readonly port?: number;
  readonly demo?: true;
  readonly watch: boolean;
};

/** How long open requests may take to finish after the first signal. */
const GRACE_MS = 30_000;

/** Runs the proxy until a signal. Resolves when it has drained; a second signal throws `Interrupted`. */
export async function serve(context: Context, options: ServeOptions): Promise<void> {
  const { io, globals, output } = context;
  const [{ createApp }, { MODELS_DEV_URL }, { listen }, file] = await Promise.all([
    import('../app.ts'),
    import('../models/public-catalogue.ts'),
    import('../server/bun.ts'),
    import('../server/server-file.ts'),
  ]);
  const { host: hostFlag, port: portFlag } = options;
  const reread = await readConfig(context, {
    ...(hostFlag === undefined ? {} : { host: hostFlag }),
    ...(portFlag === undefined ? {} : { port: portFlag }),
  });
  const place = await placeOf(context, reread());
  const stateDir = isWritable(place.stateDir) ? place.stateDir : null;
  if (stateDir === null)
    output.warn(`the state directory ${place.stateDir} cannot be written: running in memory, nothing is kept`);
  else await file.refuseSecondServer(stateDir);

  const { log, lines } = await createServerLog(context, place);
  let { path } = place.loaded;
  const app = await createApp({
    loaded: place.loaded,
    env: io.env,
    stateDir,
    accountsIn: place.stateDir,
    log,
    reread: () => {
      const next = reread();
      // Else the keys and client keys of the file would be forgotten, and a file of another place would hold at once.
      if (path !== null && next.path !== path) throw otherFile(path, next.path);
      path = next.path;
      for (const field of restartFields(place.loaded, next))
        log.warn(`${field} changed: it takes effect at the next start`);
      return next;
    },
    withDemo: options.demo === true,
    publicCatalogueUrl: MODELS_DEV_URL,
  });
  // Before anybody is told where it listens: a signal or a change of the file must not fall into a gap.
  using signals = catchSignals(context);
  const reload = (why: string) => void reloadConfig(app, log, why);
  using _hangup = { [Symbol.dispose]: io.onSignal('SIGHUP', () => reload('SIGHUP')) };
  try {
    using _watch = await watch(context, place.loaded, options, () => reload('the file changed'));
    const { host, port } = place.loaded.config.server;
    const listener = listen({
      hostname: host,
      port,
      fetch: app.fetch,
      onError: (error) =>
        log.error('a request crashed', { reason: error instanceof Error ? error.message : 'unknown' }),
    });
    try {
      const { url } = listener;
      if (stateDir !== null) {
        const startedAt = new Date().toISOString();
        const record = { pid: process.pid, url, version, started_at: startedAt, nonce: app.nonce };
        await file.writeServerFile(stateDir, record).catch((error: unknown) => {
          // Another server was faster. Anything else, such as a full disk, only hides this one from the command line.
          if (error instanceof CliError) throw error;
          output.warn(
            `${stateDir}/server.json cannot be written (${String(error)}): commands will not find this server`,
          );
        });
      }
      await output.data(
        globals.json
          ? `${JSON.stringify({ event: 'listening', url, pid: process.pid })}\n`
          : `rotator listening on ${url}\n`,
      );
      banner(context, place, stateDir, url, app);
      await signals.first;
      const pending = listener.pending();
      if (pending > 0)
        output.note(
          `waiting up to 30 s for ${pending} open request${pending === 1 ? '' : 's'}; once more ends at once`,
        );
      app.drain();
      const drained = listener.stop(GRACE_MS).then(() => null);
      const second = await Promise.race([drained, signals.second]);
      if (second !== null) {
        listener.abort();
        throw new Interrupted(second === 'SIGINT' ? 130 : 143);
      }
    } finally {
      listener.abort();
      if (stateDir !== null) file.removeServerFile(stateDir, app.nonce);
    }
  } finally {
    await app.close();
    await lines.close();
  }
}

type ServerLog = { readonly log: Log; readonly lines: Pick<LineWriter, 'close'> };

async function createServerLog({ io, globals, output }: Context, place: Place): Promise<ServerLog> {
  const [{ createLog }, { createLineWriter }] = await Promise.all([
    import('../observe/log.ts'),
    import('../observe/line-writer.ts'),
  ]);
  const { level, format } = place.loaded.config.logging;
  const paint = output.paintMessage;
  const styles = { debug: paint.dim, info: paint.cyan, warn: paint.yellow, error: paint.red };
  const lines =
    io.stderrFile === null
      ? { write: (line: string) => output.error(`${line}\n`), close: async () => {} }
      : createLineWriter({ fd: io.stderrFile });
  const log = createLog({
    level: globals.quiet && level !== 'error' ? 'warn' : level,
    format: format === 'auto' ? (io.isTerminal.stderr ? 'pretty' : 'json') : format,
    write: lines.write,
    paint: (of, text) => styles[of](text),
  });
  return { log, lines };
}

function banner(context: Context, place: Place, stateDir: string | null, url: string, app: App): void {
  const { io, output, globals } = context;
  const { config, warnings } = place.loaded;
  const reference = keyReference(context, place, stateDir);
  for (const warning of warnings) output.warn(warning);
  if (config.server.client_keys === null && reference === null && !io.isTerminal.stderr)
    output.warn('the client key could not be kept and nobody can read it: set ROTATOR_CLIENT_KEY');
  if (globals.quiet) return;
  const summary = app.summary();
  const isDemo = summary.providers.some((provider) => provider.id === 'demo');
  const facts = {
    url,
    host: config.server.host,
    summary,
    stateDir,
    model: config.chat.model ?? (isDemo ? 'demo/chat' : null),
    isOpen: config.server.client_keys === 'none',
    keyReference: reference,
    isTerminal: io.isTerminal.stderr,
  };
  output.note(bannerText(facts, output.paintMessage));
}

function keyReference({ io }: Context, { loaded }: Place, stateDir: string | null): string | null {
  if (io.env.ROTATOR_CLIENT_KEY) return '$ROTATOR_CLIENT_KEY';
  if (loaded.config.server.client_keys !== null || stateDir === null) return null;
  const path = join(stateDir, 'client-key');
  return readStateFile(stateDir, 'client-key') === null ? null : `$(cat '${path.replaceAll("'", "'\\''")}')`;
}

async function watch(
  context: Context,
  loaded: LoadedConfig,
  options: ServeOptions,
  reread: () => void,
): Promise<Disposable> {
  if (!options.watch) return { [Symbol.dispose]: () => {} };
  const [{ watchConfig }, { newConfigPath }] = await Promise.all([
    import('../config/watch.ts'),
    import('../config/places.ts'),
  ]);
  const { io, globals } = context;
  // Without a file yet: where `keys add` would create it, so that the first key is picked up too.
  const path = loaded.path ?? newConfigPath({ path: globals.config, env: io.env, cwd: io.cwd });
  const watcher = watchConfig(path, reread);
  return { [Symbol.dispose]: () => watcher.close() };
}

/** What a reload cannot change, named where the file now says something else than what runs. */
function restartFields({ config: running }: LoadedConfig, { config: next }: LoadedConfig): readonly string[] {
  return [
    ...(running.server.host === next.server.host ? [] : ['server.host']),
    ...(running.server.port === next.server.port ? [] : ['server.port']),
    ...(running.storage.dir === next.storage.dir ? [] : ['storage.dir']),
    ...(running.storage.retention === next.storage.retention ? [] : ['storage.retention']),
  ];
}

function otherFile(running: string, next: string | null): CliError {
  const what = next === null ? `${running} is gone` : `${next} would be read instead of ${running}`;
  return new CliError(ExitCode.failed, 'config', `${what}; that takes effect at the next start`);
}

async function reloadConfig(app: App, log: Log, why: string): Promise<void> {
  const problem = await app.operations.reload().catch((error: unknown) => String(error));
  if (problem === null) log.info('config reloaded', { why });
  else log.error('config not reloaded, the running one stays', { why, problem });
}

type Signals = Disposable & { readonly first: Promise<SignalName>; readonly second: Promise<SignalName> };

/** The first and the second of SIGINT and SIGTERM, in whatever mixture. */
function catchSignals({ io }: Context): Signals {
  const first = Promise.withResolvers<SignalName>();
  const second = Promise.withResolvers<SignalName>();
  let count = 0;
  const stops = (['SIGINT', 'SIGTERM'] as const).map((name) =>
    io.onSignal(name, () => (count++ === 0 ? first : second).resolve(name)),
  );
  return {
    first: first.promise,
    second: second.promise,
    [Symbol.dispose]: () => {
      for (const stop of stops) stop();
    },
  };
}
