import type { Random } from '../../shared/random.ts';

/**
 * Balanced choice among credentials of one priority that could all serve: the less one was used, the likelier it is.
 *
 *     weight = keyWeight × ((maxUse − use) + tolerance + 1)
 *
 * Uses 0, 4, 10 with tolerance 3 weigh 14, 10, 4. Use is counted per share (use ÷ keyWeight), so that a key of weight 2
 * settles at twice the requests of its peers instead of a few more. Tolerance 0 leaves weight to the least used alone.
 */
export function balancedWeights(
  uses: readonly number[],
  keyWeights: readonly number[],
  tolerance: number,
): readonly number[] {
  const edge = edgeOf(uses, keyWeights, tolerance);
  return uses.map((_, i) => weightOf(uses, keyWeights, i, tolerance, edge));
}

function weightOf(
  uses: readonly number[],
  keyWeights: readonly number[],
  i: number,
  tolerance: number,
  edge: number,
): number {
  const keyWeight = keyWeights[i] ?? 1;
  const share = shareOf(uses, keyWeights, i);
  if (tolerance > 0) return keyWeight * (edge - share + tolerance + 1);
  return share === edge ? keyWeight : 0;
}

/** The share that the others are held against: the largest, or the smallest where nothing is tolerated. */
function edgeOf(uses: readonly number[], keyWeights: readonly number[], tolerance: number): number {
  let edge = tolerance > 0 ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < uses.length; i++) {
    const share = shareOf(uses, keyWeights, i);
    edge = tolerance > 0 ? Math.max(edge, share) : Math.min(edge, share);
  }
  return edge;
}

/** Index of the chosen one, -1 for an empty list. Tolerance 0 takes the least used; ties are drawn by weight. */
export function chooseBalanced(
  uses: readonly number[],
  keyWeights: readonly number[],
  tolerance: number,
  random: Random,
): number {
  if (uses.length <= 1) return uses.length - 1;
  // Weighed twice instead of kept: this is done for every request.
  const edge = edgeOf(uses, keyWeights, tolerance);
  let total = 0;
  for (let i = 0; i < uses.length; i++) total += weightOf(uses, keyWeights, i, tolerance, edge);
  let left = random() * total;
  let last = 0;
  for (let i = 0; i < uses.length; i++) {
    const weight = weightOf(uses, keyWeights, i, tolerance, edge);
    if (weight <= 0) continue;
    last = i;
    left -= weight;
    if (left < 0) return i;
  }
  // Rounding can leave a crumb over; it belongs to the last that could be chosen.
  return last;
}

/** What `chooseBalanced` takes most often: the first among the heaviest. Draws nothing. -1 for an empty list. */
export function likeliestBalanced(uses: readonly number[], keyWeights: readonly number[], tolerance: number): number {
  const weights = balancedWeights(uses, keyWeights, tolerance);
  let best = -1;
  for (let i = 0; i < weights.length; i++) if (best < 0 || (weights[i] ?? 0) > (weights[best] ?? 0)) best = i;
  return best;
}

const shareOf = (uses: readonly number[], keyWeights: readonly number[], i: number) =>
  (uses[i] ?? 0) / (keyWeights[i] ?? 1);
