/**
 * The token endpoint, by the standard (RFC 6749, 8628) through oauth4webapi. Vendors bend the standard in small ways; each
 * answer is first brought into its form, so that one reading serves all.
 */
import * as oauth from 'oauth4webapi';
import { redact } from '../../observe/redact.ts';
import { isObject } from '../../shared/json-shape.ts';
import { Secret } from '../../shared/secret.ts';
import type { Client } from '../accounts/account.ts';
import { type JsonObject, numberOf, textOf } from '../json-object.ts';
import type { Service, ServiceTools } from '../profile.ts';
import { type CallAnswer, callService } from './json-call.ts';
import { isLoopback } from './loopback-url.ts';
import { retryAfterOf } from './retry-after.ts';
import type { TokenAnswer, TokenFailure } from './token-answer.ts';

export type Grant = {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
};

/** An answer as the vendor gave it and as the standard would have it. */
type Conforming = { readonly status: number; readonly headers: Headers; readonly raw: JsonObject };

/** Asks for tokens with a grant. Rejects only for `tools.signal`. */
export async function requestTokens(
  grant: Grant,
  client: Client,
  service: Service,
  tools: ServiceTools,
): Promise<TokenAnswer> {
  const secrets = secretsIn(grant.parameters, client);
  return await withLibrary(service, tools, secrets, (server, options) =>
    oauth.genericTokenEndpointRequest(
      server,
      { client_id: client.id },
      authenticationOf(client, service),
      grant.type,
      withClientInForm({ ...grant.parameters }, client, service),
      options,
    ),
  );
}

/** Redeems a callback's parameters, which `validateAuthResponse` has accepted, for tokens. */
export async function redeemCode(
  callback: URLSearchParams,
  code: {
    readonly redirectUri: string;
    readonly verifier: string | null;
    readonly further: Readonly<Record<string, string>>;
  },
  service: Service,
  tools: ServiceTools,
): Promise<TokenAnswer> {
  const secrets = secretsIn({ code: callback.get('code') ?? '', code_verifier: code.verifier ?? '' }, service.client);
  return await withLibrary(service, tools, secrets, (server, options) =>
    oauth.authorizationCodeGrantRequest(
      server,
      { client_id: service.client.id },
      authenticationOf(service.client, service),
      callback,
      code.redirectUri,
      code.verifier ?? oauth.nopkce,
      { ...options, additionalParameters: withClientInForm({ ...code.further }, service.client, service) },
    ),
  );
}

const SECRET_PARAMETERS = ['refresh_token', 'code', 'code_verifier', 'device_code'];

/** What a vendor may repeat in its answer, and nobody else should. */
function secretsIn(parameters: Readonly<Record<string, string>>, client: Client): readonly Secret[] {
  const sent = SECRET_PARAMETERS.map((name) => parameters[name]).filter((value) => value !== undefined);
  return [...sent.map((value) => new Secret(value)), ...(client.secret === null ? [] : [client.secret])];
}

/** As oauth4webapi knows the service. */
export function serverOf(service: Service): oauth.AuthorizationServer {
  const { tokenUrl, authorizeUrl, deviceUrl } = service.endpoints;
  return {
    issuer: new URL(tokenUrl).origin,
    token_endpoint: tokenUrl,
    ...(authorizeUrl === null ? {} : { authorization_endpoint: authorizeUrl }),
    ...(deviceUrl === null ? {} : { device_authorization_endpoint: deviceUrl }),
  };
}

type LibraryOptions = oauth.TokenEndpointRequestOptions;

async function withLibrary(
  service: Service,
  tools: ServiceTools,
  secrets: readonly Secret[],
  request: (server: oauth.AuthorizationServer, options: LibraryOptions) => Promise<Response>,
): Promise<TokenAnswer> {
  const server = serverOf(service);
  const startedAt = tools.now();
  let seen: CallAnswer | null = null;
  const options: LibraryOptions = {
    signal: tools.signal,
    // Only a server on this machine may be spoken to without TLS.
    [oauth.allowInsecureRequests]: isLoopback(service.endpoints.tokenUrl),
    [oauth.customFetch]: async (url, init) => {
      seen = await callService(
        { url, method: 'POST', ...bodyOf(init.body, init.headers, service.profile.token.body) },
        service,
        tools,
      );
      return responseOf(conform(seen));
    },
  };
  try {
    const response = await request(server, options);
    const answer = await oauth.processGenericTokenEndpointResponse(server, { client_id: service.client.id }, response);
    const raw = rawOf(seen);
    return {
      kind: 'tokens',
      raw,
      tokens: {
        access: new Secret(answer.access_token),
        refresh: answer.refresh_token === undefined ? null : new Secret(answer.refresh_token),
        id: secretOf(textOf(raw, 'id_token')),
        // The library writes it in lower case, and one of the vendors compares it letter by letter.
        type: textOf(raw, 'token_type') ?? 'Bearer',
        scope: answer.scope ?? null,
        expiresAt: answer.expires_in === undefined ? null : startedAt + answer.expires_in * 1000,
      },
    };
  } catch (error) {
    tools.signal.throwIfAborted();
    return { kind: 'failure', failure: failureOf(error, seen, tools.now(), secrets) };
  }
}

