/**
 * What tokens cost, and the one arithmetic that turns an answer's tokens into dollars, wherever the price came from.
 */

/** From this many input tokens on, all tokens of the request cost the step's price. */
export type PriceStep = { readonly above: number; readonly usd: number };

/** USD per million tokens: one price, or one that changes with the length of the prompt. */
export type Rate = number | { readonly base: number; readonly steps: readonly PriceStep[] };

const RATE_NAMES = [
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'audioInput',
  'audioOutput',
  'audioCacheRead',
] as const;
export type RateName = (typeof RATE_NAMES)[number];

/**
 * Absent means that there is no price of its own: tokens read from a cache, written to one, of sound or of reasoning
 * then cost what other tokens of their direction cost.
 */
export type ModelPrice = { readonly [name in RateName]?: Rate } & {
  /** USD per request, beside the tokens. */
  readonly perRequest?: number;
};

/** The tokens of one answer. Null or absent: nobody said. */
export type PricedUsage = {
  /** Cached, written and audio tokens included. */
  readonly inputTokens: number | null;
  /** Reasoning and audio tokens included. */
  readonly outputTokens: number | null;
  readonly cachedTokens?: number | null;
  /** Written to a cache, for however long. */
  readonly cacheWriteTokens?: number | null;
  /** Of those: the ones written for an hour. */
  readonly cacheWrite1hTokens?: number | null;
  readonly reasoningTokens?: number | null;
  readonly audioInputTokens?: number | null;
  readonly audioOutputTokens?: number | null;
  /** What the provider itself says that it charged, in USD. */
  readonly costUsd?: number | null;
};

const PER = 1_000_000;
/** Sums of decimal fractions end in noise like 0.030000000000000002. */
const SIGNIFICANT_DIGITS = 12;

/** USD; null where the tokens or a price that they need are not known. */
export function costIn(price: ModelPrice, usage: PricedUsage): number | null {
  const { inputTokens, outputTokens } = usage;
  const prompt = inputTokens ?? 0;
  if (!isPayable(inputTokens, price.input) || !isPayable(outputTokens, price.output)) return null;
  // An answer of which nothing is known cost something, unless nothing does.
  if (inputTokens === null && outputTokens === null && !isFree(price)) return null;
  const cost =
    parts(prompt, inputParts(price, usage), price.input ?? 0, prompt) +
    parts(outputTokens ?? 0, outputParts(price, usage), price.output ?? 0, prompt);
  return Number((cost / PER + (price.perRequest ?? 0)).toPrecision(SIGNIFICANT_DIGITS));
}

type Part = { readonly tokens: number; readonly rate: Rate };

/** Each part takes its tokens out of the whole, so that no token is paid twice; what is left has the common price. */
function parts(whole: number, special: readonly Part[], common: Rate, prompt: number): number {
  let left = whole;
  let cost = 0;
  for (const { tokens, rate } of special) {
    const counted = Math.min(left, Math.max(0, tokens));
    left -= counted;
    cost += counted * rateAt(rate, prompt);
  }
  return cost + left * rateAt(common, prompt);
}

function inputParts(price: ModelPrice, usage: PricedUsage): readonly Part[] {
  const written = usage.cacheWriteTokens ?? 0;
  const long = Math.min(written, usage.cacheWrite1hTokens ?? 0);
  return [
    ...part(usage.cachedTokens, price.cacheRead),
    ...part(long, price.cacheWrite1h ?? price.cacheWrite),
    ...part(written - long, price.cacheWrite),
    ...part(usage.audioInputTokens, price.audioInput),
  ];
}

function outputParts(price: ModelPrice, usage: PricedUsage): readonly Part[] {
  return [...part(usage.reasoningTokens, price.reasoning), ...part(usage.audioOutputTokens, price.audioOutput)];
}

const part = (tokens: number | null | undefined, rate: Rate | undefined): readonly Part[] =>
  rate === undefined ? [] : [{ tokens: tokens ?? 0, rate }];

/** For a prompt of this many tokens. */
export function rateAt(rate: Rate, promptTokens: number): number {
  if (typeof rate === 'number') return rate;
  let usd = rate.base;
  for (const step of rate.steps) if (promptTokens > step.above) usd = step.usd;
  return usd;
}

/** No tokens need no price, and what costs nothing need not be counted. */
function isPayable(tokens: number | null, rate: Rate | undefined): boolean {
  if (rate === undefined) return tokens === null || tokens === 0;
  return tokens !== null || rate === 0;
}

const isFree = (price: ModelPrice) =>
  RATE_NAMES.every((name) => price[name] === undefined || price[name] === 0) &&
  (price.input !== undefined || price.output !== undefined);

/** A price of nothing but units that are not counted here, such as seconds of sound, says nothing of tokens. */
export const isTokenPrice = (price: ModelPrice) => price.input !== undefined || price.output !== undefined;

/** The same price for the same tokens, as far as both know it. */
export function isSameBase(one: ModelPrice, other: ModelPrice): boolean {
  const base = (rate: Rate | undefined) => (rate === undefined ? undefined : rateAt(rate, 0));
  return (['input', 'output', 'cacheRead', 'cacheWrite'] as const).every((name) => {
    const [a, b] = [base(one[name]), base(other[name])];
    return a === undefined || b === undefined || Math.abs(a - b) <= 1e-9 * Math.max(a, b);
  });
}
