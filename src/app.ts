import { accountCredential, heldEvent, holdOf, isHeld } from './app/account-credentials.ts';
import { pastUse } from './app/client-limits.ts';
import { engineState } from './app/engine-state.ts';
import { keptResponses } from './app/kept-responses.ts';
import { engineEvent, finishedEvent, isoTime, usageRows } from './app/memory-rows.ts';
import { openHistory, publicCopy, readSnapshots } from './app/open-history.ts';
import { isVendor, priceOverrides } from './app/pricing.ts';
import { type ProviderPlan, planOf, poolCredentials, runtimeOf } from './app/runtimes.ts';
import { keptKeys, limitsByClient, serverSettings } from './app/server-settings.ts';
import { startDemo } from './app/start-demo.ts';
import { watchOtherWriters } from './app/watch-other-writers.ts';
import { accountSettings, usesEnvironment } from './config/account-settings.ts';
import { credentialsOf } from './config/credentials.ts';
import type { LoadedConfig } from './config/load.ts';
import { type AskTools, listModels } from './gateway/ask.ts';
import { aliasesOf } from './gateway/aliases.ts';
import { ClientBudgets } from './gateway/client-budgets.ts';
import { createOperations } from './gateway/create-operations.ts';
import type { Routes } from './gateway/plan.ts';
import { FirstByteTimes } from './gateway/first-byte-times.ts';
import type { Gateway, GatewayCall, ProviderRuntime } from './gateway/gateway.ts';
import { createModelSurface } from './gateway/create-model-surface.ts';
import { countTokens } from './gateway/count.ts';
import { createGateway, type GatewayDeps } from './gateway/handle.ts';
import type { EngineEvent, ModelListError, Operations } from './gateway/operations.ts';
import { rememberedAbilities } from './gateway/remembered-abilities.ts';
import { startQuotaPoller } from './gateway/quota-poller.ts';
import { Pins } from './gateway/pins.ts';
import { ReasoningMemory } from './gateway/reasoning-memory.ts';
import { OutputMeans } from './gateway/token-estimate.ts';
import { createCatalogue } from './models/catalogue.ts';
import { createModelDirectory } from './models/directory.ts';
import { createEquivalents } from './models/equivalents.ts';
import { listedFacts } from './models/listed-facts.ts';
import { packagedPublishers } from './models/packaged-publishers.ts';
import { createPublicCatalogue } from './models/public-catalogue.ts';
import { createTokenCounter } from './models/token-count.ts';
import { AccountDirectory } from './oauth/accounts/account-directory.ts';
import { environmentAccounts } from './oauth/accounts/environment-accounts.ts';
import { PendingLogin } from './oauth/engine/pending-login.ts';
import type { Service } from './oauth/profile.ts';
import { findProfile, profiles } from './oauth/profiles/index.ts';
import { type AccountEvent, type AccountView, openAccounts, toldState } from './oauth/refresh/accounts.ts';
import { serviceOf } from './oauth/service-settings.ts';
import { EventFeed } from './observe/event-feed.ts';
import { LazyMetrics } from './observe/lazy-metrics.ts';
import { LazyTraces } from './observe/lazy-traces.ts';
import type { Log } from './observe/log.ts';
import { requestLine } from './observe/request-line.ts';
import { Transcripts } from './observe/transcripts.ts';
import { createPool } from './pool/create-pool.ts';
import type { CredentialId } from './pool/credential.ts';
import { lastReset } from './pool/daily-reset.ts';
import type { Pool } from './pool/pool.ts';
import { findProvider, normalizeProviderId, providers } from './providers/index.ts';
import { createFetch, type ServerFetch } from './server/fetch.ts';
import { instanceOf, newNonce } from './server/server-file.ts';
import { CliError } from './shared/cli-error.ts';
import { type Clock, systemClock } from './shared/clock.ts';
import { type Random, systemRandom } from './shared/random.ts';
import { reasonOf } from './shared/reason-of.ts';
import type { Secret } from './shared/secret.ts';
import { withApplications } from './oauth/application-login.ts';
import { createUpstream } from './transport/fetch-upstream.ts';
import { version } from './version.ts';

