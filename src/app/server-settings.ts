import type { LoadedConfig } from '../config/load.ts';
import type { ClientLimits } from '../gateway/client-limits.ts';
import type { Log } from '../observe/log.ts';
import { adminToken } from '../server/admin-token.ts';
import { clientKey, defaultClientKey } from '../server/client-keys.ts';
import type { ServerSettings } from '../server/fetch.ts';
import type { Secret } from '../shared/secret.ts';
import { namePattern } from '../shared/wildcard.ts';
import { clientLimits } from './client-limits.ts';

/** What the config says of the server, in the server's words. */

type Sources = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stateDir: string | null;
  readonly log: Log;
  readonly loaded: LoadedConfig;
};

export type Keys = { readonly admin: Secret; readonly client: Secret | null };

/** The tokens of this run. A client key is only made where the config names none. */
export function keptKeys({ env, stateDir, log, loaded }: Sources): Keys {
  const admin = adminToken(env, stateDir);
  if (admin.problem) log.warn(admin.problem);
  if (loaded.config.server.client_keys !== null) return { admin: admin.secret, client: null };
  const client = defaultClientKey(env, stateDir);
  if (client.problem) log.warn(client.problem);
  return { admin: admin.secret, client: client.secret };
}

export function serverSettings({ config }: LoadedConfig, keys: Keys, host: string): ServerSettings {
  const { server } = config;
  const own = keys.client ? [clientKey(null, keys.client)] : [];
  return {
    host,
    clientKeys:
      server.client_keys === 'none'
        ? 'open'
        : (server.client_keys?.map(({ name, key, models, limits }) =>
            clientKey(name, key, models.map(namePattern), clientLimits(limits)),
          ) ?? own),
    cors: server.cors,
    allowedHosts: server.allowed_hosts,
    maxBodyBytes: server.max_body,
    exposeRoute: server.expose_route,
    adminToken: keys.admin,
  };
}

/** The limits of those that have some, by name. */
export function limitsByClient(keys: ServerSettings['clientKeys']): ReadonlyMap<string, ClientLimits> {
  const limited = new Map<string, ClientLimits>();
  if (keys === 'open') return limited;
  for (const { name, limits } of keys) if (name !== null && limits) limited.set(name, limits);
  return limited;
}
