import type { Catalogue, SourcedPrice } from '../models/catalogue.ts';
import { aliasCard, type ModelCard, modelCard } from '../models/card.ts';
import type { Problem } from '../protocols/problem.ts';
import { findProvider } from '../providers/index.ts';
import type { Client, ProviderRuntime } from './gateway.ts';
import type { GatewayDeps } from './handle.ts';
import { isUnlisted, planWithLists } from './plan-with-lists.ts';
import { callableAliases, clientMay, isPlan, plan } from './plan.ts';
import { visibleModels } from './visible-models.ts';

/** What clients may ask about models without calling one. */
export interface ModelSurface {
  /** Only what this client may use. */
  list(client: Client): Promise<readonly ModelCard[]>;
  /** Of the first target that the name stands for; no price is known of a name that stands for none. */
  priceOf(client: Client, model: string): Promise<SourcedPrice | { readonly problem: Problem }>;
}

export type ModelSurfaceDeps = Pick<GatewayDeps, 'routes' | 'warmLists' | 'clock'> & {
  readonly catalogue: Catalogue;
};

type Looked = { readonly provider: string | null; readonly model: string } | { readonly problem: Problem };

export function createModelSurface(deps: ModelSurfaceDeps): ModelSurface {
  const { catalogue, clock } = deps;

  /** `provider` null: a name that nobody here serves, which has tokens all the same. */
  async function look(client: Client, name: string): Promise<Looked> {
    const known = plan(name, client, deps.routes());
    const asked = { client, arrivedAt: clock.now(), timeoutMs: null };
    const planned = isUnlisted(known) ? await planWithLists(name, asked, deps) : known;
    if (isPlan(planned)) {
      const [first] = planned.targets;
      return first ? { provider: first.runtime.id, model: first.model } : { provider: null, model: name };
    }
    if (planned.kind !== 'model-not-found') return { problem: planned };
    const slash = name.indexOf('/');
    // Prices are known of providers that are not configured, too.
    const vendor = slash > 0 ? findProvider(name.slice(0, slash)) : undefined;
    return vendor ? { provider: vendor.id, model: name.slice(slash + 1) } : { provider: null, model: name };
  }

  return {
    async list(client) {
      await Promise.all([deps.warmLists(), catalogue.load()]);
      const routes = deps.routes();
      const { runtimes, listed } = routes;
      const now = clock.now();
      const knownOf = (runtime: ProviderRuntime, upstreamId: string) => ({
        facts: catalogue.factsOf(runtime.id, upstreamId),
        price: catalogue.priceOf(runtime.id, upstreamId, now),
      });
      const aliases = callableAliases(client, routes).map(({ name, target: { runtime, model } }) =>
        aliasCard(name, listed(runtime).find(({ id }) => id === model) ?? { id: model }, knownOf(runtime, model)),
      );
      const models = [...runtimes.values()].flatMap((runtime) =>
        visibleModels(runtime, listed(runtime))
          .map((model) => ({ model, upstreamId: runtime.define.get(model.id) ?? model.id }))
          .filter(({ model, upstreamId }) => clientMay(client, runtime, model.id, upstreamId))
          .map(({ model, upstreamId }) => modelCard(runtime.id, model, knownOf(runtime, upstreamId))),
      );
      return [...aliases, ...models];
    },

    async priceOf(client, name) {
      await catalogue.load();
      const found = await look(client, name);
      if ('problem' in found) return found;
      if (found.provider === null) return { price: null, source: 'unknown' };
      return catalogue.priceOf(found.provider, found.model, clock.now());
    },
  };
}
