/**
 * A `./rotator.yaml` that was found and not named may be somebody else's, and must not send the user's own keys to a
 * place of its choosing: in it a base URL or proxy that is not loopback, together with anything from the environment,
 * is refused.
 */
import { findProfile } from '../oauth/profiles/index.ts';
import { findProvider } from '../providers/index.ts';
import type { ParsedDocument } from './document.ts';
import { isLoopbackUrl } from './loopback.ts';
import type { Path } from './problems.ts';
import type { Config } from './schema.ts';
import type { Finding } from './validate.ts';

/** `discovered`: ids of the providers whose keys were found in the environment. */
export function checkTrust(config: Config, discovered: readonly string[], document: ParsedDocument): Finding[] {
  const findings: Finding[] = [];
  for (const [name, settings] of Object.entries(config.providers)) {
    const known = findProvider(name);
    // The accounts that would be sent there are the user's own, wherever the file's keys come from.
    for (const field of OAUTH_URLS) {
      const url = settings.oauth[field];
      if (url === null || isLoopbackUrl(url) || isOwnOAuthHost(url, name)) continue;
      findings.push({
        path: ['providers', name, 'oauth', field],
        part: 'value',
        message: 'this URL would receive your accounts, and this rotator.yaml was found here and not named by you',
      });
    }
    const usesEnvironment = discovered.includes(known?.id ?? name) || document.isFromEnvironment(['providers', name]);
    if (!usesEnvironment) continue;
    const refuse = (path: Path, what: string) =>
      findings.push({
        path,
        part: 'value',
        message: `this ${what} would receive a key from the environment, and this rotator.yaml was found here and not named by you`,
      });
    const { base_url: baseUrl } = settings;
    if (baseUrl && !isLoopbackUrl(baseUrl) && !isOwnHost(baseUrl, known?.baseUrl ?? null)) {
      refuse(['providers', name, 'base_url'], 'base URL');
    }
    if (settings.proxy && !isLoopbackUrl(settings.proxy.reveal())) refuse(['providers', name, 'proxy'], 'proxy');
    const keys = Array.isArray(settings.keys) ? settings.keys : [];
    if (keys.some((key) => key.proxy && !isLoopbackUrl(key.proxy.reveal()))) {
      refuse(['providers', name, 'keys'], 'proxy of a key');
    }
  }
  return findings;
}

const OAUTH_URLS = ['authorize_url', 'token_url', 'device_url', 'api_url'] as const;

function isOwnOAuthHost(url: string, name: string): boolean {
  const profile = findProfile(name);
  const own = [profile?.authorize?.url, profile?.token.url, profile?.device?.url, profile?.apiUrl];
  return own.some((one) => one !== undefined && isOwnHost(url, one));
}

/** The vendor's own address is no redirection. */
const isOwnHost = (url: string, vendorUrl: string | null): boolean =>
  vendorUrl !== null && new URL(url).origin === new URL(vendorUrl).origin;
