import type { Problem } from '../protocols/problem.ts';
import type { ListedModel } from '../providers/provider.ts';
import { nearest } from '../shared/near-miss.ts';
import { matchesAny } from '../shared/wildcard.ts';
import type { Client, ProviderRuntime } from './gateway.ts';
import { isVisible, targetNames, visibleModels } from './visible-models.ts';

/** One provider and one of its models. */
export type Target = {
  readonly runtime: ProviderRuntime;
  /** Upstream model id. */
  readonly model: string;
  /** `provider/model` with the upstream's model id. */
  readonly name: string;
  /** `provider/model` as the client wrote it; differs where the user named a model. */
  readonly shownName: string;
};

export type Plan = {
  readonly resolved: 'alias' | 'provider' | 'bare';
  /** At least one, in the order in which they are tried. */
  readonly targets: readonly Target[];
};

/** What a plan is made from. All of it is in memory. */
export type Routes = {
  /** Configured providers by normalised id, in the order of the config. */
  readonly runtimes: ReadonlyMap<string, ProviderRuntime>;
  /** The normalised id of a provider this version knows, whether configured or not. */
  readonly knownId: (name: string) => string | null;
  /** Every provider that a person may have meant. */
  readonly providerNames: () => readonly string[];
  /** What a provider is known to list now. */
  readonly listed: (runtime: ProviderRuntime) => readonly ListedModel[];
};

/** Resolves a model name: the provider before the first `/`, else a bare name that a configured provider lists. */
export function plan(requested: string, client: Client, routes: Routes): Plan | Problem {
  const found = resolve(requested, client, routes);
  if ('kind' in found) return found;
  const targets = found.targets.filter((target) => isAllowed(target, client));
  if (targets.length === 0) {
    return {
      kind: 'forbidden',
      status: 403,
      message: `the client key${client.name ? ` "${client.name}"` : ''} may not use model "${requested}"`,
    };
  }
  return { ...found, targets };
}

export const isPlan = (value: Plan | Problem): value is Plan => 'targets' in value;

function isAllowed(target: Target, client: Client): boolean {
  return clientMay(client, target.runtime, target.model, target.shownName.slice(target.runtime.id.length + 1));
}

/** The allow-list counts for what goes upstream and for the name that the user gave it alike. */
export function clientMay(client: Client, runtime: ProviderRuntime, ...models: readonly string[]): boolean {
  return (
    client.models.length === 0 || models.some((model) => matchesAny(client.models, ...targetNames(runtime.id, model)))
  );
}

function resolve(requested: string, client: Client, routes: Routes): Plan | Problem {
  const slash = requested.indexOf('/');
  if (slash > 0) {
    const prefix = requested.slice(0, slash);
    const id = routes.knownId(prefix);
    if (id !== null) return resolveAt(id, requested, requested.slice(slash + 1), routes);
  }
  const holders = [...routes.runtimes.values()].filter((runtime) => canServeBare(runtime, requested, routes));
  // The best tier first; sort is stable, so equal ones keep the order of the config.
  const ranked = holders.sort((a, b) => (a.provider.tier ?? 99) - (b.provider.tier ?? 99));
  const targets = ranked.map((runtime) => targetOf(runtime, requested));
  // What this client may not use does not stand in the way of what it may.
  const best = targets.find((target) => isAllowed(target, client)) ?? targets[0];
  if (best) return { resolved: 'bare', targets: [best] };
  return unknown(requested, routes);
}

function canServeBare(runtime: ProviderRuntime, model: string, routes: Routes): boolean {
  if (runtime.provider.isExplicitOnly || runtime.credentials.size === 0) return false;
  return (
    isVisible(runtime, model) &&
    (runtime.define.has(model) || routes.listed(runtime).some((listed) => listed.id === model))
  );
}

function resolveAt(id: string, requested: string, model: string, routes: Routes): Plan | Problem {
  const runtime = routes.runtimes.get(id);
  if (!runtime || runtime.credentials.size === 0) {
    return notFound(`provider "${id}" has no credentials; add one: rotator keys add ${id}`);
  }
  if (model === '') return notFound(`"${requested}" names a provider but no model`);
  if (!isVisible(runtime, model)) return notFound(`model "${requested}" is filtered out by the models rules of ${id}`);
  return { resolved: 'provider', targets: [targetOf(runtime, model)] };
}

export function targetOf(runtime: ProviderRuntime, shownModel: string): Target {
  const model = runtime.define.get(shownModel) ?? shownModel;
  return { runtime, model, name: `${runtime.id}/${model}`, shownName: `${runtime.id}/${shownModel}` };
}

function unknown(requested: string, routes: Routes): Problem {
  const near = nearest(requested, knownNames(requested, routes));
  const hint = near
    ? ` Did you mean "${near}"?`
    : ' Write it as provider/model; the model list has every name that can be called.';
  return notFound(`model "${requested}" is not known.${hint}`);
}

/** What the name is compared with: all that can be called, and, for a wrong provider, the same model at the others. */
function knownNames(requested: string, routes: Routes): readonly string[] {
  const slash = requested.indexOf('/');
  const listed = [...routes.runtimes.values()].flatMap((runtime) =>
    visibleModels(runtime, routes.listed(runtime)).map((model) => [runtime, model.id] as const),
  );
  const names = listed.map(([{ id }, model]) => `${id}/${model}`);
  if (slash < 0)
    return [...names, ...listed.flatMap(([{ provider }, model]) => (provider.isExplicitOnly ? [] : [model]))];
  const provider = nearest(requested.slice(0, slash), routes.providerNames());
  return provider === undefined ? names : [...names, `${provider}${requested.slice(slash)}`];
}

function notFound(message: string): Problem {
  return { kind: 'model-not-found', status: 404, message, param: 'model' };
}
