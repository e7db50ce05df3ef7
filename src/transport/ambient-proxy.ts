import { BlockList, isIP, isIPv4 } from 'node:net';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment names for a URL, or null. `HTTP_PROXY`, `HTTPS_PROXY`, then `ALL_PROXY`, each in
 * lower case first, as curl and Go read them; `NO_PROXY` takes names with their subdomains, addresses, IPv4 and IPv6
 * networks, an optional port, and `*`.
 *
 * The machine itself is never reached through a proxy: a local model server would otherwise be asked for on the
 * proxy's machine. Bun reads the same variables but does not make that exception.
 */
export function ambientProxy(url: URL, env: Env): string | null {
  if (isLoopback(url.hostname)) return null;
  const named = url.protocol === 'https:' ? read(env, 'https_proxy') : read(env, 'http_proxy');
  const proxy = named ?? read(env, 'all_proxy');
  if (proxy === null || isExempt(url, read(env, 'no_proxy') ?? '')) return null;
  // curl and most others take a bare `host:port` for an HTTP proxy.
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

function read(env: Env, name: string): string | null {
  return env[name]?.trim() || env[name.toUpperCase()]?.trim() || null;
}

/** 127.0.0.0/8, ::1 and the names of RFC 6761; also 0.0.0.0 and ::, which connect to the machine itself. */
export function isLoopback(hostname: string): boolean {
  const name = bare(hostname);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  const family = isIP(name);
  return family !== 0 && own.check(name, family === 4 ? 'ipv4' : 'ipv6');
}

const own = new BlockList();
own.addSubnet('127.0.0.0', 8, 'ipv4');
own.addAddress('0.0.0.0', 'ipv4');
own.addAddress('::1', 'ipv6');
own.addAddress('::', 'ipv6');
own.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

function isExempt(url: URL, list: string): boolean {
  const host = bare(url.hostname);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== '' && matches(entry, host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const network = /^([^/]+)\/(\d{1,3})$/.exec(entry);
  if (network) return isInNetwork(host, network[1] ?? '', Number(network[2]));
  if (isIP(bare(entry)) !== 0) return bare(entry) === host;
  const [, name = '', ownPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (ownPort !== undefined && ownPort !== port) return false;
  const plain = bare(name).replace(/^\*?\./, '');
  return plain !== '' && (host === plain || host.endsWith(`.${plain}`));
}

function isInNetwork(host: string, address: string, prefix: number): boolean {
  const family = isIP(address);
  if (family === 0 || family !== isIP(host) || prefix > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, prefix, isIPv4(address) ? 'ipv4' : 'ipv6');
  return list.check(host, isIPv4(host) ? 'ipv4' : 'ipv6');
}

/** Without the brackets of an IPv6 address and the dot of a fully qualified name. */
function bare(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
