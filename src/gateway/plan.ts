import type { Equivalents } from '../models/equivalents.ts';
import type { ReasoningWish } from '../protocols/ir.ts';
import type { Problem } from '../protocols/problem.ts';
import type { BodyEdits } from '../providers/body-edits.ts';
import type { ListedModel } from '../providers/provider.ts';
import { nearest } from '../shared/near-miss.ts';
import { remembered } from '../shared/remembered.ts';
import { matchesAny } from '../shared/wildcard.ts';
import { type Alias, type Aliases, type AliasTarget, isPattern } from './aliases.ts';
import { chain } from './chain.ts';
import type { Client, ProviderRuntime } from './gateway.ts';
import { type Abilities, lacking, type Needs, NO_NEEDS } from './needs.ts';
import { splitSuffix } from './reasoning-suffix.ts';
import { targetNames } from './target-names.ts';
import { editsFor } from './user-edits.ts';
import { isVisible, visibleModels } from './visible-models.ts';

/** One provider and one of its models. */
export type Target = {
  readonly runtime: ProviderRuntime;
  /** Upstream model id. */
  readonly model: string;
  /** `provider/model` with the upstream's model id. */
  readonly name: string;
  /** `provider/model` as the client wrote it; differs where the user named a model. */
  readonly shownName: string;
  /** What the user's config changes in the bodies that go there; null: nothing. */
  readonly edits: BodyEdits | null;
};

/** Why a target is not tried. */
export type SkipReason = 'filtered' | 'not listed' | 'context' | 'capability' | 'no credentials';

/** A place in the route of a name, whether or not anything can be sent there. */
export type Candidate =
  | { readonly kind: 'able'; readonly target: Target }
  | {
      readonly kind: 'skipped';
      /** `provider/model`. */
      readonly name: string;
      readonly tier: number | null;
      readonly reason: SkipReason;
    };

/** What stands in for a target. Found when it is needed, which is when that one has failed, and once. */
export type Substitutes = () => {
  readonly candidates: readonly Candidate[];
  /** A provider whose list nobody has read yet might serve it, too. */
  readonly isOpen: boolean;
};

/** All that a name leads to. */
export type Route = {
  readonly resolved: 'alias' | 'provider' | 'bare';
  /** Id of the provider that is asked first; another one that serves is a fallback. */
  readonly asked: string;
  /** What was asked for, in the order in which it is tried. */
  readonly candidates: readonly Candidate[];
  /** What is tried after that. */
  readonly substitutes: Substitutes;
  /** What the name's suffix asks for; null: it has none. */
  readonly reasoning: ReasoningWish | null;
  /** After “context too long”: targets with a larger window are tried, or it is over. */
  readonly onContext: 'next' | 'stop';
};

export type Plan = Omit<Route, 'candidates'> & {
  /** At least one, in the order in which they are tried. */
  readonly targets: readonly Target[];
};

const NO_SUBSTITUTES: Substitutes = () => ({ candidates: [], isOpen: false });

export const ableTargets = (candidates: readonly Candidate[]): readonly Target[] =>
  candidates.flatMap((candidate) => (candidate.kind === 'able' ? [candidate.target] : []));

/** What a plan is made from. All of it is in memory. */
export type Routes = {
  /** Configured providers by normalised id, in the order of the config. */
  readonly runtimes: ReadonlyMap<string, ProviderRuntime>;
  /** The normalised id of a provider this version knows, whether configured or not. */
  readonly knownId: (name: string) => string | null;
  /** Every provider that a person may have meant. */
  readonly providerNames: () => readonly string[];
  /** What a provider is known to list now; the same list as long as nothing has changed. */
  readonly listed: (runtime: ProviderRuntime) => readonly ListedModel[];
  readonly aliases: Aliases;
  readonly fallback: { readonly isEnabled: boolean; readonly maxTargets: number };
  readonly equivalents: Equivalents;
  /** Null: nothing is known. */
  readonly abilitiesOf: (runtime: ProviderRuntime, model: string) => Abilities | null;
  /** USD of a typical request; null: not known. */
  readonly priceOf: (runtime: ProviderRuntime, model: string) => number | null;
  /** Milliseconds until an answer of this target is expected to begin. */
  readonly expectedMs: (target: string, isStream: boolean) => number;
};

