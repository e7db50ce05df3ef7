import type { Envelope } from '../protocols/codec.ts';
import { adaptRequest } from '../providers/adapt.ts';
import type { AdaptContext } from '../providers/provider.ts';
import { authorize, chatUrl, upstreamHeaders } from '../providers/request.ts';
import type { UpstreamCall } from '../transport/upstream.ts';
import type { CredentialAccess, ProviderRuntime } from './gateway.ts';
import type { Target } from './plan.ts';

/** Where a request's path through rotator instances is written, so that a loop is seen. */
export const VIA_HEADER = 'x-rotator-via';

/** A request made ready for one target: the same for every credential that is tried. */
export type Prepared = {
  readonly url: string;
  readonly body: Uint8Array;
  /** What was changed besides the model name and the wish for usage. */
  readonly changes: readonly string[];
  /** The usage frame was asked for by rotator, not by the client. */
  readonly dropsUsageFrame: boolean;
  readonly context: AdaptContext;
};

/** The passthrough lane: the bytes that came, with the model name and the wish for usage patched in place. */
export function prepare(target: Target, envelope: Envelope): Prepared {
  const { runtime, model } = target;
  const context: AdaptContext = { model, isStream: envelope.isStream };
  const set: Record<string, unknown> = {};
  if (model !== envelope.model || isRepeated(envelope, 'model')) set.model = model;
  // A repeated field is written alike everywhere: the upstream may read another one of them than we did.
  if (isRepeated(envelope, 'stream')) set.stream = envelope.isStream;
  const asksUsage = envelope.isStream && runtime.asksStreamUsage && !envelope.wantsUsage;
  if (asksUsage) {
    const own = envelope.index.get('stream_options');
    set.stream_options = { ...(typeof own === 'object' ? own : null), include_usage: true };
  }
  const { bytes, changes } = adaptRequest(runtime.provider, envelope.index, context, set);
  return {
    url: urlOf(runtime),
    body: bytes,
    changes,
    dropsUsageFrame: envelope.isStream && !envelope.wantsUsage && runtime.asksStreamUsage,
    context,
  };
}

const urls = new WeakMap<ProviderRuntime, string>();

/** The same for every request of a runtime, so it is put together once. */
function urlOf(runtime: ProviderRuntime): string {
  const known = urls.get(runtime);
  if (known !== undefined) return known;
  const url = chatUrl(runtime.provider, runtime.baseUrl);
  urls.set(runtime, url);
  return url;
}

function isRepeated(envelope: Envelope, key: string): boolean {
  let count = 0;
  for (const entry of envelope.index.entries) if (entry.key === key) count++;
  return count > 1;
}

/** The upstream call of one attempt: a prepared request with one credential's key and proxy. */
export function callWith(
  target: Target,
  prepared: Prepared,
  access: CredentialAccess,
  request: {
    readonly headers: Headers;
    readonly signal: AbortSignal;
    readonly version: string;
    readonly instance: string;
  },
): UpstreamCall {
  const { runtime } = target;
  const headers = upstreamHeaders(runtime.provider, request.headers, runtime.headers, request.version);
  // The transport asks for it anyway, but would have to copy all of them to add it.
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity');
  authorize(runtime.provider, headers, access.key);
  // Only a server that the user named can be this one; vendors are not told where a request has been.
  if (runtime.baseUrl !== runtime.provider.baseUrl) {
    const via = request.headers.get(VIA_HEADER);
    headers.set(VIA_HEADER, via ? `${via},${request.instance}` : request.instance);
  }
  return {
    url: prepared.url,
    method: 'POST',
    headers,
    body: prepared.body,
    signal: request.signal,
    poolKey: runtime.id,
    proxy: access.proxy,
    isHttp2: runtime.isHttp2,
    connectTimeoutMs: runtime.timeouts.connectMs,
  };
}
