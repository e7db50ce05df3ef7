/** What one credential has cost on one model since the daily reset. */
export type SpotCost = {
  usd: number;
  /** Requests whose cost is in it. */
  priced: number;
  /** Requests that used something and whose price nobody knows. */
  unpriced: number;
  /** In flight: they will cost about as much as the others did. */
  open: number;
};

export const newSpotCost = (): SpotCost => ({ usd: 0, priced: 0, unpriced: 0, open: 0 });

/**
 * Use by cost, in mean requests, so that the tolerance means the same as by requests. Null where a price is missing: then
 * costs cannot be compared. So too where everything was free.
 */
export function costsOf(spots: readonly (SpotCost | undefined)[]): readonly number[] | null {
  let usd = 0;
  let priced = 0;
  for (const spot of spots) {
    if (!spot) continue;
    if (spot.unpriced > 0) return null;
    usd += spot.usd;
    priced += spot.priced;
  }
  if (usd <= 0 || priced === 0) return null;
  const mean = usd / priced;
  return spots.map((spot) => (spot ? spot.usd / mean + spot.open : 0));
}
