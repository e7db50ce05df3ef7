/**
 * A `./rotator.yaml` that was found and not named may be somebody else's, and must not send the user's own keys to a
 * place of its choosing: in it a base URL or proxy that is not loopback, together with anything from the environment,
 * is refused.
 */
import { findProfile } from '../oauth/profiles/index.ts';
import { findProvider } from '../providers/index.ts';
import type { Provider } from '../providers/provider.ts';
import type { ParsedDocument } from './document.ts';
import { isLoopbackUrl } from './loopback.ts';
import type { Path } from './problems.ts';
import type { Config, ProviderConfig } from './schema.ts';
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
    const hasAccounts = known?.key === 'account';
    const usesEnvironment = discovered.includes(known?.id ?? name) || document.isFromEnvironment(['providers', name]);
    if (!usesEnvironment && !hasAccounts) continue;
    const whose = usesEnvironment ? 'a key from the environment' : 'your accounts';
    const refuse = (path: Path, what: string) =>
      findings.push({
        path,
        part: 'value',
        message: `this ${what} would receive ${whose}, and this rotator.yaml was found here and not named by you`,
      });
    const { base_url: baseUrl } = settings;
    if (baseUrl && !isLoopbackUrl(baseUrl) && !isOwnHost(baseUrl, known?.baseUrl ?? null)) {
      refuse(['providers', name, 'base_url'], 'base URL');
    }
    for (const path of elsewhere(name, known, settings)) refuse(path, 'place');
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

/** What else says where a vendor's calls go. */
function elsewhere(name: string, known: Provider | undefined, settings: ProviderConfig): Path[] {
  const at = ['providers', name];
  const bases = Object.entries(settings.bases).filter(([, url]) => url !== null && !isLoopbackUrl(url));
  // An account in a path is the vendor's to judge; a part of a host may be anybody's.
  const inHost = Object.keys(settings.url_variables).filter((variable) =>
    (known?.needs ?? []).some((need) => need.isInHost && need.field[1] === variable),
  );
  const tokenUrl = settings.entra?.token_url;
  return [
    ...bases.map(([family]) => [...at, 'bases', family]),
    ...inHost.map((variable) => [...at, 'url_variables', variable]),
    ...(settings.resource === null ? [] : [[...at, 'resource']]),
    ...(tokenUrl && !isLoopbackUrl(tokenUrl) ? [[...at, 'entra', 'token_url']] : []),
  ];
}

/** The vendor's own address is no redirection. */
const isOwnHost = (url: string, vendorUrl: string | null): boolean =>
  vendorUrl !== null && new URL(url).origin === new URL(vendorUrl).origin;
