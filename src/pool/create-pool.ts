import type { Clock } from '../shared/clock.ts';
import type { Random } from '../shared/random.ts';
import { CLEAR, type CredentialEvent, firstEndOf, observe, ripen, type ScopeState } from './blocks.ts';
import { observeModel, observeReach, QUIET, ripenModel } from './breaker.ts';
import type { CredentialId, PoolCredential } from './credential.ts';
import { type Due, DueHeap } from './due-heap.ts';
import { explainWant } from './explain.ts';
import type { Outcome, Settlement } from './outcome.ts';
import { bySoonest, plain, refusalOf } from './outlook.ts';
import type { CredentialStatus, Explanation, Lease, Pool, PoolSettings, PoolStatus, Refusal, Want } from './pool.ts';
import { isOpenToAll, ModelLedger, Member, Roster, type Trial } from './roster.ts';

/** Bodies are held while their requests wait. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;

export type PoolOptions = {
  /** Id of the provider, for patterns written as `provider/model`. */
  readonly provider: string;
  readonly credentials: readonly PoolCredential[];
  readonly settings: PoolSettings;
  readonly clock: Clock;
  readonly random: Random;
};

export function createPool(options: PoolOptions): Pool {
  return new CredentialPool(options);
}

type Limits = { readonly deadline: number; readonly blockedDeadline: number; readonly signal: AbortSignal };

/** What a lease holds. */
type Held = { readonly member: Member; readonly ledger: ModelLedger; readonly trials: readonly Trial[] };

class Waiter implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  readonly want: Want;
  readonly ledger: ModelLedger;
  readonly limits: Limits;
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

const NO_TRIALS: readonly Trial[] = [];

/**
 * The invariant on which the line's fairness rests: after every call, nobody waits who could be served. So whatever
 * a newcomer finds ready is of no use to anybody older, and taking it overtakes nobody.
 */
