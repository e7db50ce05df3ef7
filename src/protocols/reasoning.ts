import type { ReasoningLevel, ReasoningWish } from './ir.ts';

/** Names and budgets of thinking: one neutral scale, and what becomes of a wish at a model that takes something else. */

/** What a model takes. `unknown`: a model nobody here knows, for which a wish is written as it came. */
export type ReasoningTraits =
  | {
      readonly kind: 'budget';
      readonly min: number;
      readonly max: number;
      readonly allowsZero: boolean;
      readonly allowsDynamic: boolean;
    }
  | { readonly kind: 'levels'; readonly levels: readonly ReasoningLevel[]; readonly allowsOff: boolean }
  /** Decides for itself within a level; `alsoBudget`: takes an explicit budget too. */
  | { readonly kind: 'adaptive'; readonly levels: readonly ReasoningLevel[]; readonly alsoBudget: boolean }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' };

export const LEVELS: readonly ReasoningLevel[] = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/** Tokens of each level: the scale that clients' suffixes use. */
const BUDGETS: Readonly<Record<ReasoningLevel, number>> = {
  minimal: 512,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 128_000,
};

export const budgetOfLevel = (level: ReasoningLevel): number => BUDGETS[level];

/** The level whose budget reaches at least so far: 512 is minimal, 513 low. Above the scale: max. */
export function levelOfBudget(tokens: number): ReasoningLevel {
  return LEVELS.find((level) => tokens <= BUDGETS[level]) ?? 'max';
}

/** The nearest of the levels that are taken; of two as near, the lower. Null when there is none. */
export function nearestLevel(wanted: ReasoningLevel, taken: readonly ReasoningLevel[]): ReasoningLevel | null {
  const place = LEVELS.indexOf(wanted);
  let best: ReasoningLevel | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const level of LEVELS) {
    const distance = Math.abs(LEVELS.indexOf(level) - place);
    if (!taken.includes(level) || distance >= bestDistance) continue;
    best = level;
    bestDistance = distance;
  }
  return best;
}

export type Amount = NonNullable<ReasoningWish['amount']>;

/** An amount that the model takes, in its own terms; null: the model does not think, and nothing may be sent. */
export function fittedAmount(wanted: Amount, traits: ReasoningTraits): Amount | null {
  switch (traits.kind) {
    case 'none':
      return null;
    case 'unknown':
      return wanted;
    case 'budget':
      return fittedBudget(wanted, traits);
    case 'levels':
      return fittedLevel(wanted, traits.levels, traits.allowsOff);
    case 'adaptive':
      if (wanted.kind === 'budget' && traits.alsoBudget) return wanted;
      return wanted.kind === 'dynamic' || wanted.kind === 'off' ? wanted : fittedLevel(wanted, traits.levels, true);
  }
}

function fittedBudget(wanted: Amount, traits: Extract<ReasoningTraits, { kind: 'budget' }>): Amount {
  switch (wanted.kind) {
    case 'dynamic':
      return traits.allowsDynamic ? wanted : { kind: 'budget', tokens: Math.floor((traits.min + traits.max) / 2) };
    case 'off':
      return traits.allowsZero ? wanted : { kind: 'budget', tokens: traits.min };
    case 'level':
      return { kind: 'budget', tokens: clamp(BUDGETS[wanted.level], traits) };
    case 'budget':
      if (wanted.tokens <= 0) return fittedBudget({ kind: 'off' }, traits);
      return { kind: 'budget', tokens: clamp(wanted.tokens, traits) };
  }
}

const clamp = (tokens: number, { min, max }: { readonly min: number; readonly max: number }) =>
  Math.min(max, Math.max(min, tokens));

function fittedLevel(wanted: Amount, levels: readonly ReasoningLevel[], allowsOff: boolean): Amount | null {
  const at = (level: ReasoningLevel): Amount | null => {
    const near = nearestLevel(level, levels);
    return near && { kind: 'level', level: near };
  };
  switch (wanted.kind) {
    case 'level':
      return at(wanted.level);
    case 'budget':
      return wanted.tokens <= 0 ? fittedLevel({ kind: 'off' }, levels, allowsOff) : at(levelOfBudget(wanted.tokens));
    case 'off':
      return allowsOff ? wanted : at('minimal');
    // Left out, the model decides.
    case 'dynamic':
      return wanted;
  }
}
