import { assertNever } from '../shared/assert-never.ts';
import type { Target } from './plan.ts';

/** Of the targets that come next, should this one fail: there are none; none could serve now; one stands ready. */
export type Prospects = 'none' | 'resting' | 'ready';

export function prospectsOf(targets: readonly Target[], tokens: () => number): Prospects {
  if (targets.length === 0) return 'none';
  const isReady = ({ runtime, model }: Target) => runtime.pool.isReadyFor({ model, tokens: tokens() });
  return targets.some(isReady) ? 'ready' : 'resting';
}

/** How long a request waits in line for a credential of one target, in milliseconds. */
export function patienceOf(prospects: Prospects, { timeouts, waitSameKeyMs }: Target['runtime']): number {
  switch (prospects) {
    case 'none':
      return timeouts.acquireMs;
    // Another may be ready by then.
    case 'resting':
      return Math.min(timeouts.acquireMs, waitSameKeyMs);
    case 'ready':
      return 0;
    default:
      return assertNever(prospects);
  }
}