/** Model lists are read again after this; until then the last one serves, and while it is read. */
const LIST_TTL_MS = 10 * 60_000;
/** A bare model name waits at most this long for lists that were never read. */
const COLD_LIST_WAIT_MS = 2_000;
/** The use of client keys among the snapshots; no provider has such a name. */
const CLIENTS = ':clients';
/** What counts for Prometheus is loaded a moment after the start, when nobody waits for it. */
const METRICS_DELAY_MS = 1_000;
/** What prices are compared by: a request whose prompt is three times as long as its answer. */
const TYPICAL_USE = { inputTokens: 3000, outputTokens: 1000 };

export type AppSources = {
  readonly loaded: LoadedConfig;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Null: everything in memory. */
  readonly stateDir: string | null;
  /** The state directory whose accounts are used, also where nothing can be written into it. Default `stateDir`. */
  readonly accountsIn?: string | null;
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Reads the config file again; absent: a reload has nothing to read. Throws the config's problems. */
  readonly reread?: () => LoadedConfig;
  readonly withDemo: boolean;
  /** Where prices and facts of models are read from at run time; absent: nowhere, and nobody is asked. */
  readonly publicCatalogueUrl?: string;
  /** False: another process keeps the pools' state in this directory. Default true. */
  readonly savesPools?: boolean;
};

/** What `serve` tells a person at start. */
export type AppSummary = {
  readonly configPath: string | null;
  readonly providers: readonly { readonly id: string; readonly credentials: number }[];
  /** Variables in which keys were found. */
  readonly found: readonly { readonly provider: string; readonly name: string }[];
  readonly notes: readonly string[];
  /** The key for a ready-to-paste request; null in open mode, and where only other keys than ours are accepted. */
  readonly clientKey: Secret | null;
};

export interface App {
  readonly fetch: ServerFetch;
  readonly gateway: Gateway;
  readonly operations: Operations;
  /** Goes into `server.json`; `/health` tells its hash. */
  readonly nonce: string;
  summary(): AppSummary;
  /** The end is near: who only listens is let go, so that open requests alone are waited for. */
  drain(): void;
  /** Asks for the model lists in the background, so that the first request for a bare name need not wait. */
  warmUp(): void;
  /** Another config, from now on. Counters, blocks, leases and open streams of what is still there survive. */
  apply(loaded: LoadedConfig): void;
  close(): Promise<void>;
}

