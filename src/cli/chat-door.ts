import type { LoadedConfig } from '../config/load.ts';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import type { Context } from './context.ts';
import { openLocalApp, tellOtherConfigOf } from './operations.ts';
import { type Place, readStateFile } from './place.ts';

/** Where a chat goes: a running server, or a gateway in this process. */
export type ChatDoor = {
  /** POSTs an OpenAI chat body. Rejects only when the signal aborts or the server cannot be reached. */
  send(body: unknown, signal: AbortSignal): Promise<Response>;
  /** POSTs a question about the cost of an answer. */
  estimateCost(question: unknown, signal: AbortSignal): Promise<Response>;
  close(): Promise<void>;
};

export async function openChatDoor(
  context: Context,
  place: Place,
  options: { readonly isLocal: boolean; readonly isDemo: boolean },
): Promise<ChatDoor> {
  if (!options.isLocal) {
    const { findServer } = await import('../server/server-file.ts');
    const server = await findServer(place.stateDir);
    if (server && (!options.isDemo || (await servesDemo(context, place, server.url)))) {
      await tellOtherConfigOf(context, place);
      return serverDoor(server.url, clientKeyFor(context, place));
    }
  }
  return await localDoor(context, place, options.isDemo);
}

/** The key that an application would use: the environment's, the generated one, or a literal one of the config. */
function clientKeyFor({ io }: Context, { loaded, stateDir }: Place): string | null {
  const configured = loaded.config.server.client_keys;
  const literal = Array.isArray(configured)
    ? configured.map((client) => client.key.reveal()).find((key) => !key.startsWith('sha256:'))
    : undefined;
  return io.env.ROTATOR_CLIENT_KEY || literal || readStateFile(stateDir, 'client-key');
}

const CHAT_PATH = '/v1/chat/completions';
const COST_PATH = '/v1/cost-estimate';

function headersWith(clientKey: string | null): Record<string, string> {
  return {
    'content-type': 'application/json',
    ...(clientKey === null ? {} : { authorization: `Bearer ${clientKey}` }),
  };
}

function serverDoor(url: string, clientKey: string | null): ChatDoor {
  const post = async (path: string, body: unknown, signal: AbortSignal) => {
    try {
      return await fetch(url + path, {
        method: 'POST',
        headers: headersWith(clientKey),
        body: JSON.stringify(body),
        signal,
        // Our own server: no ambient proxy, and its own limits instead of the runtime's five minutes.
        proxy: false,
        timeout: false,
        redirect: 'manual',
      });
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new CliError(
        ExitCode.failed,
        'server_unreachable',
        `the server at ${url} does not answer`,
        'rotator chat --local needs no server',
        cause,
      );
    }
  };
  return {
    send: (body, signal) => post(CHAT_PATH, body, signal),
    estimateCost: (question, signal) => post(COST_PATH, question, signal),
    close: async () => {},
  };
}

/** Does this server have the demo provider? It may refuse to say; then it is as good as one that has not. */
export async function servesDemo(context: Context, place: Place, url: string): Promise<boolean> {
  const headers = headersWith(clientKeyFor(context, place));
  const reply = await fetch(`${url}/v1/providers`, { headers, proxy: false }).catch(() => null);
  if (!reply?.ok) return false;
  const body: unknown = await reply.json().catch(() => null);
  const list: unknown = typeof body === 'object' && body !== null && 'data' in body ? body.data : null;
  return Array.isArray(list) && list.some((provider: { id?: unknown } | null) => provider?.id === 'demo');
}

async function localDoor(context: Context, place: Place, isDemo: boolean): Promise<ChatDoor> {
  const app = await openLocalApp(context, place, withoutClientKeys(place.loaded), { isDemo, isKept: false });
  const post = (path: string, body: unknown, signal: AbortSignal) =>
    app.fetch(
      new Request(`http://127.0.0.1${path}`, {
        method: 'POST',
        headers: headersWith(null),
        body: JSON.stringify(body),
        signal,
      }),
      { address: null },
    );
  return {
    send: (body, signal) => post(CHAT_PATH, body, signal),
    estimateCost: (question, signal) => post(COST_PATH, question, signal),
    close: () => app.close(),
  };
}

/** Nobody but this process can reach that gateway: there is no socket, so there is nobody to ask for a key. */
function withoutClientKeys(loaded: LoadedConfig): LoadedConfig {
  const server = { ...loaded.config.server, host: '127.0.0.1', client_keys: 'none' as const, allowed_hosts: [] };
  return { ...loaded, config: { ...loaded.config, server } };
}
