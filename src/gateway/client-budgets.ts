import { type DailyReset, lastReset, nextMonth, nextReset } from '../pool/daily-reset.ts';
import { MINUTE_MS, MinuteWindow } from '../pool/windows.ts';
import type { Problem } from '../protocols/problem.ts';
import { assertNever } from '../shared/assert-never.ts';
import { isObject } from '../shared/json-shape.ts';
import type { ClientLimits } from './client-limits.ts';
import type { Client } from './gateway.ts';
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

  /** The clients that have limits from now on. Others are forgotten, so that names do not pile up. */
  configure(names: ReadonlySet<string>, now: number): void {
    for (const name of this.#accounts.keys()) if (!names.has(name)) this.#accounts.delete(name);
    // The past is read now rather than while a request waits.
    for (const name of names) this.#accountOf(name, now);
    this.#restored = {};
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

/** Of a US dollar; of requests and tokens there is no less than one. */
const SMALLEST_AMOUNT = 1e-9;

type Limited = { readonly kind: 'full'; readonly limit: string; readonly until: number };

class Account {
  readonly #requests = new MinuteWindow();
  readonly #tokens = new MinuteWindow();
  readonly #dayRequests: Period;
  readonly #dayUsd: Period;
  readonly #monthUsd: Period;

  constructor(reset: () => DailyReset) {
    const endOfDay = (now: number) => nextReset(now, reset());
    this.#dayRequests = new Period(endOfDay);
    this.#dayUsd = new Period(endOfDay);
    this.#monthUsd = new Period((now) => nextMonth(now, reset()));
  }

  /** Which limit is in the way longest. What is larger than a whole limit has room when nothing else was used. */
  roomFor(limits: ClientLimits, wish: ClientWish, now: number): Limited | { readonly kind: 'room' } {
    const usd = wish.usd ?? 0;
    const windows = [
      [limits.requestsPerMinute, 'requests per minute', this.#requests, 1],
      [limits.tokensPerMinute, 'tokens per minute', this.#tokens, wish.tokens],
      [limits.requestsPerDay, 'requests per day', this.#dayRequests, 1],
      [limits.usdPerDay, 'USD per day', this.#dayUsd, usd],
      [limits.usdPerMonth, 'USD per month', this.#monthUsd, usd],
    ] as const;
    let longest: Limited | null = null;
    for (const [limit, name, window, amount] of windows) {
      if (limit === null) continue;
      const used = window.used(now);
      // Used up is used up, also for a request of which no price is known.
      if (used < limit && used + amount <= Math.max(limit, amount)) continue;
      const most = Math.max(0, limit - Math.max(amount, SMALLEST_AMOUNT));
      const until = window.downTo(most, now);
      if (!longest || until > longest.until) longest = { kind: 'full', limit: `${limit} ${name}`, until };
    }
    return longest ?? { kind: 'room' };
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

const MAX_WAIT_MS = 31 * 24 * 60 * MINUTE_MS;

/** The last reset of a first day of a month. */
function startOfMonth(now: number, reset: DailyReset): number {
  const end = nextMonth(now, reset);
  // 32 days before its end a month has not begun yet, whichever it is; the reset after that is its beginning.
  return nextMonth(end - 32 * 24 * 60 * MINUTE_MS, reset);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}
