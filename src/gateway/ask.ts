import { classifyReply } from '../providers/classify.ts';
import type { Failure } from '../providers/failure.ts';
import { readCommonModels } from '../providers/model-list.ts';
import type { ListedModel, Provider } from '../providers/provider.ts';
import { modelsUrl, upstreamHeaders } from '../providers/request.ts';
import type { Clock } from '../shared/clock.ts';
import { parseJson } from '../shared/json-shape.ts';
import { reasonOf } from '../shared/reason-of.ts';
import { TransportError, type Upstream } from '../transport/upstream.ts';
import type { CredentialAccess, ProviderRuntime } from './gateway.ts';
import { isSignedOut, placeOf, sign, signedOutFailure, signIn } from './signed-in.ts';

// A model list is asked for in the background; nobody waits longer for it than this.
const LIST_TIMEOUT_MS = 15_000;
const MAX_PAGES = 20;
const MAX_LIST_BYTES = 32 * 1024 * 1024;

export type AskTools = { readonly upstream: Upstream; readonly clock: Clock; readonly version: string };

type ModelPage = ReturnType<NonNullable<Provider['readModels']>>;

/** A provider's model list as one credential sees it. */
export type ListAnswer =
  | { readonly kind: 'models'; readonly models: readonly ListedModel[]; readonly status: number }
  | { readonly kind: 'failure'; readonly failure: Failure };

/** Asks for every page of a provider's model list. Never rejects. */
export async function askModels(
  runtime: ProviderRuntime,
  access: CredentialAccess,
  tools: AskTools,
  signal?: AbortSignal,
): Promise<ListAnswer> {
  const { provider } = runtime;
  if (provider.models) return { kind: 'models', models: provider.models, status: 200 };
  const timeout = AbortSignal.timeout(LIST_TIMEOUT_MS);
  const stop = signal ? AbortSignal.any([signal, timeout]) : timeout;
  const models: ListedModel[] = [];
  let url: string | null = modelsUrl(runtime.provider, runtime.baseUrl);
  try {
    const signedIn = await signIn(access, { signal: stop });
    if (isSignedOut(signedIn)) return { kind: 'failure', failure: signedOutFailure(signedIn) };
    for (let page = 0; url !== null && page < MAX_PAGES; page++) {
      const headers = upstreamHeaders(provider, new Headers(), runtime.headers, tools.version);
      headers.delete('content-type');
      sign(signedIn, runtime, headers, null, { model: '', conversation: null, version: tools.version });
      const response = await tools.upstream({
        url: placeOf(signedIn, runtime, url),
        method: 'GET',
        headers,
        body: null,
        signal: stop,
        poolKey: runtime.id,
        proxy: access.proxy,
        isHttp2: runtime.isHttp2,
        connectTimeoutMs: runtime.timeouts.connectMs,
      });
      const text = await response.text();
      const json = parseJson(text);
      if (response.status !== 200 || json === undefined || text.length > MAX_LIST_BYTES) {
        const reply = { status: response.status, headers: response.headers, text: text.slice(0, 65_536), json };
        return {
          kind: 'failure',
          failure: classifyReply(provider, { ...reply, model: '', now: tools.clock.now() }),
        };
      }
      const read: ModelPage = provider.readModels?.(json) ?? readCommonModels(json);
      models.push(...read.models);
      url = read.next ? modelsUrl(runtime.provider, runtime.baseUrl, read.next) : null;
    }
    return { kind: 'models', models, status: 200 };
  } catch (error) {
    return { kind: 'failure', failure: listFailure(error, runtime.id) };
  }
}

/** The list of a provider through the first of its credentials that can read it. Rejects with the last failure. */
export async function listModels(
  runtime: ProviderRuntime,
  tools: AskTools,
  signal: AbortSignal,
): Promise<readonly ListedModel[]> {
  const usable = runtime.pool.status().credentials.filter((credential) => credential.state !== 'disabled');
  // A key that is resting can often still list; one that was refused cannot.
  const ranked = [...usable].sort((a, b) => Number(a.state === 'blocked') - Number(b.state === 'blocked'));
  let last = 'no credential is enabled';
  for (const { id } of ranked.slice(0, 3)) {
    const access = runtime.credentials.get(id);
    if (!access) continue;
    const answer = await askModels(runtime, access, tools, signal);
    if (answer.kind === 'models') return answer.models;
    last = answer.failure.message;
    // Another key will not mend a server that cannot be reached or has no list.
    if (!ITS_OWN.includes(answer.failure.kind)) break;
  }
  throw new Error(last);
}

/** What says nothing of another key. */
const ITS_OWN: readonly Failure['kind'][] = ['key-rejected', 'forbidden', 'signed-out'];

function listFailure(error: unknown, provider: string): Failure {
  if (error instanceof TransportError) {
    return {
      kind: error.phase === 'lost' ? 'lost' : 'not-sent',
      status: null,
      message: `${provider}: ${error.message}`,
    };
  }
  // A signal's own reason; everything else never got as far as waiting.
  if (!(error instanceof DOMException)) {
    const reason = reasonOf(error);
    return { kind: 'unclassified', status: null, message: `${provider} could not be asked for its models: ${reason}` };
  }
  return { kind: 'timeout', phase: 'total', status: null, message: `${provider} did not send its model list in time` };
}
