/**
 * On a loopback bind a request must name a loopback host. A web page can make its own name resolve to 127.0.0.1 (DNS
 * rebinding) and then call us as same-origin, without an Origin header; its Host header still carries its own name.
 */
export function isHostAllowed(bind: string, host: string | null, allowedHosts: readonly string[]): boolean {
  // What nearly every request says, before anything is parsed.
  if (host !== null && USUAL.test(host)) return true;
  if (!isLoopbackName(nameOf(bind))) return true;
  // A Host is a name and a port. Anything a URL would read as credentials, a path or a list is not one.
  if (host === null || !/^[^\s/?#@\\,]+$/.test(host)) return false;
  const name = nameOf(host);
  if (isLoopbackName(name)) return true;
  const whole = host.toLowerCase();
  return allowedHosts.some((allowed) => {
    const wanted = allowed.toLowerCase();
    return wanted === name || wanted === whole;
  });
}

const USUAL = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

/** Is this an address that only this machine can reach? */
export function isLoopbackHost(host: string): boolean {
  return isLoopbackName(nameOf(host));
}

/** RFC 6761: `localhost` and every name below it are loopback and never asked of the DNS by browsers. */
function isLoopbackName(name: string): boolean {
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '[::1]' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
  );
}

/** The name in lower case without its port and the root dot; IPv6 in brackets and in its shortest form. */
function nameOf(host: string): string {
  const bare = host.includes(':') && !host.startsWith('[') && host.indexOf(':') !== host.lastIndexOf(':');
  try {
    // The parser is the one browsers use: it brings `127.1` and `[0:0::1]` to the form that is compared.
    return new URL(`http://${bare ? `[${host}]` : host}`).hostname.replace(/\.$/, '');
  } catch {
    return '';
  }
}
