import type { Catalogue } from '../models/catalogue.ts';
import { tokenPrices } from '../models/card.ts';
import type { AccountView } from '../oauth/refresh/accounts.ts';
import type { CredentialId } from '../pool/credential.ts';
import type { Block, CapView, CredentialStatus, WindowView } from '../pool/pool.ts';
import { isProblem } from '../protocols/codec.ts';
import { codecOf } from '../protocols/index.ts';
import { findProvider } from '../providers/index.ts';
import type { ListedModel, Provider } from '../providers/provider.ts';
import { namePattern } from '../shared/wildcard.ts';
import type { AskTools } from './ask.ts';
import { testKey } from './test-key.ts';
import type { Client, Gateway, ProviderRuntime } from './gateway.ts';
import { groupReports } from './group-reports.ts';
import {
  type History,
  HistoryReader,
  lifetimeCosts,
  NO_USAGE,
  NO_USAGE_BY,
  requestById,
  requestList,
  usageBy,
  usageReport,
} from './history.ts';
import type { GatewayDeps } from './handle.ts';
import type { ChatTools } from './job.ts';
import { upstreamProtocol } from './lane.ts';
import type {
  AccountReport,
  AttemptView,
  BlockView,
  CapReport,
  CredentialView,
  ModelListError,
  ModelView,
  Operations,
  ProviderView,
  RouteReport,
  RouteTarget,
  RuledModelView,
  TriedRules,
  UnknownModel,
  WindowReport,
} from './operations.ts';
import { pingBody, pingJob } from './ping.ts';
import { callableAliases, type Candidate, fallbackIds, PLAIN_WISH, type Route, route, type Target } from './plan.ts';
import { visibilityOf, visibleModels } from './visible-models.ts';

/** The operator is nobody's client: no allow-list applies. */
const OPERATOR: Client = { id: '', name: null, models: [] };

export type OperationsDeps = {
  readonly gateway: Gateway;
  readonly gatewayDeps: GatewayDeps;
  readonly ask: AskTools;
  readonly catalogue: Catalogue;
  readonly runtimes: () => ReadonlyMap<string, ProviderRuntime>;
  /** Asks for model lists; null: those of all providers. Resolves when each has answered or failed. */
  readonly refreshLists: (provider: string | null) => Promise<void>;
  /** Lists that could not be read, by provider. */
  readonly listErrors: () => readonly ModelListError[];
  /** Stores the operator's override and applies it. */
  readonly setOverride: (id: CredentialId, isEnabled: boolean) => void;
  /** The operator has changed what a pool knows. It is to last, also when no request follows that would have it written. */
  readonly keep: (runtime: ProviderRuntime) => void;
  readonly refreshQuota: Operations['refreshQuota'];
  readonly reload: () => Promise<string | null>;
  /** A login that waits for its code; null: none. `expiresAt`: milliseconds since the epoch. */
  readonly pendingLogin: () => Promise<{ readonly provider: string; readonly expiresAt: number } | null>;
  readonly history: History;
  readonly events: Operations['events'];
  /** The last daily reset, milliseconds since the epoch, and the zone in which days are counted. */
  readonly day: () => { readonly since: number; readonly timezone: string };
  readonly about: () => {
    readonly version: string;
    readonly startedAt: number;
    readonly configPath: string | null;
    readonly stateDir: string | null;
  };
};

