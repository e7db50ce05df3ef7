import type { SourcedFacts } from './model-facts.ts';
import { type ModelPrice, type RateName, rateAt } from './model-price.ts';
import type { PriceSource, SourcedPrice } from './catalogue.ts';

/** A model as `GET /v1/models` shows it, whatever the vendor called its fields. */
export type ModelCard = {
  /** As a client would write it: an alias, or `provider/model`. */
  readonly id: string;
  /** Seconds since the epoch; 0 where nobody knows. */
  readonly created: number;
  /** The provider, which is who answers for the model here. */
  readonly ownedBy: string;
  /** Tokens of prompt and answer together. */
  readonly contextLength?: number;
  readonly maxOutputTokens?: number;
  /** All that is known besides; absent when nothing is. */
  readonly facts?: SourcedFacts;
  readonly price?: ModelPrice;
  readonly priceSource?: PriceSource;
};

/** What the card of one provider's model is made of. */
export type CardSource = {
  /** Name without the provider. */
  readonly id: string;
  readonly created?: number;
  readonly contextLength?: number;
  readonly maxOutputTokens?: number;
};

export type KnownOfModel = { readonly facts: SourcedFacts | null; readonly price: SourcedPrice };

/** The provider's list goes before what is known otherwise. */
export function modelCard(provider: string, model: CardSource, known?: KnownOfModel): ModelCard {
  const facts = known?.facts ?? null;
  const contextLength = model.contextLength ?? facts?.contextLength;
  const maxOutputTokens = model.maxOutputTokens ?? facts?.maxOutputTokens;
  return {
    id: `${provider}/${model.id}`,
    created: model.created ?? 0,
    ownedBy: provider,
    ...(contextLength !== undefined && { contextLength }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(facts && { facts }),
    ...(known?.price.price && { price: known.price.price, priceSource: known.price.source }),
  };
}

/** What the card's fields are called, and which price each is. */
const TOKEN_PRICES = {
  prompt: 'input',
  completion: 'output',
  cached_input: 'cacheRead',
  cache_write: 'cacheWrite',
} as const satisfies Readonly<Record<string, RateName>>;

export type TokenPrices = { readonly [name in keyof typeof TOKEN_PRICES]?: number };

/** USD per token, of a prompt that reaches no step. */
export function tokenPrices(price: ModelPrice): TokenPrices {
  return Object.fromEntries(
    Object.entries(TOKEN_PRICES).flatMap(([name, rateName]) => {
      const rate = price[rateName];
      return rate === undefined ? [] : [[name, perToken(rateAt(rate, 0))]];
    }),
  );
}

/** 2.5 / 1,000,000 has more digits in binary than anybody wants to read. */
const perToken = (usd: number) => Number((usd / 1_000_000).toPrecision(12));

/** What a model is for. */
export type ModelMode = 'chat' | 'embedding' | 'image' | 'audio';

export function modeOf(id: string, facts: SourcedFacts | undefined): ModelMode {
  const gives = facts?.outputModalities ?? ['text'];
  if (/embed/i.test(id)) return 'embedding';
  if (gives.includes('text')) return 'chat';
  return gives.includes('image') ? 'image' : gives.includes('audio') ? 'audio' : 'chat';
}

/** `served`: the model that answers for the alias first. */
export function aliasCard(alias: string, served: CardSource, known: KnownOfModel): ModelCard {
  return { ...modelCard('', served, known), id: alias, ownedBy: 'rotator' };
}