/** What planning needs of a request besides its model. */
export type PlanWish = {
  readonly isStream: boolean;
  /** `x-rotator-no-fallback: 1`. */
  readonly isFallbackOff: boolean;
  /** Asked only when there is a choice. */
  readonly needs: () => Needs;
};

export const PLAIN_WISH: PlanWish = { isStream: false, isFallbackOff: false, needs: () => NO_NEEDS };

/** Resolves a model name into what is tried for it, or says why there is nothing. */
export function plan(requested: string, client: Client, routes: Routes, wish: PlanWish = PLAIN_WISH): Plan | Problem {
  const found = route(requested, client, routes, wish);
  if ('kind' in found) return found;
  const { candidates, resolved, asked, substitutes: others, reasoning, onContext } = found;
  const targets = ableTargets(candidates);
  if (targets.length > 0) return { resolved, asked, targets, substitutes: others, reasoning, onContext };
  // Nothing that was asked for can be called: those that stand in for it are what is tried.
  const known = others();
  const standIns = ableTargets(known.candidates);
  if (standIns.length === 0) return nothingAble(requested, resolved, [...candidates, ...known.candidates], wish);
  const noMore = () => ({ ...known, candidates: [] });
  return { resolved, asked, targets: standIns, substitutes: noMore, reasoning, onContext };
}

export const isPlan = (value: Plan | Problem): value is Plan => 'targets' in value;

/**
 * The route of a name, what is skipped included: an exact alias, a wildcard alias, the provider before the first
 * `/`, else a bare name that a configured provider lists. A suffix such as `(high)` is taken off, unless the name with it
 * is one by itself.
 */
export function route(requested: string, client: Client, routes: Routes, wish: PlanWish = PLAIN_WISH): Route | Problem {
  const suffixed = splitSuffix(requested);
  if (!suffixed || isNameItself(requested, routes)) return routeOf(requested, client, routes, wish);
  const found = routeOf(suffixed.model, client, routes, wish);
  return 'kind' in found ? found : { ...found, reasoning: suffixed.reasoning };
}

function isNameItself(name: string, routes: Routes): boolean {
  if (routes.aliases.exact(name)) return true;
  const at = providerOf(name, routes);
  if (at) {
    const runtime = routes.runtimes.get(at.id);
    return runtime !== undefined && isNamed(runtime, at.model, routes);
  }
  return [...routes.runtimes.values()].some((other) => canServeBare(other, name, routes));
}

function routeOf(requested: string, client: Client, routes: Routes, wish: PlanWish): Route | Problem {
  const alias = routes.aliases.exact(requested) ?? routes.aliases.wildcard(requested);
  if (alias) return aliasRoute(alias, requested, client, routes, wish);
  const at = providerOf(requested, routes);
  if (at) return providerRoute(at.id, requested, at.model, client, routes, wish);
  return bareRoute(requested, client, routes, wish);
}

function providerOf(name: string, routes: Routes): { readonly id: string; readonly model: string } | null {
  const slash = name.indexOf('/');
  if (slash <= 0) return null;
  const id = routes.knownId(name.slice(0, slash));
  return id === null ? null : { id, model: name.slice(slash + 1) };
}