export function createOperations(deps: OperationsDeps): Operations {
  const runtimes = () => [...deps.runtimes().values()];
  const find = (id: string) => {
    for (const runtime of runtimes()) {
      const access = [...runtime.credentials.values()].find((candidate) => candidate.id === id);
      if (access) return { runtime, access };
    }
    return null;
  };

  const operations: Operations = {
    async keys() {
      const costs = new HistoryReader(deps.history).read(lifetimeCosts, new Map());
      return runtimes().flatMap((runtime) => credentialViews(runtime, costs));
    },

    async setEnabled(id, isEnabled) {
      const found = find(id);
      if (found) deps.setOverride(found.access.id, isEnabled);
      return found !== null;
    },

    async reset(ids) {
      if (ids === 'all') {
        for (const runtime of runtimes()) {
          runtime.pool.reset();
          deps.keep(runtime);
        }
        return true;
      }
      const found = ids.map(find);
      if (found.includes(null)) return false;
      for (const entry of found) {
        if (!entry) continue;
        entry.runtime.pool.reset(entry.access.id);
        deps.keep(entry.runtime);
      }
      return true;
    },

    async test(id) {
      const found = find(id);
      if (!found) return null;
      const result = await testKey(found.runtime, found.access, {
        ask: deps.ask,
        attempt: deps.gatewayDeps,
        chat: deps.gatewayDeps.chat,
      });
      // A key that was refused or out of credit comes back by proof, not by time.
      if (result.ok) {
        found.runtime.pool.prove(found.access.id);
        deps.keep(found.runtime);
      }
      return result;
    },

    async testRoute(model, { isLive, isStream }) {
      await deps.catalogue.load();
      const { gatewayDeps } = deps;
      const wish = { ...PLAIN_WISH, isStream };
      let found = route(model, OPERATOR, gatewayDeps.routes(), wish);
      // What may stand in a list that nobody has read yet is waited for, as for a request.
      if ('kind' in found || found.substitutes().isOpen || !found.candidates.some(({ kind }) => kind === 'able')) {
        await gatewayDeps.warmLists();
        found = route(model, OPERATOR, gatewayDeps.routes(), wish);
      }
      if ('kind' in found) return unknownModel(model, found.message);
      const report = explainRoute(model, found, isStream, gatewayDeps.chat, deps.runtimes());
      if (!isLive) return report;
      return { ...report, attempts: await callLive(model, isStream, deps) };
    },

    async status() {
      const { version, startedAt, configPath, stateDir } = deps.about();
      const { since } = deps.day();
      const pending = await deps.pendingLogin();
      const reader = new HistoryReader(deps.history);
      const usedBy = (by: 'provider' | 'key') => reader.read((history) => usageBy(history, by, since), NO_USAGE_BY);
      const used = { provider: usedBy('provider'), key: usedBy('key') };
      const pools = new Map(runtimes().map((runtime) => [runtime.id, runtime.pool.status()]));
      const states = new Map(
        [...pools.values()].flatMap(({ credentials }) => credentials.map((each) => [each.id as string, each])),
      );
      const models = reader.read<ReturnType<History['usage']['models']>>(({ usage }) => usage.models(since), new Map());
      const byId = new Map(runtimes().map((runtime) => [runtime.id, runtime]));
      const keys = (await operations.keys()).map((key) => {
        const windows = (states.get(key.id)?.windows ?? []).map(windowReport);
        const caps = (states.get(key.id)?.caps ?? []).map(capReport);
        const scopeOf = (model: string) => byId.get(key.provider)?.pool.scopeOf(model) ?? `model:${model}`;
        return {
          ...key,
          rejections: states.get(key.id)?.rejections ?? 0,
          windows,
          caps,
          groups: groupReports({ ...key, windows, caps }, models.get(key.id) ?? new Map(), scopeOf),
          today: used.key.of.get(key.id) ?? NO_USAGE,
        };
      });
      const providers = (await operations.providers()).map((view) => ({
        ...view,
        blocks: (pools.get(view.id)?.blocks ?? []).map(blockView),
        waiting: pools.get(view.id)?.waiting ?? 0,
        today: used.provider.of.get(view.id) ?? NO_USAGE,
      }));
      return {
        version,
        started_at: new Date(startedAt).toISOString(),
        config: configPath,
        state: stateDir,
        in_flight: keys.reduce((sum, key) => sum + key.in_flight, 0),
        waiting: providers.reduce((sum, provider) => sum + provider.waiting, 0),
        pending_login: pending && { provider: pending.provider, expires_at: new Date(pending.expiresAt).toISOString() },
        today: { since: new Date(since).toISOString(), ...used.provider.total },
        providers,
        keys,
        problem: reader.problem,
        clients: deps.gatewayDeps.budgets?.reports(deps.gatewayDeps.clock.now()) ?? [],
      };
    },

    async providers() {
      const { listed, fallback, runtimes: byId } = deps.gatewayDeps.routes();
      return [...byId].map(([id, runtime]) => {
        const isAlone = !fallback.isEnabled || runtime.provider.isExplicitOnly;
        const others = isAlone ? [] : fallbackIds(id, byId).map((other) => byId.get(other)?.id ?? other);
        return providerView(runtime, visibleModels(runtime, listed(runtime)).length, others);
      });
    },

    async models({ provider, isRefresh }) {
      const lists = isRefresh ? deps.refreshLists(provider ?? null) : deps.gatewayDeps.warmLists();
      await Promise.all([lists, deps.catalogue.load()]);
      const routes = deps.gatewayDeps.routes();
      const { listed } = routes;
      const now = deps.gatewayDeps.clock.now();
      const chosen = runtimes().filter((runtime) => provider === undefined || runtime.id === provider);
      const names = new Set(chosen.map((runtime) => runtime.id));
      const aliases = provider === undefined ? callableAliases(OPERATOR, routes) : [];
      return {
        models: [
          ...aliases.map(({ name, target: { runtime, model } }) => {
            const served = listed(runtime).find(({ id }) => id === model) ?? { id: model };
            return {
              ...modelView(runtime, served, deps.catalogue, now),
              id: name,
              provider: null,
              owned_by: 'rotator',
            };
          }),
          ...chosen.flatMap((runtime) =>
            visibleModels(runtime, listed(runtime)).map((model) => modelView(runtime, model, deps.catalogue, now)),
          ),
        ],
        errors: deps.listErrors().filter((error) => names.has(error.provider)),
      };
    },

    async tryRules({ rules, isRefresh }) {
      const ids = rules.map(({ provider }) => provider);
      if (isRefresh) await Promise.all(ids.map((id) => deps.refreshLists(id)));
      else await deps.gatewayDeps.warmLists();
      const { listed } = deps.gatewayDeps.routes();
      return {
        models: rules.flatMap((tried) => {
          const runtime = runtimes().find(({ id }) => id === tried.provider);
          return runtime ? ruledModels(runtime, listed(runtime), tried) : [];
        }),
        errors: deps.listErrors().filter(({ provider }) => ids.includes(provider)),
      };
    },

    async usage(query) {
      return usageReport(deps.history, query, deps.day().timezone, (id) => find(id)?.access.label ?? null);
    },
    requests: async (query) => requestList(deps.history, query),
    request: async (id) => requestById(deps.history, id),
    events: (signal) => deps.events(signal),
    refreshQuota: () => deps.refreshQuota(),

    reload: () => deps.reload(),
  };
  return operations;
}

