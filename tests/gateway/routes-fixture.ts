import { aliasesOf, type WrittenAlias } from '../../src/gateway/aliases.ts';
import type { ProviderRuntime } from '../../src/gateway/gateway.ts';
import type { Abilities } from '../../src/gateway/needs.ts';
import type { Routes } from '../../src/gateway/plan.ts';
import { NO_EDITS } from '../../src/gateway/user-edits.ts';
import { createEquivalents } from '../../src/models/equivalents.ts';
import { packagedPublishers } from '../../src/models/packaged-publishers.ts';
import { findProvider, normalizeProviderId, ownProvider } from '../../src/providers/index.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { Secret } from '../../src/shared/secret.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import { credentialId, setUp } from '../pool/pool-fixture.ts';

/** One provider of a plan that is made up for a test. */
export type Setting = {
  readonly lists?: readonly string[];
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly define?: Readonly<Record<string, string>>;
  readonly hasKey?: boolean;
  /** Default: the vendor's own. */
  readonly tier?: number | null;
  readonly abilities?: Readonly<Record<string, Abilities>>;
  /** USD by model. */
  readonly prices?: Readonly<Record<string, number>>;
  readonly more?: Partial<Provider>;
};

export type RoutesSetting = {
  readonly aliases?: Readonly<
    Record<string, readonly string[] | (Partial<WrittenAlias> & Pick<WrittenAlias, 'targets'>)>
  >;
  readonly isFallbackOff?: boolean;
  /** Milliseconds by target. */
  readonly expected?: Readonly<Record<string, number>>;
};

export function runtimeOf(id: string, setting: Setting): ProviderRuntime {
  const { allow = [], deny = [], define = {}, hasKey = true, more = {} } = setting;
  const key = credentialId(`${id}-1`);
  const access = {
    id: key,
    label: null,
    key: new Secret('k'),
    proxy: null,
    source: 'config',
    sourceName: null,
    isEnabledInConfig: true,
    priority: 10,
  } as const;
  const provider = { ...(findProvider(id) ?? ownProvider(id, 'openai-chat')), ...more };
  return {
    id,
    provider,
    baseUrl: 'http://127.0.0.1:1/v1',
    headers: {},
    isHttp2: false,
    asksStreamUsage: true,
    timeouts: { acquireMs: 1, connectMs: 1, firstByteMs: 1, totalMs: 1, idleMs: 1, requestMs: 1 },
    retriesSameKey: 1,
    waitSameKeyMs: 1,
    pool: setUp([]).pool,
    credentials: new Map(hasKey ? [[key, access]] : []),
    allow: allow.map(namePattern),
    deny: deny.map(namePattern),
    define: new Map(Object.entries(define)),
    tier: setting.tier === undefined ? provider.tier : setting.tier,
    edits: NO_EDITS,
  };
}

/** What knows of no alias, no price, no equal and no time. */
export const bareRoutes: Omit<Routes, 'runtimes' | 'knownId' | 'listed' | 'providerNames'> = {
  aliases: aliasesOf({}),
  fallback: { isEnabled: true, maxTargets: 5 },
  equivalents: createEquivalents(packagedPublishers),
  abilitiesOf: () => null,
  priceOf: () => null,
  expectedMs: () => 0,
};

export function routesOf(settings: Readonly<Record<string, Setting>>, setting: RoutesSetting = {}): Routes {
  const runtimes = new Map(
    Object.entries(settings).map(([id, each]) => [normalizeProviderId(id), runtimeOf(id, each)]),
  );
  const lists = new Map(
    Object.entries(settings).map(([id, { lists: ids = [] }]) => [id, ids.map((model) => ({ id: model }))]),
  );
  const aliases = Object.entries(setting.aliases ?? {}).map(([name, written]) => {
    const whole: WrittenAlias = {
      strategy: 'order',
      on_context: 'next',
      ...('targets' in written ? written : { targets: written }),
    };
    return [name, whole];
  });
  return {
    ...bareRoutes,
    runtimes,
    knownId: (name) => {
      const id = normalizeProviderId(findProvider(name)?.id ?? name);
      return runtimes.has(id) || findProvider(name) ? id : null;
    },
    providerNames: () => [...runtimes.keys(), 'groq'],
    listed: (runtime) => lists.get(runtime.id) ?? [],
    aliases: aliasesOf(Object.fromEntries(aliases)),
    fallback: { isEnabled: setting.isFallbackOff !== true, maxTargets: 5 },
    abilitiesOf: (runtime, model) => settings[runtime.id]?.abilities?.[model] ?? null,
    priceOf: (runtime, model) => settings[runtime.id]?.prices?.[model] ?? null,
    expectedMs: (target) => setting.expected?.[target] ?? 0,
  };
}
