import { isObject } from '../shared/json-shape.ts';
import { amountText, type Cap, capKey, capLimit, windowText } from './cap.ts';
import type { CapBasis } from './cap-basis.ts';
import { type DailyReset, nextMonth, nextReset, nextWeek } from './daily-reset.ts';
import type { Block, CapView } from './pool.ts';

/**
 * The caps of one credential: what was counted, and what rests because of it. A request counts when it is leased, so that
 * those in flight cannot pass a cap together. Time is an argument and may go backwards.
 */

const HOUR_MS = 60 * 60_000;
/** A window that is said to end later than this was written under another clock. */
const MAX_SPAN_MS = { daily: 26 * HOUR_MS, weekly: (7 * 24 + 2) * HOUR_MS, monthly: (31 * 24 + 2) * HOUR_MS } as const;

/** What is counted for one cap. */
export type CapCount = {
  cap: Cap;
  readonly key: string;
  used: number;
  /** What the vendor has counted beyond that, by others with the same credential. */
  foreign: number;
  /** The vendor's answer that this was read from. */
  foreignAt: number | null;
  /** When the window ends; -Infinity: it has not begun, or nobody knows. */
  resetAt: number;
  /** Counts windows: what is given back belongs to one of them. */
  epoch: number;
  /** The vendor's limit as it was known last: it is the same tomorrow, before anybody has told so. */
  vendorLimit: number | null;
  /** The rest that follows on a cap that is reached; Infinity: for good. */
  restUntil: number | null;
  restEpoch: number;
};

/** What one request holds of its credential's caps. */
export type CapReceipt = { readonly count: CapCount; readonly epoch: number };

export type BasisOf = (cap: Cap) => CapBasis;

export class CredentialCaps {
  #reset: DailyReset;
  #counts: CapCount[] = [];

  constructor(caps: readonly Cap[], reset: DailyReset, now: number) {
    this.#reset = reset;
    this.configure(caps, reset, now);
  }

  get caps(): readonly Cap[] {
    return this.#counts.map(({ cap }) => cap);
  }

