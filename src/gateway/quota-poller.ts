import type { CredentialId } from '../pool/credential.ts';
import type { PolledQuota } from '../pool/polled-quota.ts';
import { classifyReply } from '../providers/classify.ts';
import type { QuotaPoll } from '../providers/quota-poll.ts';
import { upstreamHeaders } from '../providers/request.ts';
import { parseJson } from '../shared/json-shape.ts';
import { reasonOf } from '../shared/reason-of.ts';
import { TransportError } from '../transport/upstream.ts';
import type { AskTools } from './ask.ts';
import type { CredentialAccess, ProviderRuntime } from './gateway.ts';
import type { QuotaRefresh } from './operations.ts';
import { polledQuota } from './polled-quota.ts';
import { isSignedOut, sign, signedOutFailure, signIn } from './signed-in.ts';

/** Asks providers what is left of their quotas: now and then for the credentials in use, at once when somebody asks. */

const INTERVAL_MS = 300_000;
const TIMEOUT_MS = 15_000;
/** Five keys at a time, whatever their providers. */
const AT_ONCE = 5;
const MAX_BYTES = 1024 * 1024;

export type QuotaPollerDeps = {
  readonly ask: AskTools;
  readonly runtimes: () => ReadonlyMap<string, ProviderRuntime>;
  /** What a pool knows has changed, and is to last. */
  readonly keep: (runtime: ProviderRuntime) => void;
  /** A credential's quota could not be read. */
  readonly onError: (provider: string, credential: string, message: string) => void;
};

export interface QuotaPoller {
  /** Every enabled credential of every provider that can be asked. */
  refresh(): Promise<QuotaRefresh>;
  close(): void;
}

type Task = { readonly runtime: ProviderRuntime; readonly poll: QuotaPoll; readonly access: CredentialAccess };
type Answer =
  | { readonly kind: 'quota'; readonly quota: PolledQuota }
  | { readonly kind: 'error'; readonly message: string };

/** Begins at once: the first round is an interval from now. */
export function startQuotaPoller(deps: QuotaPollerDeps): QuotaPoller {
  const { clock } = deps.ask;
  const closing = new AbortController();
  /** Requests of each credential when it was last asked for, or first seen. */
  const seen = new Map<CredentialId, number>();
  let cancel = () => {};

  const requestsOf = (runtime: ProviderRuntime) =>
    new Map(runtime.pool.status().credentials.map(({ id, usage, inFlight }) => [id, usage.requests + inFlight]));

  const remember = (): void => {
    for (const runtime of deps.runtimes().values()) {
      if (!runtime.provider.pollQuota) continue;
      for (const [id, requests] of requestsOf(runtime)) if (!seen.has(id)) seen.set(id, requests);
    }
  };

  const tasks = (isWanted: (id: CredentialId, requests: number) => boolean): readonly Task[] =>
    [...deps.runtimes().values()].flatMap((runtime) => {
      const poll = runtime.provider.pollQuota;
      if (!poll) return [];
      const requests = requestsOf(runtime);
      const enabled = runtime.pool.status().credentials.filter(({ isEnabled }) => isEnabled);
      return enabled.flatMap(({ id }): Task[] => {
        const access = runtime.credentials.get(id);
        const used = requests.get(id) ?? 0;
        if (!access || !isWanted(id, used)) return [];
        seen.set(id, used);
        return [{ runtime, poll, access }];
      });
    });

  const run = async (due: readonly Task[]): Promise<readonly (Task & { readonly error: string | null })[]> => {
    const done: (Task & { readonly error: string | null })[] = [];
    const left = [...due];
    const work = async (): Promise<void> => {
      for (let task = left.shift(); task && !closing.signal.aborted; task = left.shift()) {
        const answer = await askQuota(task, deps.ask, closing.signal);
        if (closing.signal.aborted) return;
        if (answer.kind === 'quota') {
          task.runtime.pool.tellQuota(task.access.id, answer.quota);
          deps.keep(task.runtime);
        } else deps.onError(task.runtime.id, task.access.id, answer.message);
        done.push({ ...task, error: answer.kind === 'error' ? answer.message : null });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return done;
  };

  const arm = (): void => {
    cancel = clock.schedule(INTERVAL_MS, () => {
      const due = tasks((id, requests) => requests !== (seen.get(id) ?? 0));
      remember();
      void run(due).finally(() => {
        if (!closing.signal.aborted) arm();
      });
    });
  };

  remember();
  arm();
  return {
    async refresh() {
      const done = await run(tasks(() => true));
      const asked = done.filter(({ error }) => error === null);
      const providers = [...new Set(asked.map(({ runtime }) => runtime.id))];
      return {
        refreshed: providers.map((provider) => ({
          provider,
          credentials: asked.filter(({ runtime }) => runtime.id === provider).length,
        })),
        unsupported: [...deps.runtimes().values()].flatMap(({ id, provider }) => (provider.pollQuota ? [] : [id])),
        errors: done.flatMap(({ runtime, access, error }) =>
          error === null ? [] : [{ provider: runtime.id, credential: access.id, message: error }],
        ),
      };
    },
    close() {
      closing.abort();
      cancel();
    },
  };
}

/** Never rejects. A refused key is not blocked for that: a question is no traffic. */
async function askQuota({ runtime, poll, access }: Task, tools: AskTools, signal: AbortSignal): Promise<Answer> {
  const { provider } = runtime;
  const askedAt = tools.clock.now();
  const failed = (message: string): Answer => ({ kind: 'error', message });
  try {
    const stop = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const signedIn = await signIn(access, { signal: stop });
    if (isSignedOut(signedIn)) return failed(signedOutFailure(signedIn).message);
    const { account } = signedIn;
    const request = poll.request({ baseUrl: account?.api_url ?? runtime.baseUrl, account });
    const extra = { ...runtime.headers, ...request.headers };
    const headers = upstreamHeaders(provider, new Headers(), extra, tools.version);
    if (!request.body) headers.delete('content-type');
    sign(signedIn, runtime, headers, null, { model: '', conversation: null, version: tools.version });
    const response = await tools.upstream({
      url: request.url,
      method: request.method,
      headers,
      body: request.body ? new TextEncoder().encode(JSON.stringify(request.body)) : null,
      signal: stop,
      poolKey: runtime.id,
      proxy: access.proxy,
      isHttp2: runtime.isHttp2,
      connectTimeoutMs: runtime.timeouts.connectMs,
    });
    const text = await response.text();
    const json = text.length > MAX_BYTES ? undefined : parseJson(text);
    const now = tools.clock.now();
    if (response.status !== 200) {
      const reply = { status: response.status, headers: response.headers, text: text.slice(0, 65_536), json };
      return failed(classifyReply(provider, { ...reply, model: '', now }).message);
    }
    const reading = poll.read({ json, headers: response.headers, now });
    if (!reading) return failed(`${runtime.id} answered something that is not its quota`);
    return { kind: 'quota', quota: polledQuota({ askedAt, reading }) };
  } catch (error) {
    if (error instanceof TransportError) return failed(`${runtime.id}: ${error.message}`);
    if (error instanceof DOMException) return failed(`${runtime.id} did not tell its quota in time`);
    return failed(`${runtime.id} could not be asked: ${reasonOf(error)}`);
  }
}
