/** Logging in on another screen: a code here, a page there, and asking until the person is done. */
import * as oauth from 'oauth4webapi';
import { redact } from '../../observe/redact.ts';
import { type JsonObject, numberOf, textOf } from '../json-object.ts';
import type { DeviceEntry, Service, ServiceTools } from '../profile.ts';
import { readPasted } from './callback.ts';
import { callService } from './json-call.ts';
import type { TokenAnswer } from './token-answer.ts';
import { redeemCode, requestTokens } from './token-endpoint.ts';

export type DeviceLogin = {
  readonly userCode: string;
  /** Where it is typed in. */
  readonly verificationUrl: string;
  /** The same with the code already in it. */
  readonly completeUrl: string | null;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly intervalMs: number;
  /** One question whether the person is done. Rejects only for the tools' signal. */
  readonly poll: () => Promise<TokenAnswer | { readonly kind: 'pending' }>;
};

export type DeviceBegin =
  | { readonly kind: 'login'; readonly login: DeviceLogin }
  | { readonly kind: 'failure'; readonly reason: string };

export type DeviceEnd =
  | TokenAnswer
  | { readonly kind: 'expired' }
  | { readonly kind: 'denied'; readonly reason: string };

const DEFAULT_INTERVAL_MS = 5_000;
const DEFAULT_LIFETIME_MS = 15 * 60_000;
/** RFC 8628 3.5: after `slow_down` the interval grows by five seconds, for good. */
const SLOWER_MS = 5_000;
const MAX_INTERVAL_MS = 60_000;
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** Asks the service for a code to show. */
export async function beginDevice(service: Service, tools: ServiceTools): Promise<DeviceBegin> {
  const entry = service.profile.device;
  const url = service.endpoints.deviceUrl;
  if (entry === null || url === null)
    return { kind: 'failure', reason: `${service.profile.title} knows no device code` };
  switch (entry.kind) {
    case 'standard':
      return await beginStandard(entry, url, service, tools);
    case 'code-exchange':
      return await beginExchange(entry, url, service, tools);
  }
}

/** Asks until the person is done, the code has expired, or the answer is no. A network that fails is no answer. */
export async function awaitDevice(login: DeviceLogin, tools: ServiceTools): Promise<DeviceEnd> {
  let { intervalMs } = login;
  for (;;) {
    if (tools.now() + intervalMs > login.expiresAt) return { kind: 'expired' };
    await tools.sleep(intervalMs, tools.signal);
    tools.signal.throwIfAborted();
    const step = nextPoll(await login.poll(), intervalMs);
    if (step.kind !== 'wait') return step;
    intervalMs = step.intervalMs;
  }
}

/** What an answer means for the asking. Pending comes as 400, as an error inside a 200, or as 403 and 404. */
export function nextPoll(
  answer: TokenAnswer | { readonly kind: 'pending' },
  intervalMs: number,
): DeviceEnd | { readonly kind: 'wait'; readonly intervalMs: number } {
  if (answer.kind === 'pending') return { kind: 'wait', intervalMs };
  if (answer.kind === 'tokens') return answer;
  const { failure } = answer;
  const slower = { kind: 'wait', intervalMs: Math.min(intervalMs + SLOWER_MS, MAX_INTERVAL_MS) } as const;
  switch (failure.kind) {
    case 'unavailable':
      return { kind: 'wait', intervalMs };
    case 'rate-limited':
      return failure.retryAfterMs === null || failure.retryAfterMs < slower.intervalMs
        ? slower
        : { kind: 'wait', intervalMs: Math.min(failure.retryAfterMs, MAX_INTERVAL_MS) };
    case 'unreadable':
    case 'blocked':
      return answer;
    case 'refused':
      break;
  }
  switch (failure.error) {
    case 'authorization_pending':
      return { kind: 'wait', intervalMs };
    case 'slow_down':
      return slower;
    case 'expired_token':
      return { kind: 'expired' };
    case 'access_denied':
      return { kind: 'denied', reason: 'access was denied on the vendor’s page' };
    default:
      return answer;
  }
}

