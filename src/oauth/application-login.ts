/**
 * Calls of an application that signs in with a secret of its own (RFC 6749 §4.4) instead of a key. Its token is kept,
 * renewed ahead of its end, and asked for once whoever waits for it; a token that the API refuses is replaced once.
 */
import * as oauth from 'oauth4webapi';
import { redact } from '../observe/redact.ts';
import type { Clock } from '../shared/clock.ts';
import { Secret } from '../shared/secret.ts';
import { TransportError, type Upstream, type UpstreamCall } from '../transport/upstream.ts';
import { isLoopback } from './engine/loopback-url.ts';
import { parseObject, textOf } from './json-object.ts';

export type ApplicationCredentials = {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly scope: string;
};

type Token = { readonly value: Secret; readonly endsAt: number; readonly renewAt: number };

/** A token, or the answer that stands for its absence: read as any refusal of the API itself. */
type Given = { readonly kind: 'token'; readonly token: Token } | { readonly kind: 'refused'; readonly reply: Refusal };

type Refusal = { readonly status: number; readonly retryAfter: string | null; readonly body: string };

const TOKEN_TIMEOUT_MS = 30_000;
const RENEW_AHEAD_MS = 5 * 60_000;
/** Clocks differ, and a call takes its time. */
const MARGIN_MS = 10_000;
/** RFC 6749 leaves the lifetime out of the answer where it is known otherwise; Entra's is an hour or more. */
const UNSAID_LIFETIME_MS = 60 * 60_000;

/** `loginOf`: by the call's pool key; undefined for calls that need no login, which pass as they are. */
export function withApplications(
  upstream: Upstream,
  loginOf: (poolKey: string) => ApplicationCredentials | undefined,
  clock: Pick<Clock, 'now'>,
  version: string,
): Upstream {
  // By the object that the config made: a reload makes another, with a token of its own.
  const sessions = new WeakMap<ApplicationCredentials, Session>();
  const callWith = async (call: UpstreamCall, login: ApplicationCredentials): Promise<Response> => {
    const session = sessions.get(login) ?? new Session(login, upstream, clock, version);
    sessions.set(login, session);
    const first = await session.token(call);
    if (first.kind === 'refused') return responseOf(first.reply);
    const response = await upstream(authorized(call, first.token));
    if (response.status !== 401) return response;
    session.forget(first.token);
    const second = await session.token(call);
    if (second.kind === 'refused') return response;
    await response.body?.cancel();
    return await upstream(authorized(call, second.token));
  };
  // Nearly all calls have a key: they pay for one look.
  return (call) => {
    const login = loginOf(call.poolKey);
    return login ? callWith(call, login) : upstream(call);
  };
}

function authorized(call: UpstreamCall, { value }: Token): UpstreamCall {
  const headers = new Headers(call.headers);
  headers.set('authorization', `Bearer ${value.reveal()}`);
  return { ...call, headers };
}

const responseOf = ({ status, retryAfter, body }: Refusal): Response =>
  new Response(body, {
    status,
    headers: { 'content-type': 'application/json', ...(retryAfter !== null && { 'retry-after': retryAfter }) },
  });

class Session {
  readonly #login: ApplicationCredentials;
  readonly #upstream: Upstream;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #version: string;
  #token: Token | null = null;
  #asking: Promise<Given> | null = null;

  constructor(login: ApplicationCredentials, upstream: Upstream, clock: Pick<Clock, 'now'>, version: string) {
    this.#login = login;
    this.#upstream = upstream;
    this.#clock = clock;
    this.#version = version;
  }

  /** Rejects as the transport does, and with the signal's reason. */
  async token(call: UpstreamCall): Promise<Given> {
    const now = this.#clock.now();
    const token = this.#token;
    if (token && now < token.endsAt - MARGIN_MS) {
      // What fails here is asked again by whoever comes after its end.
      if (now >= token.renewAt) void this.#ask(call).catch(() => undefined);
      return { kind: 'token', token };
    }
    return await unlessAborted(this.#ask(call), call.signal);
  }

  forget(token: Token): void {
    if (this.#token === token) this.#token = null;
  }

  #ask(call: UpstreamCall): Promise<Given> {
    this.#asking ??= this.#request(call).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #request({ proxy, poolKey, connectTimeoutMs }: UpstreamCall): Promise<Given> {
    const { tokenUrl, clientId, clientSecret, scope } = this.#login;
    const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
    const client = { client_id: clientId };
    const askedAt = this.#clock.now();
    let seen: Refusal = { status: 502, retryAfter: null, body: '' };
    const response = await oauth
      .clientCredentialsGrantRequest(
        server,
        client,
        oauth.ClientSecretPost(clientSecret.reveal()),
        { scope },
        {
          // One request may be for many; none of them ends it for the others.
          signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
          [oauth.allowInsecureRequests]: isLoopback(tokenUrl),
          [oauth.customFetch]: async (url, init) => {
            const headers = new Headers(init.headers);
            headers.set('user-agent', `rotator/${this.#version}`);
            const answer = await this.#upstream({
              url,
              method: 'POST',
              headers,
              body: new TextEncoder().encode(String(init.body)),
              signal: init.signal ?? AbortSignal.timeout(TOKEN_TIMEOUT_MS),
              poolKey: `${poolKey}:login`,
              proxy,
              isHttp2: false,
              connectTimeoutMs,
            });
            const text = await answer.text();
            seen = refusalOf(answer, text, this.#login);
            return new Response(text, { status: answer.status, headers: answer.headers });
          },
        },
      )
      .catch((error: unknown) => {
        if (error instanceof TransportError) throw error;
        // Nothing of the call itself has left.
        throw new TransportError('not-sent', 'LOGIN', `${new URL(tokenUrl).host} did not answer the login`, error);
      });
    try {
      const answer = await oauth.processClientCredentialsResponse(server, client, response);
      const lifetimeMs = answer.expires_in === undefined ? UNSAID_LIFETIME_MS : answer.expires_in * 1000;
      const endsAt = askedAt + lifetimeMs;
      const token = {
        value: new Secret(answer.access_token),
        endsAt,
        renewAt: endsAt - Math.min(RENEW_AHEAD_MS, lifetimeMs / 2),
      };
      this.#token = token;
      return { kind: 'token', token };
    } catch {
      return { kind: 'refused', reply: seen };
    }
  }
}

/** A wrong id or secret is told as 400 or 401, and means to everyone here that the credential is refused. */
function refusalOf(answer: Response, text: string, login: ApplicationCredentials): Refusal {
  const { status } = answer;
  const isClients = status === 400 || status === 401 || status === 403;
  const said = textOf(parseObject(text) ?? {}, 'error_description', 'error') ?? '';
  const words = redact(said, [login.clientSecret]).slice(0, 500);
  return {
    status: isClients ? 401 : status === 429 || status >= 500 ? status : 502,
    retryAfter: answer.headers.get('retry-after'),
    body: JSON.stringify({
      error: {
        message: `${new URL(login.tokenUrl).host} gave the application no token${words === '' ? '' : `: ${words}`}`,
        type: 'application_login',
      },
    }),
  };
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const gone = Promise.withResolvers<never>();
  const leave = () => gone.reject(signal.reason);
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([promise, gone.promise]);
  } finally {
    signal.removeEventListener('abort', leave);
    // Whoever left hears no more of it.
    promise.catch(() => undefined);
  }
}
