import { TransportError } from '../../transport/upstream.ts';
import { type JsonObject, parseObject } from '../json-object.ts';
import type { Service, ServiceTools } from '../profile.ts';

// Whoever logs in is waiting, and a refresh holds up requests.
const CALL_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_BYTES = 1024 * 1024;

export type CallAnswer =
  /** `json`: the object that came, null for everything else. */
  | { readonly kind: 'answer'; readonly status: number; readonly headers: Headers; readonly json: JsonObject | null }
  | { readonly kind: 'unreachable'; readonly reason: string };

export type Call = {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** One small call to a service, under this program's own name. Rejects only for `tools.signal`. */
export async function callService(call: Call, service: Service, tools: ServiceTools): Promise<CallAnswer> {
  const signal = AbortSignal.any([tools.signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
  const headers = new Headers({ accept: 'application/json', ...call.headers });
  headers.set('user-agent', `rotator/${tools.version}`);
  try {
    const response = await tools.upstream({
      url: call.url,
      method: call.method,
      headers,
      body: call.body === undefined ? null : new TextEncoder().encode(call.body),
      signal,
      poolKey: `oauth:${service.profile.id}`,
      proxy: service.proxy,
      isHttp2: false,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
    const text = await textUpTo(response, MAX_BYTES);
    return { kind: 'answer', status: response.status, headers: response.headers, json: parseObject(text) };
  } catch (error) {
    tools.signal.throwIfAborted();
    if (error instanceof TransportError) return { kind: 'unreachable', reason: error.message };
    return { kind: 'unreachable', reason: `${hostOf(call.url)} did not answer in time or stopped in the middle` };
  }
}

/** The text, or nothing of one that is longer than any answer here can be. */
async function textUpTo(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return '';
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

export const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'the server');
