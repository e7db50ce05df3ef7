import type { Ceiling, LearnedLimits, LimitName, Provider, RateHeaderNames } from './provider.ts';
import { MAX_WAIT_MS, parseDuration, untilMoment } from './wait-hint.ts';

/** What the headers of any reply, also of a success, say of the limits of the credential that was used. */

const DAY_MS = 86_400_000;

/** OpenAI's names, which nearly all who speak its protocol use. */
const COMMON: RateHeaderNames = {
  requestsPerMinute: 'x-ratelimit-*-requests',
  tokensPerMinute: 'x-ratelimit-*-tokens',
};

/** Null when they say nothing. `now`: milliseconds since the epoch at which the reply arrived. */
export function readRateHeaders(
  headers: Headers,
  provider: Pick<Provider, 'rateHeaders'>,
  now: number,
): LearnedLimits | null {
  const dialect = provider.rateHeaders ?? COMMON;
  if (typeof dialect === 'function') return dialect(headers, now);
  let learned: Partial<Record<LimitName, Ceiling>> | null = null;
  for (const { limit, names } of namesOf(dialect)) {
    const ceiling = readCeiling(headers, names, now);
    if (!ceiling) continue;
    learned ??= {};
    learned[limit] = ceiling;
  }
  return learned;
}

type HeaderNames = { readonly limit: string; readonly remaining: string; readonly reset: string };
type NamedLimit = { readonly limit: LimitName; readonly names: HeaderNames };

const known = new WeakMap<RateHeaderNames, readonly NamedLimit[]>();

/** The same for every reply of a vendor, so they are put together once. */
function namesOf(dialect: RateHeaderNames): readonly NamedLimit[] {
  const before = known.get(dialect);
  if (before) return before;
  const made: NamedLimit[] = [];
  for (const limit of LIMITS) {
    const template = dialect[limit];
    if (template === undefined) continue;
    const at = (part: string) => template.replace('*', part);
    made.push({ limit, names: { limit: at('limit'), remaining: at('remaining'), reset: at('reset') } });
  }
  known.set(dialect, made);
  return made;
}

const LIMITS: readonly LimitName[] = ['requestsPerMinute', 'tokensPerMinute', 'requestsPerDay', 'tokensPerDay'];

const SINGLE: HeaderNames = {
  limit: 'x-ratelimit-limit',
  remaining: 'x-ratelimit-remaining',
  reset: 'x-ratelimit-reset',
};

/**
 * One set of headers for whichever request limit applies, as OpenRouter sends it. What is renewed at midnight UTC is
 * the daily one.
 */
export function readSingleLimit(headers: Headers, now: number): LearnedLimits | null {
  const ceiling = readCeiling(headers, SINGLE, now);
  if (!ceiling || ceiling.resetMs === null) return null;
  const isDaily = Math.round((now + ceiling.resetMs) / 1000) % (DAY_MS / 1000) === 0;
  return isDaily ? { requestsPerDay: ceiling } : { requestsPerMinute: ceiling };
}

function readCeiling(headers: Headers, names: HeaderNames, now: number): Ceiling | null {
  const saysRemaining = headers.get(names.remaining);
  const saysLimit = headers.get(names.limit);
  if (saysRemaining === null && saysLimit === null) return null;
  const limit = readCount(saysLimit);
  const resetMs = readReset(headers.get(names.reset), now);
  const remaining = readCount(saysRemaining);
  // Azure writes 0 and -1 for what it does not know: nothing left is believed only beside something that is known.
  const isBelieved = remaining !== 0 || (limit !== null && limit > 0) || (resetMs !== null && resetMs > 0);
  const ceiling = { limit: limit === 0 ? null : limit, remaining: isBelieved ? remaining : null, resetMs };
  return ceiling.limit === null && ceiling.remaining === null ? null : ceiling;
}

function readCount(text: string | null): number | null {
  if (text === null || text.trim() === '') return null;
  const count = Math.floor(Number(text));
  return Number.isSafeInteger(count) && count >= 0 ? count : null;
}

/** A duration (`6m0s`, `57.3`) or a moment (unix seconds or milliseconds, RFC 3339); the past is now. */
function readReset(text: string | null, now: number): number | null {
  // Without a unit these are Azure's words for "unknown".
  if (text === null || text === '0' || text.startsWith('-')) return null;
  const ms = untilMoment(text, now) ?? parseDuration(text);
  return ms === null || ms > MAX_WAIT_MS ? null : Math.max(0, Math.ceil(ms));
}
