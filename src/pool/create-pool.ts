import { assertNever } from '../shared/assert-never.ts';
import type { Clock } from '../shared/clock.ts';
import type { Random } from '../shared/random.ts';
import { AffinityMap } from './affinity.ts';
import {
  CLEAR,
  type CredentialEvent,
  type CredentialState,
  firstEndOf,
  isUntroubled,
  type LimitScope,
  limitScope,
  observe,
  ripen,
  scopeAt,
  scopeName,
  type ScopeState,
  shiftScope,
  shiftState,
} from './blocks.ts';
import { observeModel, observeReach, QUIET, ripenModel, shiftModel } from './breaker.ts';
import { type CredentialId, NO_LIMITS, type PoolCredential } from './credential.ts';
import { nextReset } from './daily-reset.ts';
import { type Due, DueHeap } from './due-heap.ts';
import type { CapReceipt } from './credential-caps.ts';
import { explainWant } from './explain.ts';
import { FairCycles, RunningCycle } from './fair-cycles.ts';
import { CredentialLimits, type Reservation } from './limits.ts';
import type { LeaseUsage, Outcome, Settlement } from './outcome.ts';
import { bySoonest, isWorthSaving, plain, prospectOf } from './outlook.ts';
import { isOver, isSpent, longShare, type PolledQuota, type PolledWindow } from './polled-quota.ts';
import { polledViews } from './polled-views.ts';
import type { Prospect } from './prospect.ts';
import type {
  Block,
  CredentialStatus,
  Explanation,
  Lease,
  Pool,
  PoolEvent,
  PoolSettings,
  PoolStatus,
  Refusal,
  Want,
} from './pool.ts';
import { EVERYTHING, isEligible, isOpenToAll, ModelLedger, Member, Roster, type Spot, type Trial } from './roster.ts';
import { readSnapshot, writeSnapshot } from './snapshot.ts';

/** Bodies are held while their requests wait. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;
/** So many of those who wait, the oldest, have room saved for them: each costs a look at all credentials. */
const MAX_SAVERS = 16;
/** Clocks are nudged all the time; only what is more than this is a clock that was set back. */
const MAX_NUDGE_MS = 1000;
/** By tokens, so many count like one request: the tolerance then means about the same in both. */
const TOKENS_PER_USE = 1000;

export type PoolOptions = {
  /** Id of the provider, for patterns written as `provider/model`. */
  readonly provider: string;
  readonly credentials: readonly PoolCredential[];
  readonly settings: PoolSettings;
  readonly clock: Clock;
  readonly random: Random;
  /** What `snapshot` gave before the restart. What is past, unknown or malformed in it is left out. */
  readonly restore?: unknown;
  /** Told as it is noticed: the end of a block when the pool is next looked at or asked. Must not call the pool. */
  readonly onEvent?: (event: PoolEvent) => void;
};

export function createPool(options: PoolOptions): Pool {
  return new CredentialPool(options);
}

type Limits = { readonly deadline: number; readonly blockedDeadline: number; readonly signal: AbortSignal };

/** What a lease holds. */
type Held = {
  readonly member: Member;
  readonly ledger: ModelLedger;
  readonly spot: Spot;
  readonly want: Want;
  trials: readonly Trial[];
  readonly reservation: Reservation | null;
  readonly receipts: readonly CapReceipt[];
  /** When the lease began; unlike the lease's own time it follows a clock that is set back. */
  startedAt: number;
  /** Null before the commit point. */
  confirmedAt: number | null;
  /** What it counts for among its peers' use. */
  use: number;
};

class Waiter implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  readonly want: Want;
  readonly ledger: ModelLedger;
  limits: Limits;
  /** Nobody else can serve it in time: it takes also who sits out in a fair cycle. */
  isBenchOpen = false;
  /** The credential whose room is saved for it, and where: the empty name is the key itself. */
  savedOn: Member | null = null;
  savedScope = '';
  readonly end: (result: Lease | Refusal) => void;

  constructor(want: Want, ledger: ModelLedger, limits: Limits, end: (result: Lease | Refusal) => void) {
    this.want = want;
    this.ledger = ledger;
    this.limits = limits;
    this.end = end;
  }
}

/** The way to the provider, for all models and credentials. */
class Reach implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  scope: ScopeState = CLEAR;
}

/** The next daily reset. */
class Day implements Due {
  dueAt = Number.POSITIVE_INFINITY;
}

const NO_TRIALS: readonly Trial[] = [];
const NOBODY: ReadonlySet<CredentialId> = new Set();
const NO_RECEIPTS: readonly CapReceipt[] = [];

/**
 * The invariant on which the line's fairness rests: after every call, nobody waits who could be served, but by what is
 * saved for somebody older. So whatever a newcomer finds ready is of no use to anybody older, and taking it overtakes
 * nobody. Nor does it put anybody off: a small request would take the room that a large one waits for, again and again,
 * so who waits for room has that of one credential saved until it is served or leaves.
 */
