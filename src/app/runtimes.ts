import type { ConfiguredProvider } from '../config/credentials.ts';
import type { Config } from '../config/schema.ts';
import type { CredentialAccess, ProviderRuntime, Timeouts } from '../gateway/gateway.ts';
import type { CredentialId, KeyLimits, PoolCredential } from '../pool/credential.ts';
import type { Block, Pool, PoolSettings } from '../pool/pool.ts';
import type { Provider } from '../providers/provider.ts';
import { namePattern } from '../shared/wildcard.ts';

/** The config's words turned into the settings of pool and gateway. */

export type ConfiguredCredential = CredentialAccess & {
  readonly weight: number;
  readonly models: readonly string[];
  readonly limits: KeyLimits;
  readonly tierName: string | null;
  readonly quotaPool: string | null;
  /** What keeps an account from use; absent: nothing, and for keys. */
  readonly hold?: Block;
};

/** A provider as the config describes it, or as the demo stands in for one. */
export type ProviderPlan = Omit<ProviderRuntime, 'pool' | 'credentials'> & {
  readonly credentials: readonly ConfiguredCredential[];
  readonly poolSettings: PoolSettings;
};

/** `accounts`: those of this provider, beside its keys. */
export function planOf(
  configured: ConfiguredProvider,
  requests: Config['requests'],
  accounts: readonly ConfiguredCredential[],
): ProviderPlan {
  const { settings, provider } = configured;
  const { rotation, models } = settings;
  const baseUrl = withVendorPath(settings.base_url, provider) ?? provider.baseUrl;
  // Validation refuses a name without a base URL; this is for whoever adds a provider and forgets.
  if (baseUrl === null) throw new Error(`provider ${configured.id} has no base URL`);
  return {
    id: configured.id,
    provider,
    baseUrl: baseUrl.replace(/\/+$/, ''),
    headers: settings.headers,
    isHttp2: settings.http2,
    asksStreamUsage: settings.stream_usage && provider.streamUsage !== false,
    timeouts: timeoutsOf(settings.timeouts),
    retriesSameKey: rotation.retries_same_key,
    waitSameKeyMs: rotation.wait_same_key,
    allow: models.allow.map(namePattern),
    deny: models.deny.map(namePattern),
    define: new Map(Object.entries(models.define).map(([name, { id }]) => [name, id ?? name])),
    tier: settings.tier ?? provider.tier,
    edits: {
      rules: requests.map(({ match, ...rule }) => ({ ...rule, match: namePattern(match) })),
      options: new Map(Object.entries(models.define).map(([name, { options }]) => [name, options])),
      temperatureZero: settings.temperature_zero,
    },
    credentials: [
      ...configured.keys.map((key) => ({
        id: key.id as CredentialId, // Made by the config, the one place that makes them.
        label: key.label,
        key: key.key,
        proxy: key.proxy ?? settings.proxy,
        source: key.source,
        sourceName: key.sourceName,
        isEnabledInConfig: key.isEnabled,
        priority: key.priority,
        weight: key.weight,
        models: key.models,
        limits: {
          requestsPerMinute: key.limits.rpm,
          tokensPerMinute: key.limits.tpm,
          requestsPerDay: key.limits.rpd,
          tokensPerDay: key.limits.tpd,
          concurrency: key.limits.concurrency,
        },
        tierName: key.tierName,
        quotaPool: key.quotaPool,
      })),
      ...accounts,
    ],
    poolSettings: poolSettings(rotation, settings),
  };
}

/** Services of accounts are one place: a server in it, written without a path, has the same path. */
function withVendorPath(baseUrl: string | null, provider: Provider): string | null {
  if (baseUrl === null || provider.baseUrl === null || provider.key !== 'account') return baseUrl;
  return new URL(baseUrl).pathname === '/' ? new URL(new URL(provider.baseUrl).pathname, baseUrl).href : baseUrl;
}

export function timeoutsOf(timeouts: Config['timeouts']): Timeouts {
  return {
    acquireMs: timeouts.acquire,
    connectMs: timeouts.connect,
    firstByteMs: timeouts.first_byte,
    totalMs: timeouts.total,
    idleMs: timeouts.idle,
    requestMs: timeouts.request,
  };
}

export function poolSettings(
  rotation: Config['rotation'],
  {
    concurrency,
    quota_groups,
    caps,
    fair_cycle,
  }: Pick<ConfiguredProvider['settings'], 'concurrency' | 'quota_groups' | 'caps' | 'fair_cycle'>,
): PoolSettings {
  const { cooldowns } = rotation;
  return {
    mode: rotation.mode,
    balanceBy: rotation.balance_by,
    isAffinityOn: rotation.affinity,
    dailyReset: { ...rotation.daily_reset, timezone: rotation.timezone },
    groups: Object.entries(quota_groups).map(([name, models]) => ({ name, models: models.map(namePattern) })),
    caps: caps.map(({ models, tier_name, max_requests, window, on_reached }) => ({
      models: models.map(namePattern),
      tierName: tier_name,
      amount: max_requests,
      window,
      rest: on_reached,
    })),
    fairCycle:
      (fair_cycle.enabled ?? rotation.mode === 'sequential')
        ? {
            scope: fair_cycle.scope,
            isCrossTier: fair_cycle.cross_tier,
            durationMs: fair_cycle.duration,
            thresholdMs: fair_cycle.threshold,
            quotaThreshold: fair_cycle.quota_threshold,
            resetGuardMs: fair_cycle.reset_guard,
          }
        : null,
    tolerance: rotation.tolerance,
    maxWaiting: rotation.max_waiting,
    cooldowns: {
      ladderMs: cooldowns.ladder,
      rateLimitMs: cooldowns.rate_limit,
      authMs: cooldowns.auth,
      transientMs: cooldowns.transient,
    },
    concurrency: {
      maxPerKey: concurrency.max_per_key,
      optimalPerKey: concurrency.optimal_per_key,
      priorityMultipliers: Object.fromEntries(
        Object.entries(concurrency.priority_multipliers).map(([priority, factor]) => [Number(priority), factor]),
      ),
    },
  };
}

export function runtimeOf(plan: ProviderPlan, pool: Pool): ProviderRuntime {
  const { credentials, poolSettings: _, ...rest } = plan;
  return { ...rest, pool, credentials: new Map(credentials.map((credential) => [credential.id, credential])) };
}

/** The pool's view of the credentials. The operator's override and the config can each take one out. */
export function poolCredentials(plan: ProviderPlan, overrides: ReadonlyMap<string, boolean>): PoolCredential[] {
  return plan.credentials.map((credential) => ({
    id: credential.id,
    label: credential.label,
    priority: credential.priority,
    weight: credential.weight,
    models: credential.models.map(namePattern),
    limits: credential.limits,
    tierName: credential.tierName,
    quotaPool: credential.quotaPool,
    isEnabled: credential.isEnabledInConfig && overrides.get(credential.id) !== false,
    ...(credential.hold && { hold: credential.hold }),
  }));
}