function credentialViews(runtime: ProviderRuntime, costs: ReadonlyMap<string, number>): readonly CredentialView[] {
  return runtime.pool.status().credentials.flatMap((status): CredentialView[] => {
    const access = runtime.credentials.get(status.id);
    if (!access) return [];
    return [
      {
        id: status.id,
        provider: runtime.id,
        label: access.label,
        kind: access.account ? 'oauth' : access.key ? 'api_key' : 'none',
        masked: access.account ? (access.account.view.email ?? '') : (access.key?.masked() ?? ''),
        source: access.source,
        enabled: status.isEnabled,
        priority: status.priority,
        state: status.state,
        in_flight: status.inFlight,
        blocks: status.blocks.map(blockView),
        usage: {
          requests: status.usage.requests,
          failures: status.usage.failures,
          input_tokens: status.usage.inputTokens,
          output_tokens: status.usage.outputTokens,
          cost_usd: costs.get(status.id) ?? null,
        },
        ...(access.account && { account: accountReport(access.account.view) }),
      },
    ];
  });
}

function accountReport({ state, ...view }: AccountView): AccountReport {
  return {
    email: view.email,
    tier: view.tier,
    project_id: view.projectId,
    state: state.kind,
    reason: 'reason' in state ? state.reason : null,
    link: state.kind === 'blocked' ? state.link : null,
    command: state.kind === 'needs_login' ? state.command : null,
    retry_at: state.kind === 'waiting' ? isoOrNull(state.until) : null,
    expires_at: isoOrNull(view.expiresAt),
    last_refresh: isoOrNull(view.lastRefreshAt),
  };
}

