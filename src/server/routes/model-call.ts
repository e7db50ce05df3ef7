import type { GatewayCall } from '../../gateway/gateway.ts';
import type { Codec } from '../../protocols/codec.ts';
import { type Refusal, refuse } from '../refusal.ts';
import type { Exchange } from './route.ts';

/** What some surfaces say apart from the body. */
export type CallForm = Partial<Pick<GatewayCall, 'endpoint' | 'path' | 'framing' | 'body' | 'continues' | 'onAnswer'>>;

const PLAIN: CallForm = {};

/** Hands a model call to the gateway, in the protocol of the surface that was called. */
export function callModel(exchange: Exchange, codec: Codec, form: CallForm = PLAIN): Promise<Response> | Refusal {
  const { headers } = exchange.request;
  const timeoutMs = readTimeout(headers.get('x-rotator-timeout-ms'));
  if (timeoutMs === 'bad') return badHeader('x-rotator-timeout-ms', 'a whole number of milliseconds above 0');
  const isFallbackOff = readSwitch(headers.get('x-rotator-no-fallback'));
  if (isFallbackOff === 'bad') return badHeader('x-rotator-no-fallback', '1 or 0');
  const call: GatewayCall = {
    requestId: exchange.requestId,
    codec,
    path: null,
    framing: 'events',
    body: exchange.body,
    headers,
    client: exchange.client,
    signal: exchange.request.signal,
    arrivedAt: exchange.arrivedAt,
    isFallbackOff,
    timeoutMs,
    showsRoute: exchange.settings.exposeRoute,
  };
  return exchange.deps.gateway.handle(form === PLAIN ? call : { ...call, ...form });
}

function readTimeout(value: string | null): number | null | 'bad' {
  if (value === null) return null;
  // Nine digits are eleven days, far above every configured timeout and far below what a timer overflows at.
  return /^0*[1-9]\d{0,8}$/.test(value) ? Number(value) : 'bad';
}

function readSwitch(value: string | null): boolean | 'bad' {
  switch (value) {
    case null:
    case '0':
    case 'false':
      return false;
    case '1':
    case 'true':
      return true;
    default:
      return 'bad';
  }
}

function badHeader(name: string, expected: string): Refusal {
  return refuse({ kind: 'bad-request', status: 400, message: `the header ${name} must be ${expected}`, param: name });
}