  /** New config. What was counted stays counted, where models and window are the same. */
  configure(caps: readonly Cap[], reset: DailyReset, now: number): void {
    const before = [...this.#counts];
    const isMoved =
      reset.hour !== this.#reset.hour || reset.minute !== this.#reset.minute || reset.timezone !== this.#reset.timezone;
    this.#reset = reset;
    this.#counts = caps.map((cap) => {
      const key = capKey(cap);
      const at = before.findIndex((count) => count.key === key);
      const [count] = at < 0 ? [] : before.splice(at, 1);
      if (!count) return newCount(cap, key);
      count.cap = cap;
      const { kind } = cap.window;
      const isOfCalendar = kind !== 'rolling' && kind !== 'authoritative';
      // What was used stays used until the new day, week or month ends.
      if (isMoved && isOfCalendar && now < count.resetAt) count.resetAt = nextOf[kind](now, reset);
      return count;
    });
  }

  /** Counts a request that is about to be sent. */
  add(caps: readonly Cap[], now: number, basisOf: BasisOf): readonly CapReceipt[] {
    const receipts: CapReceipt[] = [];
    for (const count of this.#counts) {
      if (!caps.includes(count.cap)) continue;
      const basis = basisOf(count.cap);
      this.#advance(count, basis, now);
      const { window } = count.cap;
      if (window.kind === 'rolling' && count.resetAt === Number.NEGATIVE_INFINITY) count.resetAt = now + window.ms;
      count.used++;
      // A rest that begins with this request begins now.
      this.#advance(count, basis, now);
      receipts.push({ count, epoch: count.epoch });
    }
    return receipts;
  }

  /** The request was never sent. */
  giveBack(receipts: readonly CapReceipt[]): void {
    for (const { count, epoch } of receipts) {
      if (count.epoch !== epoch || count.used === 0) continue;
      count.used--;
      // A window of its own begins with a request, and there was none.
      if (count.used === 0 && count.cap.window.kind === 'rolling') count.resetAt = Number.NEGATIVE_INFINITY;
    }
  }

  /** Lets time have passed, and gives the caps that rest, with their blocks. */
  resting(now: number, basisOf: BasisOf, scopeOf: (cap: Cap) => string): ReadonlyMap<Cap, Block> {
    const blocks = new Map<Cap, Block>();
    for (const count of this.#counts) {
      const { limit, total } = this.#advance(count, basisOf(count.cap), now);
      if (count.restUntil === null) continue;
      const until = Number.isFinite(count.restUntil) ? count.restUntil : null;
      // A window that has ended since tells nothing of the one that was reached.
      const amount = count.restEpoch === count.epoch && limit !== null ? `${Math.floor(total)} of ${limit}` : 'all';
      const reason = `custom cap: ${amount} requests of the window ${windowText(count.cap.window)} are used`;
      blocks.set(count.cap, { scope: scopeOf(count.cap), kind: 'custom_cap', until, reason, source: 'config' });
    }
    return blocks;
  }

  /** By the operator: what rests is free again, and is counted from zero. */
  reset(): void {
    for (const count of this.#counts) {
      if (count.restUntil === null) continue;
      begin(count);
      count.restUntil = null;
    }
  }

  /** The clock was set back. */
  shift(byMs: number): void {
    for (const count of this.#counts) {
      const { kind } = count.cap.window;
      if (kind === 'rolling' || kind === 'authoritative') count.resetAt += byMs;
      if (count.restUntil !== null) count.restUntil += byMs;
    }
  }

  views(now: number, basisOf: BasisOf, scopeOf: (cap: Cap) => string): readonly CapView[] {
    return this.#counts.map((count) => {
      const { cap } = count;
      const { limit, total, isApplied } = this.#advance(count, basisOf(cap), now);
      return {
        scope: scopeOf(cap),
        models: cap.models.map(({ source }) => source),
        tierName: cap.tierName,
        maxRequests: amountText(cap.amount),
        window: windowText(cap.window),
        used: Math.floor(total),
        limit,
        remaining: limit === null ? null : Math.max(0, Math.floor(limit - total)),
        resetAt: Number.isFinite(count.resetAt) ? count.resetAt : null,
        restsUntil: count.restUntil !== null && Number.isFinite(count.restUntil) ? count.restUntil : null,
        note: isApplied
          ? null
          : limit === null
            ? 'does not apply: the limit that it goes by is not known yet'
            : 'does not apply: the provider has not told when its window ends',
      };
    });
  }

  /** Plain JSON; null when nothing was counted. */
  snapshot(): unknown {
    const isWorth = this.#counts.some(
      ({ used, foreign, restUntil, vendorLimit }) =>
        used > 0 || foreign > 0 || restUntil !== null || vendorLimit !== null,
    );
    if (!isWorth) return null;
    // All of them: caps with one key are told apart by their order.
    return this.#counts.map(({ key, used, foreign, foreignAt, resetAt, vendorLimit, restUntil, restEpoch, epoch }) => ({
      key,
      used,
      foreign,
      foreignAt,
      // JSON has no infinity.
      resetAt: Number.isFinite(resetAt) ? resetAt : null,
      vendorLimit,
      restUntil: restUntil !== null && Number.isFinite(restUntil) ? restUntil : null,
      isRestOfWindow: restEpoch === epoch,
    }));
  }

  /** Takes over what `snapshot` gave, on a fresh one. `byMs`: how far the clock was set back since. */
  restore(stored: unknown, byMs: number): void {
    if (!Array.isArray(stored)) return;
    const left = [...this.#counts];
    for (const entry of stored) {
      if (!isObject(entry)) continue;
      const at = left.findIndex(({ key }) => key === entry.key);
      const [count] = at < 0 ? [] : left.splice(at, 1);
      if (!count || !isAmount(entry.used) || !isAmount(entry.foreign)) continue;
      const { kind } = count.cap.window;
      count.used = entry.used;
      count.foreign = entry.foreign;
      count.foreignAt = isAmount(entry.foreignAt) ? entry.foreignAt : null;
      count.vendorLimit = isAmount(entry.vendorLimit) ? entry.vendorLimit : null;
      if (isAmount(entry.resetAt)) {
        count.resetAt = entry.resetAt + (kind === 'rolling' || kind === 'authoritative' ? byMs : 0);
      }
      if (isAmount(entry.restUntil)) {
        count.restUntil = entry.restUntil + byMs;
        count.restEpoch = entry.isRestOfWindow === true ? count.epoch : count.epoch - 1;
      }
    }
  }

  /** Brings one up to now: a window that is over, a rest that is over, and whether it is reached. */
  #advance(
    count: CapCount,
    basis: CapBasis,
    now: number,
  ): { readonly limit: number | null; readonly total: number; readonly isApplied: boolean } {
    const { cap } = count;
    this.#advanceWindow(count, basis, now);
    if (count.restUntil !== null && now >= count.restUntil) {
      if (cap.rest.kind === 'for' && count.restEpoch === count.epoch) begin(count);
      count.restUntil = null;
    }
    if (basis.limit !== null) count.vendorLimit = basis.limit;
    if (basis.askedAt !== null && basis.askedAt !== count.foreignAt && basis.isOfRequests) {
      count.foreignAt = basis.askedAt;
      count.foreign = Math.max(0, (basis.used ?? 0) - count.used);
    }
    const limit = capLimit(cap.amount, count.vendorLimit);
    const total = basis.isOfRequests ? count.used + count.foreign : (basis.used ?? 0);
    const isEndless = cap.window.kind === 'authoritative' && count.resetAt === Number.NEGATIVE_INFINITY;
    const isApplied = limit !== null && !isEndless;
    if (isApplied && total >= limit) {
      const isNew = count.restUntil === null || count.restEpoch !== count.epoch;
      if (cap.rest.kind === 'until-reset') {
        // A rolling window that never begins never ends: nothing at all is allowed.
        const end = count.resetAt === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : count.resetAt;
        count.restUntil = end + cap.rest.plusMs;
        count.restEpoch = count.epoch;
      } else if (isNew && (count.restUntil === null || count.restUntil < now + cap.rest.ms)) {
        count.restUntil = now + cap.rest.ms;
        count.restEpoch = count.epoch;
      }
    } else if (count.restEpoch === count.epoch) count.restUntil = null;
    return { limit, total, isApplied };
  }

  #advanceWindow(count: CapCount, basis: CapBasis, now: number): void {
    const { window } = count.cap;
    const isBegun = count.resetAt !== Number.NEGATIVE_INFINITY;
    switch (window.kind) {
      case 'rolling':
        if (!isBegun) return;
        if (now >= count.resetAt) begin(count);
        else if (count.resetAt - now > window.ms) count.resetAt = now + window.ms;
        return;
      case 'authoritative': {
        const isKnown = basis.resetAt !== null && basis.resetAt > now;
        if (isBegun && now >= count.resetAt) begin(count);
        if (isKnown) count.resetAt = basis.resetAt ?? count.resetAt;
        return;
      }
      default:
        if (isBegun && now < count.resetAt && count.resetAt - now <= MAX_SPAN_MS[window.kind]) return;
        // A clock that was set back by days: what was used stays used.
        if (now >= count.resetAt) begin(count);
        count.resetAt = nextOf[window.kind](now, this.#reset);
    }
  }
}

const nextOf = { daily: nextReset, weekly: nextWeek, monthly: nextMonth } as const;

const newCount = (cap: Cap, key: string): CapCount => ({
  cap,
  key,
  used: 0,
  foreign: 0,
  foreignAt: null,
  resetAt: Number.NEGATIVE_INFINITY,
  epoch: 0,
  vendorLimit: null,
  restUntil: null,
  restEpoch: -1,
});

/** Counts from zero. A window of the calendar goes on, the others begin anew. */
function begin(count: CapCount): void {
  count.used = 0;
  count.foreign = 0;
  count.epoch++;
  const { kind } = count.cap.window;
  if (kind === 'rolling' || kind === 'authoritative') count.resetAt = Number.NEGATIVE_INFINITY;
}

const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
