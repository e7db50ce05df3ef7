import { isObject } from '../shared/json-shape.ts';
import type { KeyLimits } from './credential.ts';
import { type DailyReset, nextReset } from './daily-reset.ts';
import type { LearnedCeiling, LearnedLimits } from './outcome.ts';
import type { WindowView } from './pool.ts';
import { DayWindow, MINUTE_MS, MinuteWindow } from './windows.ts';

/**
 * What one credential may still send: the limits that the user set for it, over all models, and the ceilings that the
 * provider's headers told, each on its model or quota group. A request reserves its estimate before it is sent, and the
 * reservation is corrected when the real usage is known. A ceiling only ever adds to what is in the way; it never
 * loosens a limit of the user's, and minutes and days never touch each other.
 *
 * Most credentials have neither: keep null for those, `createLimits` gives null, and the first ceiling makes one.
 */

const DAY_MS = 24 * 60 * 60_000;
/** No minute takes longer than itself to be full again, no day much longer than itself, whatever a header says. */
const MAX_MINUTE_RESET_MS = MINUTE_MS;
const MAX_DAY_RESET_MS = 25 * 60 * 60_000;
/** Models with ceilings per credential; names are made up by clients, and even refusals can carry headers. */
const MAX_SCOPES = 64;

const NAMES = ['rpm', 'tpm', 'rpd', 'tpd'] as const;
type WindowName = (typeof NAMES)[number];

const LEARNED_FIELDS = {
  rpm: 'requestsPerMinute',
  tpm: 'tokensPerMinute',
  rpd: 'requestsPerDay',
  tpd: 'tokensPerDay',
} as const satisfies Record<WindowName, keyof LearnedLimits>;

/** What one request holds of its credential's windows. Ended once, by `correct` or `cancel`; dropped without harm. */
export type Reservation = {
  /** `model:NAME` or `group:NAME`, whose ceilings it counts for. */
  readonly scope: string;
  readonly tokens: number;
  /** Which set of windows the entries below are of. */
  readonly epoch: number;
  readonly minuteRequest: number;
  readonly minuteTokens: number;
  readonly dayRequest: number;
  readonly dayTokens: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** All that the scope had reserved, this one included. */
  readonly scopeRequests: number;
  readonly scopeTokens: number;
};

type Rolling = { limit: number; readonly window: MinuteWindow };
type Daily = { limit: number; readonly window: DayWindow };

/** What a reply's headers said, and what was reserved since. */
type Ceiling = {
  readonly limit: number | null;
  readonly remaining: number;
  /** When the headers were read. */
  readonly at: number;
  readonly resetAt: number;
  /** How fast it fills up before its reset, per millisecond; 0: all at once, then. */
  readonly refill: number;
  /** Reserved by requests that the headers did not know of yet. */
  spent: number;
};

/** The ceilings of one model or quota group. */
type Scope = {
  requests: number;
  tokens: number;
  readonly ceilings: Partial<Record<WindowName, Ceiling>>;
};

/** Null for a key without limits. */
export function createLimits(limits: KeyLimits, reset: DailyReset, now: number): CredentialLimits | null {
  const { requestsPerMinute, tokensPerMinute, requestsPerDay, tokensPerDay } = limits;
  const hasAny =
    requestsPerMinute !== null || tokensPerMinute !== null || requestsPerDay !== null || tokensPerDay !== null;
  return hasAny ? new CredentialLimits(limits, reset, now) : null;
}

export class CredentialLimits {
  #reset: DailyReset;
  #rpm: Rolling | null = null;
  #tpm: Rolling | null = null;
  #rpd: Daily | null = null;
  #tpd: Daily | null = null;
  /** Grows when windows come or go: entries of older reservations mean nothing in the new ones. */
  #epoch = 0;
  readonly #scopes = new Map<string, Scope>();

  constructor(limits: KeyLimits, reset: DailyReset, now: number) {
    this.#reset = reset;
    this.configure(limits, reset, now);
  }

  /** New config. Windows that stay keep their counts; one that is new begins empty. */
  configure(limits: KeyLimits, reset: DailyReset, now: number): void {
    this.#rpm = this.#rolling(this.#rpm, limits.requestsPerMinute);
    this.#tpm = this.#rolling(this.#tpm, limits.tokensPerMinute);
    this.#rpd = this.#daily(this.#rpd, limits.requestsPerDay, reset);
    this.#tpd = this.#daily(this.#tpd, limits.tokensPerDay, reset);
    const isMoved =
      reset.hour !== this.#reset.hour || reset.minute !== this.#reset.minute || reset.timezone !== this.#reset.timezone;
    this.#reset = reset;
    if (!isMoved) return;
    this.#rpd?.window.move(reset, now);
    this.#tpd?.window.move(reset, now);
  }

