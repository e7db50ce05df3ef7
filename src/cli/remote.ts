import type {
  CredentialView,
  KeyTest,
  Operations,
  QuotaRefresh,
  RequestView,
  RouteReport,
  StatusReport,
  UnknownModel,
  UsageReport,
} from '../gateway/operations.ts';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { isObject } from '../shared/json-shape.ts';
import type { Secret } from '../shared/secret.ts';

/** What the command line asks of a gateway, in this process or in a running server. */
export type ServerOperations = Pick<
  Operations,
  | 'keys'
  | 'setEnabled'
  | 'reset'
  | 'test'
  | 'testRoute'
  | 'status'
  | 'usage'
  | 'requests'
  | 'request'
  | 'refreshQuota'
  | 'reload'
>;

export type Endpoint = { readonly url: string; readonly token: Secret };

/** The operations of a running server, over its admin routes. */
export function remoteOperations(endpoint: Endpoint): ServerOperations {
  const call = (method: 'GET' | 'POST', path: string, body?: unknown) => request(endpoint, method, path, body);
  const changeKey = async (id: string, verb: string): Promise<Response | null> => {
    const reply = await call('POST', `/admin/keys/${encodeURIComponent(id)}/${verb}`);
    if (reply.status === 404) return null;
    return await succeeded(reply, endpoint);
  };
  const keys = async () => read<readonly CredentialView[]>(await succeeded(await call('GET', '/admin/keys'), endpoint));
  return {
    keys,
    setEnabled: async (id, isEnabled) => (await changeKey(id, isEnabled ? 'enable' : 'disable')) !== null,
    reset: async (ids) => {
      const wanted = ids === 'all' ? (await keys()).map((key) => key.id) : ids;
      const replies = await Promise.all(wanted.map((id) => changeKey(id, 'reset')));
      return replies.every((reply) => reply !== null);
    },
    test: async (id) => {
      const reply = await changeKey(id, 'test');
      return reply === null ? null : await read<KeyTest>(reply);
    },
    testRoute: async (model, options) => {
      const body = { model, live: options.isLive, stream: options.isStream };
      const reply = await call('POST', '/admin/test-route', body);
      if (reply.status === 404) return await unknownModel(reply, model);
      return await read<RouteReport>(await succeeded(reply, endpoint));
    },
    // A server that was started before the program was replaced by a newer one may not know all of it.
    status: async () => ({
      ...OLDER_STATUS,
      ...(await read<StatusReport>(await succeeded(await call('GET', '/admin/status'), endpoint))),
    }),
    usage: async ({ by, since }) => {
      const query = new URLSearchParams({ by, since: new Date(since).toISOString() });
      return read<UsageReport>(await succeeded(await call('GET', `/admin/usage?${query}`), endpoint));
    },
    requests: async ({ limit, failedOnly, before, after }) => {
      const query = new URLSearchParams({ limit: String(limit), failed: failedOnly ? '1' : '0' });
      if (before !== null) query.set('before', String(before));
      if (after !== null) query.set('after', String(after));
      return read<readonly RequestView[]>(await succeeded(await call('GET', `/admin/requests?${query}`), endpoint));
    },
    request: async (id) => {
      const reply = await call('GET', `/admin/requests/${encodeURIComponent(id)}`);
      return reply.status === 404 ? null : await read<RequestView>(await succeeded(reply, endpoint));
    },
    refreshQuota: async () => read<QuotaRefresh>(await succeeded(await call('POST', '/admin/quota/refresh'), endpoint)),
    reload: async () => {
      const reply = await call('POST', '/admin/reload');
      return reply.ok ? null : await messageOf(reply);
    },
  };
}

const OLDER_STATUS = { clients: [] };

/** Comes each time when something has happened at the server, and ends when the server does. */
export async function* serverEvents(endpoint: Endpoint, signal: AbortSignal): AsyncGenerator<void> {
  const reply = await succeeded(await request(endpoint, 'GET', '/admin/events', undefined, signal), endpoint);
  try {
    for await (const _ of reply.body ?? []) yield;
  } catch {
    // A server that ends takes its connections with it; so does whoever aborts.
  }
}

async function request(
  endpoint: Endpoint,
  method: string,
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  try {
    return await fetch(`${endpoint.url}${path}`, {
      method,
      ...(signal && { signal }),
      headers: {
        authorization: `Bearer ${endpoint.token.reveal()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // The token is for this server alone: no ambient proxy, no other host.
      proxy: false,
      redirect: 'manual',
    });
  } catch (cause) {
    throw new CliError(
      ExitCode.failed,
      'server_unreachable',
      `the server at ${endpoint.url} does not answer`,
      undefined,
      cause,
    );
  }
}

async function succeeded(reply: Response, { url }: Endpoint): Promise<Response> {
  if (reply.ok) return reply;
  if (reply.status === 401 || reply.status === 403)
    throw new CliError(
      ExitCode.rejected,
      'admin_token_rejected',
      `the server at ${url} refused the admin token`,
      'set ROTATOR_ADMIN_TOKEN to the token that the server was started with',
    );
  throw new CliError(
    ExitCode.failed,
    'server_error',
    `the server at ${url} answered ${reply.status}: ${await messageOf(reply)}`,
  );
}

/** The answer's JSON. Its shape is our own: findServer has proved that the process is a rotator of this state directory. */
async function read<Shape>(reply: Response): Promise<Shape> {
  return (await reply.json()) as Shape;
}

async function unknownModel(reply: Response, model: string): Promise<UnknownModel> {
  const body: unknown = await reply.json().catch(() => null);
  return {
    unknown: model,
    message: errorText(body, 'message') ?? `model "${model}" is not known`,
    hint: errorText(body, 'hint'),
  };
}

async function messageOf(reply: Response): Promise<string> {
  const text = await reply.text();
  try {
    return errorText(JSON.parse(text), 'message') ?? text.slice(0, 500);
  } catch {
    return text.slice(0, 500);
  }
}

function errorText(body: unknown, field: 'message' | 'hint'): string | null {
  const error = isObject(body) && isObject(body.error) ? body.error : null;
  const value = error?.[field];
  return typeof value === 'string' ? value : null;
}