/** The targets that the user has written, each as if it had been asked for by name. */
function aliasRoute(alias: Alias, requested: string, client: Client, routes: Routes, wish: PlanWish): Route | Problem {
  const isAliasAllowed = mayUseAlias(client, alias, requested);
  const seen = new Set<string>();
  const written = alias.targets.flatMap(({ provider, model }): Candidate[] => {
    const id = routes.knownId(provider);
    const runtime = id === null ? undefined : routes.runtimes.get(id);
    if (!runtime || runtime.credentials.size === 0) {
      return [skip(`${runtime?.id ?? id ?? provider}/${model}`, runtime?.tier ?? null, 'no credentials')];
    }
    const target = targetOf(runtime, model);
    if (seen.has(target.name) || !(isAliasAllowed || isAllowed(target, client))) return [];
    seen.add(target.name);
    return [able(target)];
  });
  const [first, ...others] = inOrder(alias, written, routes, wish);
  if (first === undefined) return forbidden(requested, client);
  return {
    resolved: 'alias',
    asked: providerIdOf(first),
    candidates: withoutFallback(judgeAll([first, ...others], routes, wish), routes, wish),
    substitutes: NO_SUBSTITUTES,
    reasoning: null,
    onContext: alias.onContext,
  };
}

/**
 * Of a single target its provider is the judge. Lists are not always whole: where none of the targets is in its
 * provider's list, those that lack nothing else are able.
 */
function judgeAll(candidates: readonly Candidate[], routes: Routes, wish: PlanWish): readonly Candidate[] {
  const judged = (judgedBy: PlanWish, listsCount: boolean) =>
    candidates.map((each) => (each.kind === 'able' ? judge(each.target, routes, judgedBy, { listsCount }) : each));
  if (candidates.length === 1) return judged(PLAIN_WISH, false);
  const strict = judged(wish, true);
  return strict.some(({ kind }) => kind === 'able') ? strict : judged(wish, false);
}

/** The sort is stable: what is equal keeps the order in which it is written. */
function inOrder(
  { strategy }: Alias,
  candidates: readonly Candidate[],
  routes: Routes,
  { isStream }: PlanWish,
): readonly Candidate[] {
  if (strategy === 'order') return candidates;
  const weightOf = (candidate: Candidate) => {
    if (candidate.kind !== 'able') return Number.POSITIVE_INFINITY;
    const { name, runtime, model } = candidate.target;
    if (strategy === 'fastest') return routes.expectedMs(name, isStream);
    return routes.priceOf(runtime, model) ?? Number.MAX_VALUE;
  };
  const weighed = candidates.map((candidate) => ({ candidate, weight: weightOf(candidate) }));
  return weighed.toSorted((a, b) => compare(a.weight, b.weight)).map(({ candidate }) => candidate);
}

// Two infinities have no difference.
const compare = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1);

function providerRoute(
  id: string,
  requested: string,
  model: string,
  client: Client,
  routes: Routes,
  wish: PlanWish,
): Route | Problem {
  if (model === '') return notFound(`"${requested}" names a provider but no model`);
  const runtime = routes.runtimes.get(id);
  const rest = { resolved: 'provider', asked: runtime?.id ?? id, reasoning: null, onContext: 'stop' } as const;
  const others = substitutes({ id, model, runtime }, client, routes, wish);
  const shown = `${rest.asked}/${model}`;
  if (!runtime || runtime.credentials.size === 0) {
    return { ...rest, candidates: [skip(shown, runtime?.tier ?? null, 'no credentials')], substitutes: others };
  }
  if (!isVisible(runtime, model)) {
    return { ...rest, candidates: [skip(shown, runtime.tier, 'filtered')], substitutes: NO_SUBSTITUTES };
  }
  const target = targetOf(runtime, model);
  // An allow-list may hold a fallback and not the target itself: that one was asked for, and is refused.
  if (!isAllowed(target, client)) return forbidden(requested, client);
  return { ...rest, candidates: [able(target)], substitutes: others };
}

