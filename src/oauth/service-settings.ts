/** A profile with the user's settings applied, and the client as which the service is asked. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { Secret } from '../shared/secret.ts';
import type { Client } from './accounts/account.ts';
import type { Env } from './accounts/environment-accounts.ts';
import { isLoopback } from './engine/loopback-url.ts';
import type { Endpoints, InstalledClient, Profile, Service } from './profile.ts';

/** `providers.X.oauth`, and the proxy of the same provider. */
export type ServiceSettings = {
  readonly client_id: string | null;
  readonly client_secret: Secret | null;
  readonly authorize_url: string | null;
  readonly token_url: string | null;
  readonly device_url: string | null;
  readonly api_url: string | null;
  readonly redirect_port: number | null;
  readonly project_id: string | null;
  readonly proxy: Secret | null;
};

export const NO_SETTINGS: ServiceSettings = {
  client_id: null,
  client_secret: null,
  authorize_url: null,
  token_url: null,
  device_url: null,
  api_url: null,
  redirect_port: null,
  project_id: null,
  proxy: null,
};

export function serviceOf(profile: Profile, settings: ServiceSettings, env: Env): Service {
  const project = settings.project_id ?? (env[`${profile.envPrefix}_PROJECT_ID`] || null);
  return {
    profile,
    endpoints: endpointsOf(profile, settings),
    isOverridden: isOverridden(settings),
    client: clientOf(profile, settings, env),
    redirectPort:
      settings.redirect_port ?? portOf(env[`${profile.envPrefix}_OAUTH_PORT`]) ?? profile.authorize?.redirect.port ?? 0,
    projectId: project ?? (profile.afterLogin && isGoogle(profile) ? googleProject(env) : null),
    proxy: settings.proxy,
  };
}

const isOverridden = ({ authorize_url, token_url, device_url }: ServiceSettings): boolean =>
  authorize_url !== null || token_url !== null || device_url !== null;

function endpointsOf(profile: Profile, settings: ServiceSettings): Endpoints {
  const tokenUrl = settings.token_url ?? profile.token.url;
  // A server of the user's own must not be mixed with the vendor's: a code of one would be shown to the other.
  const orNone = (url: string | undefined) => (isOverridden(settings) ? null : (url ?? null));
  return {
    tokenUrl,
    authorizeUrl: profile.authorize === null ? null : (settings.authorize_url ?? orNone(profile.authorize.url)),
    deviceUrl: profile.device === null ? null : (settings.device_url ?? orNone(profile.device.url)),
    apiUrl: apiUrlOf(profile, settings.api_url),
    userinfoUrl: userinfoOf(profile, settings),
  };
}

/** An address without a path means the vendor's own path there. */
function apiUrlOf(profile: Profile, override: string | null): string {
  if (override === null) return profile.apiUrl;
  const { pathname } = new URL(override);
  if (pathname !== '/') return override.replace(/\/+$/, '');
  return new URL(new URL(profile.apiUrl).pathname, override).href.replace(/\/+$/, '');
}

/** A token goes to the vendor's own userinfo only where it came from the vendor. */
function userinfoOf(profile: Profile, settings: ServiceSettings): string | null {
  if (profile.userinfoUrl === undefined) return null;
  if (!isOverridden(settings)) return profile.userinfoUrl;
  return new URL(
    new URL(profile.userinfoUrl).pathname,
    settings.token_url ?? settings.authorize_url ?? profile.userinfoUrl,
  ).href;
}

const isGoogle = (profile: Profile) => new URL(profile.apiUrl).hostname.endsWith('.googleapis.com');

const googleProject = (env: Env) => env.GOOGLE_CLOUD_PROJECT || env.GOOGLE_CLOUD_PROJECT_ID || null;

function portOf(text: string | undefined): number | null {
  const port = Number(text);
  return text && Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : null;
}

/** From the config, else from the environment, else from the vendor's own tool where it is installed. */
function clientOf(profile: Profile, settings: ServiceSettings, env: Env): Client {
  const variable = (name: string) => env[`${profile.envPrefix}_${name}`] || null;
  const id = settings.client_id ?? variable('CLIENT_ID') ?? profile.clientId;
  const secret = settings.client_secret ?? secretOf(variable('CLIENT_SECRET'));
  if (secret !== null || !profile.hasClientSecret || id !== profile.clientId || isOverridden(settings))
    return { id, secret };
  return { id, secret: profile.installed ? installedSecret(profile.installed, env) : null };
}

const secretOf = (text: string | null) => (text === null ? null : new Secret(text));

/** The vendor's tool is a script: what it was registered with can be read in it. */
function installedSecret(installed: InstalledClient, env: Env): Secret | null {
  for (const directory of (env.PATH ?? '').split(path.delimiter).filter((one) => path.isAbsolute(one))) {
    const command = path.join(directory, installed.command);
    if (!existsSync(command)) continue;
    for (const file of candidates(realpathSync(command), installed.files)) {
      const secret = installed.secret.exec(readText(file))?.[1];
      if (secret !== undefined) return new Secret(secret);
    }
  }
  return null;
}

const MAX_LEVELS = 4;

function candidates(command: string, files: readonly string[]): readonly string[] {
  const found = [command];
  let directory = path.dirname(command);
  for (let level = 0; level < MAX_LEVELS; level++) {
    found.push(...files.map((file) => path.join(directory, file)));
    directory = path.dirname(directory);
  }
  return found;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** What stands in the way of a login, as a sentence and what to do; null: nothing. */
export function missingFor({
  profile,
  client,
  endpoints,
  isOverridden: isOwn,
}: Service): { readonly message: string; readonly hint: string } | null {
  const field = `providers.${profile.id}.oauth`;
  for (const [name, url] of Object.entries(endpoints)) {
    if (url !== null && !url.startsWith('https:') && !isLoopback(url)) {
      return {
        message: `${name} of ${profile.id} is not encrypted: ${new URL(url).origin}`,
        hint: `${field} needs https URLs`,
      };
    }
  }
  if (endpoints.authorizeUrl === null && endpoints.deviceUrl === null) {
    const wanted = profile.authorize === null ? 'device_url' : 'authorize_url';
    return { message: `${profile.id} has a token_url of its own and no ${wanted}`, hint: `set ${field}.${wanted}` };
  }
  if (client.secret !== null || !profile.hasClientSecret || isOwn || client.id !== profile.clientId) return null;
  const tool = profile.installed
    ? `install its own tool (${profile.installed.command}), where rotator finds it; or `
    : '';
  return {
    message: `${profile.title} wants a client secret, which rotator does not come with`,
    hint: `${tool}set ${profile.envPrefix}_CLIENT_SECRET or ${field}.client_secret to that of an OAuth client of your own or of the vendor's tool; or import an account that carries one: rotator oauth import`,
  };
}