class CredentialPool implements Pool {
  readonly #clock: Clock;
  readonly #random: Random;
  #settings: PoolSettings;
  readonly #provider: string;
  readonly #onEvent: ((event: PoolEvent) => void) | null;
  readonly #due = new DueHeap<Member | ModelLedger | Reach | Waiter | Day | RunningCycle>();
  readonly #day = new Day();
  readonly #affinity = new AffinityMap();
  /** The latest time that was read. */
  #latest: number;
  readonly #roster: Roster;
  readonly #fair: FairCycles;
  readonly #reach = new Reach();
  readonly #held = new Map<Lease, Held>();
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter>();
  #waitingBytes = 0;
  /** Those of them for whom room is saved. */
  readonly #savers = new Set<Waiter>();
  /** Something was blocked since the line last looked: who waits may now wait in vain. */
  #isOutlookStale = false;
  #cancelTimer: (() => void) | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(options: PoolOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#settings = options.settings;
    this.#roster = new Roster(options.provider, (owner, at) => this.#due.set(owner, at));
    this.#fair = new FairCycles(this.#roster, (owner, at) => this.#due.set(owner, at));
    this.#provider = options.provider;
    this.#onEvent = options.onEvent ?? null;
    const now = this.#clock.now();
    this.#latest = now;
    this.#roster.replace(options.credentials, options.settings, now);
    this.#fair.configure(options.settings.fairCycle, now);
    this.#beginDay(now);
    if (options.restore !== undefined) this.#restore(options.restore, now);
  }

  lease(want: Want, now: number): Lease | Refusal {
    if (now < this.#latest - MAX_NUDGE_MS) this.#setBack(now);
    this.#catchUp(now);
    const ledger = this.#roster.look(want.model);
    const result = this.#take(want, ledger, now, true) ?? this.#prospect(want, ledger, now, true).refusal;
    this.#wakeIfStale(now);
    return result;
  }

  isReadyFor({ model, tokens }: Pick<Want, 'model' | 'tokens'>): boolean {
    const now = this.#now();
    this.#catchUp(now);
    const ledger = this.#roster.look(model);
    if (this.#isShut(ledger)) return false;
    const want = { model, tokens, exclude: NOBODY, bytes: 0, affinity: null };
    return this.#roster.hasReady(ledger, want, now) || this.#roster.lastResort(ledger, want, now) !== null;
  }

  acquire(want: Want, limits: Limits): Promise<Lease | Refusal> {
    const now = this.#now();
    if (limits.signal.aborted) return Promise.resolve({ kind: 'refused', cause: 'aborted', blocks: [], retryAt: null });
    this.#catchUp(now);
    const ledger = this.#roster.look(want.model);
    const lease = this.#take(want, ledger, now, false);
    if (lease) {
      this.#wakeIfStale(now);
      return Promise.resolve(lease);
    }
    let prospect = this.#prospect(want, ledger, now, false);
    const isBenchOpen = this.#roster.hasBenched && isHopeless(prospect.refusal, limits, now);
    if (isBenchOpen) {
      const last = this.#take(want, ledger, now, true);
      if (last) {
        this.#wakeIfStale(now);
        return Promise.resolve(last);
      }
      prospect = this.#prospect(want, ledger, now, true);
    }
    const { refusal, roomAt } = prospect;
    if (isHopeless(refusal, limits, now)) return Promise.resolve(refusal);
    const isFull =
      this.#waiters.size >= this.#settings.maxWaiting || this.#waitingBytes + want.bytes > MAX_WAITING_BYTES;
    if (isFull) return Promise.resolve({ ...refusal, cause: 'queue-full' });
    return new Promise((resolve) => {
      const abort = () => {
        this.#leave(waiter, { kind: 'refused', cause: 'aborted', blocks: [], retryAt: null });
        if (this.#isOutlookStale) this.#wake(this.#now());
        else this.#arm();
      };
      const end = (result: Lease | Refusal) => {
        limits.signal.removeEventListener('abort', abort);
        resolve(result);
      };
      const waiter = new Waiter(want, ledger, limits, end);
      waiter.isBenchOpen = isBenchOpen;
      limits.signal.addEventListener('abort', abort, { once: true });
      ledger.waiting++;
      this.#roster.keep(ledger, now);
      this.#waiters.add(waiter);
      this.#waitingBytes += want.bytes;
      this.#saveFor(waiter, prospect, now);
      this.#due.set(waiter, Math.min(limits.deadline, roomAt));
      // Set anew: a timer from before a clock was set ahead would come that much too late.
      this.#timerAt = Number.NaN;
      this.#arm();
    });
  }

  confirm(lease: Lease): void {
    const held = this.#held.get(lease);
    if (!held) throw new Error(`the lease of ${lease.credentialId} is settled already, or of another pool`);
    if (held.confirmedAt !== null) return;
    const now = this.#now();
    held.confirmedAt = now;
    const { member, ledger, trials } = held;
    // It has proved what it was sent for; the rest of its stream does not hold up the next one.
    for (const trial of trials) trial.count--;
    held.trials = NO_TRIALS;
    this.#ripenDue(now);
    this.#judge(held, lease, { kind: 'success' }, 'answered', { isConfirmed: false, isOpen: true }, now);
    if (trials.length > 0) this.#placeTrials(ledger, member);
    this.#bind(held, now);
    this.#wake(now);
  }

  settle(lease: Lease, settlement: Settlement): void {
    const held = this.#held.get(lease);
    if (!held) throw new Error(`the lease of ${lease.credentialId} is settled already, or of another pool`);
    this.#held.delete(lease);
    const now = this.#now();
    const { member, ledger, trials } = held;
    const { outcome, reason, usage, learned } = settlement;
    member.inFlight--;
    ledger.inFlight--;
    for (const trial of trials) trial.count--;
    count(member, settlement);
    this.#countUse(held, usage);
    // Ends that have passed meanwhile come first: the outcome is judged against what holds now.
    this.#ripenDue(now);
    this.#judge(held, lease, outcome, reason, { isConfirmed: held.confirmedAt !== null, isOpen: false }, now);
    if (member.limits || learned) this.#countLimits(held, settlement, now);
    if (member.caps) this.#countCaps(held, outcome, now);
    if (outcome.kind === 'success') this.#bind(held, now);
    this.#roster.place(member);
    if (trials.length > 0) this.#placeTrials(ledger, member);
    this.#roster.dropIfDone(member);
    this.#onEvent?.({
      kind: 'lease-settled',
      provider: this.#provider,
      credential: lease.credentialId,
      model: lease.model,
      outcome: outcome.kind,
      inputTokens: usage?.inputTokens ?? null,
      outputTokens: usage?.outputTokens ?? null,
      at: now,
    });
    this.#wake(now);
  }

  prove(id: CredentialId): void {
    const now = this.#now();
    this.#ripenDue(now);
    const member = this.#roster.members.get(id);
    if (!member) return;
    this.#observe(member, { kind: 'proven' }, now);
    this.#wake(now);
  }

  tellQuota(id: CredentialId, { askedAt, windows }: PolledQuota): void {
    const now = this.#now();
    this.#ripenDue(now);
    const member = this.#roster.members.get(id);
    if (!member) return;
    const told = windows.flatMap((window): PolledWindow[] => {
      const scope = this.#roster.limitScopeOf(window.scope);
      return scope === null || isOver(window, now) ? [] : [{ ...window, scope: scopeName(scope) }];
    });
    member.polled = { askedAt, windows: told };
    for (const name of new Set(told.map(({ scope }) => scope))) {
      const scope = this.#roster.limitScopeOf(name);
      if (scope)
        this.#observeQuota(
          member,
          scope,
          told.filter((window) => window.scope === name),
          askedAt,
          now,
        );
    }
    this.#weighCaps(member, now);
    if (this.#fair.rules) for (const scope of this.#roster.scopesOf(member)) this.#exhaustByShare(member, scope, now);
    this.#isOutlookStale = true;
    this.#wake(now);
  }

  /** The windows of one scope: it is free again when the last that is spent has been renewed. */
  #observeQuota(
    member: Member,
    scope: LimitScope,
    windows: readonly PolledWindow[],
    askedAt: number,
    now: number,
  ): void {
    const spent = windows.filter(isSpent);
    const ends = spent.map(({ resetAt }) => resetAt).filter((at) => at !== null);
    // Spent, and nobody says until when: the day's end is the guess, and another answer corrects it.
    const until = ends.length > 0 ? Math.max(...ends) : this.#day.dueAt;
    const names = spent.map(({ name }) => name).join(', ');
    const block: Block | null =
      spent.length === 0
        ? null
        : {
            scope: scopeName(scope),
            kind: 'quota',
            until,
            reason: `the provider says that nothing is left of the window ${names}`,
            source: ends.length > 0 ? 'quota-poll' : 'daily-reset',
          };
    const ledger = scope.kind === 'model' ? this.#roster.look(scope.name) : null;
    if (ledger && (block || this.#roster.ledgers.has(ledger.model))) {
      // What is known of a model is kept with its ledger, so that both are forgotten together.
      this.#roster.keep(ledger, now);
      this.#roster.spot(ledger, member);
    }
    const before = member.state;
    this.#observe(member, { kind: 'quota-told', scope, block, askedAt }, now);
    this.#spreadQuota(member, before, scope, ledger, now);
  }

  snapshot(): unknown {
    const now = this.#now();
    this.#catchUp(now);
    const { balanceBy } = this.#settings;
    return writeSnapshot(this.#roster, this.#affinity, this.#fair, { dayEndsAt: this.#day.dueAt, balanceBy }, now);
  }

  rest(credentials: Iterable<CredentialId>, model: string): void {
    const now = this.#now();
    this.#ripenDue(now);
    const ledger = this.#roster.look(model);
    for (const id of credentials) {
      const member = this.#roster.members.get(id);
      if (!member) continue;
      // What is known of a model is kept with its ledger, so that both are forgotten together.
      this.#roster.keep(ledger, now);
      this.#roster.spot(ledger, member);
      this.#observe(member, { kind: 'rested', model }, now);
      this.#isOutlookStale = true;
    }
    this.#wake(now);
  }

  scopeOf(model: string): string {
    return scopeName(limitScope('model', model, this.#roster.groupOf(model)));
  }

  explain(want: Want): readonly Explanation[] {
    const now = this.#now();
    this.#catchUp(now);
    const ledger = this.#roster.look(want.model);
    const bound = this.#boundTo(want, now, true);
    const preferred = bound && this.#isHonoured(bound, want, ledger, now) ? bound : null;
    const session = bound ? null : this.#sessionOf(want);
    return explainWant(this.#roster, this.#reach.scope, ledger, want, this.#settings, preferred, session, now);
  }

  status(): PoolStatus {
    const now = this.#now();
    this.#catchUp(now);
    const blocks = [...this.#reach.scope.blocks];
    for (const ledger of this.#roster.ledgers.values()) blocks.push(...ledger.state.scope.blocks);
    return {
      credentials: [...this.#roster.members.values()].map((member) => statusOf(this.#roster, member, now)),
      blocks: blocks.sort(bySoonest).map(plain),
      waiting: this.#waiters.size,
    };
  }

  reset(id?: CredentialId): void {
    const now = this.#now();
    this.#ripenDue(now);
    for (const member of this.#roster.members.values()) {
      if (id !== undefined && member.credential.id !== id) continue;
      member.limits?.forgetLearned();
      member.polled = null;
      member.caps?.reset();
      this.#roster.weigh(member, null, now);
      this.#weighCaps(member, now);
      this.#observe(member, { kind: 'reset' }, now);
      this.#fair.release(member, now);
    }
    if (id === undefined) this.#fair.release(null, now);
    // What stands against the provider stands against each of its credentials, and is shown with them.
    for (const ledger of this.#roster.ledgers.values()) this.#roster.ledgerBecomes(ledger, QUIET);
    this.#reachBecomes(CLEAR);
    this.#wake(now);
  }

  update(credentials: readonly PoolCredential[], settings: PoolSettings): void {
    const now = this.#now();
    this.#ripenDue(now);
    const before = this.#settings;
    const capped = [...this.#roster.members.values()]
      .filter((member) => member.caps !== null)
      .map((member) => [member, [...member.capped.values()]] as const);
    this.#settings = settings;
    const arrived = this.#roster.replace(credentials, settings, now);
    for (const [member, blocks] of capped) this.#tellCapped(member, blocks, now);
    this.#fair.configure(settings.fairCycle, now);
    if (before.balanceBy !== settings.balanceBy) this.#recountUse();
    for (const member of arrived) this.#shareQuotaWith(member, now);
    this.#beginDay(now);
    this.#isOutlookStale = true;
    this.#wake(now);
  }

  close(): void {
    const now = this.#now();
    this.#roster.replace([], this.#settings, now);
    this.#isOutlookStale = true;
    this.#wake(now);
  }

  /** Whoever would serve it: the provider, or the model there, is not to be asked now. */
  #isShut(ledger: ModelLedger): boolean {
    return this.#reach.scope.blocks.length > 0 || ledger.state.scope.blocks.length > 0 || ledger.isBusy;
  }

  /** `isBenchOpen`: where nobody else can serve, also who sits out in a fair cycle. */
  #take(want: Want, ledger: ModelLedger, now: number, isBenchOpen: boolean): Lease | null {
    if (this.#isShut(ledger)) return null;
    const member =
      (want.affinity === null || want.only !== undefined
        ? this.#roster.choose(ledger, want, null, now, this.#random)
        : this.#chooseFor(want, ledger, now)) ?? (isBenchOpen ? this.#roster.lastResort(ledger, want, now) : null);
    if (!member) return null;
    this.#roster.keep(ledger, now);
    const spot = this.#roster.spot(ledger, member);
    const use = this.#settings.balanceBy === 'requests' || want.tokens <= 0 ? 1 : want.tokens / TOKENS_PER_USE;
    spot.use += use;
    spot.cost.open++;
    member.inFlight++;
    ledger.inFlight++;
    const { group, scope } = ledger.unit;
    const { key, groups, models } = member.state;
    const onModel = models.get(ledger.model);
    const onGroup = group === null ? undefined : groups.get(group);
    let trials = NO_TRIALS;
    if (key.probation || onModel?.probation || onGroup?.probation || ledger.state.scope.probation) {
      trials = [
        ...(key.probation ? [member.trial] : []),
        ...(onModel?.probation ? [spot.trial] : []),
        ...(onGroup?.probation && group !== null ? [this.#roster.groupTrial(member, group)] : []),
        ...(ledger.state.scope.probation ? [ledger.trial] : []),
      ];
      for (const trial of trials) trial.count++;
      this.#placeTrials(ledger, member);
    }
    const reservation = member.limits?.reserve(scope, want.tokens, now) ?? null;
    if (reservation) this.#roster.weigh(member, ledger.unit, now);
    const receipts =
      member.caps && ledger.caps.length > 0
        ? member.caps.add(ledger.caps, now, this.#roster.basisOf(member, now))
        : NO_RECEIPTS;
    if (receipts.length > 0) this.#weighCaps(member, now);
    if (reservation) this.#exhaustByShare(member, ledger.unit.scope, now);
    this.#roster.place(member);
    const lease: Lease = { credentialId: member.credential.id, model: want.model, at: now };
    const held = { member, ledger, spot, want, trials, reservation, receipts, startedAt: now, confirmedAt: null, use };
    this.#held.set(lease, held);
    return lease;
  }

  /** For a conversation: the credential that served it, else whoever the mode prefers, who serves it from then on. */
  #chooseFor(want: Want, ledger: ModelLedger, now: number): Member | null {
    const { affinity } = want;
    const bound = this.#boundTo(want, now, false);
    if (bound && this.#isHonoured(bound, want, ledger, now)) return bound;
    const session = this.#sessionOf(want);
    const member = this.#roster.choose(ledger, want, bound ? null : session, now, this.#random);
    if (bound && affinity && !this.#roster.canServe(bound, ledger, want, now)) this.#affinity.unbind(affinity.key);
    // The first requests of a conversation may come together; they need not wait for an answer to stay together.
    if (member && session !== null && this.#affinity.peek(session, now) === null) {
      this.#affinity.bind(session, member.credential.id, now);
    }
    return member;
  }

  /** The conversation, when it may choose for the request. */
  #sessionOf({ affinity, only }: Want): string | null {
    if (affinity === null || only !== undefined || !this.#settings.isAffinityOn) return null;
    return affinity.isExplicit || affinity.isHonoured ? affinity.key : null;
  }

  /** Who served this conversation last. */
  #boundTo({ affinity, only }: Want, now: number, isLook: boolean): Member | null {
    if (affinity === null || only !== undefined || !this.#settings.isAffinityOn) return null;
    const id = isLook ? this.#affinity.peek(affinity.key, now) : this.#affinity.find(affinity.key, now);
    return (id === null ? undefined : this.#roster.members.get(id)) ?? null;
  }

  /** What the client named itself always counts; what was inferred yields where that spreads the load. */
  #isHonoured(bound: Member, want: Want, ledger: ModelLedger, now: number): boolean {
    const { affinity } = want;
    if (affinity === null || !(affinity.isExplicit || affinity.isHonoured)) return false;
    if (!isEligible(want, bound) || !this.#roster.canServe(bound, ledger, want, now)) return false;
    if (affinity.isExplicit || bound.inFlight < bound.softMax) return true;
    return !this.#roster.hasSparePeer(bound, ledger, want, now);
  }

  /** The one that served is the one that has the conversation's cache. */
  #bind({ want: { affinity }, member }: Held, now: number): void {
    if (affinity !== null && this.#settings.isAffinityOn && member.rank) {
      this.#affinity.bind(affinity.key, member.credential.id, now);
    }
  }

  #prospect(want: Want, ledger: ModelLedger, now: number, isBenchOpen: boolean): Prospect {
    const { changes, hasLimits } = this.#roster;
    const reach = this.#reach.scope;
    if (!isOpenToAll(want)) return prospectOf(this.#roster, reach, ledger, want, isBenchOpen, now);
    const tokens = hasLimits ? want.tokens : 0;
    const known = ledger.outlook;
    const isKnown =
      known?.changes === changes &&
      known.reach === reach &&
      known.tokens === tokens &&
      known.isBenchOpen === isBenchOpen &&
      now < known.prospect.roomAt;
    if (isKnown) return known.prospect;
    const prospect = prospectOf(this.#roster, reach, ledger, want, isBenchOpen, now);
    ledger.outlook = { changes, reach, tokens, isBenchOpen, prospect };
    return prospect;
  }

  #placeTrials(ledger: ModelLedger, member: Member): void {
    this.#roster.place(member);
    this.#roster.placeOn(ledger, member);
    if (ledger.unit.group !== null) this.#roster.placeOnUnit(ledger.unit, member);
  }

  /** What an outcome says of the credential, of its quota pool, of the model and of the way to the provider. */
  #judge(
    held: Held,
    lease: Lease,
    outcome: Outcome,
    reason: string,
    when: { readonly isConfirmed: boolean; readonly isOpen: boolean },
    now: number,
  ): void {
    const { member, ledger, startedAt } = held;
    const { model, credentialId } = lease;
    const { group } = ledger.unit;
    const before = member.state;
    // Nothing was wrong, and nothing is: what most requests have to tell.
    const isNoNews = ledger.state === QUIET && this.#reach.scope === CLEAR && isUntroubled(before, model, group);
    if (outcome.kind === 'success' && isNoNews) return;
    this.#observe(member, { kind: 'settled', model, group, startedAt, outcome, reason, ...when }, now);
    if (outcome.kind === 'rate-limited') this.#shareQuota(member, before, ledger, outcome, now);
    const providerEvent = {
      model,
      credentialId,
      startedAt,
      outcome,
      reason,
      isOnlyCredential: outcome.kind === 'upstream-error' && this.#roster.isOnly(member, model),
    };
    const ledgerBefore = ledger.state;
    this.#roster.ledgerBecomes(ledger, observeModel(ledgerBefore, providerEvent, now, this.#random));
    const reachBefore = this.#reach.scope;
    this.#reachBecomes(observeReach(reachBefore, providerEvent, now, this.#random));
    if (member.state !== before || ledger.state !== ledgerBefore || this.#reach.scope !== reachBefore) {
      this.#isOutlookStale = true;
    }
  }

  /** Keys of one project share its quota: what one of them met, the others need not meet. */
  #shareQuota(
    member: Member,
    before: CredentialState,
    ledger: ModelLedger,
    outcome: Outcome & { kind: 'rate-limited' },
    now: number,
  ): void {
    if (outcome.isPermanent) return;
    this.#spreadQuota(member, before, limitScope(outcome.scope, ledger.model, ledger.unit.group), ledger, now);
  }

  #spreadQuota(
    member: Member,
    before: CredentialState,
    scope: LimitScope,
    ledger: ModelLedger | null,
    now: number,
  ): void {
    // What is gone from the config may not be of the same project any more.
    if (member.credential.quotaPool === null || !member.rank) return;
    const was = scopeAt(before, scope);
    const { blocks, dayRefusedAt } = scopeAt(member.state, scope);
    const block = blocks.find(isQuota) ?? null;
    if (was.blocks.find(isQuota) === (block ?? undefined) && was.dayRefusedAt === dayRefusedAt) return;
    for (const peer of this.#roster.quotaPeers(member)) {
      // What is known of a model is kept with its ledger, so that both are forgotten together.
      if (scope.kind === 'model' && ledger) this.#roster.spot(ledger, peer);
      this.#observe(peer, { kind: 'quota-shared', scope, block, dayRefusedAt }, now);
    }
  }

  /** A newcomer to a quota pool finds the quota as its peers have left it. */
  #shareQuotaWith(member: Member, now: number): void {
    const [peer] = this.#roster.quotaPeers(member);
    if (!peer) return;
    const { key, groups, models } = peer.state;
    const scopes = [
      [{ kind: 'key' }, key] as const,
      ...[...groups].map(([name, state]) => [{ kind: 'group', name }, state] as const),
      ...[...models].map(([name, state]) => [{ kind: 'model', name }, state] as const),
    ];
    for (const [scope, { blocks, dayRefusedAt }] of scopes) {
      const block = blocks.find(isQuota);
      if (block === undefined || block.until === null) continue;
      const ledger = scope.kind === 'model' ? this.#roster.ledgers.get(scope.name) : undefined;
      if (scope.kind === 'model' && !ledger) continue;
      if (ledger) this.#roster.spot(ledger, member);
      this.#observe(member, { kind: 'quota-shared', scope, block, dayRefusedAt }, now);
    }
  }

  /** Corrects what the lease has reserved, and reads what the reply's headers told. */
  #countLimits(
    { member, ledger, reservation, startedAt, confirmedAt }: Held,
    settlement: Settlement,
    now: number,
  ): void {
    const { outcome, usage, learned } = settlement;
    if (learned && !member.limits) {
      this.#roster.limit(member, new CredentialLimits(NO_LIMITS, this.#settings.dailyReset, now));
    }
    const { limits } = member;
    if (!limits) return;
    if (reservation) {
      if (outcome.kind === 'unreachable') limits.cancel(reservation);
      else limits.correct(reservation, realTokens(outcome, usage, reservation.tokens), now);
    }
    // Headers come before the first byte that counts; a stream can end minutes after them.
    if (learned) limits.learn(ledger.unit.scope, learned, confirmedAt ?? startedAt, now, reservation);
    this.#roster.weigh(member, ledger.unit, now);
    this.#isOutlookStale = true;
    this.#exhaustByShare(member, ledger.unit.scope, now);
  }

  /** Blocks that are new to a credential: a long one uses it up, and who sits out may be needed. */
  #exhaustBy(member: Member, before: readonly Block[], after: readonly Block[], now: number): void {
    const { rules } = this.#fair;
    if (!rules) return;
    const scopes = new Set<string>();
    for (const block of after) {
      if (before.includes(block) || !isExhausting(block, rules.thresholdMs, now)) continue;
      for (const scope of this.#scopesOf(member, block)) scopes.add(scope);
    }
    this.#fair.exhaust(member, scopes, now);
    this.#fair.reviewWith(member, now);
  }

  /** Where a block uses a credential up, as fair cycles name it. */
  #scopesOf(member: Member, block: Block): Iterable<string> {
    if (this.#fair.rules?.scope === 'credential') return [EVERYTHING];
    if (block.scope === 'key') return this.#roster.scopesOf(member);
    if (block.kind !== 'custom_cap') return [block.scope];
    const scopes = new Set<string>();
    for (const ledger of this.#roster.ledgers.values()) {
      if (ledger.caps.some((cap) => member.capped.get(cap) === block)) scopes.add(ledger.unit.scope);
    }
    return scopes;
  }

  /** So much of a limit per day or longer is used that the credential counts as used up. */
  #exhaustByShare(member: Member, scope: string, now: number): void {
    const { rules } = this.#fair;
    if (!rules) return;
    const share = Math.max(member.limits?.longShare(scope, now) ?? 0, longShare(member.polled, scope, now));
    if (share >= rules.quotaThreshold) this.#fair.exhaust(member, [scope], now);
    if (member.over.size > 0) this.#fair.reviewWith(member, now);
  }

  /** A request that was never sent is given back; and what headers told may be what a cap goes by. */
  #countCaps({ member, receipts }: Held, outcome: Outcome, now: number): void {
    if (outcome.kind === 'unreachable') member.caps?.giveBack(receipts);
    this.#weighCaps(member, now);
  }

  #weighCaps(member: Member, now: number): void {
    const before = member.capped;
    if (!member.caps) return;
    this.#roster.weighCaps(member, now);
    if (member.capped === before) return;
    this.#isOutlookStale = true;
    this.#exhaustBy(member, [...before.values()], [...member.capped.values()], now);
    this.#tellCapped(member, [...before.values()], now);
  }

  #tellCapped({ credential, capped, state }: Member, before: readonly Block[], now: number): void {
    if (!this.#onEvent) return;
    const others = blocksOf(state);
    this.#tellBlocks(this.#onEvent, credential.id, [...before, ...others], [...capped.values(), ...others], now);
  }

  /** By tokens, the real number takes the place of the estimate. */
  #countUse(held: Held, usage: LeaseUsage | null): void {
    const { cost } = held.spot;
    const costUsd = usage?.costUsd ?? null;
    cost.open--;
    if (costUsd !== null && costUsd >= 0) {
      cost.usd += costUsd;
      cost.priced++;
    } else if ((usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0) > 0) cost.unpriced++;
    if (this.#settings.balanceBy === 'requests') return;
    const tokens = (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0);
    if (tokens <= 0) return;
    held.spot.use = Math.max(0, held.spot.use - held.use + tokens / TOKENS_PER_USE);
  }

  /** From zero, but what is in flight counts as use. */
  #recountUse(): void {
    this.#roster.forgetUse();
    for (const held of this.#held.values()) {
      const { tokens } = held.want;
      held.use = this.#settings.balanceBy === 'requests' || tokens <= 0 ? 1 : tokens / TOKENS_PER_USE;
      held.spot.use += held.use;
    }
  }

  #beginDay(now: number): void {
    this.#due.set(this.#day, nextReset(now, this.#settings.dailyReset));
  }

  #endDay(now: number): void {
    // The new day's end first: what is observed now is held until then.
    this.#beginDay(now);
    for (const member of this.#roster.members.values()) this.#observe(member, { kind: 'day-passed' }, now);
    this.#recountUse();
  }

  /** The clock, and whether it was set back since it was last read. */
  #now(): number {
    const now = this.#clock.now();
    if (now < this.#latest - MAX_NUDGE_MS) this.#setBack(now);
    else if (now > this.#latest) this.#latest = now;
    return now;
  }

  /**
   * Whatever was counted by the old time lasts as long as it would have, instead of that much longer. A clock that jumps
   * ahead is not told from a machine that slept: what is over by the new time is over.
   */
  #setBack(now: number): void {
    const byMs = now - this.#latest;
    this.#latest = now;
    for (const member of this.#roster.members.values()) {
      this.#roster.become(member, shiftState(member.state, byMs));
      member.caps?.shift(byMs);
      this.#roster.weigh(member, null, now);
      this.#weighCaps(member, now);
    }
    for (const ledger of this.#roster.ledgers.values())
      this.#roster.ledgerBecomes(ledger, shiftModel(ledger.state, byMs));
    this.#reachBecomes(shiftScope(this.#reach.scope, byMs));
    for (const held of this.#held.values()) {
      held.startedAt += byMs;
      if (held.confirmedAt !== null) held.confirmedAt += byMs;
    }
    for (const waiter of this.#waiters) {
      const { deadline, blockedDeadline, signal } = waiter.limits;
      waiter.limits = { deadline: deadline + byMs, blockedDeadline: blockedDeadline + byMs, signal };
      this.#due.set(waiter, waiter.limits.deadline);
    }
    this.#fair.shift(byMs);
    this.#beginDay(now);
    this.#isOutlookStale = true;
    this.#wake(now);
  }

  #restore(stored: unknown, now: number): void {
    const snapshot = readSnapshot(stored, now);
    if (!snapshot) return;
    const byId = new Map([...this.#roster.members].map(([id, member]) => [String(id), member]));
    for (const { id, state, totals, limits, caps, polled } of snapshot.credentials) {
      const member = byId.get(id);
      if (!member) continue;
      Object.assign(member, totals);
      if (limits !== null) {
        if (!member.limits) this.#roster.limit(member, new CredentialLimits(NO_LIMITS, this.#settings.dailyReset, now));
        member.limits?.restore(limits, now);
        this.#roster.weigh(member, null, now);
      }
      member.polled = polled;
      member.caps?.restore(caps, snapshot.byMs);
      // Not news: whoever rests had been used up by that before.
      this.#roster.weighCaps(member, now);
      for (const model of state.models.keys()) {
        const ledger = this.#roster.look(model);
        this.#roster.keep(ledger, now);
        this.#roster.spot(ledger, member);
      }
      this.#roster.become(member, state);
      if (snapshot.dayEndsAt <= now) this.#observe(member, { kind: 'day-passed' }, now);
    }
    if (snapshot.dayEndsAt > now && snapshot.balanceBy === this.#settings.balanceBy) {
      for (const { model, id, use, cost } of snapshot.uses) {
        const member = byId.get(id);
        if (!member) continue;
        const ledger = this.#roster.look(model);
        this.#roster.keep(ledger, now);
        const spot = this.#roster.spot(ledger, member);
        spot.use = use;
        Object.assign(spot.cost, cost);
      }
    }
    for (const { model, state } of snapshot.models) {
      const ledger = this.#roster.look(model);
      this.#roster.keep(ledger, now);
      this.#roster.ledgerBecomes(ledger, state);
    }
    this.#fair.restore(snapshot.fairCycles, snapshot.byMs, now);
    const ids = new Map([...this.#roster.members.keys()].map((id) => [String(id), id]));
    this.#affinity.restore(snapshot.affinity, (id) => ids.get(id), now);
  }

  #observe(member: Member, event: CredentialEvent, now: number): void {
    const policy = { cooldowns: this.#settings.cooldowns, random: this.#random, dayEndsAt: this.#day.dueAt };
    const model = 'model' in event ? event.model : undefined;
    const before = member.state;
    const after = observe(before, event, now, policy);
    if (after === before) return;
    this.#roster.become(member, after, model);
    if (after.key.blocks.length > 0 && after.key !== before.key) this.#affinity.release(member.credential.id);
    if (this.#fair.rules) this.#exhaustBy(member, blocksOf(before), blocksOf(after), now);
    if (this.#onEvent) this.#tell(this.#onEvent, member, before, after, now);
  }

  #tell(
    onEvent: (event: PoolEvent) => void,
    { credential: { id }, capped }: Member,
    before: CredentialState,
    after: CredentialState,
    now: number,
  ): void {
    const caps = [...capped.values()];
    this.#tellBlocks(onEvent, id, [...blocksOf(before), ...caps], [...blocksOf(after), ...caps], now);
  }

  #tellBlocks(
    onEvent: (event: PoolEvent) => void,
    id: CredentialId,
    was: readonly Block[],
    is: readonly Block[],
    now: number,
  ): void {
    const provider = this.#provider;
    for (const block of is) {
      if (was.some((other) => isSameBlock(block, other))) continue;
      onEvent({ kind: 'credential-blocked', provider, credential: id, block: plain(block), at: now });
    }
    for (const scope of new Set(was.map((block) => block.scope))) {
      if (is.some((block) => block.scope === scope)) continue;
      onEvent({ kind: 'credential-unblocked', provider, credential: id, scope, at: now });
    }
  }

  #reachBecomes(scope: ScopeState): void {
    this.#reach.scope = scope;
    this.#due.set(this.#reach, firstEndOf(scope));
  }

  /** Lets time have passed: blocks that are over end, and who waited for that is served, or refused at the deadline. */
  #catchUp(now: number): void {
    if (this.#due.next() <= now) {
      this.#ripenDue(now);
      this.#wake(now);
    }
  }

  /** Ends what is over. Waiters whose deadline has passed stay until `#wake` has tried them a last time. */
  #ripenDue(now: number): void {
    for (let owner = this.#due.take(now); owner; owner = this.#due.take(now)) {
      if (owner instanceof Member) this.#ripen(owner, now);
      else if (owner instanceof Day) this.#endDay(now);
      else if (owner instanceof ModelLedger) this.#roster.ledgerBecomes(owner, ripenModel(owner.state, now));
      else if (owner instanceof Reach) this.#reachBecomes(ripen(owner.scope, now));
      else if (owner instanceof RunningCycle) this.#fair.expire(owner, now);
      // A waiter: it is looked at when the line is.
      else this.#isOutlookStale = true;
    }
  }

  #ripen(member: Member, now: number): void {
    this.#observe(member, { kind: 'time-passed' }, now);
    // Also when nothing was over: it was taken out of the heap and has to go back in.
    if (member.over.size > 0) this.#roster.weigh(member, null, now);
    if (member.capped.size > 0) this.#weighCaps(member, now);
  }

  /** Goes through the line from its head: serves whom it can, refuses whose waiting has become vain. */
  #wake(now: number): void {
    do this.#goThroughLine(now);
    while (this.#isOutlookStale && this.#waiters.size > 0);
    this.#arm();
  }

  /** What was just leased may have reached a cap, or used a credential up: then others wait in vain, or no longer. */
  #wakeIfStale(now: number): void {
    if (this.#isOutlookStale && this.#waiters.size > 0) this.#wake(now);
  }

  #goThroughLine(now: number): void {
    if (this.#waiters.size > 0) {
      // Whatever is leased under limits changes how long a larger one waits.
      const isStale = this.#isOutlookStale || this.#roster.hasLimits;
      this.#isOutlookStale = false;
      // Saved anew for each as its turn comes: what is saved is kept from those behind, not from those before.
      for (const { savedOn, savedScope } of this.#savers) if (savedOn) this.#roster.unsave(savedOn, savedScope);
      this.#savers.clear();
      // A model that nobody serves to a request without conditions is not served to one with them, nor to a larger one.
      const dry = new Map<ModelLedger, number>();
      for (const waiter of this.#waiters) {
        const { want, ledger } = waiter;
        const isAnybodyReady = this.#roster.isAnybodyReady;
        if (isAnybodyReady && (waiter.isBenchOpen || want.tokens < (dry.get(ledger) ?? Number.POSITIVE_INFINITY))) {
          const lease = this.#take(want, ledger, now, waiter.isBenchOpen);
          if (lease) {
            this.#leave(waiter, lease);
            continue;
          }
          if (isOpenToAll(want)) dry.set(ledger, want.tokens);
        }
        if (!isStale) {
          if (!isAnybodyReady) break;
          continue;
        }
        let prospect = this.#prospect(want, ledger, now, false);
        waiter.isBenchOpen = this.#roster.hasBenched && isHopeless(prospect.refusal, waiter.limits, now);
        if (waiter.isBenchOpen) {
          const last = this.#take(want, ledger, now, true);
          if (last) {
            this.#leave(waiter, last);
            continue;
          }
          prospect = this.#prospect(want, ledger, now, true);
        }
        if (isHopeless(prospect.refusal, waiter.limits, now)) this.#leave(waiter, prospect.refusal);
        else {
          this.#saveFor(waiter, prospect, now);
          this.#due.set(waiter, Math.min(waiter.limits.deadline, prospect.roomAt));
        }
      }
    }
  }

  /** Keeps the room of one credential from all who come later: of the same one as before, while it still lacks some. */
  #saveFor(waiter: Waiter, { soonest }: Prospect, now: number): void {
    const { want, ledger, savedOn: before } = waiter;
    waiter.savedOn = null;
    if (this.#savers.size >= MAX_SAVERS) return;
    const next = soonest === null ? null : (this.#roster.members.get(soonest) ?? null);
    // To change over costs what was saved: two that take turns in being the soonest would never have enough.
    const isKept =
      before !== null &&
      (next === null || !this.#roster.hasRoom(before, ledger, want.tokens, now)) &&
      this.#isWorthSaving(waiter, before, now);
    const member = isKept ? before : next;
    if (!member || (!isKept && !this.#isWorthSaving(waiter, member, now))) return;
    // A ceiling of the model is nothing to other models, unless the key's own limits are in the way as well.
    const scope = this.#roster.hasRoomOnKey(member, want.tokens, now) ? ledger.unit.scope : '';
    if (member.saved.has(scope)) return;
    waiter.savedOn = member;
    waiter.savedScope = scope;
    this.#savers.add(waiter);
    this.#roster.save(member, scope, want.tokens);
  }

  #isWorthSaving({ want, ledger, isBenchOpen, limits }: Waiter, member: Member, now: number): boolean {
    return isWorthSaving(this.#roster, this.#reach.scope, ledger, want, member, isBenchOpen, limits.deadline, now);
  }

  #leave(waiter: Waiter, result: Lease | Refusal): void {
    if (!this.#waiters.delete(waiter)) return;
    if (this.#savers.delete(waiter) && waiter.savedOn) {
      this.#roster.unsave(waiter.savedOn, waiter.savedScope);
      this.#isOutlookStale = true;
    }
    waiter.ledger.waiting--;
    this.#waitingBytes -= waiter.want.bytes;
    this.#due.set(waiter, Number.POSITIVE_INFINITY);
    waiter.end(result);
  }

  /** One timer, for the soonest block's end or deadline, and only while somebody waits. */
  #arm(): void {
    const at = this.#waiters.size > 0 ? this.#due.next() : Number.POSITIVE_INFINITY;
    if (at === this.#timerAt) return;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.#clock.schedule(at - this.#clock.now(), () => {
      this.#cancelTimer = null;
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#catchUp(this.#now());
      // A timer may fire early; then nothing was due and it is set again.
      this.#arm();
    });
  }
}

/** Waiting cannot help, or not in time. */
function isHopeless(refusal: Refusal, limits: Limits, now: number): boolean {
  switch (refusal.cause) {
    case 'busy':
      return now >= limits.deadline;
    case 'blocked':
    case 'over-limit':
      return refusal.retryAt === null || refusal.retryAt > Math.min(limits.deadline, limits.blockedDeadline);
    case 'none':
    case 'excluded':
    case 'queue-full':
    case 'aborted':
      return true;
  }
}

function count(member: Member, { outcome, usage }: Settlement): void {
  member.requests++;
  if (outcome.kind === 'success') member.successes++;
  if (isFailure(outcome)) member.failures++;
  member.inputTokens += usage?.inputTokens ?? 0;
  member.outputTokens += usage?.outputTokens ?? 0;
}

const isFailure = (outcome: Outcome) => outcome.kind !== 'success' && outcome.kind !== 'neutral';

/** What a request used, as far as anybody can know; null: the estimate stands. */
function realTokens(outcome: Outcome, usage: LeaseUsage | null, estimate: number): number | null {
  const { inputTokens, outputTokens } = usage ?? { inputTokens: null, outputTokens: null };
  if (inputTokens !== null && outputTokens !== null) return inputTokens + outputTokens;
  // Half a count is a lower bound.
  if (inputTokens !== null || outputTokens !== null) return Math.max(estimate, inputTokens ?? outputTokens ?? 0);
  switch (outcome.kind) {
    // The provider did no work for these.
    case 'rate-limited':
    case 'auth':
    case 'forbidden':
    case 'billing':
    case 'overloaded':
    case 'unreachable':
    case 'model-missing':
      return 0;
    case 'success':
    case 'neutral':
    case 'failed':
    case 'upstream-error':
      return null;
    default:
      return assertNever(outcome);
  }
}

/** Guesses are spread; one of about the threshold counts. */
const isExhausting = ({ until, source }: Block, thresholdMs: number, now: number) =>
  until === null || until - now >= thresholdMs * (source === 'guess' ? 0.9 : 1);

const isSameBlock = (a: Block, b: Block) =>
  a === b || (a.scope === b.scope && a.kind === 'custom_cap' && b.kind === 'custom_cap' && a.until === b.until);

const isQuota = (block: Block) => block.kind === 'quota';

function blocksOf({ key, groups, models }: CredentialState): readonly Block[] {
  const blocks: Block[] = [...key.blocks];
  for (const scope of groups.values()) blocks.push(...scope.blocks);
  for (const scope of models.values()) blocks.push(...scope.blocks);
  return blocks;
}

function statusOf(roster: Roster, member: Member, now: number): CredentialStatus {
  const { credential, state, inFlight } = member;
  return {
    id: credential.id,
    isEnabled: credential.isEnabled,
    priority: credential.priority,
    state: !credential.isEnabled
      ? 'disabled'
      : member.isBlocked
        ? 'blocked'
        : member.isBusy || member.over.has('') || member.saved.has('')
          ? 'busy'
          : 'ready',
    inFlight,
    rejections: state.key.streak,
    blocks: [...(credential.hold ? [credential.hold] : []), ...blocksOf(state), ...member.capped.values()]
      .sort(bySoonest)
      .map(plain),
    windows: [...(member.limits?.views(now) ?? []), ...polledViews(member.polled, now)],
    caps: member.caps?.views(now, roster.basisOf(member, now), roster.capScope) ?? [],
    usage: {
      requests: member.requests,
      failures: member.failures,
      inputTokens: member.inputTokens,
      outputTokens: member.outputTokens,
    },
  };
}