async function beginStandard(
  entry: Extract<DeviceEntry, { kind: 'standard' }>,
  url: string,
  service: Service,
  tools: ServiceTools,
): Promise<DeviceBegin> {
  const verifier = entry.isPkce ? oauth.generateRandomCodeVerifier() : null;
  const { client, profile } = service;
  const form = new URLSearchParams({
    client_id: client.id,
    ...(profile.scopes.length > 0 ? { scope: profile.scopes.join(' ') } : {}),
    ...(verifier === null
      ? {}
      : { code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' }),
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await callService({ url, method: 'POST', headers, body: form.toString() }, service, tools);
  if (answer.kind === 'unreachable') return { kind: 'failure', reason: answer.reason };
  const json = answer.json ?? {};
  const deviceCode = textOf(json, 'device_code');
  const userCode = textOf(json, 'user_code');
  // Google's first devices called it a URL, and some still do.
  const verificationUrl = textOf(json, 'verification_uri', 'verification_url');
  if (deviceCode === null || userCode === null || verificationUrl === null) return refusedBegin(answer.status, json);
  return {
    kind: 'login',
    login: {
      userCode,
      verificationUrl,
      completeUrl: textOf(json, 'verification_uri_complete'),
      ...timesOf(json, tools),
      poll: () =>
        requestTokens(
          {
            type: DEVICE_GRANT,
            parameters: {
              device_code: deviceCode,
              client_id: client.id,
              ...(verifier === null ? {} : { code_verifier: verifier }),
            },
          },
          client,
          service,
          tools,
        ),
    },
  };
}

async function beginExchange(
  entry: Extract<DeviceEntry, { kind: 'code-exchange' }>,
  url: string,
  service: Service,
  tools: ServiceTools,
): Promise<DeviceBegin> {
  const headers = { 'content-type': 'application/json' };
  const post = (to: string, body: JsonObject) =>
    callService({ url: to, method: 'POST', headers, body: JSON.stringify(body) }, service, tools);
  const answer = await post(url, { client_id: service.client.id });
  if (answer.kind === 'unreachable') return { kind: 'failure', reason: answer.reason };
  const json = answer.json ?? {};
  const deviceId = textOf(json, 'device_auth_id');
  const userCode = textOf(json, 'user_code', 'usercode');
  if (deviceId === null || userCode === null) return refusedBegin(answer.status, json);
  return {
    kind: 'login',
    login: {
      userCode,
      verificationUrl: entry.verificationUrl,
      completeUrl: null,
      ...timesOf(json, tools),
      async poll() {
        const asked = await post(new URL('token', url).href, { device_auth_id: deviceId, user_code: userCode });
        if (asked.kind === 'unreachable') {
          return { kind: 'failure', failure: { kind: 'unavailable', reason: asked.reason } };
        }
        if (asked.status === 403 || asked.status === 404) return { kind: 'pending' };
        const reason = `HTTP ${asked.status}`;
        if (asked.status === 429) {
          return { kind: 'failure', failure: { kind: 'rate-limited', retryAfterMs: null, reason } };
        }
        if (asked.status >= 500) return { kind: 'failure', failure: { kind: 'unavailable', reason } };
        const code = textOf(asked.json ?? {}, 'authorization_code');
        const verifier = textOf(asked.json ?? {}, 'code_verifier');
        const callback = code === null ? null : readPasted(code, '');
        if (callback?.kind !== 'code' || verifier === null) {
          const error = textOf(asked.json ?? {}, 'error') ?? 'no_code';
          return { kind: 'failure', failure: { kind: 'refused', error, reason: `${error} (${reason})` } };
        }
        const { redirectUri } = entry;
        return await redeemCode(callback.parameters, { redirectUri, verifier, further: {} }, service, tools);
      },
    },
  };
}

function timesOf(json: JsonObject, tools: ServiceTools): { readonly expiresAt: number; readonly intervalMs: number } {
  const seconds = numberOf(json, 'expires_in');
  const interval = numberOf(json, 'interval');
  return {
    expiresAt: tools.now() + (seconds !== null && seconds > 0 ? seconds * 1000 : DEFAULT_LIFETIME_MS),
    intervalMs: interval !== null && interval > 0 ? interval * 1000 : DEFAULT_INTERVAL_MS,
  };
}

function refusedBegin(status: number, json: JsonObject): DeviceBegin {
  const said = textOf(json, 'error_description', 'error', 'message');
  const reason =
    said === null ? `HTTP ${status} without a device code` : `${redact(said).slice(0, 300)} (HTTP ${status})`;
  return { kind: 'failure', reason };
}