  /** Nothing is limited any more: null will do in its place. */
  isIdle(now: number): boolean {
    if (this.#rpm || this.#tpm || this.#rpd || this.#tpd) return false;
    this.#sweep(now);
    return this.#scopes.size === 0;
  }

  /**
   * When a request of `tokens` on `scope` has room: `now`, or a moment before which it has none. Then it is worth
   * asking again; another limit may be in the way by that time. Infinity: never, for a limit of 0 requests.
   *
   * Unknown (0) counts as one token, so that an exhausted window lets nothing pass. A request that is larger than a
   * whole token limit could never go: it has room when that window is empty.
   */
  roomAt(scope: string, tokens: number, now: number): number {
    return this.#roomFor(scope, 1, sizeOf(tokens), now);
  }

  /** The same for a request before which another one, of `ahead` tokens, is to go as soon as it has room itself. */
  roomAfter(scope: string, ahead: number, tokens: number, now: number): number {
    const size = sizeOf(ahead) + sizeOf(tokens);
    const firstAt = this.roomAt(scope, ahead, now);
    let at = Math.max(firstAt, this.#roomFor(scope, 2, size, now));
    if (!Number.isFinite(at)) return at;
    // Where a window does not hold both, the first has to leave it again.
    if (isBelow(this.#rpm, 2) || isBelow(this.#tpm, size)) at = Math.max(at, firstAt + MINUTE_MS);
    if (isBelow(this.#rpd, 2) || isBelow(this.#tpd, size)) at = Math.max(at, nextReset(firstAt, this.#reset));
    return at;
  }

  #roomFor(scope: string, requests: number, size: number, now: number): number {
    let at = now;
    if (this.#rpm) at = Math.max(at, roomIn(this.#rpm, requests, now));
    if (this.#rpd) at = Math.max(at, roomIn(this.#rpd, requests, now));
    if (this.#tpm) at = Math.max(at, roomIn(this.#tpm, size, now));
    if (this.#tpd) at = Math.max(at, roomIn(this.#tpd, size, now));
    const ceilings = this.#scopes.get(scope)?.ceilings;
    if (ceilings === undefined) return at;
    if (ceilings.rpm) at = Math.max(at, this.#roomUnder(ceilings, 'rpm', ceilings.rpm, requests, now));
    if (ceilings.rpd) at = Math.max(at, this.#roomUnder(ceilings, 'rpd', ceilings.rpd, requests, now));
    if (ceilings.tpm) at = Math.max(at, this.#roomUnder(ceilings, 'tpm', ceilings.tpm, size, now));
    if (ceilings.tpd) at = Math.max(at, this.#roomUnder(ceilings, 'tpd', ceilings.tpd, size, now));
    return at;
  }

  /** Counts a request that is about to be sent, whether there is room or not. */
  reserve(scope: string, tokens: number, now: number): Reservation {
    const size = amountOf(tokens);
    const known = this.#scopes.get(scope);
    if (known) {
      known.requests++;
      known.tokens += size;
      for (const name of NAMES) {
        const ceiling = known.ceilings[name];
        if (ceiling) ceiling.spent += isOfTokens(name) ? size : 1;
      }
    }
    return {
      scope,
      tokens: size,
      epoch: this.#epoch,
      minuteRequest: this.#rpm?.window.add(1, now) ?? -1,
      minuteTokens: this.#tpm?.window.add(size, now) ?? -1,
      dayRequest: this.#rpd?.window.add(1, now) ?? -1,
      dayTokens: this.#tpd?.window.add(size, now) ?? -1,
      at: now,
      scopeRequests: known?.requests ?? 0,
      scopeTokens: known?.tokens ?? 0,
    };
  }

  /**
   * The request is over, or was cut short, and used so many tokens; null: nobody said, the estimate stands. What was
   * reserved too much is free at once; what was used beyond it counts from now, as its moment is not known.
   */
  correct(reservation: Reservation, realTokens: number | null, now: number): void {
    if (realTokens === null) return;
    const more = amountOf(realTokens) - reservation.tokens;
    if (more > 0) {
      this.#tpm?.window.add(more, now);
      this.#tpd?.window.add(more, now);
    } else if (more < 0) this.#takeTokens(reservation, -more);
    this.#spend(reservation, 0, more);
  }

  /** The request was never sent: it gives back all that it held. */
  cancel(reservation: Reservation): void {
    if (reservation.epoch === this.#epoch) {
      this.#rpm?.window.take(reservation.minuteRequest, 1);
      this.#rpd?.window.take(reservation.dayRequest, 1);
    }
    this.#takeTokens(reservation, reservation.tokens);
    this.#spend(reservation, -1, -reservation.tokens);
  }

  /**
   * What a reply's headers say. `at`: when they were read, from which their `resetMs` counts; where that is not known
   * take the lease's start, since a stream can end minutes after its headers. `reservation`: of the request that was
   * replied to, null when it has none. Headers older than those of a reply that is known already are ignored.
   */
  learn(scope: string, learned: LearnedLimits, at: number, now: number, reservation: Reservation | null): void {
    for (const name of NAMES) {
      const told = learned[LEARNED_FIELDS[name]];
      if (told) this.#learnOne(scope, name, told, Math.min(at, now), now, reservation);
    }
  }

  /** The operator says that what the provider told is no longer so; the user's own limits stay. */
  forgetLearned(): void {
    this.#scopes.clear();
  }

  /**
   * The least limit of requests that is known, of the user's own and of those learned on scopes that `covers` takes, and
   * when the vendor's is full again. Null: none is known.
   */
  requestLimit(
    name: 'rpm' | 'rpd',
    covers: (scope: string) => boolean,
    now: number,
    isLearnedOnly: boolean,
  ): { readonly limit: number; readonly resetAt: number | null } | null {
    const own = (name === 'rpm' ? this.#rpm : this.#rpd)?.limit;
    let least = own === undefined || isLearnedOnly ? null : { limit: own, resetAt: null as number | null };
    for (const [scope, { ceilings }] of this.#scopes) {
      const ceiling = ceilings[name];
      if (!ceiling || ceiling.limit === null || isPast(ceiling, now) || !covers(scope)) continue;
      if (least === null || ceiling.limit < least.limit) least = { limit: ceiling.limit, resetAt: ceiling.resetAt };
    }
    return least;
  }

  /** The largest share that is used of a day's limit, of the key or of one scope. Minutes are over too soon to count. */
  longShare(scope: string, now: number): number {
    let most = 0;
    for (const daily of [this.#rpd, this.#tpd]) {
      if (daily) most = Math.max(most, daily.window.used(now) / daily.limit);
    }
    const ceilings = this.#scopes.get(scope)?.ceilings;
    for (const ceiling of [ceilings?.rpd, ceilings?.tpd]) {
      if (!ceiling || ceiling.limit === null || isPast(ceiling, now)) continue;
      most = Math.max(most, 1 - leftOf(ceiling, now) / ceiling.limit);
    }
    return most;
  }

  /** For people, at a moment. Ceilings that are past are left out. */
  views(now: number): WindowView[] {
    const views: WindowView[] = [];
    if (this.#rpm) views.push(viewOf('rpm', this.#rpm, this.#rpm.window.downTo(0, now), now));
    if (this.#tpm) views.push(viewOf('tpm', this.#tpm, this.#tpm.window.downTo(0, now), now));
    if (this.#rpd) views.push(viewOf('rpd', this.#rpd, this.#rpd.window.resetAt(now), now));
    if (this.#tpd) views.push(viewOf('tpd', this.#tpd, this.#tpd.window.resetAt(now), now));
    for (const [scope, { ceilings }] of this.#scopes) {
      for (const name of NAMES) {
        const ceiling = ceilings[name];
        if (!ceiling || isPast(ceiling, now)) continue;
        const { limit, resetAt } = ceiling;
        const remaining = Math.floor(Math.max(0, leftOf(ceiling, now)));
        const used = limit === null ? ceiling.spent : Math.max(0, limit - remaining);
        const roomAt = remaining < 1 ? this.#roomUnder(ceilings, name, ceiling, 1, now) : null;
        views.push({ scope, name, unit: unitOf(name), used, limit, remaining, resetAt, roomAt, source: 'learned' });
      }
    }
    return views;
  }

  /** Plain JSON, null when there is nothing worth keeping. */
  snapshot(now: number): unknown {
    const stored: Record<string, unknown> = {};
    const rolling = { rpm: this.#rpm, tpm: this.#tpm };
    for (const [name, limit] of Object.entries(rolling)) {
      if (limit && limit.window.used(now) > 0) stored[name] = limit.window.snapshot(now);
    }
    const daily = { rpd: this.#rpd, tpd: this.#tpd };
    for (const [name, limit] of Object.entries(daily)) {
      if (limit && limit.window.used(now) > 0) stored[name] = limit.window.snapshot(now);
    }
    const learned: unknown[] = [];
    for (const [scope, { ceilings }] of this.#scopes) {
      for (const name of NAMES) {
        const ceiling = ceilings[name];
        if (ceiling && !isPast(ceiling, now)) learned.push({ scope, name, ...ceiling });
      }
    }
    if (learned.length > 0) stored.learned = learned;
    return Object.keys(stored).length > 0 ? stored : null;
  }

  /** Takes over what `snapshot` gave, on a fresh one. What is past or malformed is left out. */
  restore(stored: unknown, now: number): void {
    if (!isObject(stored)) return;
    this.#rpm?.window.restore(stored.rpm, now);
    this.#tpm?.window.restore(stored.tpm, now);
    this.#rpd?.window.restore(stored.rpd, now);
    this.#tpd?.window.restore(stored.tpd, now);
    if (!Array.isArray(stored.learned)) return;
    for (const entry of stored.learned) {
      if (!isObject(entry)) continue;
      const { scope, limit, remaining, at, resetAt, refill, spent } = entry;
      const name = NAMES.find((known) => known === entry.name);
      if (name === undefined || typeof scope !== 'string') continue;
      if (limit !== null && !isAmount(limit)) continue;
      if (!isAmount(remaining) || !isAmount(at) || !isAmount(resetAt) || !isAmount(refill) || !isAmount(spent))
        continue;
      if (resetAt - at > MAX_DAY_RESET_MS) continue;
      const ceiling: Ceiling = { limit, remaining, at, resetAt, refill, spent };
      if (!isPast(ceiling, now)) this.#scope(scope, now).ceilings[name] = ceiling;
    }
  }

  #rolling(before: Rolling | null, limit: number | null): Rolling | null {
    if ((before === null) !== (limit === null)) this.#epoch++;
    if (limit === null) return null;
    return { limit, window: before?.window ?? new MinuteWindow() };
  }

  #daily(before: Daily | null, limit: number | null, reset: DailyReset): Daily | null {
    if ((before === null) !== (limit === null)) this.#epoch++;
    if (limit === null) return null;
    return { limit, window: before?.window ?? new DayWindow(reset) };
  }

  #takeTokens(reservation: Reservation, tokens: number): void {
    if (reservation.epoch !== this.#epoch) return;
    this.#tpm?.window.take(reservation.minuteTokens, tokens);
    this.#tpd?.window.take(reservation.dayTokens, tokens);
  }

  /** A change to what a reservation holds, on the ceilings that it counts against. */
  #spend(reservation: Reservation, requests: number, tokens: number): void {
    const scope = this.#scopes.get(reservation.scope);
    if (!scope) return;
    for (const name of NAMES) {
      const ceiling = scope.ceilings[name];
      // What the headers knew of is in their numbers; only what came after them was counted here.
      if (!ceiling || reservation.at <= ceiling.at) continue;
      ceiling.spent = Math.max(0, ceiling.spent + (isOfTokens(name) ? tokens : requests));
    }
  }

  #roomUnder(
    ceilings: Partial<Record<WindowName, Ceiling>>,
    name: WindowName,
    ceiling: Ceiling,
    size: number,
    now: number,
  ): number {
    if (isPast(ceiling, now)) {
      delete ceilings[name];
      return now;
    }
    // Larger than the whole: it goes when nothing of it is used.
    const needed = ceiling.limit === null ? size : Math.min(size, ceiling.limit);
    const missing = needed - leftOf(ceiling, now);
    if (missing <= 0) return now;
    return ceiling.refill > 0 ? Math.min(ceiling.resetAt, now + Math.ceil(missing / ceiling.refill)) : ceiling.resetAt;
  }

  #learnOne(
    scopeName: string,
    name: WindowName,
    { limit, remaining, resetMs }: LearnedCeiling,
    at: number,
    now: number,
    reservation: Reservation | null,
  ): void {
    // A limit of 0 on a reply says "not limited here" at some vendors, and nothing at the others.
    if ((limit !== null && !(limit > 0)) || (limit === null && remaining === null)) return;
    if (Number.isNaN(remaining) || Number.isNaN(resetMs)) return;
    const scope = this.#scope(scopeName, now);
    const before = scope.ceilings[name];
    if (before && !isPast(before, now) && before.at > at) return;
    const isMinute = name === 'rpm' || name === 'tpm';
    const span = isMinute ? MAX_MINUTE_RESET_MS : MAX_DAY_RESET_MS;
    const untold = isMinute ? at + MINUTE_MS : nextReset(at, this.#reset);
    const resetAt = resetMs === null ? untold : at + Math.min(resetMs, span);
    const left = Math.max(0, remaining ?? limit ?? 0);
    const refill = resetMs === null ? 0 : refillOf(limit, left, resetMs, isMinute ? MINUTE_MS : DAY_MS);
    const total = isOfTokens(name) ? scope.tokens : scope.requests;
    const known = (isOfTokens(name) ? reservation?.scopeTokens : reservation?.scopeRequests) ?? 0;
    const ceiling: Ceiling = { limit, remaining: left, at, resetAt, refill, spent: Math.max(0, total - known) };
    if (isPast(ceiling, now)) delete scope.ceilings[name];
    else scope.ceilings[name] = ceiling;
  }

  #scope(name: string, now: number): Scope {
    const known = this.#scopes.get(name);
    if (known) return known;
    if (this.#scopes.size >= MAX_SCOPES) this.#sweep(now);
    if (this.#scopes.size >= MAX_SCOPES) {
      const [oldest] = this.#scopes.keys();
      if (oldest !== undefined) this.#scopes.delete(oldest);
    }
    const scope: Scope = { requests: 0, tokens: 0, ceilings: {} };
    this.#scopes.set(name, scope);
    return scope;
  }

  /** Forgets scopes whose ceilings are all past. */
  #sweep(now: number): void {
    for (const [name, { ceilings }] of this.#scopes) {
      const isLive = NAMES.some((window) => {
        const ceiling = ceilings[window];
        return ceiling !== undefined && !isPast(ceiling, now);
      });
      if (!isLive) this.#scopes.delete(name);
    }
  }
}

/** What is larger than the whole goes when the window is empty; nothing goes where nothing is allowed. */
function roomIn({ limit, window }: Rolling | Daily, size: number, now: number): number {
  return limit < 1 ? Number.POSITIVE_INFINITY : window.downTo(Math.max(0, limit - size), now);
}

const isBelow = (counted: Rolling | Daily | null, size: number) => counted !== null && counted.limit < size;

/**
 * A vendor's bucket that fills all the time tells when it will be full: so much is missing, so long it takes. Where the
 * two agree it does not have to be full before something fits in again: with 14,400 requests a day that are all used,
 * the next can go in six seconds, not tomorrow. A window that ends at once has a reset that does not depend on its use.
 */
function refillOf(limit: number | null, remaining: number, resetMs: number, spanMs: number): number {
  if (limit === null || resetMs <= 0 || remaining >= limit) return 0;
  const missing = limit - remaining;
  const expectedMs = (spanMs * missing) / limit;
  // Some headers are in whole seconds.
  return Math.abs(resetMs - expectedMs) <= 0.05 * expectedMs + 1_000 ? missing / Math.max(resetMs, expectedMs) : 0;
}

/** What is left of a ceiling; negative when more was reserved since. */
function leftOf({ limit, remaining, at, refill, spent }: Ceiling, now: number): number {
  if (refill === 0) return remaining - spent;
  const filled = remaining + refill * Math.max(0, now - at);
  return (limit === null ? filled : Math.min(limit, filled)) - spent;
}

/** Over, or read under a clock that was ahead: then what it says of the time cannot be trusted. */
function isPast({ at, resetAt }: Ceiling, now: number): boolean {
  return now >= resetAt || now < at - MINUTE_MS;
}

function viewOf(name: WindowName, own: Rolling | Daily, fullAt: number, now: number): WindowView {
  const { limit, window } = own;
  const used = window.used(now);
  const remaining = Math.max(0, limit - used);
  const resetAt = used === 0 ? null : fullAt;
  const roomAt = remaining < 1 && limit >= 1 ? roomIn(own, 1, now) : null;
  return { scope: 'key', name, unit: unitOf(name), used, limit, remaining, resetAt, roomAt, source: 'config' };
}

const isOfTokens = (name: WindowName) => name === 'tpm' || name === 'tpd';

const unitOf = (name: WindowName) => (isOfTokens(name) ? 'tokens' : 'requests');

const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** Whole and not negative, whatever an estimate or a vendor says. */
const amountOf = (tokens: number) => (tokens > 0 && Number.isFinite(tokens) ? Math.ceil(tokens) : 0);

const sizeOf = (tokens: number) => Math.max(1, amountOf(tokens));