function bareRoute(requested: string, client: Client, routes: Routes, wish: PlanWish): Route | Problem {
  const holders = [...routes.runtimes].filter(([, runtime]) => canServeBare(runtime, requested, routes));
  // The best tier first; sort is stable, so equal ones keep the order of the config.
  const ranked = holders.toSorted(([, a], [, b]) => (a.tier ?? 99) - (b.tier ?? 99));
  // What this client may not use does not stand in the way of what it may.
  const best = ranked.find(([, runtime]) => isAllowed(targetOf(runtime, requested), client));
  if (!best) return ranked.length > 0 ? forbidden(requested, client) : unknown(requested, routes);
  const [id, runtime] = best;
  return {
    resolved: 'bare',
    asked: runtime.id,
    candidates: [able(targetOf(runtime, requested))],
    substitutes: substitutes({ id, model: requested, runtime }, client, routes, wish),
    reasoning: null,
    onContext: 'stop',
  };
}

type Asked = {
  /** Normalised. */
  readonly id: string;
  /** As the client wrote it. */
  readonly model: string;
  readonly runtime: ProviderRuntime | undefined;
};

/** What the provider itself has in the model's place, then the same model at other providers, in the order of their tiers. */
function substitutes(asked: Asked, client: Client, routes: Routes, wish: PlanWish): Substitutes {
  if (!routes.fallback.isEnabled || wish.isFallbackOff || asked.runtime?.provider.isExplicitOnly) return NO_SUBSTITUTES;
  let found: ReturnType<Substitutes> | null = null;
  return () => {
    found ??= findSubstitutes(asked, client, routes, wish);
    return found;
  };
}

function findSubstitutes(asked: Asked, client: Client, routes: Routes, wish: PlanWish): ReturnType<Substitutes> {
  const candidates: Candidate[] = [...familyOf(asked, client, routes, wish)];
  let isOpen = false;
  for (const id of fallbackIds(asked.id, routes.runtimes)) {
    const runtime = routes.runtimes.get(id);
    if (!runtime) continue;
    const models = sameModels(asked, id, runtime, routes);
    const shown = models.filter((model) => isVisible(runtime, model));
    const target = shown.map((model) => targetOf(runtime, model)).find((each) => isAllowed(each, client));
    if (target) candidates.push(judge(target, routes, wish, { listsCount: false }));
    else if (models.length === 0) {
      if (routes.listed(runtime).length === 0) isOpen = true;
      candidates.push(skip(`${runtime.id}/${asked.model}`, runtime.tier, 'not listed'));
    } else if (shown.length === 0) candidates.push(skip(`${runtime.id}/${models[0]}`, runtime.tier, 'filtered'));
  }
  return { candidates, isOpen };
}

function familyOf({ runtime, model }: Asked, client: Client, routes: Routes, wish: PlanWish): readonly Candidate[] {
  if (!runtime || runtime.credentials.size === 0) return [];
  return (runtime.provider.family?.(runtime.define.get(model) ?? model) ?? []).flatMap((other) => {
    if (!isVisible(runtime, other)) return [];
    const target = targetOf(runtime, other);
    return isAllowed(target, client) ? [judge(target, routes, wish, { listsCount: false })] : [];
  });
}

const chains = new WeakMap<ReadonlyMap<string, ProviderRuntime>, Map<string, readonly string[]>>();

/** Providers that stand in for one, without itself; normalised ids. Found once for each set of providers. */
export function fallbackIds(id: string, runtimes: ReadonlyMap<string, ProviderRuntime>): readonly string[] {
  const known = chains.get(runtimes) ?? new Map<string, readonly string[]>();
  chains.set(runtimes, known);
  const found = known.get(id);
  if (found) return found;
  const available: string[] = [];
  const tiers = new Map<string, number>();
  for (const [other, { provider, credentials, tier }] of runtimes) {
    if (provider.isExplicitOnly || credentials.size === 0) continue;
    available.push(other);
    if (tier !== null) tiers.set(other, tier);
  }
  const ids = chain(id, available, tiers).filter((other) => other !== id);
  known.set(id, ids);
  return ids;
}

