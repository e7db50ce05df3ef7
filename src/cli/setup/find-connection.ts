import { join } from 'node:path';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { isObject } from '../../shared/json-shape.ts';
import type { Context } from '../context.ts';
import { withLocalApp } from '../operations.ts';
import { isWritable, type Place } from '../place.ts';
import { prompts } from '../ui/prompts.ts';
import type { ModelOption } from './choose-models.ts';

/** The key that a client is given, and how a shell finds it without its being written down. */
export type FoundKey = {
  readonly text: string;
  /** Null: a shell cannot find it. */
  readonly shellReference: string | null;
};

/** What a client sends to a server that asks for no key; many refuse to start with none at all. */
const NO_KEY = 'no-key-needed';

/** Where the server is: the one that runs, else the one that the config would start. */
export async function findUrl({
  loaded,
  stateDir,
}: Place): Promise<{ readonly url: string; readonly isRunning: boolean }> {
  const { findServer } = await import('../../server/server-file.ts');
  const server = await findServer(stateDir);
  if (server) return { url: server.url, isRunning: true };
  const { host, port } = loaded.config.server;
  if (port === 0)
    throw new CliError(
      ExitCode.failed,
      'no_server',
      'no server runs here, and the config lets it take whatever port is free',
      'start it first (rotator serve), or give it a port: rotator config set server.port 8000',
    );
  const reachable = /^(0\.0\.0\.0|\[?::\]?)$/.test(host) ? '127.0.0.1' : host;
  return { url: `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`, isRunning: false };
}

/** The key an application would use; made where the server would make it, asked for where only its digest is known. */
export async function findKey(context: Context, { loaded, stateDir }: Place, isOwnServer: boolean): Promise<FoundKey> {
  const { io } = context;
  const given = io.env.ROTATOR_CLIENT_KEY?.trim();
  if (given) return { text: given, shellReference: '$ROTATOR_CLIENT_KEY' };
  const configured = loaded.config.server.client_keys;
  if (isOwnServer && configured === 'none') return { text: NO_KEY, shellReference: NO_KEY };
  if (isOwnServer && configured === null && isWritable(stateDir)) {
    const { defaultClientKey } = await import('../../server/client-keys.ts');
    const { secret } = defaultClientKey({}, stateDir);
    return {
      text: secret.reveal(),
      shellReference: `$(cat '${join(stateDir, 'client-key').replaceAll("'", "'\\''")}')`,
    };
  }
  if (isOwnServer && Array.isArray(configured)) {
    const literal = configured.map(({ key }) => key.reveal()).find((key) => !key.toLowerCase().startsWith('sha256:'));
    if (literal !== undefined) return { text: literal, shellReference: null };
  }
  const ask = await prompts(context);
  if (ask) return { text: await ask.secret('Client key for this application'), shellReference: null };
  throw new CliError(
    ExitCode.usage,
    'no_client_key',
    isOwnServer ? 'of the client keys only digests are known here' : 'a server elsewhere needs one of its client keys',
    'set ROTATOR_CLIENT_KEY to the key that this application is to use',
  );
}

/** What the running server offers for this key; it proves that the key is taken. */
export async function servedModels(url: string, key: string): Promise<readonly ModelOption[]> {
  const reply = await fetch(`${url}/v1/models`, {
    headers: { authorization: `Bearer ${key}` },
    // The key is for this server alone.
    proxy: false,
    redirect: 'manual',
  }).catch((cause: unknown) => {
    throw new CliError(ExitCode.failed, 'server_unreachable', `the server at ${url} does not answer`, undefined, cause);
  });
  if (reply.status === 401 || reply.status === 403)
    throw new CliError(
      ExitCode.rejected,
      'client_key_rejected',
      `the server at ${url} does not take this client key`,
      'set ROTATOR_CLIENT_KEY to one that it takes',
    );
  const body: unknown = await reply.json().catch(() => null);
  const list: unknown = isObject(body) ? body.data : null;
  if (!reply.ok || !Array.isArray(list))
    throw new CliError(ExitCode.failed, 'server_error', `${url} is no rotator: it answered ${reply.status}`);
  return list.filter(isObject).flatMap(optionOf);
}

function optionOf(card: Readonly<Record<string, unknown>>): readonly ModelOption[] {
  const { id, owned_by: owner, capabilities, supported_output_modalities: outputs } = card;
  if (typeof id !== 'string') return [];
  const tools = isObject(capabilities) ? capabilities.function_calling : null;
  return [
    {
      id,
      // A model of a provider is called by the provider's name; an alias is not.
      isAlias: typeof owner === 'string' && !id.startsWith(`${owner}/`),
      takesTools: typeof tools === 'boolean' ? tools : null,
      writesText: Array.isArray(outputs) ? outputs.includes('text') : null,
      contextLength: typeof card.context_length === 'number' ? card.context_length : null,
    },
  ];
}

/** The same of a gateway in this process. */
export async function configuredModels(context: Context, place: Place): Promise<readonly ModelOption[]> {
  const { models } = await withLocalApp(context, place, { isDemo: false, isKept: false }, (app) =>
    app.operations.models({}),
  );
  return models.map(({ id, provider, capabilities, output_modalities: outputs, context_length: contextLength }) => ({
    id,
    isAlias: provider === null,
    takesTools: capabilities.tools,
    writesText: outputs === null ? null : outputs.includes('text'),
    contextLength,
  }));
}