function providerView(runtime: ProviderRuntime, models: number, fallback: readonly string[]): ProviderView {
  const { credentials, blocks } = runtime.pool.status();
  const count = (state: string) => credentials.filter((credential) => credential.state === state).length;
  const [ready, busy, blocked, disabled] = [count('ready'), count('busy'), count('blocked'), count('disabled')];
  const ofProvider = blocks.filter((block) => block.scope === 'provider');
  const isDown = ofProvider.length > 0;
  const returns = credentials.map(returnOf).filter((at) => at !== null);
  const ends = returns.filter(Number.isFinite);
  const downUntil = ofProvider.map(({ until }) => until ?? Number.POSITIVE_INFINITY);
  // What is merely busy serves again when one of its requests ends.
  const usable = ready + busy - credentials.filter(isLimited).length;
  const firstAt = Math.max(usable > 0 ? 0 : Math.min(...ends), ...downUntil);
  const backAt = Number.isFinite(firstAt) ? firstAt : null;
  return {
    id: runtime.id,
    title: runtime.provider.title,
    tier: runtime.tier,
    protocol: runtime.provider.protocol,
    status: statusOf({ total: credentials.length, usable, returning: ends.length, isDown }),
    credentials: { total: credentials.length, ready, busy, blocked, disabled },
    next_available_at: isoOrNull(usable > 0 && !isDown ? null : backAt),
    models,
    fallback,
  };
}

/** One of its limits has no room for anything. */
const isLimited = ({ state, windows }: CredentialStatus) => state === 'busy' && windows.some(isFull);

const isFull = ({ scope, remaining, source }: WindowView) =>
  scope === 'key' && remaining !== null && (source === 'polled' ? remaining <= 0 : remaining < 1);

/** When a credential that serves nothing now is back by itself; infinite: nobody knows. Null: that is not its state. */
function returnOf(credential: CredentialStatus): number | null {
  if (credential.state !== 'blocked' && !isLimited(credential)) return null;
  const blocks = credential.blocks.filter(({ scope }) => scope === 'key').map(({ until }) => until);
  const windows = credential.windows.filter(isFull).map(({ roomAt, resetAt }) => roomAt ?? resetAt);
  return Math.max(...[...blocks, ...windows].map((at) => at ?? Number.POSITIVE_INFINITY));
}

/** `limited`: nothing serves now, but something comes back by itself. */
function statusOf(counts: {
  total: number;
  usable: number;
  returning: number;
  isDown: boolean;
}): ProviderView['status'] {
  if (counts.total === 0) return 'no_credentials';
  if (counts.usable > 0 && !counts.isDown) return 'ready';
  return counts.returning > 0 && !counts.isDown ? 'limited' : 'down';
}

function ruledModels(
  runtime: ProviderRuntime,
  listed: readonly ListedModel[],
  { allow, deny }: TriedRules,
): readonly RuledModelView[] {
  const ruled = {
    id: runtime.id,
    allow: [...runtime.allow, ...allow.map(namePattern)],
    deny: [...runtime.deny, ...deny.map(namePattern)],
  };
  return visibleModels({ ...runtime, allow: [], deny: [] }, listed).map(({ id }) => {
    const { isVisible, rule } = visibilityOf(ruled, id);
    return { id: `${runtime.id}/${id}`, provider: runtime.id, shown: isVisible, rule };
  });
}

function modelView(runtime: ProviderRuntime, model: ListedModel, catalogue: Catalogue, now: number): ModelView {
  const upstreamId = runtime.define.get(model.id) ?? model.id;
  const facts = catalogue.factsOf(runtime.id, upstreamId);
  const { price, source } = catalogue.priceOf(runtime.id, upstreamId, now);
  return {
    id: `${runtime.id}/${model.id}`,
    provider: runtime.id,
    context_length: model.contextLength ?? facts?.contextLength ?? null,
    max_output_tokens: model.maxOutputTokens ?? facts?.maxOutputTokens ?? null,
    owned_by: model.ownedBy ?? null,
    input_modalities: facts?.inputModalities ?? null,
    output_modalities: facts?.outputModalities ?? null,
    capabilities: {
      tools: facts?.takesTools ?? null,
      reasoning: facts?.reasons ?? null,
      structured_output: facts?.hasStructuredOutput ?? null,
    },
    pricing: price && tokenPrices(price),
    price_source: source,
  };
}

