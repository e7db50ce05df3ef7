import type { ProtocolId } from '../protocols/codec.ts';
import type { Secret } from '../shared/secret.ts';
import type { AdaptContext, CallPaths, Provider } from './provider.ts';

/** The HTTP head of an upstream call: where it goes, and which headers cross in each direction. */

const UP: readonly string[] = ['content-type', 'accept', 'idempotency-key'];
/** Versions and switches of the client's protocol: they mean nothing in another one. */
const UP_SAME: readonly string[] = [...UP, 'anthropic-version', 'anthropic-beta', 'openai-beta'];
const ANTHROPIC_VERSION = '2023-06-01';
const DOWN: readonly string[] = ['content-type'];

/** Puts the key where the vendor looks for it. Null: a server that takes no key, nothing is sent. */
export function authorize(provider: Provider, headers: Headers, key: Secret | null): void {
  if (!key) return;
  if (provider.authorize) provider.authorize(headers, key);
  else headers.set('authorization', `Bearer ${key.reveal()}`);
}

/**
 * A new set of headers for the upstream: the allow-listed ones of the client, then `extra` (the user's own, from the
 * config), then an honest `User-Agent`, which Cloudflare in front of Cerebras insists on. Keys are not in it yet.
 */
export function upstreamHeaders(
  provider: Provider,
  client: Headers,
  extra: Readonly<Record<string, string>>,
  version: string,
  call: { readonly protocol: ProtocolId; readonly isTranslated: boolean } = {
    protocol: provider.protocol,
    isTranslated: false,
  },
): Headers {
  const sent: Record<string, string> = {};
  const own = provider.headersAcross?.up;
  const across = call.isTranslated ? UP : UP_SAME;
  for (const name of own ? [...across, ...own] : across) {
    const value = client.get(name);
    if (value !== null) sent[name] = value;
  }
  // What was read as JSON goes out as JSON; `curl -d` calls it a form.
  if (!/\bjson\b/i.test(sent['content-type'] ?? '')) sent['content-type'] = 'application/json';
  if (provider.headers) for (const [name, value] of Object.entries(provider.headers)) sent[name.toLowerCase()] = value;
  for (const name in extra) sent[name.toLowerCase()] = extra[name] ?? '';
  // Required there, and no reason for a change: what the client says goes before.
  if (call.protocol === 'anthropic-messages') sent['anthropic-version'] ??= ANTHROPIC_VERSION;
  sent['user-agent'] = `rotator/${version}`;
  return new Headers(sent);
}

/** What of the upstream's headers the client may see; rate-limit headers speak of one of many keys and stay here. */
export function downstreamHeaders(provider: Provider, upstream: Headers): Record<string, string> {
  const headers: Record<string, string> = {};
  const own = provider.headersAcross?.down;
  for (const name of own ? [...DOWN, ...own] : DOWN) {
    const value = upstream.get(name);
    if (value !== null) headers[name] = value;
  }
  return headers;
}

/** Where each protocol is called, whole and streamed. */
const PATHS: Readonly<Record<ProtocolId, CallPaths>> = {
  'openai-chat': { whole: '/chat/completions', stream: '/chat/completions' },
  'openai-responses': { whole: '/responses', stream: '/responses' },
  'anthropic-messages': { whole: '/messages', stream: '/messages' },
  gemini: { whole: '/models/{model}:generateContent', stream: '/models/{model}:streamGenerateContent?alt=sse' },
};

const urls = new Map<string, string>();
const MAX_URLS = 10_000;

/** Put together once for each provider's place, protocol and model. */
export function callUrl(provider: Provider, configuredBase: string, context: AdaptContext): string {
  const { protocol, isStream, model } = context;
  const paths = provider.paths?.[protocol] ?? PATHS[protocol];
  const path = typeof paths === 'string' ? paths : paths[isStream ? 'stream' : 'whole'];
  return placeUrl(provider, configuredBase, path, model);
}

/** Where a vendor has this path for this model. */
export function placeUrl(provider: Provider, configuredBase: string, path: string, model: string): string {
  return endpointUrl(provider.baseFor?.(model) ?? configuredBase, path, provider.callsModel?.(model) ?? model);
}

/** A path under a base URL, `{model}` in it replaced. */
export function endpointUrl(baseUrl: string, path: string, model: string): string {
  const hasModel = path.includes('{model}');
  const key = `${baseUrl} ${path} ${hasModel ? model : ''}`;
  const known = urls.get(key);
  if (known !== undefined) return known;
  // Slashes are a part of names such as `models/x` and stay; everything else that a path gives a meaning to is escaped.
  const url = under(baseUrl, hasModel ? path.replace('{model}', escapedModel(model)) : path);
  if (urls.size >= MAX_URLS) urls.clear();
  urls.set(key, url);
  return url;
}

/**
 * The same path at another base, for accounts that have a host of their own. What is not under the first base, such as a
 * path of its own, stays where it is.
 */
export function movedUrl(url: string, from: string, to: string): string {
  if (from === to) return url;
  const [target, base, moved] = [new URL(url), new URL(from), new URL(to)];
  const root = base.pathname.replace(/\/+$/, '');
  if (target.origin !== base.origin || !target.pathname.startsWith(root)) return url;
  moved.pathname = moved.pathname.replace(/\/+$/, '') + target.pathname.slice(root.length);
  moved.search = target.search;
  return moved.href;
}

const escapedModel = (model: string) => model.split('/').map(encodeURIComponent).join('/');

/** `page`: the path with query that the previous page named as its successor. */
export const modelsUrl = (provider: Provider, baseUrl: string, page?: string): string =>
  under(baseUrl, page ?? provider.paths?.models ?? '/models');

/** The base may end with slashes and may carry a query of its own, which is kept. `..` in a path leaves the base. */
function under(baseUrl: string, path: string): string {
  const url = new URL(baseUrl);
  const [pathname = '', query = ''] = path.split('?', 2);
  url.pathname = url.pathname.replace(/\/+$/, '') + pathname;
  url.hash = '';
  for (const [name, value] of new URLSearchParams(query)) url.searchParams.set(name, value);
  return url.href;
}
