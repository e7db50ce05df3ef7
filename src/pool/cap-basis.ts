import type { Cap } from './cap.ts';
import type { CredentialLimits } from './limits.ts';
import { isOver, type PolledQuota, type PolledWindow } from './polled-quota.ts';

/** What is known of the vendor's limit that a cap goes by. */
export type CapBasis = {
  readonly limit: number | null;
  /** When the vendor's window ends; milliseconds since the epoch. */
  readonly resetAt: number | null;
  /** As the vendor counts, when it was last asked. */
  readonly used: number | null;
  /** When that was; null: it was not asked. */
  readonly askedAt: number | null;
  /** False where the vendor counts something else: then only its own numbers tell how much is used. */
  readonly isOfRequests: boolean;
};

export const NO_BASIS: CapBasis = { limit: null, resetAt: null, used: null, askedAt: null, isOfRequests: true };

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Vendors' weeks and months by their length; a month is what is left of one otherwise. */
const LENGTHS = {
  daily: [DAY_MS, DAY_MS],
  weekly: [7 * DAY_MS, 7 * DAY_MS],
  monthly: [28 * DAY_MS, 31 * DAY_MS],
} as const;

/** `covers`: whether the cap counts what a limit is on. */
export function capBasis(
  { window, amount }: Cap,
  limits: CredentialLimits | null,
  polled: PolledQuota | null,
  covers: (scope: string) => boolean,
  now: number,
): CapBasis {
  if (window.kind !== 'authoritative' && amount.kind === 'count') return NO_BASIS;
  const windows = polled?.windows.filter((one) => covers(one.scope) && !isOver(one, now)) ?? [];
  if (window.kind === 'authoritative') {
    // The longest is the allowance that is bought; the short ones below it come back soon.
    const [longest] = windows
      .filter(({ resetAt }) => resetAt !== null)
      .sort((a, b) => lengthOf(b, now) - lengthOf(a, now));
    if (polled && longest) return basisOf(longest, polled);
    const learned = limits?.requestLimit('rpd', covers, now, true) ?? limits?.requestLimit('rpm', covers, now, true);
    return learned ? { ...NO_BASIS, ...learned } : NO_BASIS;
  }
  const isRolling = window.kind === 'rolling';
  const [least, most] = isRolling ? [window.ms, window.ms] : LENGTHS[window.kind];
  const told = windows.filter(
    ({ unit, lengthMs, limit }) =>
      unit === 'requests' && limit !== null && lengthMs !== null && lengthMs >= least && lengthMs <= most,
  );
  const name = most === DAY_MS ? 'rpd' : most === MINUTE_MS ? 'rpm' : null;
  const own = name === null ? null : (limits?.requestLimit(name, covers, now, false)?.limit ?? null);
  const known = [own, ...told.map(({ limit }) => limit)].filter((limit) => limit !== null);
  return known.length > 0 ? { ...NO_BASIS, limit: Math.min(...known) } : NO_BASIS;
}

const lengthOf = ({ lengthMs, resetAt }: PolledWindow, now: number) => lengthMs ?? (resetAt ?? now) - now;

function basisOf({ unit, limit, used, remaining, resetAt }: PolledWindow, { askedAt }: PolledQuota): CapBasis {
  const spent = used ?? (limit !== null && remaining !== null ? limit - remaining : null);
  return { limit, resetAt, used: spent, askedAt, isOfRequests: unit === 'requests' };
}
