import type { NamePattern } from '../shared/wildcard.ts';

/** A limit of the user's own, below the vendor's: so many requests of one credential in a window, then a rest. */
export type Cap = {
  /** What it counts together; empty: every model. A model that is in a quota group stands for the group. */
  readonly models: readonly NamePattern[];
  /** Only for credentials of this tier; null: for all. */
  readonly tierName: string | null;
  readonly amount: CapAmount;
  readonly window: CapWindow;
  readonly rest: CapRest;
};

export type CapAmount =
  | { readonly kind: 'count'; readonly count: number }
  /** Of the vendor's limit, 0 to 1. */
  | { readonly kind: 'share'; readonly share: number }
  /** More (or less) than the vendor's limit. */
  | { readonly kind: 'offset'; readonly by: number };

export type CapWindow =
  /** From the first request on, so long. */
  | { readonly kind: 'rolling'; readonly ms: number }
  /** From one daily reset to the next, that of a Monday, that of a first day of a month. */
  | { readonly kind: 'daily' | 'weekly' | 'monthly' }
  /** The vendor's own, as far as it tells when that ends. */
  | { readonly kind: 'authoritative' };

export type CapRest =
  /** Until the window ends, and so much longer. */
  | { readonly kind: 'until-reset'; readonly plusMs: number }
  /** So long from the moment it is reached; then it is counted from zero. */
  | { readonly kind: 'for'; readonly ms: number };

/** How many requests are let through; null: the limit that it goes by is not known. */
export function capLimit(amount: CapAmount, vendorLimit: number | null): number | null {
  if (amount.kind === 'count') return amount.count;
  if (vendorLimit === null) return null;
  // 80 % of 35 is 28, and not what binary fractions make of it.
  if (amount.kind === 'share') return Math.floor(vendorLimit * amount.share + 1e-9);
  return Math.max(0, vendorLimit + amount.by);
}

/** As the config writes them. */
export function amountText(amount: CapAmount): string {
  switch (amount.kind) {
    case 'count':
      return `${amount.count}`;
    case 'share':
      return `${Number((amount.share * 100).toFixed(6))}%`;
    case 'offset':
      return amount.by < 0 ? `${amount.by}` : `+${amount.by}`;
  }
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

export function windowText(window: CapWindow): string {
  if (window.kind !== 'rolling') return window.kind;
  for (const [unit, ms] of UNITS) if (window.ms % ms === 0) return `${window.ms / ms}${unit}`;
  return `${window.ms}ms`;
}

/** The counts of two caps are one when these are: a reload may change how much is allowed and what follows. */
export const capKey = ({ models, window }: Cap): string =>
  JSON.stringify([models.map(({ source }) => source), windowText(window)]);
