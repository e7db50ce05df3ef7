import { isOver, type PolledQuota } from './polled-quota.ts';
import type { WindowView } from './pool.ts';

const NO_VIEWS: readonly WindowView[] = [];

/** For people, at a moment. */
export function polledViews(polled: PolledQuota | null, now: number): readonly WindowView[] {
  if (polled === null) return NO_VIEWS;
  const windows = polled.windows.filter((window) => !isOver(window, now));
  return windows.map(({ scope, name, unit, used, limit, remaining, resetAt }) => ({
    scope,
    name,
    unit,
    used: used ?? (limit !== null && remaining !== null ? limit - remaining : 0),
    limit,
    remaining,
    resetAt,
    roomAt: remaining !== null && remaining <= 0 ? resetAt : null,
    source: 'polled',
  }));
}