/** Names under which another provider serves the asked model, the surest first. */
function sameModels(asked: Asked, id: string, runtime: ProviderRuntime, routes: Routes): readonly string[] {
  const upstream = asked.runtime?.define.get(asked.model) ?? asked.model;
  const listed = routes.listed(runtime);
  return [
    // The user's own name for a model means the same wherever the user has defined it.
    ...(runtime.define.has(asked.model) ? [asked.model] : []),
    ...routes.equivalents.find({ provider: asked.id, model: upstream }, { provider: id, listed }),
    // Another model, but one that the user has put beside this one in an alias.
    ...besides(asked, upstream, routes).flatMap((other) =>
      routes.knownId(other.provider) === id ? [other.model] : [],
    ),
  ];
}

function besides(asked: Asked, upstream: string, routes: Routes): readonly AliasTarget[] {
  const isSameProvider = (a: string, b: string) => routes.knownId(a) === b;
  const named = (model: string) => routes.aliases.beside({ provider: asked.id, model }, isSameProvider);
  return upstream === asked.model ? named(upstream) : [...named(asked.model), ...named(upstream)];
}

/** Can this target serve the request, as far as anybody knows? */
function judge(target: Target, routes: Routes, wish: PlanWish, how: { readonly listsCount: boolean }): Candidate {
  const { runtime, model } = target;
  const shown = target.shownName.slice(runtime.id.length + 1);
  if (!isVisible(runtime, shown)) return skip(target.name, runtime.tier, 'filtered');
  if (how.listsCount && !isListed(target, shown, routes)) return skip(target.name, runtime.tier, 'not listed');
  const lack = lacking(wish.needs, routes.abilitiesOf(runtime, model));
  return lack ? skip(target.name, runtime.tier, lack) : able(target);
}

/** In the provider's list, under this name or another one of the same model; a list that nobody has read tells nothing. */
function isListed({ runtime, model }: Target, shown: string, routes: Routes): boolean {
  const listed = routes.listed(runtime);
  if (listed.length === 0 || isNamed(runtime, shown, routes) || listed.some(({ id }) => id === model)) return true;
  return routes.equivalents.find({ provider: runtime.id, model }, { provider: runtime.id, listed }).length > 0;
}

const isNamed = (runtime: ProviderRuntime, model: string, routes: Routes): boolean =>
  runtime.define.has(model) || routes.listed(runtime).some((listed) => listed.id === model);

function canServeBare(runtime: ProviderRuntime, model: string, routes: Routes): boolean {
  if (runtime.provider.isExplicitOnly || runtime.credentials.size === 0) return false;
  return isVisible(runtime, model) && isNamed(runtime, model, routes);
}

/** Without fallback the first that is able is the only one. */
function withoutFallback(candidates: readonly Candidate[], routes: Routes, wish: PlanWish): readonly Candidate[] {
  if (routes.fallback.isEnabled && !wish.isFallbackOff) return candidates;
  const first = candidates.findIndex(({ kind }) => kind === 'able');
  return first < 0 ? candidates : candidates.slice(0, first + 1);
}

/** By the name that is shown of the model. A runtime never changes: a new config makes new ones. */
const targetFinders = new WeakMap<ProviderRuntime, (shownModel: string) => Target>();
const MAX_TARGETS = 1000;

/** Made once for each provider and model: the same few are asked for again and again. */
export function targetOf(runtime: ProviderRuntime, shownModel: string): Target {
  let find = targetFinders.get(runtime);
  if (!find) {
    find = remembered(MAX_TARGETS, (model: string) => newTarget(runtime, model));
    targetFinders.set(runtime, find);
  }
  return find(shownModel);
}

function newTarget(runtime: ProviderRuntime, shownModel: string): Target {
  const model = runtime.define.get(shownModel) ?? shownModel;
  return {
    runtime,
    model,
    name: `${runtime.id}/${model}`,
    shownName: `${runtime.id}/${shownModel}`,
    edits: editsFor(runtime.edits, { provider: runtime.id, shownModel, model }),
  };
}

const able = (target: Target): Candidate => ({ kind: 'able', target });

