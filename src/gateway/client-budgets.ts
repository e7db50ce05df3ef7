import { type DailyReset, lastReset, nextMonth, nextReset } from '../pool/daily-reset.ts';
import { MINUTE_MS, MinuteWindow } from '../pool/windows.ts';
import type { Problem } from '../protocols/problem.ts';
import { assertNever } from '../shared/assert-never.ts';
import { isObject } from '../shared/json-shape.ts';
import type { ClientLimits } from './client-limits.ts';
import type { Client } from './gateway.ts';
import type { ClientReport, WindowReport } from './operations.ts';
import { Period } from './period.ts';

/**
 * What client keys may use. A request reserves its estimate before anything is sent, so that a burst cannot pass a limit,
 * and what it really used takes the estimate's place when it is over. Counts are kept by the client's name: a key that is
 * replaced goes on where the old one stood.
 */

export type ClientWish = {
  /** A guess at the input alone. */
  readonly inputTokens: number;
  /** A guess at input and output together. */
  readonly tokens: number;
  /** What that would cost; null where no price is known, which counts as nothing. */
  readonly usd: number | null;
};

/** What a request turned out to use. */
export type Spent =
  /** It never reached an upstream, and does not count. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'known'; readonly tokens: number; readonly usd: number | null }
  /** An answer began and nobody said what it took: what was reserved stands, or more where so much was seen of it. */
  | { readonly kind: 'unknown'; readonly outputTokens: number };

/** What one request holds of its client's limits. Ended once. */
export interface ClientReservation {
  end(spent: Spent, now: number): void;
}

/** What a client used before these counts began. */
export type PastUse = { readonly requests: number; readonly usd: number };

export type BudgetSources = {
  readonly reset: () => DailyReset;
  /** For a client of whom nothing is restored. */
  readonly pastUse: (name: string, since: number) => PastUse;
  /** What `snapshot` gave before the last restart; anything. */
  readonly restored: unknown;
};

export class ClientBudgets {
  readonly #sources: BudgetSources;
  readonly #accounts = new Map<string, Account>();
  #limits: ReadonlyMap<string, ClientLimits> = new Map();
  #restored: Readonly<Record<string, unknown>>;
  #hasChanged = false;

  constructor(sources: BudgetSources) {
    this.#sources = sources;
    this.#restored = fieldsOf(sources.restored);
  }

  /** A problem when it has no room; null when nothing limits this client. */
  reserve(client: Client, wish: ClientWish, now: number): ClientReservation | Problem | null {
    const { limits, name } = client;
    if (!limits || name === null) return null;
    const account = this.#accountOf(name, now);
    const room = account.roomFor(limits, wish, now);
    if (room.kind === 'full') return overLimit(name, room, now);
    this.#hasChanged = true;
    const reserved = account.reserve(wish, now);
    return {
      end: (spent, at) => {
        this.#hasChanged = true;
        reserved.end(spent, at);
      },
    };
  }

  /** Has anything been counted since this was asked last? */
  takeChanged(): boolean {
    const hasChanged = this.#hasChanged;
    this.#hasChanged = false;
    return hasChanged;
  }

  /** All that must outlive the process, as plain JSON. */
  snapshot(now: number): unknown {
    return Object.fromEntries([...this.#accounts].map(([name, account]) => [name, account.snapshot(now)]));
  }

  /** The clients that have limits from now on, by name. Others are forgotten, so that names do not pile up. */
  configure(limits: ReadonlyMap<string, ClientLimits>, now: number): void {
    this.#limits = limits;
    for (const name of this.#accounts.keys()) if (!limits.has(name)) this.#accounts.delete(name);
    // The past is read now rather than while a request waits.
    for (const name of limits.keys()) this.#accountOf(name, now);
    this.#restored = {};
  }

  /** What is left, in the order of the config. What requests under way have reserved counts as used. */
  reports(now: number): readonly ClientReport[] {
    return [...this.#limits].map(([name, limits]) => ({
      name,
      windows: this.#accountOf(name, now).reports(limits, now),
    }));
  }

  #accountOf(name: string, now: number): Account {
    const known = this.#accounts.get(name);
    if (known) return known;
    const { reset, pastUse } = this.#sources;
    const account = new Account(reset);
    const stored = this.#restored[name];
    if (stored !== undefined) account.restore(stored, now);
    else {
      const today = pastUse(name, lastReset(now, reset()));
      account.begin(today, pastUse(name, startOfMonth(now, reset())), now);
    }
    this.#accounts.set(name, account);
    return account;
  }
}