class CredentialPool implements Pool {
  readonly #clock: Clock;
  readonly #random: Random;
  #settings: PoolSettings;
  readonly #due = new DueHeap<Member | ModelLedger | Reach | Waiter>();
  readonly #roster: Roster;
  readonly #reach = new Reach();
  readonly #held = new Map<Lease, Held>();
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter>();
  #waitingBytes = 0;
  /** Something was blocked since the line last looked: who waits may now wait in vain. */
  #isOutlookStale = false;
  #cancelTimer: (() => void) | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(options: PoolOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#settings = options.settings;
    this.#roster = new Roster(options.provider, (owner, at) => this.#due.set(owner, at));
    this.#roster.replace(options.credentials, options.settings.concurrency);
  }

  lease(want: Want, now: number): Lease | Refusal {
    this.#catchUp(now);
    const ledger = this.#roster.look(want.model);
    return this.#take(want, ledger, now) ?? this.#refuse(want, ledger);
  }

  acquire(want: Want, limits: Limits): Promise<Lease | Refusal> {
    const now = this.#clock.now();
    if (limits.signal.aborted) return Promise.resolve({ kind: 'refused', cause: 'aborted', blocks: [], retryAt: null });
    this.#catchUp(now);
    const ledger = this.#roster.look(want.model);
    const lease = this.#take(want, ledger, now);
    if (lease) return Promise.resolve(lease);
    const refusal = this.#refuse(want, ledger);
    if (isHopeless(refusal, limits, now)) return Promise.resolve(refusal);
    const isFull =
      this.#waiters.size >= this.#settings.maxWaiting || this.#waitingBytes + want.bytes > MAX_WAITING_BYTES;
    if (isFull) return Promise.resolve({ ...refusal, cause: 'queue-full' });
    return new Promise((resolve) => {
      const abort = () => {
        this.#leave(waiter, { kind: 'refused', cause: 'aborted', blocks: [], retryAt: null });
        this.#arm();
      };
      const end = (result: Lease | Refusal) => {
        limits.signal.removeEventListener('abort', abort);
        resolve(result);
      };
      const waiter = new Waiter(want, ledger, limits, end);
      limits.signal.addEventListener('abort', abort, { once: true });
      ledger.waiting++;
      this.#roster.keep(ledger, now);
      this.#waiters.add(waiter);
      this.#waitingBytes += want.bytes;
      this.#due.set(waiter, limits.deadline);
      this.#arm();
    });
  }

  settle(lease: Lease, settlement: Settlement): void {
    const held = this.#held.get(lease);
    if (!held) throw new Error(`the lease of ${lease.credentialId} is settled already, or of another pool`);
    this.#held.delete(lease);
    const now = this.#clock.now();
    const { member, ledger, trials } = held;
    member.inFlight--;
    ledger.inFlight--;
    for (const trial of trials) trial.count--;
    count(member, settlement);
    // Ends that have passed meanwhile come first: the outcome is judged against what holds now.
    this.#ripenDue(now);
    const { outcome, reason } = settlement;
    const { model, at: startedAt, credentialId } = lease;
    const before = member.state;
    this.#observe(member, { kind: 'settled', model, startedAt, outcome, reason }, now);
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
    this.#roster.place(member);
    if (trials.length > 0) this.#roster.placeOn(ledger, member);
    this.#roster.dropIfDone(member);
    this.#wake(now);
  }

  rest(credentials: Iterable<CredentialId>, model: string): void {
    const now = this.#clock.now();
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

  explain(want: Want): readonly Explanation[] {
    const now = this.#clock.now();
    this.#catchUp(now);
    const ledger = this.#roster.look(want.model);
    return explainWant(this.#roster, this.#reach.scope, ledger, want, this.#settings, now);
  }

  status(): PoolStatus {
    this.#catchUp(this.#clock.now());
    const blocks = [...this.#reach.scope.blocks];
    for (const ledger of this.#roster.ledgers.values()) blocks.push(...ledger.state.scope.blocks);
    return {
      credentials: [...this.#roster.members.values()].map(statusOf),
      blocks: blocks.sort(bySoonest).map(plain),
      waiting: this.#waiters.size,
    };
  }

  reset(id?: CredentialId): void {
    const now = this.#clock.now();
    this.#ripenDue(now);
    for (const member of this.#roster.members.values()) {
      if (id === undefined || member.credential.id === id) this.#observe(member, { kind: 'reset' }, now);
    }
    // What stands against the provider stands against each of its credentials, and is shown with them.
    for (const ledger of this.#roster.ledgers.values()) this.#roster.ledgerBecomes(ledger, QUIET);
    this.#reachBecomes(CLEAR);
    this.#wake(now);
  }

  update(credentials: readonly PoolCredential[], settings: PoolSettings): void {
    const now = this.#clock.now();
    this.#ripenDue(now);
    this.#settings = settings;
    this.#roster.replace(credentials, settings.concurrency);
    this.#isOutlookStale = true;
    this.#wake(now);
  }

  close(): void {
    this.#roster.replace([], this.#settings.concurrency);
    this.#isOutlookStale = true;
    this.#wake(this.#clock.now());
  }

  #take(want: Want, ledger: ModelLedger, now: number): Lease | null {
    if (this.#reach.scope.blocks.length > 0 || ledger.state.scope.blocks.length > 0 || ledger.isBusy) return null;
    const member = this.#roster.choose(ledger, want, this.#settings.tolerance, this.#random);
    if (!member) return null;
    this.#roster.keep(ledger, now);
    const spot = this.#roster.spot(ledger, member);
    spot.use++;
    member.inFlight++;
    ledger.inFlight++;
    const onModel = member.state.models.get(ledger.model);
    let trials = NO_TRIALS;
    if (member.state.key.probation || onModel?.probation || ledger.state.scope.probation) {
      trials = [
        ...(member.state.key.probation ? [member.trial] : []),
        ...(onModel?.probation ? [spot.trial] : []),
        ...(ledger.state.scope.probation ? [ledger.trial] : []),
      ];
      for (const trial of trials) trial.count++;
      this.#roster.placeOn(ledger, member);
    }
    this.#roster.place(member);
    const lease: Lease = { credentialId: member.credential.id, model: want.model, at: now };
    this.#held.set(lease, { member, ledger, trials });
    return lease;
  }

  #refuse(want: Want, ledger: ModelLedger): Refusal {
    const { changes } = this.#roster;
    const reach = this.#reach.scope;
    if (!isOpenToAll(want)) return refusalOf(this.#roster, reach, ledger, want);
    if (ledger.outlook?.changes !== changes || ledger.outlook.reach !== reach) {
      ledger.outlook = { changes, reach, refusal: refusalOf(this.#roster, reach, ledger, want) };
    }
    return ledger.outlook.refusal;
  }

  #observe(member: Member, event: CredentialEvent, now: number): void {
    const policy = { cooldowns: this.#settings.cooldowns, random: this.#random };
    const model = 'model' in event ? event.model : undefined;
    this.#roster.become(member, observe(member.state, event, now, policy), model);
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
      if (owner instanceof Member) this.#observe(owner, { kind: 'time-passed' }, now);
      else if (owner instanceof ModelLedger) this.#roster.ledgerBecomes(owner, ripenModel(owner.state, now));
      else if (owner instanceof Reach) this.#reachBecomes(ripen(owner.scope, now));
      // A waiter: it is looked at when the line is.
      else this.#isOutlookStale = true;
    }
  }

  /** Goes through the line from its head: serves whom it can, refuses whose waiting has become vain. */
  #wake(now: number): void {
    if (this.#waiters.size > 0) {
      const isStale = this.#isOutlookStale;
      this.#isOutlookStale = false;
      // Where a request without conditions could not be served, none with them can be.
      const dry = new Set<ModelLedger>();
      for (const waiter of this.#waiters) {
        const { want, ledger } = waiter;
        const isAnybodyReady = this.#roster.isAnybodyReady;
        if (isAnybodyReady && !dry.has(ledger)) {
          const lease = this.#take(want, ledger, now);
          if (lease) {
            this.#leave(waiter, lease);
            continue;
          }
          if (isOpenToAll(want)) dry.add(ledger);
        }
        if (!isStale) {
          if (!isAnybodyReady) break;
          continue;
        }
        const refusal = this.#refuse(want, ledger);
        if (isHopeless(refusal, waiter.limits, now)) this.#leave(waiter, refusal);
      }
    }
    this.#arm();
  }

  #leave(waiter: Waiter, result: Lease | Refusal): void {
    if (!this.#waiters.delete(waiter)) return;
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
      this.#catchUp(this.#clock.now());
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
  if (isFailure(outcome)) member.failures++;
  member.inputTokens += usage?.inputTokens ?? 0;
  member.outputTokens += usage?.outputTokens ?? 0;
}

const isFailure = (outcome: Outcome) => outcome.kind !== 'success' && outcome.kind !== 'neutral';

function statusOf(member: Member): CredentialStatus {
  const { credential, state, inFlight } = member;
  const blocks = [...state.key.blocks];
  for (const scope of state.models.values()) blocks.push(...scope.blocks);
  return {
    id: credential.id,
    isEnabled: credential.isEnabled,
    priority: credential.priority,
    state: !credential.isEnabled
      ? 'disabled'
      : state.key.blocks.length > 0
        ? 'blocked'
        : member.isBusy
          ? 'busy'
          : 'ready',
    inFlight,
    blocks: blocks.sort(bySoonest).map(plain),
    usage: {
      requests: member.requests,
      failures: member.failures,
      inputTokens: member.inputTokens,
      outputTokens: member.outputTokens,
    },
  };
}
