import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { CredentialView, StatusReport } from '../../src/gateway/operations.ts';
import { createLog } from '../../src/observe/log.ts';
import { listen } from '../../src/server/bun.ts';
import type { Clock } from '../../src/shared/clock.ts';
import type { Random } from '../../src/shared/random.ts';
import type { ScriptedUpstream } from './scripted-upstream.ts';

/**
 * The real app behind the real server on a free port, from a config file in a directory of its own. Options are pieces
 * of `rotator.yaml`; a scripted upstream becomes the provider `mock` with its keys in the order they are written.
 */
export type RotatorOptions = {
  /** Served as provider `mock`, model `mock/…`. */
  readonly upstream?: ScriptedUpstream;
  /** Keys of `mock`; default those of the upstream's script, each with a priority of its own so that the order is known. */
  readonly keys?: readonly (string | Readonly<Record<string, unknown>>)[] | 'none';
  /** Further fields of `mock`. */
  readonly provider?: Readonly<Record<string, unknown>>;
  /** Further providers. */
  readonly providers?: Readonly<Record<string, unknown>>;
  readonly server?: Readonly<Record<string, unknown>>;
  readonly timeouts?: Readonly<Record<string, unknown>>;
  readonly rotation?: Readonly<Record<string, unknown>>;
  /** Further sections of the file, such as `aliases`. */
  readonly sections?: Readonly<Record<string, unknown>>;
  /** The whole file, instead of the pieces. */
  readonly yaml?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly random?: Random;
  readonly clock?: Clock;
  /** A state directory that outlives this server; default in memory. */
  readonly stateDir?: string;
  readonly withDemo?: boolean;
  /** In place of models.dev; default nothing, and nobody is asked. */
  readonly publicCatalogueUrl?: string;
};

export type ChatInit = {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Another client key; null sends none. */
  readonly key?: string | null;
};

export type Rotator = AsyncDisposable & {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** The client key. */
  readonly key: string;
  readonly adminToken: string;
  readonly app: App;
  /** Lines of the log, as JSON text. */
  readonly log: readonly string[];
  /** Any path, with the client key. */
  get(path: string, init?: ChatInit): Promise<Response>;
  /** A chat call. An object is one; missing `model` and `messages` are filled in. Text and bytes go as they are. */
  chat(body?: object | string | Uint8Array, init?: ChatInit): Promise<Response>;
  /** A streamed chat call. */
  stream(body?: object, init?: ChatInit): Promise<Response>;
  /** Any admin path, with the admin token. */
  admin(path: string, init?: { method?: string; body?: unknown; headers?: Record<string, string> }): Promise<Response>;
  keys(): Promise<readonly CredentialView[]>;
  status(): Promise<StatusReport>;
  /** Writes a new config from these pieces and applies it, as a reload does. */
  apply(options: RotatorOptions): void;
  stop(): Promise<void>;
};

export const clientKey = 'sk-rotator-integration';
export const adminToken = 'admin-token-integration';

/** Keys that are taken strictly one after the other. */
export const inOrder = (...keys: readonly string[]) => keys.map((key, i) => ({ key, priority: i + 1 }));

export const chatBody = (more: object = {}): object => ({
  model: 'mock/m',
  messages: [{ role: 'user', content: 'hello' }],
  ...more,
});

function configOf(options: RotatorOptions): string {
  if (options.yaml !== undefined) return options.yaml;
  const upstream = options.upstream;
  const mock = upstream && {
    base_url: upstream.baseUrl,
    keys: options.keys ?? inOrder(...upstream.keys),
    ...options.provider,
  };
  return JSON.stringify({
    server: { client_keys: [{ name: 'test', key: clientKey }], ...options.server },
    ...(options.timeouts && { timeouts: options.timeouts }),
    ...(options.rotation && { rotation: options.rotation }),
    providers: { ...(mock && { mock }), ...options.providers },
    ...options.sections,
  });
}

export async function startRotator(options: RotatorOptions = {}): Promise<Rotator> {
  const directory = mkdtempSync(join(tmpdir(), 'rotator-integration-'));
  const path = join(directory, 'rotator.yaml');
  const env = { HOME: directory, ROTATOR_ADMIN_TOKEN: adminToken, ...options.env };
  const log: string[] = [];
  const load = (next: RotatorOptions) => {
    writeFileSync(path, configOf(next), { mode: 0o600 });
    return loadConfig({ path, env, cwd: directory });
  };
  const loaded = load(options);
  const app = await createApp({
    loaded,
    env,
    stateDir: options.stateDir ?? null,
    log: createLog({ level: 'debug', format: 'json', write: (line: string) => log.push(line) }),
    reread: () => loadConfig({ path, env, cwd: directory }),
    withDemo: options.withDemo ?? false,
    ...(options.random && { random: options.random }),
    ...(options.clock && { clock: options.clock }),
    ...(options.publicCatalogueUrl && { publicCatalogueUrl: options.publicCatalogueUrl }),
  });
  const server = listen({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request, peer) => app.fetch(request, peer),
  });
  const { url } = server;

  const headersOf = (init: ChatInit): Record<string, string> => ({
    ...(init.key === null ? {} : { authorization: `Bearer ${init.key ?? clientKey}` }),
    ...init.headers,
  });
  const chat = (body: object | string | Uint8Array = {}, init: ChatInit = {}) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headersOf(init) },
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(chatBody(body)),
      ...(init.signal && { signal: init.signal }),
    });
  let isStopped = false;
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    server.abort();
    await app.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return {
    url,
    key: clientKey,
    adminToken,
    app,
    log,
    get: (path_, init = {}) =>
      fetch(`${url}${path_}`, { headers: headersOf(init), ...(init.signal && { signal: init.signal }) }),
    chat,
    stream: (body = {}, init = {}) => chat({ stream: true, ...body }, init),
    admin: (path_, init = {}) =>
      fetch(`${url}/admin/${path_}`, {
        method: init.method ?? 'GET',
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', ...init.headers },
        ...(init.body !== undefined && { body: JSON.stringify(init.body) }),
      }),
    keys: () => app.operations.keys(),
    status: () => app.operations.status(),
    apply: (next) => app.apply(load(next)),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
