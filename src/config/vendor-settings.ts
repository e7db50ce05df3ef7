/** What the config, and the environment where it is silent, say to a vendor that needs more than a key. */
import type { Provider } from '../providers/provider.ts';
import type { VendorSettings } from '../providers/vendor-settings.ts';
import type { Env } from './environment.ts';
import type { ProviderConfig } from './schema.ts';

/** The vendor's entry as this config makes it. `baseUrl` stays null while something is missing. */
export function configured(provider: Provider, fields: ProviderConfig, env: Env): Provider {
  return provider.configure?.(settingsFor(provider, fields, env)) ?? provider;
}

function settingsFor(provider: Provider, fields: ProviderConfig, env: Env): VendorSettings {
  const urlVariables = { ...fields.url_variables };
  let { resource } = fields;
  for (const { field, env: variable } of provider.needs ?? []) {
    const value = env[variable]?.trim();
    if (!value) continue;
    const [name, part] = field;
    if (name === 'resource') resource ??= value;
    else if (part !== undefined) urlVariables[part] ??= value;
  }
  const { entra } = fields;
  return {
    baseUrl: fields.base_url,
    urlVariables,
    resource,
    apiVersion: fields.api_version,
    deployments: fields.deployments,
    bases: Object.fromEntries(Object.entries(fields.bases).flatMap(([name, url]) => (url ? [[name, url]] : []))),
    auth: fields.auth,
    pathStyle: fields.path_style,
    application: entra && {
      tenant: entra.tenant,
      clientId: entra.client_id,
      clientSecret: entra.client_secret,
      tokenUrl: entra.token_url,
    },
  };
}