/** Everything wired together, without a socket of its own (but for the demo's upstream). */
export async function createApp(sources: AppSources): Promise<App> {
  const { env, log, stateDir } = sources;
  const clock = sources.clock ?? systemClock;
  const random = sources.random ?? systemRandom;
  const startedAt = clock.now();
  const nonce = newNonce();
  const changedPools = new Set<string>();
  const store = openHistory(sources, () => (sources.savesPools === false ? [] : snapshots()));
  const restored = readSnapshots(store, log);
  const feed = new EventFeed<EngineEvent>((count) => ({ type: 'events-missed', at: isoTime(clock.now()), count }));
  const transport = createUpstream({ env });
  const upstream = withApplications(
    transport,
    (id) => current.runtimes.get(normalizeProviderId(id))?.provider.signsIn,
    clock,
    version,
  );
  const demo = sources.withDemo ? startDemo(clock) : null;
  const keys = keptKeys(sources);
  const pools = new Map<string, Pool>();
  // A reload cannot move the socket; the rules for Host and routes go by where it really listens.
  const boundHost = sources.loaded.config.server.host;
  let { loaded } = sources;
  const dailyReset = () => ({ ...loaded.config.rotation.daily_reset, timezone: loaded.config.rotation.timezone });
  const budgets = new ClientBudgets({
    reset: dailyReset,
    pastUse: (name, since) => pastUse(store, log, name, since),
    restored: restored.get(CLIENTS),
  });
  restored.delete(CLIENTS);
  let overrides: ReadonlyMap<string, boolean> = store.overrides.all();
  const accountsIn = sources.accountsIn ?? stateDir;
  const services = new Map<string, Service>();
  const accounts = await openAccounts({
    directory: accountsIn === null ? null : new AccountDirectory(accountsIn),
    virtual: environmentAccounts(env, profiles),
    serviceOf: serviceNamed,
    upstream,
    clock,
    random,
    version,
    onTrouble: (message) => log.warn(message),
  });
  let current = configure();

  function configure() {
    const settings = serverSettings(loaded, keys, boundHost);
    services.clear();
    const views = accountsByProvider();
    const clientSecrets = keys.client ? [keys.client.reveal()] : [];
    const credentials = credentialsOf(loaded.config, env, clientSecrets, new Set(views.keys()));
    const plans = [...credentials.providers.values()].map((each) => {
      const { provider, settings: fields } = each;
      const about = { provider, proxy: fields.proxy, now: () => clock.now() };
      const own = (views.get(provider.id) ?? []).map((view) => accountCredential(view, accounts, about));
      return planOf(each, loaded.config.requests, own);
    });
    if (demo) plans.push(demo.plan(loaded));
    const runtimes = new Map<string, ProviderRuntime>();
    for (const plan of plans) runtimes.set(normalizeProviderId(plan.id), runtimeOf(plan, poolOf(plan)));
    for (const [id, pool] of pools) {
      if (runtimes.has(id)) continue;
      // Should it come back, it is as it was when it left.
      restored.set(id, pool.snapshot());
      // What is gone takes no new requests; its open ones finish.
      pool.close();
      pools.delete(id);
    }
    const prices = priceOverrides(loaded.config.pricing.overrides);
    const aliases = aliasesOf(loaded.config.aliases);
    // Last: a config that is refused above must not make a client's counts be forgotten.
    budgets.configure(limitsByClient(settings.clientKeys), clock.now());
    return { settings, plans, runtimes, aliases, prices, found: credentials.found, notes: credentials.notes };
  }

  /** A service as the config has it now. Where its client comes from is looked for once. */
  function serviceNamed(provider: string): Service | undefined {
    const profile = findProfile(provider);
    if (!profile) return undefined;
    const known = services.get(profile.id);
    if (known) return known;
    const service = serviceOf(profile, accountSettings(loaded, profile), env);
    services.set(profile.id, service);
    return service;
  }

  /** Those that some provider here serves, by its id. */
  function accountsByProvider(): ReadonlyMap<string, readonly AccountView[]> {
    const used = accounts
      .list()
      .filter(({ source, provider }) => source === 'file' || usesEnvironment(loaded.config, provider));
    const known = Map.groupBy(used, ({ provider }) => provider);
    for (const id of known.keys()) if (!findProvider(id)?.accounts) known.delete(id);
    return known;
  }

  /** Accounts come and go, and lose and find their way back, while requests are served. */
  function onAccount(event: AccountEvent): void {
    if (event.type === 'account-refreshed') return;
    const view = accounts.list().find(({ id }) => id === event.id);
    const id = event.id as CredentialId; // An account's id is its credential's.
    const wasHeld = view !== undefined && isHeld(pools.get(view.provider), id);
    current = configure();
    const pool = view && pools.get(view.provider);
    if (event.type !== 'account-changed' || !pool) return;
    const hold = holdOf(event.state);
    // What it was refused for ended with the new login.
    if (!hold && (wasHeld || event.isNewToken)) pool.prove(id);
    if (feed.hasReaders && (hold !== null || wasHeld)) feed.publish(heldEvent(view.provider, id, hold, clock.now()));
    // When the time has come it is asked again by the next request, should nobody have done so before.
    if (event.state.kind === 'waiting') {
      const wake = () => {
        waiting.delete(event.id);
        current = configure();
      };
      waiting.get(event.id)?.();
      waiting.set(event.id, clock.schedule(Math.max(0, event.state.until - clock.now()), wake));
    }
  }

  function* snapshots(): Generator<[string, unknown]> {
    if (budgets.takeChanged()) yield [CLIENTS, budgets.snapshot(clock.now())];
    yield* poolSnapshots(changedPools, pools);
  }

  function poolOf(plan: ProviderPlan): Pool {
    const id = normalizeProviderId(plan.id);
    const credentials = poolCredentials(plan, overrides);
    const existing = pools.get(id);
    if (existing) {
      existing.update(credentials, plan.poolSettings);
      return existing;
    }
    const pool = createPool({
      provider: plan.id,
      credentials,
      settings: plan.poolSettings,
      clock,
      random,
      restore: restored.get(id),
      onEvent: (event) => {
        // What a demo went through is nobody's memory.
        if (!plan.provider.isExplicitOnly) changedPools.add(id);
        if (feed.hasReaders) feed.publish(engineEvent(event));
      },
    });
    pools.set(id, pool);
    return pool;
  }

  const waiting = new Map<string, () => void>();
  const stopListening = accounts.onEvent(onAccount);
  // A command that ends now has no use for accounts that join later, nor for tokens that it does not need.
  if (sources.reread) {
    accounts.start();
    for (const { id, state } of accounts.list()) if (holdOf(state)) log.warn(`${id} ${toldState(state)}`);
    for (const { path, problem } of accounts.problems()) log.warn(`${path} is not used as an account: ${problem}`);
  }

  const ask: AskTools = { upstream, clock, version };
  const listErrors = new Map<string, string>();
  const directory = createModelDirectory({
    fetchList: async (id, signal) => {
      const runtime = current.runtimes.get(id);
      if (!runtime) return [];
      try {
        const models = await listModels(runtime, ask, signal);
        listErrors.delete(id);
        return models;
      } catch (error) {
        listErrors.set(id, reasonOf(error));
        throw error;
      }
    },
    clock,
    ttlMs: LIST_TTL_MS,
    log,
  });
  const withCredentials = () =>
    [...current.runtimes].filter(([, runtime]) => runtime.credentials.size > 0).map(([id]) => id);
  const firstByteTimes = new FirstByteTimes();
  const equivalents = createEquivalents(packagedPublishers);
  const abilitiesOf = rememberedAbilities({
    find: (runtime, model) => catalogue.factsOf(runtime.id, model),
    list: (runtime) => listed(runtime),
    isWhole: () => catalogue.isLoaded,
    clock,
  });
  const listed = (runtime: ProviderRuntime) => directory.snapshot(normalizeProviderId(runtime.id)).models;
  /** Put together once for each configuration: every request looks at it several times. */
  let knownRoutes: { readonly of: typeof current; readonly routes: Routes } | null = null;
  const routes: GatewayDeps['routes'] = () => {
    if (knownRoutes?.of !== current) knownRoutes = { of: current, routes: newRoutes() };
    return knownRoutes.routes;
  };
  const newRoutes = (): Routes => ({
    runtimes: current.runtimes,
    knownId: (name) => {
      const id = normalizeProviderId(findProvider(name)?.id ?? name);
      return current.runtimes.has(id) || findProvider(name) ? id : null;
    },
    providerNames: () => [...current.runtimes.keys(), ...providers.map((provider) => provider.id)],
    listed,
    aliases: current.aliases,
    fallback: {
      isEnabled: loaded.config.fallback.enabled,
      maxTargets: loaded.config.fallback.max_targets,
    },
    equivalents,
    abilitiesOf,
    priceOf: (runtime, model) => catalogue.costOf(runtime.id, model, TYPICAL_USE, clock.now()).usd,
    expectedMs: (target, isStream) => firstByteTimes.of(target, isStream, clock.now()),
  });

  /** A target that the provider or the config lists, under a name that no client has made up. */
  function isListedTarget(target: string): boolean {
    const slash = target.indexOf('/');
    const runtime = runtimeNamed(target.slice(0, slash));
    const model = target.slice(slash + 1);
    return runtime !== undefined && (runtime.define.has(model) || listed(runtime).some(({ id }) => id === model));
  }
  const runtimeNamed = (provider: string) => current.runtimes.get(normalizeProviderId(provider));
  const publicCatalogue = createPublicCatalogue({
    upstream,
    clock,
    version,
    url: sources.publicCatalogueUrl ?? '',
    everyMs: () => (sources.publicCatalogueUrl === undefined ? 0 : loaded.config.pricing.refresh),
    // Under another address its models may be others, and so may their prices.
    providers: () =>
      [...current.runtimes.values()]
        .filter(({ id, baseUrl, provider }) => isVendor(findProvider(id)) && baseUrl === provider.baseUrl)
        .map(({ id }) => id),
    copy: publicCopy(store, log),
    log,
  });
  const catalogue = createCatalogue({
    overrides: () => current.prices,
    listed: (provider, model) => {
      const runtime = runtimeNamed(provider);
      return runtime ? listedFacts(routes().listed(runtime), model) : null;
    },
    isVendor: (provider) => isVendor(findProvider(provider)),
    publicFacts: (provider, model) => publicCatalogue.find(provider, model),
    log,
  });
  const counter = createTokenCounter({ clock });

  const metrics = new LazyMetrics({ version, startedAt, isListed: isListedTarget });
  const traces = new LazyTraces({ version, clock, log });
  traces.configure(loaded.config.observe.otlp);
  const cancelMetrics = clock.schedule(METRICS_DELAY_MS, () => void metrics.load());

  const gatewayDeps: GatewayDeps = {
    upstream,
    clock,
    random,
    version,
    instance: instanceOf(nonce),
    settings: () => {
      const { batch, batch_size, batch_wait } = loaded.config.embeddings;
      return {
        holdMs: loaded.config.server.hold,
        heartbeatMs: loaded.config.server.heartbeat,
        embeddings: { isOn: batch, size: batch_size, waitMs: batch_wait },
      };
    },
    routes,
    addedCredential: (pool, id) =>
      [...current.runtimes.values()].find((runtime) => runtime.pool === pool)?.credentials.get(id),
    warmLists: ({ maxMs = COLD_LIST_WAIT_MS, isEnough } = {}) =>
      directory.warm(withCredentials(), Math.min(maxMs, COLD_LIST_WAIT_MS), isEnough),
    outputMeans: new OutputMeans(),
    costOf: (provider, model, usage) => catalogue.costOf(provider, model, usage, clock.now()).usd,
    firstByteTimes,
    pins: new Pins(),
    chat: {
      memory: new ReasoningMemory(),
      now: () => clock.now(),
      traitsOf: (provider, model) => catalogue.traitsOf(provider, model),
    },
    budgets,
    onFinished: (record) => {
      for (const row of usageRows(record)) store.writer.usage(row);
      metrics.finished(record);
      traces.finished(record);
      if (feed.hasReaders) feed.publish(finishedEvent(record, clock.now()));
      if (loaded.config.logging.requests === 'off') return;
      store.writer.request(record);
      requestLine(log, record);
    },
    onBug: (error) => log.error('internal error', { error }),
  };
  const engine = createGateway(gatewayDeps);
  const transcripts = stateDir === null ? null : new Transcripts({ stateDir, clock, log });
  const withTranscript = (call: GatewayCall): GatewayCall => {
    if (loaded.config.logging.requests !== 'bodies' || !transcripts) return call;
    return { ...call, transcript: transcripts.begin({ headers: [...call.headers], body: call.body }) };
  };
  const gateway: Gateway = {
    // The first request waits some milliseconds for what tells its cost; a server has it in memory by then.
    handle: (call) => {
      const watched = withTranscript(call);
      return catalogue.isLoaded ? engine.handle(watched) : catalogue.load().then(() => engine.handle(watched));
    },
  };

  function applyOverrides() {
    overrides = store.overrides.all();
    for (const plan of current.plans) poolOf(plan);
  }

  const keep = ({ id, provider, pool }: ProviderRuntime) => {
    if (sources.savesPools === false || provider.isExplicitOnly) return;
    store.writer.snapshot(normalizeProviderId(id), pool.snapshot());
  };

  const quotas = startQuotaPoller({
    ask,
    runtimes: () => current.runtimes,
    keep,
    onError: (provider, credential, message) =>
      log.debug('a quota cannot be read', { provider, credential, reason: message }),
  });

  const operations = createOperations({
    gateway,
    gatewayDeps,
    ask,
    catalogue,
    runtimes: () => current.runtimes,
    refreshLists: (provider) =>
      directory.refresh(provider === null ? withCredentials() : [normalizeProviderId(provider)]),
    listErrors: (): readonly ModelListError[] => [...listErrors].map(([provider, message]) => ({ provider, message })),
    keep,
    refreshQuota: () => quotas.refresh(),
    setOverride: (id: CredentialId, isEnabled: boolean) => {
      try {
        store.overrides.set(id, isEnabled);
        applyOverrides();
      } catch (error) {
        const reason = reasonOf(error);
        // A command that ends now has done nothing; a server must not go on using a key that the operator takes out.
        if (!sources.reread)
          throw new CliError(1, 'state_not_writable', `the override of ${id} cannot be kept: ${reason}`);
        log.warn(`the override of ${id} cannot be kept (${reason}); it holds as long as this process lives`);
        overrides = new Map(overrides).set(id, isEnabled);
        for (const plan of current.plans) poolOf(plan);
      }
    },
    reload: async () => {
      if (!sources.reread) return 'this process has no config file to read again';
      try {
        apply(sources.reread());
        return null;
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        return error.message;
      }
    },
    history: store,
    events: (signal) => feed.subscribe(signal),
    day: () => {
      const { timezone } = loaded.config.rotation;
      return { since: lastReset(clock.now(), dailyReset()), timezone };
    },
    about: () => ({ version, startedAt, configPath: loaded.path, stateDir }),
    pendingLogin: async () => (accountsIn === null ? null : await new PendingLogin(accountsIn).notice(clock.now())),
  });

  function apply(next: LoadedConfig): void {
    const before = loaded;
    loaded = next;
    try {
      current = configure();
    } catch (error) {
      loaded = before;
      throw error;
    }
    directory.invalidate(withCredentials());
    traces.configure(next.config.observe.otlp);
    publicCatalogue.wake();
    for (const warning of next.warnings) log.warn(warning);
  }

  const responsesIn = keptResponses({ settings: () => loaded.config.responses, store, clock, log });

  const fetch = createFetch({
    settings: () => current.settings,
    gateway,
    operations,
    models: createModelSurface({ ...gatewayDeps, catalogue }),
    instance: instanceOf(nonce),
    version,
    clock,
    log,
    countTokens: (call) =>
      countTokens(call, { ...gatewayDeps, countHere: (model, input) => counter.count(model, input) }),
    responses: responsesIn,
    metrics: () => metrics.scrape(engineState(current.runtimes.values(), store.writer.waiting)),
    isReady: () => [...current.runtimes.values()].some((runtime) => isServing(runtime.pool)),
  });

  const stopWatching = watchOtherWriters(store, clock, log, applyOverrides);

  return {
    fetch,
    gateway,
    operations,
    nonce,
    summary: () => ({
      configPath: loaded.path,
      providers: [...current.runtimes.values()].map(({ id, credentials }) => ({ id, credentials: credentials.size })),
      found: current.found,
      notes: current.notes,
      clientKey: keys.client,
    }),
    drain: () => feed.close(),
    warmUp: () => {
      void directory.warm(withCredentials(), 0);
      void catalogue.load();
      publicCatalogue.wake();
    },
    apply,
    async close() {
      cancelMetrics();
      stopWatching();
      stopListening();
      for (const cancel of waiting.values()) cancel();
      quotas.close();
      await accounts.close();
      directory.close();
      publicCatalogue.close();
      counter.close();
      // First: a pool that is closed knows of no credentials, and would be remembered so.
      store.close();
      await Promise.all([transcripts?.close(), traces.close()]);
      for (const pool of pools.values()) pool.close();
      demo?.stop();
      transport.close();
      feed.close();
    },
  };
}

/** Rate limits do not make a server unready; credentials that are all disabled or refused do. */
function isServing(pool: Pool): boolean {
  return pool
    .status()
    .credentials.some(
      (credential) =>
        credential.isEnabled &&
        !credential.blocks.some(
          (block) => block.scope === 'key' && (block.kind === 'auth' || block.kind === 'forbidden'),
        ),
    );
}

/** The state of every pool that has changed since the last time. */
function* poolSnapshots(changed: Set<string>, pools: ReadonlyMap<string, Pool>): Generator<[string, unknown]> {
  for (const id of changed) {
    const pool = pools.get(id);
    if (pool) yield [id, pool.snapshot()];
  }
  changed.clear();
}
