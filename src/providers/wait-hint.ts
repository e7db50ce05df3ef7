import { isObject } from '../shared/json-shape.ts';
import { type ErrorFacts, readError } from './error-body.ts';
import type { WaitHint } from './failure.ts';
import type { ErrorReply } from './provider.ts';

/** Finds out of a refused reply when it makes sense to come back. Every dialect of that question is answered here. */

/** Longer than any window a vendor has; what is above it is a misread date. */
export const MAX_WAIT_MS = 8 * 24 * 3_600_000;

/** The hint that is named first here wins: bodies know more than headers, and headers that say "retry" more than resets. */
export function readWaitHint(reply: ErrorReply, error: ErrorFacts = readError(reply)): WaitHint | null {
  return (
    fromDetails(error, reply.now) ??
    fromBody(reply, reply.now) ??
    fromText(error.text) ??
    fromRetryHeaders(reply.headers, reply.now) ??
    fromMetadata(error, reply.now) ??
    // Beside any other failure the resets speak of limits that nobody hit.
    (error.status === 429 ? fromResetHeaders(reply.headers, reply.now) : null)
  );
}

const hint = (ms: number | null, source: string): WaitHint | null => (ms === null ? null : { ms: bounded(ms), source });

/** The past means now; a part of a second is a whole one, because a retry within it is refused again. */
function bounded(ms: number): number {
  if (!(ms > 0)) return 0;
  return Math.min(Math.max(Math.ceil(ms), 1000), MAX_WAIT_MS);
}

const NUMBER = /^[+-]?\d+(\.\d+)?$/;
const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

// `ms` and `min` stand before `m`: read the other way round, 290 ms are 290 minutes.
const UNIT = '(?:ms|milliseconds?|msecs?|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)';
const AMOUNT = '\\d{1,15}(?:\\.\\d{1,15})?';
const DURATION = `${AMOUNT}\\s?${UNIT}(?![a-z])(?:,?\\s?(?:and\\s)?${AMOUNT}\\s?${UNIT}(?![a-z]))*`;
const WHOLE = new RegExp(`^(?:${AMOUNT}\\s?${UNIT},?\\s?(?:and\\s)?)+$`, 'i');
const PART = new RegExp(`(${AMOUNT})\\s?(${UNIT})`, 'gi');

/**
 * Milliseconds of a vendor's duration: `2m59.56s`, `143h4m52.73s`, `290.9ms`, `1d2h`, `20 seconds`; a bare number is
 * seconds; protobuf's `{"seconds":"44","nanos":5}`. Null when it is none of these. Not rounded, may be negative.
 */
export function parseDuration(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value * 1000 : null;
  if (isObject(value)) {
    const seconds = parseDuration(value.seconds ?? 0);
    const nanos = Number(value.nanos ?? 0);
    return seconds === null || !Number.isFinite(nanos) ? null : seconds + nanos / 1e6;
  }
  if (typeof value !== 'string') return null;
  const text = value.trim();
  if (NUMBER.test(text)) return Number(text) * 1000;
  if (text.length > 100 || !WHOLE.test(text)) return null;
  let ms = 0;
  for (const [, amount = '', unit = ''] of text.matchAll(PART)) ms += Number(amount) * unitMs(unit.toLowerCase());
  return ms;
}

function unitMs(unit: string): number {
  if (unit.startsWith('ms') || unit.startsWith('milli')) return 1;
  return UNIT_MS[unit.charAt(0)] ?? 1000;
}

/** A moment: unix seconds, unix milliseconds, RFC 3339 or an HTTP date. Null for anything else. */
export function untilMoment(value: unknown, now: number): number | null {
  const number = typeof value === 'string' && NUMBER.test(value.trim()) ? Number(value) : value;
  if (typeof number === 'number') {
    // 1e11 is the year 5138 in seconds and 1973 in milliseconds; OpenRouter counts in milliseconds.
    if (number > 1e11) return number - now;
    return number > 1e8 ? number * 1000 - now : null;
  }
  if (typeof value !== 'string' || !/[-:]|\bGMT\b/.test(value)) return null;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : at - now;
}

/** Google: RetryInfo, then the reset named by ErrorInfo. */
function fromDetails(error: ErrorFacts, now: number): WaitHint | null {
  const named = (type: string) => error.details.filter((detail) => String(detail['@type'] ?? '').endsWith(type));
  for (const info of named('google.rpc.RetryInfo')) {
    const ms = parseDuration(info.retryDelay);
    if (ms !== null) return hint(ms, 'retry-info');
  }
  for (const info of named('google.rpc.ErrorInfo')) {
    const metadata = isObject(info.metadata) ? info.metadata : {};
    const delay = parseDuration(metadata.quotaResetDelay ?? metadata.quotaresetdelay);
    if (delay !== null) return hint(delay, 'quota-reset-delay');
    const at = untilMoment(metadata.quotaResetTimeStamp ?? metadata.quotaresettimestamp, now);
    if (at !== null) return hint(at, 'quota-reset-time');
  }
  return null;
}