function rawOf(seen: CallAnswer | null): JsonObject {
  return seen?.kind === 'answer' && seen.json ? unwrapped(seen.json) : {};
}

const secretOf = (text: string | null) => (text === null ? null : new Secret(text));

function authenticationOf(client: Client, service: Service): oauth.ClientAuth {
  if (client.secret === null) return oauth.None();
  const secret = client.secret.reveal();
  return service.profile.token.secretIn === 'both' ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret);
}

/** One vendor wants the client in the header and in the form. */
function withClientInForm(
  parameters: Record<string, string>,
  client: Client,
  { profile }: Service,
): Record<string, string> {
  if (profile.token.secretIn !== 'both' || client.secret === null) return parameters;
  return { ...parameters, client_id: client.id, client_secret: client.secret.reveal() };
}

/** The library writes forms; some vendors read JSON. */
function bodyOf(
  body: unknown,
  headers: Readonly<Record<string, string>>,
  form: 'form' | 'json',
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const parameters = body instanceof URLSearchParams ? body : new URLSearchParams();
  if (form === 'form') return { headers, body: parameters.toString() };
  return {
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(parameters)),
  };
}

/** Thrown through the library, which has nothing to add. */
class NoAnswer extends Error {}

function responseOf(answer: Conforming): Response {
  // A challenge in a header would hide the error that the body tells.
  return Response.json(answer.raw, { status: answer.status });
}

/**
 * Brings an answer into the standard's form: an `error` inside a 200 is a 400, `{success, data}` is unwrapped, an error
 * object is an error code with a description, a missing token type is `Bearer`. An id token is left out: its claims are
 * only shown, and vendors' issuers are not what the library would demand.
 */
function conform(seen: CallAnswer): Conforming {
  if (seen.kind === 'unreachable' || seen.json === null) throw new NoAnswer();
  const json = unwrapped(seen.json);
  const error = errorOf(json);
  if (error !== null) {
    return { status: seen.status < 400 ? 400 : seen.status, headers: seen.headers, raw: error };
  }
  const raw = { ...json };
  delete raw.id_token;
  for (const name of ['expires_in', 'refresh_token', 'scope', 'token_type']) if (raw[name] === null) delete raw[name];
  raw.token_type ??= 'Bearer';
  const lifetime = numberOf(raw, 'expires_in');
  if (lifetime === null) delete raw.expires_in;
  // The library refuses 0 and less; it means that the token has already ended.
  else raw.expires_in = Math.max(lifetime, 1);
  if (raw.refresh_token === '') delete raw.refresh_token;
  if (Array.isArray(raw.scope)) raw.scope = raw.scope.join(' ');
  return { status: seen.status, headers: seen.headers, raw };
}

function unwrapped(json: JsonObject): JsonObject {
  return isObject(json.data) && (json.success === true || json.success === undefined) && !('access_token' in json)
    ? json.data
    : json;
}

/** `{error, error_description}` of whatever an error looks like; null for what is none. */
function errorOf(json: JsonObject): JsonObject | null {
  const { error } = json;
  if (typeof error === 'string' && error !== '') {
    const description = textOf(json, 'error_description', 'message');
    return { error, ...(description === null ? {} : { error_description: description }) };
  }
  if (isObject(error)) {
    const description = textOf(error, 'message');
    return {
      error: textOf(error, 'code', 'type', 'status') ?? 'error',
      ...(description === null ? {} : { error_description: description }),
    };
  }
  if (json.success === false) {
    const description = textOf(json, 'message', 'msg');
    return {
      error: textOf(json, 'code') ?? 'error',
      ...(description === null ? {} : { error_description: description }),
    };
  }
  return null;
}

/** What a failure means. `error`: what the library or the call threw. */
function failureOf(error: unknown, seen: CallAnswer | null, now: number, secrets: readonly Secret[]): TokenFailure {
  if (seen === null)
    return { kind: 'unreadable', reason: error instanceof Error ? redact(error.message) : 'no call was made' };
  if (seen.kind === 'unreachable') return { kind: 'unavailable', reason: seen.reason };
  const { status, headers, json } = seen;
  const told = json === null ? null : errorOf(unwrapped(json));
  const code = told === null ? null : textOf(told, 'error');
  const description = told === null ? null : textOf(told, 'error_description');
  const reason = redact(reasonOf(status, code, description), secrets);
  if (status === 429) return { kind: 'rate-limited', retryAfterMs: retryAfterOf(headers, now), reason };
  if (status >= 500) return { kind: 'unavailable', reason };
  if (code !== null) return { kind: 'refused', error: redact(code, secrets), reason };
  if (status === 401 || status === 403) return { kind: 'refused', error: `http_${status}`, reason };
  return { kind: 'unreadable', reason: json === null ? `${reason} without JSON` : `${reason} without a token` };
}

function reasonOf(status: number, code: string | null, description: string | null): string {
  const said = [code, description?.slice(0, 300) ?? null].filter((part) => part !== null);
  return said.length === 0 ? `HTTP ${status}` : `${said.join(': ')} (HTTP ${status})`;
}