/**
 * Of a US dollar; of requests and tokens there is no less than one. What is smaller is a rounding error of sums, and
 * neither fills a limit nor leaves something of it.
 */
const SMALLEST_AMOUNT = 1e-9;

/** One of the limits that a client may have, and what counts for it. */
type AccountWindow = {
  readonly limit: keyof ClientLimits;
  /** As the config calls it. */
  readonly name: string;
  /** As the client is told. */
  readonly words: string;
  readonly unit: 'requests' | 'tokens' | 'usd';
  readonly use: MinuteWindow | Period;
};

type Limited = { readonly kind: 'full'; readonly limit: string; readonly until: number };

class Account {
  readonly #requests = new MinuteWindow();
  readonly #tokens = new MinuteWindow();
  readonly #dayRequests: Period;
  readonly #dayUsd: Period;
  readonly #monthUsd: Period;
  readonly #windows: readonly AccountWindow[];

  constructor(reset: () => DailyReset) {
    const endOfDay = (now: number) => nextReset(now, reset());
    this.#dayRequests = new Period(endOfDay);
    this.#dayUsd = new Period(endOfDay);
    this.#monthUsd = new Period((now) => nextMonth(now, reset()));
    this.#windows = [
      { limit: 'requestsPerMinute', name: 'rpm', words: 'requests per minute', unit: 'requests', use: this.#requests },
      { limit: 'tokensPerMinute', name: 'tpm', words: 'tokens per minute', unit: 'tokens', use: this.#tokens },
      { limit: 'requestsPerDay', name: 'rpd', words: 'requests per day', unit: 'requests', use: this.#dayRequests },
      { limit: 'usdPerDay', name: 'usd_per_day', words: 'USD per day', unit: 'usd', use: this.#dayUsd },
      { limit: 'usdPerMonth', name: 'usd_per_month', words: 'USD per month', unit: 'usd', use: this.#monthUsd },
    ];
  }

  /** Which limit is in the way longest. What is larger than a whole limit has room when nothing else was used. */
  roomFor(limits: ClientLimits, wish: ClientWish, now: number): Limited | { readonly kind: 'room' } {
    let longest: Limited | null = null;
    for (const { limit: field, words, unit, use } of this.#windows) {
      const limit = limits[field];
      if (limit === null) continue;
      const amount = unit === 'requests' ? 1 : unit === 'tokens' ? wish.tokens : (wish.usd ?? 0);
      const used = use.used(now);
      // Used up is used up, also for a request of which no price is known.
      const isUsedUp = used > limit - SMALLEST_AMOUNT;
      if (!isUsedUp && used + amount < Math.max(limit, amount) + SMALLEST_AMOUNT) continue;
      const most = Math.max(0, limit - Math.max(amount, SMALLEST_AMOUNT));
      const until = use.downTo(most, now);
      if (!longest || until > longest.until) longest = { kind: 'full', limit: `${limit} ${words}`, until };
    }
    return longest ?? { kind: 'room' };
  }

  reports(limits: ClientLimits, now: number): readonly WindowReport[] {
    return this.#windows.flatMap(({ limit: field, name, unit, use }): WindowReport[] => {
      const limit = limits[field];
      if (limit === null) return [];
      const used = withoutNoise(use.used(now));
      const remaining = withoutNoise(Math.max(0, limit - used));
      const resetAt = used === 0 ? null : new Date(use.downTo(0, now)).toISOString();
      const least = unit === 'usd' ? SMALLEST_AMOUNT : 1;
      const roomAt = remaining < least ? new Date(use.downTo(Math.max(0, limit - least), now)).toISOString() : null;
      const times = { reset_at: resetAt, room_at: roomAt };
      return [{ scope: 'key', name, unit, used, limit, remaining, ...times, source: 'config' }];
    });
  }

  reserve(wish: ClientWish, now: number): ClientReservation {
    const usd = wish.usd ?? 0;
    const request = this.#requests.add(1, now);
    const tokens = this.#tokens.add(wish.tokens, now);
    const dayRequest = this.#dayRequests.add(1, now);
    const day = this.#dayUsd.add(usd, now);
    const month = this.#monthUsd.add(usd, now);
    let isEnded = false;
    return {
      end: (spent, at) => {
        if (isEnded) return;
        isEnded = true;
        if (spent.kind === 'nothing') {
          this.#requests.take(request, 1);
          this.#dayRequests.correct(dayRequest, -1);
        }
        const used = realUse(spent, wish);
        const more = used.tokens - wish.tokens;
        if (more > 0) this.#tokens.add(more, at);
        else this.#tokens.take(tokens, -more);
        this.#dayUsd.correct(day, used.usd - usd);
        this.#monthUsd.correct(month, used.usd - usd);
      },
    };
  }

  begin(today: PastUse, month: PastUse, now: number): void {
    this.#dayRequests.add(today.requests, now);
    this.#dayUsd.add(today.usd, now);
    this.#monthUsd.add(month.usd, now);
  }

  snapshot(now: number): unknown {
    return {
      requests: this.#requests.snapshot(now),
      tokens: this.#tokens.snapshot(now),
      day_requests: this.#dayRequests.snapshot(now),
      day_usd: this.#dayUsd.snapshot(now),
      month_usd: this.#monthUsd.snapshot(now),
    };
  }

  restore(stored: unknown, now: number): void {
    const { requests, tokens, day_requests, day_usd, month_usd } = fieldsOf(stored);
    this.#requests.restore(requests, now);
    this.#tokens.restore(tokens, now);
    this.#dayRequests.restore(day_requests, now);
    this.#dayUsd.restore(day_usd, now);
    this.#monthUsd.restore(month_usd, now);
  }
}

function realUse(spent: Spent, wish: ClientWish): { tokens: number; usd: number } {
  switch (spent.kind) {
    case 'nothing':
      return { tokens: 0, usd: 0 };
    case 'known':
      return { tokens: spent.tokens, usd: spent.usd ?? 0 };
    case 'unknown': {
      const tokens = Math.max(wish.inputTokens + spent.outputTokens, wish.tokens);
      return { tokens, usd: wish.tokens > 0 ? ((wish.usd ?? 0) * tokens) / wish.tokens : (wish.usd ?? 0) };
    }
    default:
      return assertNever(spent);
  }
}

function overLimit(name: string, { limit, until }: Limited, now: number): Problem {
  return {
    kind: 'client-limit',
    status: 429,
    message: `the client key "${name}" has used up its limit of ${limit}`,
    retryAfterMs: Math.max(1, Math.min(until - now, MAX_WAIT_MS)),
  };
}

/** Longer than any month, also one in which a clock is set back. */
const MAX_WAIT_MS = 32 * 24 * 60 * MINUTE_MS;

/** Sums of dollars without what rounding leaves behind. */
const withoutNoise = (amount: number) => Number(amount.toFixed(9));

/** The last reset of a first day of a month. */
function startOfMonth(now: number, reset: DailyReset): number {
  const end = nextMonth(now, reset);
  // 32 days before its end a month has not begun yet, whichever it is; the reset after that is its beginning.
  return nextMonth(end - 32 * 24 * 60 * MINUTE_MS, reset);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}