const skip = (name: string, tier: number | null, reason: SkipReason): Candidate => ({
  kind: 'skipped',
  name,
  tier,
  reason,
});

const providerIdOf = (candidate: Candidate): string =>
  candidate.kind === 'able' ? candidate.target.runtime.id : candidate.name.slice(0, candidate.name.indexOf('/'));

function isAllowed(target: Target, client: Client): boolean {
  return clientMay(client, target.runtime, target.model, target.shownName.slice(target.runtime.id.length + 1));
}

/** The allow-list counts for what goes upstream and for the name that the user gave it alike. */
export function clientMay(client: Client, runtime: ProviderRuntime, ...models: readonly string[]): boolean {
  return (
    client.models.length === 0 || models.some((model) => matchesAny(client.models, ...targetNames(runtime.id, model)))
  );
}

/** An allow-list that names the alias allows all its targets. */
function mayUseAlias(client: Client, alias: Alias, requested: string): boolean {
  return client.models.length === 0 || matchesAny(client.models, requested, alias.name);
}

/** The aliases that this client may ask for, and what each would be served by first. A pattern is no name to ask for. */
export function callableAliases(
  client: Client,
  routes: Routes,
): readonly { readonly name: string; readonly target: Target }[] {
  return routes.aliases.all.flatMap(({ name }) => {
    if (isPattern(name)) return [];
    const planned = plan(name, client, routes);
    const first = isPlan(planned) ? planned.targets[0] : undefined;
    return first ? [{ name, target: first }] : [];
  });
}

/** Why a name that leads somewhere leads to nobody who can serve. */
function nothingAble(
  requested: string,
  resolved: Route['resolved'],
  candidates: readonly Candidate[],
  wish: PlanWish,
): Problem {
  const skipped = candidates.flatMap((each) => (each.kind === 'skipped' ? [each] : []));
  const first = skipped[0];
  const has = (reason: SkipReason) => skipped.some((each) => each.reason === reason);
  if (has('context')) {
    const tokens = wish.needs().inputTokens;
    const message = `the request has about ${tokens} tokens, and no model that "${requested}" leads to holds as many`;
    return { kind: 'context-too-long', status: 400, message, param: null };
  }
  if (has('capability')) {
    const message = `no model that "${requested}" leads to can do what the request uses (${usedBy(wish.needs())})`;
    return { kind: 'bad-request', status: 400, message };
  }
  if (resolved === 'alias') {
    const reasons = skipped.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
    return notFound(`nothing that the alias "${requested}" stands for can be called (${reasons})`);
  }
  const provider = first?.name.slice(0, first.name.indexOf('/')) ?? requested;
  if (first?.reason === 'filtered') {
    return notFound(`model "${requested}" is filtered out by the models rules of ${provider}`);
  }
  return notFound(`provider "${provider}" has no credentials; add one: rotator keys add ${provider}`);
}

function usedBy({ usesTools, usesImages, usesSchema }: Needs): string {
  const used = [usesTools && 'tools', usesImages && 'images', usesSchema && 'structured output'];
  return used.filter((each) => each !== false).join(', ');
}

function forbidden(requested: string, client: Client): Problem {
  return {
    kind: 'forbidden',
    status: 403,
    message: `the client key${client.name ? ` "${client.name}"` : ''} may not use model "${requested}"`,
  };
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
  const aliases = routes.aliases.all.flatMap(({ name }) => (isPattern(name) ? [] : [name]));
  const names = [...aliases, ...listed.map(([{ id }, model]) => `${id}/${model}`)];
  if (slash < 0)
    return [...names, ...listed.flatMap(([{ provider }, model]) => (provider.isExplicitOnly ? [] : [model]))];
  const provider = nearest(requested.slice(0, slash), routes.providerNames());
  return provider === undefined ? names : [...names, `${provider}${requested.slice(slash)}`];
}

function notFound(message: string): Problem {
  return { kind: 'model-not-found', status: 404, message, param: 'model' };
}
