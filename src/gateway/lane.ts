import type { Envelope, ProtocolId, StreamProgress, WireCodec } from '../protocols/codec.ts';
import type { AnswerReader } from '../protocols/plain-json.ts';
import { adaptRequest } from '../providers/adapt.ts';
import { editBody } from '../providers/body-edits.ts';
import type { AdaptContext, Provider } from '../providers/provider.ts';
import { callUrl, upstreamHeaders } from '../providers/request.ts';
import type { SseFrame } from '../shared/sse.ts';
import type { UpstreamCall } from '../transport/upstream.ts';
import type { CredentialAccess } from './gateway.ts';
import type { Target } from './plan.ts';
import { placeOf, sign, type SignedIn } from './signed-in.ts';

/** Where a request's path through rotator instances is written, so that a loop is seen. */
export const VIA_HEADER = 'x-rotator-via';

/** A request made ready for one target: the same for every credential that is tried. */
export type Prepared = {
  readonly url: string;
  readonly body: Uint8Array;
  /** What was changed besides the model name and the wish for usage. */
  readonly changes: readonly string[];
  /** Reads what the upstream answers. */
  readonly codec: AnswerReader;
  /** The usage frame was asked for by rotator, not by the client. */
  readonly dropsUsageFrame: boolean;
  readonly context: AdaptContext;
  /** The client speaks it too: its protocol's own headers may cross. */
  readonly isSameProtocol: boolean;
  /** Null in the passthrough lane. */
  readonly translation: Translation | null;
  /** What the client had lost of earlier answers was put back into it. */
  readonly isRestored: boolean;
  /** Null: nobody needs to know what is answered. */
  readonly watch: Watch | null;
  /** Absent: JSON. */
  readonly contentType?: string;
  /** An answer that is neither frames nor JSON goes on as it comes. */
  readonly relaysBytes?: true;
};

/** Learns from an answer without changing it. */
export interface Watch {
  reply(bytes: Uint8Array): void;
  stream(): StreamWatch;
}

export interface StreamWatch {
  push(frame: SseFrame, json: unknown): void;
}

/** What an upstream answers, in the client's protocol. */
export interface Translation {
  /** A whole answer's bytes. */
  reply(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly warnings: readonly string[] };
  /** One stream. */
  stream(): StreamTranslation;
}

export interface StreamTranslation {
  /** What this frame says, as the client's frames; often nothing. `json`: its parsed data. */
  push(frame: SseFrame, json: unknown): string;
  /** What ends the client's stream. */
  end(): string;
  readonly progress: StreamProgress | null;
}

/** The protocol in which a target is called by a client of this one: the client's own wherever the target speaks it. */
export function upstreamProtocol(provider: Provider, model: string, client: ProtocolId): ProtocolId {
  const spoken = provider.speaks?.(model);
  if (!spoken) return provider.protocol;
  return spoken.includes(client) ? client : (spoken[0] ?? provider.protocol);
}

/** The passthrough lane: the bytes that came, with the model name and the wish for usage patched in place. */
export function prepareSame(target: Target, codec: WireCodec, envelope: Envelope): Prepared {
  const { runtime, model } = target;
  const context: AdaptContext = { model, isStream: envelope.isStream, protocol: codec.id };
  const asksUsage = envelope.isStream && runtime.asksStreamUsage;
  const set = codec.patch(envelope, { model, asksUsage });
  const adapted = adaptRequest(runtime.provider, envelope.index, context, set);
  const edited = editBody(adapted.bytes, target.edits, codec.id);
  return {
    url: callUrl(runtime.provider, runtime.baseUrl, context),
    body: edited.bytes,
    changes: edited.changes.length === 0 ? adapted.changes : [...adapted.changes, ...edited.changes],
    codec,
    dropsUsageFrame: asksUsage && !envelope.wantsUsage,
    context,
    isSameProtocol: true,
    translation: null,
    isRestored: false,
    watch: null,
  };
}

/** The upstream call of one attempt: a prepared request with one credential's key or token, and its proxy. */
export function callWith(
  target: Target,
  prepared: Prepared,
  access: CredentialAccess,
  signedIn: SignedIn,
  request: {
    readonly headers: Headers;
    /** Names the conversation; null: none is known. */
    readonly conversation: string | null;
    readonly signal: AbortSignal;
    readonly version: string;
    readonly instance: string;
  },
): UpstreamCall {
  const { runtime } = target;
  const headers = upstreamHeaders(runtime.provider, request.headers, runtime.headers, request.version, {
    protocol: prepared.context.protocol,
    isTranslated: !prepared.isSameProtocol,
  });
  if (prepared.contentType !== undefined) headers.set('content-type', prepared.contentType);
  // The transport asks for it anyway, but would have to copy all of them to add it.
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity');
  const { version, conversation } = request;
  const body = sign(signedIn, runtime, headers, prepared.body, { model: target.model, conversation, version });
  // Only a server that the user named can be this one; vendors are not told where a request has been.
  if (runtime.baseUrl !== runtime.provider.baseUrl) {
    const via = request.headers.get(VIA_HEADER);
    headers.set(VIA_HEADER, via ? `${via},${request.instance}` : request.instance);
  }
  return {
    url: placeOf(signedIn, runtime, prepared.url),
    method: 'POST',
    headers,
    body,
    signal: request.signal,
    poolKey: runtime.id,
    proxy: access.proxy,
    isHttp2: runtime.isHttp2,
    connectTimeoutMs: runtime.timeouts.connectMs,
  };
}
