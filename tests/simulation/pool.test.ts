import { expect, test } from 'bun:test';
import { type Cap, capLimit } from '../../src/pool/cap.ts';
import { nextReset } from '../../src/pool/daily-reset.ts';
import type { CredentialId, KeyLimits, PoolCredential } from '../../src/pool/credential.ts';
import { createPool } from '../../src/pool/create-pool.ts';
import { LAST_RESORT, SAVED } from '../../src/pool/explain.ts';
import type { FairCycleRules } from '../../src/pool/fair-cycle.ts';
import type { Outcome } from '../../src/pool/outcome.ts';
import {
  type Affinity,
  isRefusal,
  type Lease,
  type Pool,
  type PoolEvent,
  type PoolSettings,
  type Refusal,
  type Want,
} from '../../src/pool/pool.ts';
import { type Random, seededRandom } from '../../src/shared/random.ts';
import { matchesAny, namePattern } from '../../src/shared/wildcard.ts';
import { cap, credential, DAY, HOUR, MINUTE, NO_LIMITS, SECOND, settings } from '../pool/pool-fixture.ts';
import { SettableClock } from '../support/settable-clock.ts';

/**
 * The real pool under virtual time, in worlds drawn from a seed: keys that fail in their own ways, limits per minute and
 * day, caps, fair cycles, quota groups and pools, conversations, clients that wait, retry and leave, outages, clocks that jump, reloads,
 * restarts and resets. What must always hold is checked after every step of time and at every
 * lease, against a record of the outcomes that the pool was told and not against the pool's own view. One world in 16 is
 * steady: nothing fails there, and many small requests share keys of few tokens a minute with some large ones.
 *
 * One world alone: `SIMULATION_SEED=42 bun test ./tests/simulation/pool.test.ts`. Fewer: `SIMULATION_WORLDS=500`; others: `SIMULATION_FROM=20001`.
 */
const WORLDS = Number(process.env.SIMULATION_WORLDS ?? 10_000);
/** The first seed; other numbers are other worlds. */
const FROM = Number(process.env.SIMULATION_FROM ?? 1);
const ONLY = process.env.SIMULATION_SEED;

test(`in ${ONLY === undefined ? `${WORLDS} worlds` : `world ${ONLY}`} nothing that must hold is broken`, async () => {
  const totals = { leases: 0, waits: 0, refusals: 0, checks: 0, large: 0, saved: 0 };
  const seeds = ONLY === undefined ? Array.from({ length: WORLDS }, (_, index) => FROM + index) : [Number(ONLY)];
  for (const seed of seeds) {
    const world = new World(seed);
    try {
      await world.run();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      const replay = `SIMULATION_SEED=${seed} bun test ./tests/simulation/pool.test.ts`;
      throw new Error(`world ${seed}: ${words}\nreplay: ${replay}`, { cause: error });
    }
    totals.leases += world.leases;
    totals.waits += world.waits;
    totals.refusals += world.refusals;
    totals.checks += world.checks;
    totals.large += world.large;
    totals.saved += world.saved;
  }
  // A world in which nothing happens proves nothing.
  if (ONLY === undefined) {
    expect(totals.leases).toBeGreaterThan(WORLDS * 20);
    expect(totals.waits).toBeGreaterThan(WORLDS);
    expect(totals.refusals).toBeGreaterThan(WORLDS);
    expect(totals.checks).toBeGreaterThan(WORLDS * 20);
    expect(totals.large).toBeGreaterThan(WORLDS / 10);
    expect(totals.saved).toBeGreaterThan(WORLDS / 100);
  }
}, 300_000);

test('the same seed gives the same world', async () => {
  const run = async () => {
    const world = new World(12);
    await world.run();
    return world.diary;
  };
  const first = await run();
  expect(first.length).toBeGreaterThan(10);
  expect(await run()).toEqual(first);
});

/** What the pool was told and must obey, from `at` (exclusive) to `until` (exclusive). */
type Truth = {
  readonly id: CredentialId | null;
  /** Null: all. */
  readonly models: readonly string[] | null;
  readonly kind: string;
  /** The daily reset ends it. */
  readonly isGuess: boolean;
  at: number;
  until: number;
  liftedAt: number;
};

/** What was let through to a key with limits, and when. */
type Sent = { at: number; tokens: number; readonly requests: number; day: number };

/** What one credential has of one cap. */
type Capped = { readonly cap: Cap; count: number; window: number; endsAt: number | null; restsUntil: number | null };

type Held = {
  readonly id: CredentialId;
  /** The caps that count it, and in which of their windows. */
  readonly capped: readonly { readonly of: Capped; readonly window: number }[];
  readonly pool: Pool;
  readonly sent: Sent;
  startedAt: number;
  isConfirmed: boolean;
};

type Waiting = {
  readonly want: Want;
  deadline: number;
  blockedDeadline: number;
  readonly order: number;
  hasJumped: boolean;
  /** Timers run by elapsed time: after a clock that was set ahead, what is waited for is noticed this much later. */
  lateMs: number;
  /** The keys that lack nothing but room for it, and have that in time; those on which somebody younger was served since. */
  short: string;
  readonly overtakenOn: Set<CredentialId>;
};

const MODELS = ['alpha', 'beta', 'gamma'];
const GROUP = ['alpha', 'beta'];
const CONCURRENCY = [null, null, 1, 2];
const PRIORITIES = [10, 1, 10, 2, 10];

const isWanted = (want: Want, id: CredentialId) =>
  !want.exclude.has(id) && (want.only === undefined || want.only === id);

const requestsIn = (of: readonly Sent[]) => of.reduce((sum, one) => sum + one.requests, 0);

function isOverTokens(limit: number | null, of: readonly Sent[], tokens: number): boolean {
  const used = of.reduce((sum, one) => sum + one.tokens, 0);
  return limit !== null && used > 0 && used + Math.max(1, tokens) > limit;
}

function overMinute(
  { requestsPerMinute, tokensPerMinute }: KeyLimits,
  all: readonly Sent[],
  tokens: number,
  now: number,
): string | null {
  const minute = all.filter(({ at }) => at + MINUTE > now);
  if (requestsPerMinute !== null && requestsIn(minute) + 1 > requestsPerMinute) return 'rpm';
  return isOverTokens(tokensPerMinute, minute, tokens) ? 'tpm' : null;
}

