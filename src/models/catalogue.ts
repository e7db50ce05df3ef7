import type { ReasoningTraits } from '../protocols/reasoning.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { NamePattern } from '../shared/wildcard.ts';
import { catalogueNames } from './catalogue-names.ts';
import { type FactsLayer, type ModelFacts, mergedFacts, type SourcedFacts } from './model-facts.ts';
import { costIn, isSameBase, type ModelPrice, type PricedUsage } from './model-price.ts';
import { loadPackagedFacts, type PackagedFacts } from './packaged-facts.ts';
import { reasoningTraits } from './reasoning-traits.ts';
import { loadPackagedPrices, type PackagedPrices } from './packaged-prices.ts';

/**
 * Who says what it costs. `override`: the user's config. `provider`: its own list, or the answer itself. `public`: a
 * public catalogue read at run time. `packaged`: what ships with the program, under this very name;
 * `packaged-normalised`: under the name without its date, version or place.
 */
export type PriceSource = 'override' | 'provider' | 'public' | 'packaged' | 'packaged-normalised' | 'unknown';

export type SourcedPrice =
  | { readonly price: ModelPrice; readonly source: Exclude<PriceSource, 'unknown'> }
  | { readonly price: null; readonly source: 'unknown' };

/** `usd` is null where no price is known, or not how much was used; never 0 for that. */
export type Cost = { readonly usd: number | null; readonly source: PriceSource };

/** Prices and facts of models, by the provider's id and the upstream's name of the model. Answers from memory. */
export interface Catalogue {
  /** Brings the packaged data into memory, once; until then only what needs none of it is known. Never rejects. */
  load(): Promise<void>;
  readonly isLoaded: boolean;
  /** `at`: milliseconds since the epoch. */
  priceOf(provider: string, model: string, at: number): SourcedPrice;
  costOf(provider: string, model: string, usage: PricedUsage, at: number): Cost;
  factsOf(provider: string, model: string): SourcedFacts | null;
  traitsOf(provider: string, model: string): ModelTraits;
}

/** What a request has to be fitted to. */
export type ModelTraits = {
  readonly reasoning: ReasoningTraits;
  readonly maxOutputTokens: number | null;
  readonly hasStructuredOutput: boolean | null;
};

export type PriceOverride = { readonly pattern: NamePattern; readonly price: ModelPrice };

export type CatalogueDeps = {
  /** The first whose pattern fits `provider/model` counts. */
  readonly overrides: () => readonly PriceOverride[];
  /** What the provider's own list says of the model. */
  readonly listed: (provider: string, model: string) => ModelFacts | null;
  /** False for a server of the user's own, whatever its models are called: nobody sends a bill for it. */
  readonly isVendor: (provider: string) => boolean;
  readonly publicFacts: (provider: string, model: string) => ModelFacts | null;
  readonly log: { warn(message: string, fields?: Record<string, unknown>): void };
};

const UNKNOWN = { price: null, source: 'unknown' } as const;

export function createCatalogue(deps: CatalogueDeps): Catalogue {
  let prices: PackagedPrices | null = null;
  let facts: PackagedFacts | null = null;
  let loading: Promise<void> | null = null;

  async function load(): Promise<void> {
    try {
      [prices, facts] = await Promise.all([loadPackagedPrices(), loadPackagedFacts()]);
    } catch (error) {
      const reason = reasonOf(error);
      deps.log.warn(
        'the packaged prices cannot be read; costs are known only where a provider or the config says them',
        {
          reason,
        },
      );
    }
  }

  function packagedPrice(provider: string, model: string, at: number): SourcedPrice {
    const found = prices?.find(provider, model, at) ?? null;
    const snapshot = facts?.find(provider, model)?.facts.price ?? null;
    if (found?.match === 'exact') return { price: found.price, source: 'packaged' };
    // The snapshot knows only whole names; what it confirms is no guess any more.
    if (snapshot)
      return { price: found && isSameBase(found.price, snapshot) ? found.price : snapshot, source: 'packaged' };
    return found ? { price: found.price, source: 'packaged-normalised' } : UNKNOWN;
  }

  /** Of those two the fresher, unless they agree: then the one that knows more of caches and steps. */
  function knownPrice(provider: string, model: string, at: number): SourcedPrice {
    if (!deps.isVendor(provider) || catalogueNames(provider).prices === null) return UNKNOWN;
    const packaged = packagedPrice(provider, model, at);
    const fresh = deps.publicFacts(provider, model)?.price;
    if (!fresh || (packaged.price && isSameBase(packaged.price, fresh))) return packaged;
    return { price: fresh, source: 'public' };
  }

  const catalogue: Catalogue = {
    load: () => (loading ??= load()),
    get isLoaded() {
      return prices !== null;
    },

    priceOf(provider, model, at) {
      const override = overrideOf(deps.overrides(), provider, model);
      if (override) return { price: override, source: 'override' };
      const listed = deps.listed(provider, model)?.price;
      return listed ? { price: listed, source: 'provider' } : knownPrice(provider, model, at);
    },

    costOf(provider, model, usage, at) {
      // What was really charged is no matter of prices.
      if (usage.costUsd !== null && usage.costUsd !== undefined) return { usd: usage.costUsd, source: 'provider' };
      const { price, source } = catalogue.priceOf(provider, model, at);
      return { usd: price && costIn(price, usage), source };
    },

    factsOf(provider, model) {
      const packaged = deps.isVendor(provider) ? facts?.find(provider, model) : null;
      const layers: readonly FactsLayer[] = [
        { source: 'provider', facts: deps.listed(provider, model) },
        { source: 'public', facts: deps.isVendor(provider) ? deps.publicFacts(provider, model) : null },
        { source: packaged?.isExact === false ? 'packaged-normalised' : 'packaged', facts: packaged?.facts ?? null },
      ];
      return mergedFacts(layers);
    },

    traitsOf(provider, model) {
      const known = catalogue.factsOf(provider, model);
      return {
        reasoning: reasoningTraits(model, known),
        maxOutputTokens: known?.maxOutputTokens ?? null,
        hasStructuredOutput: known?.hasStructuredOutput ?? null,
      };
    },
  };
  return catalogue;
}

function overrideOf(overrides: readonly PriceOverride[], provider: string, model: string): ModelPrice | null {
  if (overrides.length === 0) return null;
  // `-` and `_` are the same in provider names.
  const names = [provider, provider.replaceAll('-', '_'), provider.replaceAll('_', '-')].map((id) => `${id}/${model}`);
  return overrides.find(({ pattern }) => names.some((name) => pattern.matches(name)))?.price ?? null;
}
