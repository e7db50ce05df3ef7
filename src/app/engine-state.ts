import type { ProviderRuntime } from '../gateway/gateway.ts';
import type { EngineState } from '../observe/metrics.ts';

const STATES = ['ready', 'busy', 'blocked', 'disabled'] as const;

/** How the pools stand, as the metrics count them. Every state of every provider is there, so that a 0 is seen as one. */
export function engineState(runtimes: Iterable<ProviderRuntime>, storeQueue: number): EngineState {
  const pools = [...runtimes].map(({ id, pool }) => ({ provider: id, status: pool.status() }));
  return {
    credentials: pools.flatMap(({ provider, status }) =>
      STATES.map((state) => ({
        provider,
        state,
        count: status.credentials.filter((credential) => credential.state === state).length,
      })),
    ),
    blocks: pools.flatMap(({ provider, status }) => {
      const kinds = new Map<string, number>();
      const blocks = [...status.blocks, ...status.credentials.flatMap((credential) => credential.blocks)];
      for (const { kind } of blocks) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      return [...kinds].map(([kind, count]) => ({ provider, kind, count }));
    }),
    pools: pools.map(({ provider, status }) => ({
      provider,
      inFlight: status.credentials.reduce((sum, { inFlight }) => sum + inFlight, 0),
      waiting: status.waiting,
    })),
    storeQueue,
  };
}