/**
 * `resets_at`, `resets_in_seconds`, `retry_after` and Hugging Face's `estimated_time` beside or inside
 * `error`, which stands inside `response` where a stream of Responses fails.
 */
function fromBody(reply: ErrorReply, now: number): WaitHint | null {
  const outer = Array.isArray(reply.json) ? reply.json[0] : reply.json;
  if (!isObject(outer)) return null;
  const failed = isObject(outer.response) ? outer.response.error : undefined;
  for (const holder of [outer.error, failed, outer].filter(isObject)) {
    const at = untilMoment(holder.resets_at, now);
    if (at !== null) return hint(at, 'resets-at');
    for (const key of ['resets_in_seconds', 'retry_after', 'estimated_time']) {
      const ms = parseDuration(holder[key]);
      if (ms !== null) return hint(ms, key.replaceAll('_', '-'));
    }
  }
  return null;
}

const AFTER = new RegExp(
  `\\b(?:retry|try again|resets?|wait|available)(?: again)?[ _-](?:after|in|for):? ?(?:about |~)?(${DURATION}|${AMOUNT}(?!\\w|\\.\\d|\\s[a-z]))`,
  'i',
);
const WAIT = new RegExp(`\\bwait (?:about |at least )?(${DURATION})`, 'i');

function fromText(text: string): WaitHint | null {
  const found = (AFTER.exec(text) ?? WAIT.exec(text))?.[1];
  return found === undefined ? null : hint(parseDuration(found), 'message');
}

function fromRetryHeaders(headers: Headers, now: number): WaitHint | null {
  const ms = headers.get('retry-after-ms');
  if (ms !== null && NUMBER.test(ms.trim())) return hint(Number(ms), 'retry-after-ms');
  const after = headers.get('retry-after');
  if (after === null) return null;
  return hint(untilMoment(after, now) ?? parseDuration(after), 'retry-after');
}

/** OpenRouter repeats the headers of the provider behind it inside the body. */
function fromMetadata(error: ErrorFacts, now: number): WaitHint | null {
  if (!isObject(error.metadata?.headers)) return null;
  const headers = new Headers();
  for (const [name, value] of Object.entries(error.metadata.headers)) {
    if (!/^[\w-]+$/.test(name) || (typeof value !== 'string' && typeof value !== 'number')) continue;
    // What is no header value would throw.
    if (/^[\x20-\x7e]*$/.test(String(value))) headers.set(name, String(value));
  }
  return fromRetryHeaders(headers, now) ?? fromResetHeaders(headers, now);
}

/**
 * Reset headers stand on every reply, one for each limit. The limits with nothing remaining are the ones that were hit,
 * and the last of them counts; where none says so, the soonest.
 */
function fromResetHeaders(headers: Headers, now: number): WaitHint | null {
  const hit: number[] = [];
  const others: number[] = [];
  for (const [name, value] of headers) {
    if (!/^(?:x-|anthropic-)?ratelimit-.*reset/.test(name)) continue;
    const ms = untilMoment(value, now) ?? parseDuration(value);
    // Azure writes -1 and 0 for "unknown".
    if (ms === null || ms <= 0) continue;
    const remaining = headers.get(name.replace('reset', 'remaining'));
    if (remaining !== null && Number(remaining) <= 0) hit.push(ms);
    else others.push(ms);
  }
  if (hit.length > 0) return hint(Math.max(...hit), 'reset-header');
  return others.length > 0 ? hint(Math.min(...others), 'reset-header') : null;
}

/** Until the next midnight of a time zone: when a vendor's daily allowances begin anew. */
export function untilMidnight(now: number, timeZone: string): WaitHint {
  const parts = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'medium', hourCycle: 'h23' }).format(now);
  const [hours = 0, minutes = 0, seconds = 0] = parts.split(':').map(Number);
  const guess = now - (now % 1000) + 86_400_000 - ((hours * 60 + minutes) * 60 + seconds) * 1000;
  // On the two days of the year on which the clock jumps, the day is an hour shorter or longer.
  const landed = Number(
    new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' }).format(guess),
  );
  const drift = landed > 12 ? 24 - landed : -landed;
  return { ms: guess + drift * 3_600_000 - now, source: 'daily-reset' };
}