export function blockView(block: Block): BlockView {
  return {
    scope: block.scope,
    kind: block.kind,
    until: block.until === null ? null : new Date(block.until).toISOString(),
    reason: block.reason,
    source: block.source,
  };
}

const isoOrNull = (at: number | null) => (at === null ? null : new Date(at).toISOString());

function windowReport({ resetAt, roomAt, ...window }: WindowView): WindowReport {
  return { ...window, reset_at: isoOrNull(resetAt), room_at: isoOrNull(roomAt) };
}

function capReport({ tierName, maxRequests, resetAt, restsUntil, note, ...cap }: CapView): CapReport {
  return {
    ...cap,
    tier_name: tierName,
    max_requests: maxRequests,
    reset_at: isoOrNull(resetAt),
    rests_until: isoOrNull(restsUntil),
    note,
  };
}

function unknownModel(model: string, message: string): UnknownModel {
  return { unknown: model, message, hint: null };
}

function explainRoute(
  model: string,
  found: Route,
  isStream: boolean,
  chat: ChatTools,
  runtimes: ReadonlyMap<string, ProviderRuntime>,
): RouteReport {
  const targets = [...found.candidates, ...found.substitutes().candidates].map((candidate) =>
    candidate.kind === 'able' ? explainTarget(candidate.target, isStream, chat) : skippedTarget(candidate, runtimes),
  );
  const serving = targets.find((target) => target.credentials.some((credential) => credential.verdict === 'chosen'));
  const chosen = serving?.credentials.find((credential) => credential.verdict === 'chosen');
  return {
    model,
    resolved: found.resolved,
    would_serve: serving && chosen ? { target: serving.target, credential: chosen.id } : null,
    targets,
    attempts: [],
  };
}

function skippedTarget(
  { name, tier, reason }: Extract<Candidate, { kind: 'skipped' }>,
  runtimes: ReadonlyMap<string, ProviderRuntime>,
): RouteTarget {
  const slash = name.indexOf('/');
  const id = name.slice(0, slash);
  const provider = runtimes.get(id)?.provider ?? findProvider(id);
  return {
    target: name,
    tier: tier ?? provider?.tier ?? null,
    lane: provider ? laneOf(provider, name.slice(slash + 1)) : 'passthrough',
    skipped: reason,
    changes: [],
    credentials: [],
  };
}

function explainTarget(target: Target, isStream: boolean, chat: ChatTools): RouteTarget {
  const { runtime, model } = target;
  const credentials = runtime.pool
    .explain({ model, exclude: new Set(), bytes: 0, tokens: 0, affinity: null })
    .map(({ id, label, verdict, why, blocks }) => ({ id, label, verdict, why, blocks: blocks.map(blockView) }));
  return {
    target: target.name,
    tier: runtime.tier,
    lane: laneOf(runtime.provider, model),
    skipped: credentials.length === 0 ? 'no credentials' : null,
    changes: pingChanges(target, isStream, chat),
    credentials,
  };
}

/** Of a client that speaks OpenAI chat, as the ping does. */
const laneOf = (provider: Provider, model: string) =>
  upstreamProtocol(provider, model, 'openai-chat') === 'openai-chat' ? 'passthrough' : 'translate';

/** What would be adapted in a plain request; a request with more in it may need more. */
function pingChanges(target: Target, isStream: boolean, chat: ChatTools): readonly string[] {
  const prepared = pingJob(target.name, isStream, chat).prepare(target);
  return isProblem(prepared) ? [] : prepared.changes;
}

async function callLive(model: string, isStream: boolean, deps: OperationsDeps): Promise<readonly AttemptView[]> {
  const records: AttemptView[] = [];
  const response = await deps.gateway.handle({
    requestId: `test-${crypto.randomUUID()}`,
    codec: codecOf('openai-chat'),
    path: null,
    framing: 'events',
    body: pingBody(model, isStream),
    headers: new Headers(),
    client: OPERATOR,
    signal: new AbortController().signal,
    arrivedAt: deps.gatewayDeps.clock.now(),
    isFallbackOff: false,
    timeoutMs: null,
    showsRoute: true,
    onAttempts: (attempts) => records.push(...attempts),
  });
  await response.body?.pipeTo(new WritableStream());
  return records;
}
