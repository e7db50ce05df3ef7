import type { Random } from '../../shared/random.ts';

/**
 * Balanced choice among credentials of one priority that could all serve: the less one was used, the likelier it is.
 *
 *     weight = keyWeight × ((maxUse − use) + tolerance + 1)
 *
 * Uses 0, 4, 10 with tolerance 3 weigh 14, 10, 4. Use is counted per share (use ÷ keyWeight), so that a key of weight 2
 * settles at twice the requests of its peers instead of a few more.
 */
export function balancedWeights(
  uses: readonly number[],
  keyWeights: readonly number[],
  tolerance: number,
): readonly number[] {
  const most = mostOf(uses, keyWeights);
  return uses.map((_, i) => weightOf(uses, keyWeights, i, tolerance, most));
}

/** `edge`: the largest share, or the smallest where nothing is tolerated and only the least used count. */
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

function mostOf(uses: readonly number[], keyWeights: readonly number[]): number {
  let most = 0;
  for (let i = 0; i < uses.length; i++) most = Math.max(most, shareOf(uses, keyWeights, i));
  return most;
}

function leastOf(uses: readonly number[], keyWeights: readonly number[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < uses.length; i++) least = Math.min(least, shareOf(uses, keyWeights, i));
  return least;
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
  const edge = tolerance > 0 ? mostOf(uses, keyWeights) : leastOf(uses, keyWeights);
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
  const weights = tolerance > 0 ? balancedWeights(uses, keyWeights, tolerance) : leastWeights(uses, keyWeights);
  let best = -1;
  for (let i = 0; i < weights.length; i++) if (best < 0 || (weights[i] ?? 0) > (weights[best] ?? 0)) best = i;
  return best;
}

function leastWeights(uses: readonly number[], keyWeights: readonly number[]): readonly number[] {
  const least = leastOf(uses, keyWeights);
  return uses.map((_, i) => weightOf(uses, keyWeights, i, 0, least));
}

const shareOf = (uses: readonly number[], keyWeights: readonly number[], i: number) =>
  (uses[i] ?? 0) / (keyWeights[i] ?? 1);
