import { credentialId } from '../config/credentials.ts';
import type { LoadedConfig } from '../config/load.ts';
import { providerDefaults } from '../config/schema.ts';
import { demoProvider } from '../demo/demo-provider.ts';
import { createDemoUpstream } from '../demo/demo-upstream.ts';
import { NO_EDITS } from '../gateway/user-edits.ts';
import { type CredentialId, NO_LIMITS } from '../pool/credential.ts';
import { listen } from '../server/bun.ts';
import type { Clock } from '../shared/clock.ts';
import { Secret } from '../shared/secret.ts';
import { type ProviderPlan, poolSettings, timeoutsOf } from './runtimes.ts';

/** The demo's upstream, on a loopback port of its own, so that a demo request travels like any other. */
export function startDemo(clock: Clock) {
  const vendor = createDemoUpstream({ clock });
  const listener = listen({ hostname: '127.0.0.1', port: 0, fetch: (request) => vendor.fetch(request) });
  return {
    stop: () => listener.abort(),
    plan: ({ config }: LoadedConfig): ProviderPlan => ({
      id: demoProvider.id,
      provider: demoProvider,
      baseUrl: `${listener.url}/v1`,
      headers: {},
      isHttp2: false,
      asksStreamUsage: true,
      timeouts: timeoutsOf(config.timeouts),
      retriesSameKey: config.rotation.retries_same_key,
      waitSameKeyMs: config.rotation.wait_same_key,
      allow: [],
      deny: [],
      define: new Map(),
      tier: null,
      edits: NO_EDITS,
      credentials: vendor.keys.map(({ name, secret }) => ({
        id: credentialId(demoProvider.id, secret) as CredentialId, // Made by the config, the one place that makes them.
        label: name,
        key: new Secret(secret),
        proxy: null,
        source: 'demo',
        sourceName: null,
        isEnabledInConfig: true,
        priority: 10,
        weight: 1,
        models: [],
        limits: NO_LIMITS,
        tierName: null,
        quotaPool: null,
      })),
      poolSettings: poolSettings(config.rotation, {
        ...providerDefaults,
        concurrency: { max_per_key: 0, optimal_per_key: 1, priority_multipliers: {} },
      }),
    }),
  };
}