class World {
  leases = 0;
  waits = 0;
  refusals = 0;
  checks = 0;
  /** How often a request was seen waiting for room on a key that had some for smaller ones. */
  large = 0;
  /** How often a request was seen waiting for room that there was, and that was kept for another. */
  saved = 0;
  readonly diary: string[] = [];
  readonly #random: Random;
  readonly #clock = new SettableClock();
  readonly #settings: PoolSettings;
  readonly #isLimited: boolean;
  readonly #isTold: boolean;
  readonly #isSteady: boolean;
  #pool: Pool;
  #credentials: PoolCredential[];
  #truths: Truth[] = [];
  readonly #held = new Map<Lease, Held>();
  readonly #sent = new Map<CredentialId, Sent[]>();
  /** Times that providers gave; a block with a time of theirs has one of these. */
  readonly #told = new Set<number>();
  readonly #counts = new Map<CredentialId, { requests: number; failures: number; tokens: number }>();
  /** Gone or changed since: what the pool still knows of them is its own business. */
  readonly #isUncounted = new Set<CredentialId>();
  readonly #capped = new Map<CredentialId, Capped[]>();
  /** As above, for caps. */
  readonly #isUncapped = new Set<CredentialId>();
  #isClockTrue = true;
  /** As late as the pool has seen it. */
  #latest = 0;
  #day = 0;
  #dayEndsAt: number;
  #events = 0;
  /** Acquires that have not ended, in the order in which they were made. */
  readonly #waiting = new Set<Waiting>();
  #order = 0;
  #begun = 0;
  #ended = 0;
  #settled = 0;
  #broken: Error | null = null;

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.#random = random;
    this.#settings = {
      ...settings,
      mode: this.#pick(['balanced', 'balanced', 'sequential']),
      balanceBy: this.#pick(['requests', 'tokens', 'cost']),
      isAffinityOn: this.#chance(0.8),
      // Some days end soon.
      dailyReset: { hour: this.#pick([0, 0, 12]), minute: this.#pick([0, 1, 10, 40]), timezone: 'UTC' },
      groups: this.#chance(0.5) ? [{ name: 'letters', models: GROUP.map(namePattern) }] : [],
      caps: this.#chance(0.2) ? Array.from({ length: this.#whole(1, 3) }, () => this.#newCap()) : [],
      fairCycle: this.#chance(0.25) ? this.#newFairCycle() : null,
      tolerance: this.#pick([0, 3, 50]),
      maxWaiting: this.#pick([0, 2, 5, 1000]),
      concurrency: {
        maxPerKey: this.#pick([0, 1, 1, 2, 3]),
        optimalPerKey: this.#pick([0, 1, 2]),
        priorityMultipliers: this.#pick([{}, { 1: 3, 2: 2 }]),
      },
    };
    this.#isSteady = seed % 16 === 0;
    this.#isLimited = this.#chance(0.5) || this.#isSteady;
    this.#isTold = this.#chance(0.2);
    // Some pools are large enough to be sampled.
    const size = this.#isSteady ? this.#whole(1, 3) : this.#chance(0.05) ? 150 : this.#whole(1, 7);
    this.#credentials = Array.from({ length: size }, (_, index) => this.#newCredential(`k${index}`));
    this.#dayEndsAt = this.#nextReset();
    this.#pool = this.#newPool(undefined);
  }

  #newPool(restore: unknown): Pool {
    return createPool({
      provider: 'acme',
      credentials: this.#credentials,
      settings: this.#settings,
      clock: this.#clock,
      random: seededRandom(this.#whole(0, 2 ** 30)),
      restore,
      onEvent: (event: PoolEvent) => {
        this.#events++;
        if (event.kind !== 'lease-settled') this.#upset();
        this.#demand(JSON.stringify(event).length > 0, 'an event that cannot be written');
      },
    });
  }

  async run(): Promise<void> {
    const clients = Array.from({ length: this.#whole(2, 16) }, () => this.#client());
    let isDone = false;
    const all = Promise.all(clients).then(() => {
      isDone = true;
    });
    for (let step = 0; !isDone; step++) {
      if (step > 20_000) throw new Error('the world does not end');
      if (this.#chance(this.#isSteady ? 0.003 : 0.03)) this.#reload();
      if (this.#chance(0.01)) this.#reset();
      if (this.#chance(0.01)) this.#prove();
      if (this.#chance(0.01)) this.#restart();
      if (this.#chance(0.015)) {
        // Who was served a moment ago notes it by the clock of that moment.
        await this.#clock.advance(0);
        this.#jump();
      }
      // Who was served by that notices now, not after the next step.
      await this.#clock.advance(0);
      // From a millisecond to a minute, all orders of magnitude alike; at times a night.
      const ms = this.#chance(0.004) ? this.#whole(HOUR, 30 * HOUR) : Math.round(60_000 ** this.#random());
      await this.#clock.advance(ms);
      if ([...this.#waiting].some(({ lateMs }) => lateMs > 0)) {
        this.#pool.status();
        await this.#clock.advance(0);
      }
      this.#check();
      if (this.#broken) throw this.#broken;
    }
    await all;
    this.#checkEnd();
    if (this.#broken) throw this.#broken;
  }

  async #client(): Promise<void> {
    try {
      for (let left = this.#whole(2, 8); left > 0; left--) {
        await this.#clock.sleep(this.#chance(0.05) ? this.#whole(0, 20 * MINUTE) : this.#whole(0, 4 * SECOND));
        await this.#request();
      }
    } catch (error) {
      this.#broken ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  /** A small gateway: tries up to four credentials, then rests those that met 5xx where another served. */
  async #request(): Promise<void> {
    const model = this.#pick(MODELS);
    const abort = new AbortController();
    const exclude = new Set<CredentialId>();
    const met5xx: CredentialId[] = [];
    let last: CredentialId | null = null;
    const tokens = this.#isSteady
      ? this.#whole(6, this.#chance(0.2) ? 400 : 12)
      : this.#chance(0.3)
        ? 0
        : Math.round(200 ** this.#random());
    const isExplicit = this.#chance(0.5);
    const affinity: Affinity | null = this.#chance(0.4)
      ? { key: `talk ${this.#whole(1, 6)}`, isExplicit, isHonoured: isExplicit || this.#chance(0.7) }
      : null;
    if (this.#chance(0.1)) void this.#clock.sleep(this.#whole(0, 10 * SECOND)).then(() => abort.abort());
    for (let tries = 0; tries < 4; tries++) {
      // A try may be a repeat on the very key that failed.
      const isRepeat = this.#chance(0.2);
      const base = { model, bytes: 1000, tokens, affinity };
      const want: Want =
        last !== null && isRepeat
          ? { ...base, exclude: new Set(), only: last }
          : { ...base, exclude: new Set(exclude) };
      const result = this.#chance(0.2) ? await this.#leaseNow(want) : await this.#acquire(want, abort.signal);
      if (isRefusal(result)) return;
      last = result.credentialId;
      await this.#clock.sleep(this.#whole(1, this.#chance(0.1) ? 5 * MINUTE : 5 * SECOND), abort.signal);
      const drawn: Outcome = abort.signal.aborted ? { kind: 'neutral' } : this.#outcome(result);
      let outcome = drawn;
      if (drawn.kind === 'success' && this.#chance(0.4)) {
        // A stream: it works at the commit point, and may break later.
        this.#confirm(result);
        await this.#clock.sleep(this.#whole(0, this.#chance(0.2) ? 10 * MINUTE : 3 * SECOND), abort.signal);
        if (abort.signal.aborted) outcome = { kind: 'neutral' };
        else if (this.#chance(0.1)) outcome = { kind: 'failed' };
      }
      this.#settle(result, outcome);
      if (outcome.kind === 'success' && met5xx.length > 0) this.#pool.rest(met5xx, model);
      if (outcome.kind === 'success' || abort.signal.aborted) return;
      if (outcome.kind === 'upstream-error') met5xx.push(result.credentialId);
      if (this.#chance(0.8)) exclude.add(result.credentialId);
    }
  }

  async #leaseNow(want: Want): Promise<Lease | Refusal> {
    // Whoever is due in this very millisecond is served first, and knows of it.
    this.#pool.status();
    for (let i = 0; i < 5; i++) await Promise.resolve();
    const chosen = this.#pool.explain(want).find(({ verdict }) => verdict === 'chosen');
    const isReady = this.#pool.isReadyFor(want);
    const result = this.#pool.lease(want, this.#clock.now());
    if (want.exclude.size === 0 && want.only === undefined) {
      this.#demand(isReady !== isRefusal(result), `ready: ${isReady}, but ${JSON.stringify(result)}`);
    }
    this.#demand(
      isRefusal(result) === (chosen === undefined),
      `explained ${chosen?.id}, but ${JSON.stringify(result)}`,
    );
    const isCertain = this.#settings.mode === 'sequential' || chosen?.why === 'serves this conversation';
    if (chosen && isCertain && !isRefusal(result)) {
      this.#demand(chosen.id === result.credentialId, `explained ${chosen.id}, but it was ${result.credentialId}`);
    }
    if (isRefusal(result)) this.refusals++;
    else this.#granted(result, want, this.#order++, this.#pool);
    return result;
  }

  async #acquire(want: Want, signal: AbortSignal): Promise<Lease | Refusal> {
    const now = this.#clock.now();
    const patience = this.#isSteady ? [2 * MINUTE, 10 * MINUTE] : [0, 500, 5 * SECOND, 30 * SECOND, 10 * MINUTE];
    const deadline = now + this.#pick(patience);
    const blockedDeadline = this.#chance(0.5) ? deadline : now + this.#pick([0, 10 * SECOND]);
    const waiting: Waiting = {
      want,
      deadline,
      blockedDeadline,
      order: this.#order++,
      hasJumped: false,
      lateMs: 0,
      short: '',
      overtakenOn: new Set(),
    };
    const inLine = this.#pool.status().waiting;
    this.#begun++;
    this.#waiting.add(waiting);
    const pool = this.#pool;
    const result = await pool.acquire(want, { deadline, blockedDeadline, signal });
    this.#waiting.delete(waiting);
    this.#upset(waiting.order);
    this.#ended++;
    const ended = this.#clock.now();
    if (ended > now) this.waits++;
    const late = ended - waiting.deadline - waiting.lateMs;
    this.#demand(late <= 0, `an acquire ended ${late} ms after its deadline`);
    if (!isRefusal(result)) {
      this.#granted(result, want, waiting.order, pool);
      return result;
    }
    this.refusals++;
    this.diary.push(`${ended} ${waiting.order} ${result.cause}`);
    const { cause, retryAt } = result;
    if (cause === 'aborted') this.#demand(signal.aborted, 'aborted without a signal');
    if (cause === 'busy') this.#demand(ended >= waiting.deadline, 'busy before the deadline');
    if (cause === 'queue-full') this.#demand(inLine >= this.#settings.maxWaiting, `queue full with ${inLine} in it`);
    if (cause === 'excluded') this.#demand(want.exclude.size > 0, 'excluded without exclusions');
    if (cause === 'blocked' || cause === 'over-limit') {
      const isTooLate = retryAt === null || retryAt > Math.min(waiting.deadline, waiting.blockedDeadline);
      const isNamed = cause === 'over-limit' || result.blocks.length > 0;
      this.#demand((isTooLate && isNamed) || waiting.hasJumped, `refused as ${cause}, though back at ${retryAt}`);
    }
    if (cause === 'over-limit') this.#demand(this.#isLimited || this.#isTold, 'over a limit that nobody set');
    return result;
  }

  #granted(lease: Lease, want: Want, order: number, pool: Pool): void {
    this.leases++;
    this.diary.push(`${lease.at} ${order} ${lease.credentialId}`);
    const { credentialId, model, at } = lease;
    const sent = { at, tokens: want.tokens, requests: 1, day: this.#today(at) };
    const capped = pool === this.#pool ? this.#countCaps(credentialId, model, at) : [];
    this.#held.set(lease, { id: credentialId, capped, pool, sent, startedAt: at, isConfirmed: false });
    if (pool !== this.#pool) {
      // Leased in the very moment of a restart: the snapshot may know of it.
      this.#isUncounted.add(credentialId);
      this.#isUncapped.add(credentialId);
      return;
    }
    for (const older of this.#waiting) {
      if (older.order < order && this.#isInWayOf(older.want, credentialId, model)) older.overtakenOn.add(credentialId);
    }
    this.#send(credentialId, sent, at);
    this.#demand(isWanted(want, credentialId), `${credentialId} was not wanted`);
    for (const truth of this.#truths) {
      const isMeant =
        (truth.id === null || truth.id === credentialId) && (truth.models === null || truth.models.includes(model));
      const isLive = truth.at < at && at < truth.until && at < truth.liftedAt;
      if (isMeant && isLive) {
        this.#demand(false, `${credentialId} was leased for ${model} under ${truth.kind}, ${truth.until - at} ms left`);
      }
    }
    // Who has no time takes whoever sits out in a fair cycle; who came before may wait for somebody else.
    const isLastResort =
      this.#settings.fairCycle !== null && this.#waiting.size > 0 && this.#isBenched(credentialId, model);
    for (const older of this.#waiting) {
      if (older.lateMs > 0 || isLastResort) continue;
      const isFitting = older.want.tokens <= want.tokens || !this.#hasLimits(credentialId);
      const couldUse = older.want.model === model && isWanted(older.want, credentialId) && isFitting;
      this.#demand(older.order > order || !couldUse, `request ${order} overtook ${older.order} on ${credentialId}`);
    }
  }

  /** What is leased here is of a window in which the other lacks room. */
  #isInWayOf(want: Want, id: CredentialId, model: string): boolean {
    if (this.#isTold && this.#shareOf(model).includes(want.model)) return true;
    const limits = this.#credentials.find((one) => one.id === id)?.limits ?? NO_LIMITS;
    return this.#overLimits(limits, this.#sent.get(id) ?? [], want.tokens, this.#clock.now()) !== null;
  }

  /** Something happened by which those who came later than this one may have to look for room elsewhere. */
  #upset(order = -1): void {
    for (const waiting of this.#waiting) if (waiting.order > order) waiting.overtakenOn.clear();
  }

  /** The limits per minute let it pass in time, should nobody come before it. */
  #hasRoomBy(id: CredentialId, tokens: number, deadline: number): boolean {
    if (!this.#isClockTrue || this.#isUncounted.has(id)) return false;
    const one = this.#credentials.find((other) => other.id === id);
    if (!one || one.limits.requestsPerDay !== null || one.limits.tokensPerDay !== null) return false;
    return overMinute(one.limits, this.#sent.get(id) ?? [], tokens, deadline) === null;
  }

  #isBenched(id: CredentialId, model: string): boolean {
    const want = { model, exclude: new Set<CredentialId>(), bytes: 0, tokens: 0, affinity: null };
    const found = this.#pool.explain(want).find((one) => one.id === id);
    return found?.verdict === 'fair_cycle' || found?.verdict === 'blocked' || found?.why === LAST_RESORT;
  }

  /** Counts a request for the caps that are for it. None of them may be passed, nor used while it rests. */
  #countCaps(id: CredentialId, model: string, now: number): Held['capped'] {
    const one = this.#credentials.find((other) => other.id === id);
    if (!one) return [];
    const all = this.#capped.get(id) ?? [];
    this.#capped.set(id, all);
    const counted: { of: Capped; window: number }[] = [];
    for (const each of this.#settings.caps) {
      if (each.tierName !== null && each.tierName !== one.tierName) continue;
      // Models of a group stand for the group, and so does its name.
      const share = this.#shareOf(model);
      const means = share.length > 1 ? [...share, 'letters'] : share;
      if (each.models.length > 0 && !means.some((name) => matchesAny(each.models, name))) continue;
      const of = all.find((known) => known.cap === each) ?? {
        cap: each,
        count: 0,
        window: 0,
        endsAt: null,
        restsUntil: null,
      };
      if (!all.includes(of)) all.push(of);
      this.#turn(of, now);
      const limit = capLimit(each.amount, one.limits.requestsPerDay);
      if (!this.#isUncapped.has(id)) {
        this.#demand(of.restsUntil === null, `${id} was leased for ${model} while a cap rests`);
        this.#demand(limit === null || of.count < limit, `${id} was leased over a cap of ${limit}`);
      }
      of.endsAt ??= each.window.kind === 'rolling' ? now + each.window.ms : nextReset(now, this.#settings.dailyReset);
      of.count++;
      if (limit !== null && of.count >= limit) {
        of.restsUntil = each.rest.kind === 'for' ? now + each.rest.ms : of.endsAt + each.rest.plusMs;
      }
      counted.push({ of, window: of.window });
    }
    return counted;
  }

  /** Windows that are over, and rests. */
  #turn(of: Capped, now: number): void {
    if (of.endsAt !== null && now >= of.endsAt) this.#newWindow(of);
    if (of.restsUntil === null || now < of.restsUntil) return;
    const isOfWindow = of.endsAt !== null;
    of.restsUntil = null;
    // A rest of its own length ends with a count from zero; a day goes on.
    if (!isOfWindow) return;
    const { endsAt } = of;
    this.#newWindow(of);
    if (of.cap.window.kind !== 'rolling') of.endsAt = endsAt;
  }

  #newWindow(of: Capped): void {
    of.count = 0;
    of.window++;
    of.endsAt = null;
  }

  /** A request that was never sent. */
  #giveBack({ capped }: Held, now: number): void {
    for (const { of, window } of capped) {
      this.#turn(of, now);
      if (of.window !== window) continue;
      of.count--;
      of.restsUntil = null;
      if (of.count === 0 && of.cap.window.kind === 'rolling') of.endsAt = null;
    }
  }

  /** A limit is looked at when something is let through, against all that was let through before. */
  #send(id: CredentialId, sent: Sent, now: number): void {
    const limits = this.#credentials.find((one) => one.id === id)?.limits ?? NO_LIMITS;
    const all = this.#sent.get(id) ?? [];
    this.#sent.set(id, all);
    const over = this.#overLimits(limits, all, sent.tokens, now);
    // A window that was begun after the clock had been set back over midnight ends with the day that came again.
    const isOtherDay = !this.#isClockTrue && this.#isUncounted.has(id) && (over === 'rpd' || over === 'tpd');
    this.#demand(over === null || isOtherDay, `${id} was leased over its limit ${over}`);
    all.push(sent);
  }

  /** The limit that a request would pass; null: none. */
  #overLimits(limits: KeyLimits, all: readonly Sent[], tokens: number, now: number): string | null {
    const day = all.filter((one) => one.day === this.#today(now));
    const { requestsPerDay, tokensPerDay } = limits;
    const inMinute = overMinute(limits, all, tokens, now);
    if (inMinute === 'rpm') return inMinute;
    if (requestsPerDay !== null && requestsIn(day) + 1 > requestsPerDay) return 'rpd';
    return inMinute ?? (isOverTokens(tokensPerDay, day, tokens) ? 'tpd' : null);
  }

  #hasLimits(id: CredentialId): boolean {
    return (
      this.#isTold ||
      this.#credentials.some((one) => one.id === id && Object.values(one.limits).some((limit) => limit !== null))
    );
  }

  #nextReset(): number {
    return nextReset(this.#clock.now(), this.#settings.dailyReset);
  }

  /** The number of the day that it is. A clock that is set back does not bring yesterday back. */
  #today(now: number): number {
    if (now >= this.#dayEndsAt) {
      this.#day++;
      this.#dayEndsAt = this.#nextReset();
    } else if (this.#dayEndsAt - now > 26 * HOUR) this.#dayEndsAt = this.#nextReset();
    return this.#day;
  }

  #confirm(lease: Lease): void {
    const held = this.#held.get(lease);
    if (!held) return;
    held.isConfirmed = true;
    if (held.pool === this.#pool) this.#remember(held, lease.model, { kind: 'success' }, this.#clock.now());
    held.pool.confirm(lease);
  }

  #settle(lease: Lease, outcome: Outcome): void {
    const held = this.#held.get(lease);
    if (!held) throw new Error('settled what was not held');
    this.#held.delete(lease);
    this.#settled++;
    const now = this.#clock.now();
    const isKnown = outcome.kind === 'success' || this.#chance(0.3);
    const tokens = this.#whole(0, this.#isSteady ? Math.max(0, held.sent.tokens - 5) : 150);
    const usage = isKnown ? { inputTokens: tokens, outputTokens: 5 } : null;
    const isExpected =
      (outcome.kind === 'success' || outcome.kind === 'neutral') && !(isKnown && tokens + 5 > held.sent.tokens);
    if (!isExpected) this.#upset();
    if (held.pool === this.#pool) {
      this.#remember(held, lease.model, outcome, now);
      if (outcome.kind === 'unreachable') this.#giveBack(held, now);
      this.#correct(held, outcome, isKnown ? tokens + 5 : null, now);
      const count = this.#counts.get(held.id) ?? { requests: 0, failures: 0, tokens: 0 };
      count.requests++;
      if (outcome.kind !== 'success' && outcome.kind !== 'neutral') count.failures++;
      if (isKnown) count.tokens += tokens + 5;
      this.#counts.set(held.id, count);
    }
    const learned =
      this.#isTold && this.#chance(0.3)
        ? { requestsPerMinute: { limit: 10, remaining: this.#whole(0, 9), resetMs: this.#whole(0, 70_000) } }
        : null;
    const settlement = { outcome, usage, reason: outcome.kind, learned };
    if (learned) this.#upset();
    held.pool.settle(lease, settlement);
    let isThrown = false;
    try {
      held.pool.settle(lease, settlement);
    } catch {
      isThrown = true;
    }
    this.#demand(isThrown, 'settled twice without an error');
  }

  /** What the request really used, as the contract counts it. */
  #correct({ id, sent }: Held, outcome: Outcome, tokens: number | null, now: number): void {
    const all = this.#sent.get(id);
    // Let through before the limits were what they are.
    if (!all?.includes(sent)) return;
    const isFree =
      outcome.kind !== 'success' &&
      outcome.kind !== 'neutral' &&
      outcome.kind !== 'failed' &&
      outcome.kind !== 'upstream-error';
    // Never sent.
    if (outcome.kind === 'unreachable') {
      all.splice(all.indexOf(sent), 1);
      return;
    }
    const real = tokens ?? (isFree ? 0 : sent.tokens);
    // What was used beyond the estimate counts from now, as its moment is not known, and is no further request.
    if (real > sent.tokens) all.push({ at: now, tokens: real - sent.tokens, requests: 0, day: this.#today(now) });
    else sent.tokens = real;
  }

  /** Only what the contract makes exact, or at least as long as this. */
  #remember({ id, startedAt }: Held, model: string, outcome: Outcome, now: number): void {
    const add = (truth: Pick<Truth, 'id' | 'models' | 'kind' | 'until'>, isGuess = false) => {
      const until = isGuess ? Math.min(truth.until, this.#nextReset()) : truth.until;
      this.#truths.push({ ...truth, until, isGuess, at: now, liftedAt: Number.POSITIVE_INFINITY });
    };
    const lift = (isLifted: (truth: Truth) => boolean) => {
      for (const truth of this.#truths) if (isLifted(truth)) truth.liftedAt = Math.min(truth.liftedAt, now);
    };
    const isOn = (truth: Truth) => truth.models === null || truth.models.includes(model);
    switch (outcome.kind) {
      case 'success':
        lift((truth) => truth.id === id && isOn(truth) && truth.kind === 'ladder');
        lift((truth) => truth.id === null && truth.models !== null && isOn(truth) && truth.kind !== 'told overload');
        lift((truth) => truth.kind === 'unreachable');
        // Proven by a request that began after the block.
        lift((t) => t.id === id && /auth|forbidden|permanent/.test(t.kind) && isOn(t) && startedAt >= t.at);
        return;
      case 'rate-limited': {
        const isQuota = outcome.isQuota || outcome.window === 'day';
        if (outcome.isPermanent) {
          return add({ id, models: [model], kind: `permanent ${isQuota}`, until: Number.POSITIVE_INFINITY });
        }
        if (outcome.waitMs === null) return;
        const models = outcome.scope === 'credential' ? null : this.#shareOf(model);
        const until = now + Math.min(outcome.waitMs, 8 * DAY);
        this.#told.add(until);
        // What a "limit: 0" hides is nothing new to the peers.
        const isHidden = this.#truths.some(
          (truth) => truth.id === id && isOn(truth) && truth.kind === 'permanent true' && truth.liftedAt > now,
        );
        for (const one of isQuota && !isHidden ? this.#quotaPoolOf(id) : [id]) {
          const kind = `told limit ${isQuota}`;
          lift((truth) => truth.id === one && String(truth.models) === String(models) && truth.kind === kind);
          add({ id: one, models, kind, until });
        }
        return;
      }
      case 'auth':
        return add({ id, models: null, kind: 'auth', until: now + 0.9 * settings.cooldowns.authMs }, true);
      case 'forbidden': {
        const isKey = outcome.scope === 'credential';
        const ms = isKey ? settings.cooldowns.authMs : HOUR;
        return add({ id, models: isKey ? null : [model], kind: 'forbidden', until: now + 0.9 * ms }, true);
      }
      case 'billing':
        return add({ id, models: null, kind: 'billing', until: Number.POSITIVE_INFINITY });
      case 'failed':
        return add({ id, models: [model], kind: 'ladder', until: now + 9 * SECOND }, true);
      case 'overloaded':
        if (outcome.waitMs === null) return add({ id: null, models: [model], kind: 'overload', until: now + 27_000 });
        lift((truth) => truth.id === null && truth.models !== null && isOn(truth) && truth.kind.endsWith('overload'));
        return add({ id: null, models: [model], kind: 'told overload', until: now + outcome.waitMs });
      case 'unreachable':
        return add({ id: null, models: null, kind: 'unreachable', until: now + 900 });
      case 'model-missing':
        return add({ id: null, models: [model], kind: 'model missing', until: now + 5 * MINUTE });
      case 'neutral':
      case 'upstream-error':
        return;
    }
  }

  /** The models that share a limit with this one. */
  #shareOf(model: string): readonly string[] {
    return this.#settings.groups.length > 0 && GROUP.includes(model) ? GROUP : [model];
  }

  #quotaPoolOf(id: CredentialId): readonly CredentialId[] {
    const one = this.#credentials.find((other) => other.id === id);
    if (!one || one.quotaPool === null) return [id];
    return this.#credentials.filter(({ quotaPool }) => quotaPool === one.quotaPool).map((other) => other.id);
  }

  #outcome({ credentialId, model }: Lease): Outcome {
    if (this.#isSteady) return { kind: 'success' };
    const number = Number(credentialId.slice(1));
    // Every third key has a temper of its own; outages come and go for one model at all keys.
    const isMoody = number % 3 === 1;
    const isOutage = model === 'beta' && Math.floor(this.#clock.now() / (3 * MINUTE)) % 4 === 1;
    if (isOutage && this.#chance(0.7)) {
      return this.#chance(0.8) ? { kind: 'upstream-error' } : { kind: 'overloaded', waitMs: this.#pick([null, 4000]) };
    }
    if (!this.#chance(isMoody ? 0.6 : 0.15)) return { kind: 'success' };
    const limit = (waitMs: number | null, isPermanent = false): Outcome => ({
      kind: 'rate-limited',
      waitMs,
      source: 'retry-after',
      isQuota: this.#chance(0.3),
      scope: this.#chance(0.8) ? 'model' : 'credential',
      isPermanent,
      window: this.#pick(['minute', 'day', null, null]),
    });
    const draw = this.#random();
    if (draw < 0.3) return limit(this.#pick([0, 700, 3000, 12_000, MINUTE, 6 * MINUTE]));
    if (draw < 0.4) return limit(null);
    if (draw < 0.42) return limit(null, true);
    if (draw < 0.47) return { kind: 'auth' };
    if (draw < 0.52) return { kind: 'forbidden', scope: this.#pick(['model', 'credential']) };
    if (draw < 0.54) return { kind: 'billing' };
    if (draw < 0.7) return { kind: 'failed' };
    if (draw < 0.85) return { kind: 'upstream-error' };
    if (draw < 0.9) return { kind: 'unreachable' };
    if (draw < 0.92) return { kind: 'model-missing' };
    return { kind: 'neutral' };
  }

  #reload(): void {
    const kept = this.#credentials.filter(() => !this.#chance(0.1));
    const changed = kept.map((one) => (this.#chance(0.1) ? { ...one, isEnabled: !one.isEnabled } : one));
    const next = this.#chance(0.3)
      ? [...this.#changeLimits(changed), this.#newCredential(`k${this.#whole(0, 9)}`)]
      : changed;
    // What is remembered of a credential that was away may be forgotten, also what its last requests said.
    const before = new Set(this.#credentials.map((one) => one.id));
    const after = new Set(next.map((one) => one.id));
    this.#truths = this.#truths.filter(({ id }) => id === null || (before.has(id) && after.has(id)));
    for (const id of [...before, ...after]) if (!before.has(id) || !after.has(id)) this.#forget(id);
    for (const { id, limits } of next) {
      if (this.#credentials.some((one) => one.id === id && one.limits !== limits)) this.#forget(id);
    }
    this.#credentials = next.filter((one, index) => next.findIndex((other) => other.id === one.id) === index);
    this.#upset();
    this.#pool.update(this.#credentials, this.#settings);
  }

  #changeLimits(credentials: readonly PoolCredential[]): readonly PoolCredential[] {
    return credentials.map((one) => {
      if (!this.#isLimited || !this.#chance(0.2)) return one;
      // A window that is new begins empty.
      this.#forget(one.id);
      return { ...one, limits: this.#newLimits(one.limits.concurrency) };
    });
  }

  #forget(id: CredentialId): void {
    this.#sent.delete(id);
    this.#isUncapped.add(id);
    this.#isUncounted.add(id);
  }

  #prove(): void {
    const id = this.#credentials[this.#whole(0, this.#credentials.length - 1)]?.id;
    if (id === undefined) return;
    this.#upset();
    this.#pool.prove(id);
    const now = this.#clock.now();
    for (const truth of this.#truths) {
      const isProvable = /auth|billing/.test(truth.kind) || (truth.kind === 'forbidden' && truth.models === null);
      if (truth.id === id && isProvable) truth.liftedAt = Math.min(truth.liftedAt, now);
    }
  }

  /** The process is started again: who waited is gone, and what was in flight ends where nobody counts it. */
  #restart(): void {
    const stored: unknown = JSON.parse(JSON.stringify(this.#pool.snapshot()));
    const isLost = this.#chance(0.05);
    const old = this.#pool;
    this.#pool = this.#newPool(isLost ? { version: 1, at: 'garbage', credentials: 3 } : stored);
    old.close();
    this.#today(this.#clock.now());
    this.#dayEndsAt = this.#nextReset();
    this.#latest = this.#clock.now();
    if (isLost) {
      this.#truths = [];
      this.#sent.clear();
      this.#capped.clear();
      this.#isUncapped.clear();
      this.#counts.clear();
    }
    // Shorter blocks are not stored.
    this.#truths = this.#truths.filter(({ at, until, kind }) => kind !== 'unreachable' && until - at > MINUTE);
  }

  /** The clock is set. Somebody looks before and after, so that the world knows what the pool has seen. */
  #jump(): void {
    this.#pool.status();
    this.#today(this.#clock.now());
    const jumpMs = this.#pick([-1, -1, 1]) * Math.round((10 * HOUR) ** this.#random());
    this.#latest = Math.max(this.#latest, this.#clock.now());
    this.#clock.set(jumpMs);
    const now = this.#clock.now();
    // Nudges add up until they are noticed.
    const byMs = now - this.#latest;
    if (byMs < -SECOND) this.#latest = now;
    if (byMs < 0) this.#isClockTrue = false;
    // What a clock that was set back makes of windows is a matter of tables.
    if (jumpMs < 0) for (const { id } of this.#credentials) this.#isUncapped.add(id);
    if (jumpMs < 0) for (const all of this.#sent.values()) for (const one of all) one.at += jumpMs;
    // What was lifted a moment ago stays lifted.
    for (const truth of this.#truths) if (truth.liftedAt < Infinity) truth.liftedAt = Math.min(truth.liftedAt, now);
    // A clock is nudged by less than a second all the time, and nobody follows that.
    if (byMs < -SECOND) {
      for (const truth of this.#truths) {
        truth.at += byMs;
        truth.until = truth.isGuess ? Math.min(truth.until + byMs, this.#nextReset()) : truth.until + byMs;
        truth.liftedAt += byMs;
      }
      for (const held of this.#held.values()) held.startedAt += byMs;
      for (const until of [...this.#told]) this.#told.add(until + byMs);
      for (const waiting of this.#waiting) {
        waiting.deadline += byMs;
        waiting.blockedDeadline += byMs;
      }
    }
    for (const waiting of this.#waiting) {
      waiting.lateMs += Math.max(0, jumpMs);
      waiting.hasJumped = true;
    }
    this.#pool.status();
    this.#today(now);
  }

  #reset(): void {
    const one = this.#chance(0.5) ? this.#credentials[this.#whole(0, this.#credentials.length)] : undefined;
    if (one) this.#pool.reset(one.id);
    else this.#pool.reset();
    this.#upset();
    const now = this.#clock.now();
    for (const [id, all] of this.#capped) {
      if (one && one.id !== id) continue;
      for (const of of all) {
        this.#turn(of, now);
        if (of.restsUntil === null) continue;
        of.restsUntil = null;
        const { endsAt } = of;
        this.#newWindow(of);
        if (of.cap.window.kind !== 'rolling') of.endsAt = endsAt;
      }
    }
    // What stands against the provider is lifted with any of its credentials.
    for (const truth of this.#truths) {
      if (!one || truth.id === one.id || truth.id === null) truth.liftedAt = Math.min(truth.liftedAt, now);
    }
  }

  /** After every step, when all promises have settled. */
  #check(): void {
    this.checks++;
    const status = this.#pool.status();
    // Looking lets the pool catch up; had anybody been left to serve or to refuse, the counts would differ now.
    this.#demand(
      status.waiting === this.#waiting.size,
      `${this.#waiting.size} wait, but the pool counts ${status.waiting}`,
    );
    this.#demand(status.waiting <= this.#settings.maxWaiting, 'the line is too long');
    const inFlight = new Map<CredentialId, number>();
    for (const { id, pool } of this.#held.values()) {
      if (pool === this.#pool) inFlight.set(id, (inFlight.get(id) ?? 0) + 1);
    }
    const { maxPerKey, priorityMultipliers } = this.#settings.concurrency;
    for (const one of status.credentials) {
      const held = inFlight.get(one.id) ?? 0;
      this.#demand(one.inFlight === held, `${one.id}: ${held} in flight, but the pool counts ${one.inFlight}`);
      const most = maxPerKey * (priorityMultipliers[one.priority] ?? 1);
      const own = this.#credentials.find(({ id }) => id === one.id)?.limits.concurrency ?? null;
      const isFew = own === null ? maxPerKey === 0 || held <= most : held <= own;
      this.#demand(isFew, `${one.id}: ${held} in flight of ${own ?? most}`);
      if (!this.#isUncounted.has(one.id)) {
        const { requests, failures, tokens } = this.#counts.get(one.id) ?? { requests: 0, failures: 0, tokens: 0 };
        const { inputTokens, outputTokens } = one.usage;
        const isCounted =
          one.usage.requests === requests && one.usage.failures === failures && inputTokens + outputTokens === tokens;
        this.#demand(
          isCounted,
          `${one.id}: counted ${JSON.stringify(one.usage)} of ${requests}, ${failures}, ${tokens}`,
        );
      }
      if (this.#settings.caps.length > 0 && !this.#isUncapped.has(one.id)) {
        const resting = (this.#capped.get(one.id) ?? []).filter((of) => {
          this.#turn(of, this.#clock.now());
          return of.restsUntil !== null;
        });
        const ends = (of: readonly { readonly until: number | null }[]) => String(of.map(({ until }) => until).sort());
        const shown = ends(one.blocks.filter(({ kind }) => kind === 'custom_cap'));
        const known = ends(resting.map(({ restsUntil }) => ({ until: restsUntil })));
        this.#demand(shown === known, `${one.id}: caps rest until ${known}, but ${shown} is shown`);
      }
      for (const block of one.blocks) {
        this.#demand(block.until === null || block.until > this.#clock.now(), `${one.id} shows a block that is over`);
        // Not used for longer than it is healthy: no guess lasts longer than its ceiling, no other than it was told.
        if (block.until === null) continue;
        const isTold = block.source === 'retry-after';
        const most = block.kind === 'auth' || block.kind === 'forbidden' ? 6 * HOUR : 5 * MINUTE;
        if (block.source === 'guess') {
          this.#demand(block.until - this.#clock.now() <= most + SECOND, `${one.id} has a guess beyond its ceiling`);
        }
        if (isTold)
          this.#demand(
            this.#told.has(block.until),
            `${one.id} is blocked until a time nobody told ${JSON.stringify(block)} ${[...this.#told].slice(-6)}`,
          );
      }
    }
    for (const waiting of this.#waiting) {
      const { want, deadline, blockedDeadline, lateMs } = waiting;
      const short: CredentialId[] = [];
      this.#demand(this.#clock.now() < deadline + lateMs, 'somebody waits after the deadline');
      let soonest = Infinity;
      let soonestOther = Infinity;
      let isSomebodyBenched = false;
      for (const { id, verdict, why, blocks } of this.#pool.explain(want)) {
        if (!isWanted(want, id) || verdict === 'disabled' || verdict === 'model_not_allowed') continue;
        const end = Math.max(0, ...blocks.map((block) => block.until ?? Infinity));
        soonest = Math.min(soonest, end);
        if (why === LAST_RESORT) {
          isSomebodyBenched = true;
          continue;
        }
        if (verdict !== 'fair_cycle') soonestOther = Math.min(soonestOther, end);
        const isReady = (verdict === 'ready' || verdict === 'chosen') && isWanted(want, id);
        this.#demand(!isReady, `${id} is ready while somebody waits who could use it`);
        if (verdict === 'over_limit' && this.#hasRoomBy(id, want.tokens, deadline - SECOND)) short.push(id);
        if (why.startsWith(SAVED)) {
          this.saved++;
          // Who waits for it has room on it by now, but all its slots are taken, or it is being tried again.
          const isFor = ({ want: other }: Waiting) =>
            isWanted(other, id) && (this.#isOver(id, other.tokens) || inFlight.has(id));
          this.#demand([...this.#waiting].some(isFor), `the room of ${id} is kept for nobody`);
        } else if (verdict === 'over_limit') {
          if (want.tokens > 1 && !this.#isOver(id, 1)) this.large++;
          this.#demand(this.#isOver(id, want.tokens), `${id} has room, but it is said to be over`);
        }
      }
      this.#checkTurn(waiting, short);
      const inTime = Math.min(deadline, blockedDeadline);
      this.#demand(soonest <= inTime || soonest === 0, 'somebody waits in vain');
      // Who sits out serves whom nobody else serves in time.
      this.#demand(!isSomebodyBenched || soonestOther <= inTime, 'somebody waits whom a fair cycle starves');
      const isAnybody = this.#credentials.some(
        (one) =>
          one.isEnabled && isWanted(want, one.id) && (one.models.length === 0 || matchesAny(one.models, want.model)),
      );
      this.#demand(isAnybody, 'somebody waits for nobody');
    }
    // Now and then: to explain is to look at all.
    if (this.#settings.fairCycle && this.checks % 8 === 0) this.#checkCycles(this.#settings.fairCycle);
  }

  /**
   * Nobody starves: of the keys that lack nothing but room for a request, and have that in time, one at least lets
   * nobody pass who came later, whatever they need. Only what nobody can foresee puts its turn off, and who came before.
   */
  #checkTurn(waiting: Waiting, short: readonly CredentialId[]): void {
    const { order, overtakenOn } = waiting;
    const now = short.join();
    if (now !== waiting.short) overtakenOn.clear();
    else if (short.length > 0) {
      const isStarved = short.every((id) => overtakenOn.has(id));
      this.#demand(!isStarved, `request ${order} waits for room on ${now}, and younger ones take it`);
    }
    waiting.short = now;
  }

  /** Never all of those that take turns sit out. */
  #checkCycles({ isCrossTier }: FairCycleRules): void {
    const model = this.#pick(MODELS);
    const want = { model, exclude: new Set<CredentialId>(), bytes: 0, tokens: 0, affinity: null };
    const verdicts = new Map(this.#pool.explain(want).map((one) => [one.id, one]));
    const enabled = this.#credentials.filter(({ isEnabled }) => isEnabled);
    for (const priority of isCrossTier ? [null] : new Set(enabled.map((one) => one.priority))) {
      const peers = enabled.filter((one) => priority === null || one.priority === priority);
      // Of a group, one that serves other models of it counts, too.
      if (peers.length === 0 || peers.some(({ models }) => models.length > 0)) continue;
      const isOut = ({ id }: PoolCredential) => {
        const found = verdicts.get(id);
        return found?.verdict === 'fair_cycle' || found?.why === LAST_RESORT;
      };
      this.#demand(!peers.every(isOut), `all of priority ${priority} sit out for ${model}`);
    }
  }

  /** Whether a limit is really in the way, where that is known. */
  #isOver(id: CredentialId, tokens: number): boolean {
    if (this.#isTold || !this.#isClockTrue || this.#isUncounted.has(id)) return true;
    const limits = this.#credentials.find((one) => one.id === id)?.limits ?? NO_LIMITS;
    return this.#overLimits(limits, this.#sent.get(id) ?? [], tokens, this.#clock.now()) !== null;
  }

  #checkEnd(): void {
    const status = this.#pool.status();
    this.#demand(this.#begun === this.#ended, `${this.#begun} acquires began, ${this.#ended} ended`);
    this.#demand(this.#held.size === 0 && this.#settled === this.leases, 'a lease is left');
    this.#demand(status.waiting === 0, 'somebody is left in the line');
    this.#demand(
      status.credentials.every((one) => one.inFlight === 0),
      'the pool counts a lease that was settled',
    );
    this.#pool.reset();
    for (const model of MODELS) {
      const want = { model, exclude: new Set<CredentialId>(), bytes: 0, tokens: 0, affinity: null };
      for (const { id, verdict, why } of this.#pool.explain(want)) {
        const isFine = verdict !== 'busy' && verdict !== 'blocked';
        this.#demand(isFine, `${id} is ${verdict} for ${model} after a reset: ${why}`);
      }
    }
  }

  #newCredential(name: string): PoolCredential {
    // A concurrency that shrinks under requests in flight cannot be kept; so a name keeps it, and its priority.
    const concurrency = (this.#isLimited ? CONCURRENCY[Number(name.slice(1)) % CONCURRENCY.length] : null) ?? null;
    return credential(name, {
      priority: PRIORITIES[Number(name.slice(1)) % PRIORITIES.length] ?? 10,
      weight: this.#pick([1, 1, 2]),
      tierName: Number(name.slice(1)) % 2 === 0 ? 'even' : null,
      quotaPool: this.#chance(0.3) ? this.#pick(['p', 'q']) : null,
      limits:
        this.#isSteady || (this.#isLimited && this.#chance(0.7))
          ? this.#newLimits(concurrency)
          : { ...NO_LIMITS, concurrency },
      models: this.#chance(0.15) ? [namePattern(this.#pick(['alpha', '*a', 'b*']))] : [],
      isEnabled: !this.#chance(0.1),
    });
  }

  #newCap(): Cap {
    const ms = this.#pick([20 * SECOND, MINUTE, 4 * MINUTE]);
    return cap(this.#pick([1, 3, 8]), {
      models: this.#pick([[], [], ['alpha'], ['alpha', 'gamma'], ['letters'], ['b*']]),
      tierName: this.#pick([null, null, 'even']),
      window: this.#pick([{ kind: 'rolling', ms }, { kind: 'rolling', ms }, { kind: 'daily' }] as const),
      rest: this.#pick([
        { kind: 'until-reset', plusMs: 0 },
        { kind: 'until-reset', plusMs: MINUTE },
        { kind: 'for', ms: 3 * MINUTE },
      ] as const),
      // The limit that a share or an offset goes by is that of a day.
      ...(this.#chance(0.2) && {
        window: { kind: 'daily' } as const,
        amount: this.#pick([
          { kind: 'share', share: 0.5 },
          { kind: 'offset', by: -2 },
        ] as const),
      }),
    });
  }

  #newFairCycle(): FairCycleRules {
    return {
      scope: this.#pick(['group', 'group', 'credential']),
      isCrossTier: this.#chance(0.3),
      durationMs: this.#pick([MINUTE, 30 * MINUTE, 7 * DAY]),
      // Blocks of these worlds are short.
      thresholdMs: this.#pick([3 * SECOND, MINUTE, 5 * MINUTE]),
      quotaThreshold: this.#pick([0.5, 1]),
      resetGuardMs: this.#pick([0, 5 * SECOND, 90 * SECOND]),
    };
  }

  #newLimits(concurrency: number | null): KeyLimits {
    if (this.#isSteady) {
      const requestsPerMinute = this.#pick([null, null, 10]);
      return { ...NO_LIMITS, requestsPerMinute, tokensPerMinute: this.#pick([50, 300]), concurrency };
    }
    return {
      requestsPerMinute: this.#pick([null, 1, 3, 10]),
      tokensPerMinute: this.#pick([null, null, 50, 300]),
      requestsPerDay: this.#pick([null, null, 5, 20]),
      tokensPerDay: this.#pick([null, null, null, 1000]),
      concurrency,
    };
  }

  #demand(isTrue: boolean, otherwise: string): void {
    if (!isTrue) this.#broken ??= new Error(otherwise);
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #whole(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  #pick<Value>(values: readonly Value[]): Value {
    const value = values[Math.floor(this.#random() * values.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  }
}
