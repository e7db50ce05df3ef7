import type { Profile } from '../oauth/profile.ts';
import { findProfile } from '../oauth/profiles/index.ts';
import { NO_SETTINGS, type ServiceSettings } from '../oauth/service-settings.ts';
import { findProvider, normalizeProviderId } from '../providers/index.ts';
import type { LoadedConfig } from './load.ts';
import { isLoopbackUrl } from './loopback.ts';
import type { Config, ProviderConfig } from './schema.ts';

/**
 * What the config says of an account service: in the section of its own id, else in one with a second name, so that
 * `gemini` may hold what is for the accounts of `gemini_cli`.
 */
export function accountSettings(
  { config, isFound }: Pick<LoadedConfig, 'config' | 'isFound'>,
  profile: Profile,
): ServiceSettings {
  const named = Object.entries(config.providers).filter(([name]) => findProfile(name)?.id === profile.id);
  const own = named.find(([name]) => normalizeProviderId(name) === profile.id)?.[1];
  const fields = own ?? named[0]?.[1];
  if (!fields) return NO_SETTINGS;
  return { ...fields.oauth, api_url: fields.oauth.api_url ?? baseOf(own, profile, isFound), proxy: fields.proxy };
}

/**
 * Who puts a server in the vendor's place means all calls. But in a file that was found and not named, a base URL is meant
 * for the file's own keys; where there can be no keys such a file is refused.
 */
function baseOf(own: ProviderConfig | undefined, { id }: Profile, isFound: boolean): string | null {
  const base = own?.base_url ?? null;
  if (base === null || !isFound) return base;
  return findProvider(id)?.key === 'account' || isLoopbackUrl(base) ? base : null;
}

/** May accounts of the environment be used for this provider? By the rule that holds for its keys. */
export function usesEnvironment({ discover_env: discovers, providers }: Config, provider: string): boolean {
  switch (discovers) {
    case 'all':
      return true;
    case 'off':
      return false;
    case 'auto':
      return Object.keys(providers).some((name) => normalizeProviderId(name) === provider);
  }
}
