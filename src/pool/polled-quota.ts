import { isObject } from '../shared/json-shape.ts';

/** What a provider answers to the question what is left, in the pool's own words. Times are milliseconds since the epoch. */
export type PolledWindow = {
  /** `key`, `group:NAME` or `model:NAME`. */
  readonly scope: string;
  /** The vendor's window in a word: `day`, `5h`, `week`. */
  readonly name: string;
  /** What the numbers count; `percent` where the vendor only tells shares. */
  readonly unit: 'requests' | 'tokens' | 'credits' | 'percent';
  /** How long the window is; null: not known. */
  readonly lengthMs: number | null;
  readonly used: number | null;
  readonly limit: number | null;
  readonly remaining: number | null;
  readonly resetAt: number | null;
};

export type PolledQuota = {
  /** When it was asked for: what happened since then it does not know. */
  readonly askedAt: number;
  readonly windows: readonly PolledWindow[];
};

/** Nothing is left. Less than one is something: there are models that cost a part of a request. */
export const isSpent = ({ remaining }: PolledWindow): boolean => remaining !== null && remaining <= 0;

/** A window that is over tells nothing any more. */
export const isOver = ({ resetAt }: PolledWindow, now: number): boolean => resetAt !== null && resetAt <= now;

/** The largest share that is used of a window of hours or more, of the whole key or of a scope. */
export function longShare(polled: PolledQuota | null, of: string, now: number): number {
  let most = 0;
  for (const window of polled?.windows ?? []) {
    const { scope, lengthMs, used, limit, remaining } = window;
    if ((scope !== 'key' && scope !== of) || limit === null || limit <= 0 || isOver(window, now)) continue;
    if (lengthMs !== null && lengthMs < LONG_MS) continue;
    most = Math.max(most, (used ?? limit - (remaining ?? limit)) / limit);
  }
  return most;
}

const LONG_MS = 60 * 60_000;

/** Plain JSON that was written by an earlier run; what is malformed or past is left out. */
export function readPolled(stored: unknown, now: number): PolledQuota | null {
  if (!isObject(stored) || !isNumber(stored.askedAt) || !Array.isArray(stored.windows)) return null;
  const windows = stored.windows.flatMap((entry: unknown): PolledWindow[] => {
    if (!isObject(entry)) return [];
    const { scope, name, lengthMs, used, limit, remaining, resetAt } = entry;
    const unit = UNITS.find((known) => known === entry.unit);
    if (typeof scope !== 'string' || typeof name !== 'string' || unit === undefined) return [];
    if (![lengthMs, used, limit, remaining, resetAt].every((value) => value === null || isNumber(value))) return [];
    const window = {
      scope,
      name,
      unit,
      lengthMs: numberOf(lengthMs),
      used: numberOf(used),
      limit: numberOf(limit),
      remaining: numberOf(remaining),
      resetAt: numberOf(resetAt),
    };
    return window.resetAt === null || isOver(window, now) ? [] : [window];
  });
  return windows.length > 0 ? { askedAt: Math.min(stored.askedAt, now), windows } : null;
}

const UNITS = ['requests', 'tokens', 'credits', 'percent'] as const;

const numberOf = (value: unknown) => (isNumber(value) ? value : null);

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
