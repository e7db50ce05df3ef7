import type { Random } from '../shared/random.ts';
import { matchesAny } from '../shared/wildcard.ts';
import {
  type CredentialState,
  firstEndOf,
  forgetGroups,
  forgetModel,
  HEALTHY,
  type LimitScope,
  limitScope,
  probationLimit,
  type ScopeState,
} from './blocks.ts';
import { type ModelState, QUIET } from './breaker.ts';
import type { Cap } from './cap.ts';
import { type CapBasis, capBasis } from './cap-basis.ts';
import { CapReach } from './cap-reach.ts';
import { CredentialCaps } from './credential-caps.ts';
import { type CredentialId, isInUse, type PoolCredential } from './credential.ts';
import type { Due } from './due-heap.ts';
import { type CredentialLimits, createLimits } from './limits.ts';
import type { PolledQuota } from './polled-quota.ts';
import type { Prospect } from './prospect.ts';
import type { Block, PoolSettings, Want } from './pool.ts';
import { QuotaGroups } from './quota-groups.ts';
import { costsOf, newSpotCost, type SpotCost } from './select/cost.ts';
import { chooseBalanced } from './select/balanced.ts';
import { gather } from './select/sample.ts';
import { chooseSequential, NO_SEQUENCE, type Sequence, type SequentialView } from './select/sequential.ts';
import { SlotSet } from './slot-set.ts';

/**
 * Who is in the pool, and who could be taken now. Readiness is kept up to date as things change instead of being looked
 * for at every request: per priority the credentials that can take one more, per model the ones that may serve it.
 */

/** Above these the models that were longest unused are forgotten: clients can make up names without end. */
const MAX_LEDGERS = 512;
const MAX_SPOTS_PER_MEMBER = 32;
const MIN_MAX_SPOTS = 20_000;

/** Requests in flight under one probation. A new probation gets a new one; older requests do not hold it up. */
export class Trial {
  count = 0;
}

/** The scope of a fair cycle that is one for all models. */
export const EVERYTHING = '';

/** One credential on one model. */
export type Spot = {
  /** Requests or tokens since the daily reset, those in flight among them. */
  use: number;
  readonly cost: SpotCost;
  trial: Trial;
};

export class Member implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  credential: PoolCredential;
  state: CredentialState = HEALTHY;
  inFlight = 0;
  trial = new Trial();
  readonly groupTrials = new Map<string, Trial>();
  /** Null: it has none of its own, and no provider told of any. */
  limits: CredentialLimits | null = null;
  /**
   * Where not even the smallest request has room, and until when: the empty name is the key itself, others are
   * `model:NAME` and `group:NAME`.
   */
  readonly over = new Map<string, number>();
  /** Where its room is saved for somebody who waits, named as above, and how many tokens that one needs. */
  readonly saved = new Map<string, number>();
  /** Null: no cap is for it. */
  caps: CredentialCaps | null = null;
  /** The caps that are reached, and the blocks that they are. */
  capped: ReadonlyMap<Cap, Block> = NO_CAPPED;
  /** Scopes on which it sits out in a fair cycle. */
  readonly benched = new Set<string>();
  /** What the provider answered when it was last asked. */
  polled: PolledQuota | null = null;
  /** Null once it is gone from the config. */
  rank: Rank | null = null;
  slot = 0;
  hardMax = Number.POSITIVE_INFINITY;
  softMax = Number.POSITIVE_INFINITY;
  requests = 0;
  successes = 0;
  failures = 0;
  inputTokens = 0;
  outputTokens = 0;

  constructor(credential: PoolCredential) {
    this.credential = credential;
  }

  get isBusy(): boolean {
    return this.inFlight >= this.hardMax || this.trial.count >= probationLimit(this.state.key);
  }

  /** Something keeps it from use for every model. */
  get isBlocked(): boolean {
    if (this.state.key.blocks.length > 0 || this.credential.hold) return true;
    if (this.capped.size === 0) return false;
    for (const cap of this.capped.keys()) if (cap.models.length === 0) return true;
    return false;
  }
}

const NO_CAPPED: ReadonlyMap<Cap, Block> = new Map();
const NO_CAPS: readonly Cap[] = [];

/** What shares limits, quota and order of use: a quota group, or a model that is in none. */
export class Unit {
  readonly group: string | null;
  /** As limits and blocks name it. */
  readonly scope: string;
  readonly ledgers = new Set<ModelLedger>();
  /** Credentials that have something against the group: a block, a probation, no room, or room that is saved. */
  readonly troubled = new Set<Member>();
  /** By rank: the order in which credentials are used up in sequential mode. */
  sequences: Sequence[] = [];

  constructor(group: string | null, scope: string) {
    this.group = group;
    this.scope = scope;
  }
}

/** Credentials of one priority. */
export class Rank {
  readonly priority: number;
  readonly order: number;
  readonly members: readonly Member[];
  /** Ready and below optimal concurrency. */
  readonly spare: SlotSet;
  /** Ready, at or over optimal concurrency. */
  readonly stacked: SlotSet;
  readonly hasPatterns: boolean;

  constructor(priority: number, order: number, members: readonly Member[]) {
    this.priority = priority;
    this.order = order;
    this.members = members;
    this.spare = new SlotSet(members.length);
    this.stacked = new SlotSet(members.length);
    this.hasPatterns = members.some((member) => member.credential.models.length > 0);
  }
}

/** One model at this provider. */
export class ModelLedger implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  readonly model: string;
  unit: Unit;
  state: ModelState = QUIET;
  trial = new Trial();
  readonly spots = new Map<Member, Spot>();
  /** By rank: who may serve the model as far as the model is concerned. Absent: everybody. */
  usable: (SlotSet | undefined)[] = [];
  inFlight = 0;
  waiting = 0;
  /** Credentials that have something against this model. */
  troubled = 0;
  touchedAt = 0;
  /** Why nobody can serve, as computed at this count of changes; looking at 5,000 blocked keys anew costs milliseconds. */
  outlook: Outlook | null = null;
  /** Those that count its requests. */
  caps: readonly Cap[] = NO_CAPS;

  constructor(model: string, unit: Unit) {
    this.model = model;
    this.unit = unit;
  }

  get isBusy(): boolean {
    return this.trial.count >= probationLimit(this.state.scope);
  }
}

type KeptOrder = { readonly unit: Unit; readonly members: readonly Member[] };

/** What was found for a model at this count of changes, and is still true. */
type Outlook = {
  readonly changes: number;
  readonly reach: ScopeState;
  /** Of the request it was computed for. Only limits make a difference between small and large ones. */
  readonly tokens: number;
  readonly isBenchOpen: boolean;
  readonly prospect: Prospect;
};

export class Roster {
  readonly #provider: string;
  readonly #setDue: (owner: Member | ModelLedger, at: number) => void;
  #members = new Map<CredentialId, Member>();
  /** Gone from the config with requests still in flight; one that comes back finds its count here. */
  readonly #leaving = new Map<CredentialId, Member>();
  #ranks: readonly Rank[] = [];
  readonly #ledgers = new Map<string, ModelLedger>();
  /** By name: the quota groups of the config. */
  #groups = new Map<string, Unit>();
  #quotaGroups: QuotaGroups;
  #capReach: CapReach;
  /** Who has reached a cap. */
  readonly #capped = new Set<Member>();
  /** Who sits out somewhere. */
  readonly #benched = new Set<Member>();
  readonly #quotaPools = new Map<string, Member[]>();
  #mode: PoolSettings['mode'] = 'balanced';
  #tolerance = 0;
  #balanceBy: PoolSettings['balanceBy'] = 'requests';
  // Of one choice: the same lists for all, since no choice waits.
  readonly #found: number[] = [];
  readonly #uses: number[] = [];
  readonly #weights: number[] = [];
  #limited = 0;
  #spots = 0;
  #changes = 0;

  constructor(provider: string, setDue: (owner: Member | ModelLedger, at: number) => void) {
    this.#provider = provider;
    this.#setDue = setDue;
    this.#quotaGroups = new QuotaGroups(provider, []);
    this.#capReach = new CapReach(provider, [], []);
  }

  /** Grows whenever a block, a credential or what is left of a limit changes; not with requests in flight. */
  get changes(): number {
    return this.#changes;
  }

  get members(): ReadonlyMap<CredentialId, Member> {
    return this.#members;
  }

  get ranks(): readonly Rank[] {
    return this.#ranks;
  }

  get ledgers(): ReadonlyMap<string, ModelLedger> {
    return this.#ledgers;
  }

  /** Some credential has limits, so that readiness depends on a request's size. */
  get hasLimits(): boolean {
    return this.#limited > 0;
  }

  /** Gives the credentials that are new, or enabled again. */
  replace(credentials: readonly PoolCredential[], settings: PoolSettings, now: number): ReadonlySet<Member> {
    this.#changes++;
    const { concurrency, dailyReset } = settings;
    this.#mode = settings.mode;
    this.#tolerance = settings.tolerance;
    this.#balanceBy = settings.balanceBy;
    const sequences = this.#sequencesByMember();
    const before = this.#members;
    const members = new Map<CredentialId, Member>();
    const arrived = new Set<Member>();
    for (const credential of credentials) {
      if (members.has(credential.id)) continue;
      const known = before.get(credential.id) ?? this.#leaving.get(credential.id);
      const member = known ?? new Member(credential);
      if (!before.has(credential.id) || (isInUse(credential) && !isInUse(member.credential))) arrived.add(member);
      member.credential = credential;
      const factor = concurrency.priorityMultipliers[credential.priority] ?? 1;
      const own = credential.limits.concurrency;
      member.hardMax = own === null ? limitOf(concurrency.maxPerKey, factor) : Math.max(0, own);
      member.softMax = limitOf(concurrency.optimalPerKey, factor);
      if (member.limits) member.limits.configure(credential.limits, dailyReset, now);
      else member.limits = createLimits(credential.limits, dailyReset, now);
      this.#configureCaps(member, settings, now);
      members.set(credential.id, member);
      this.#leaving.delete(credential.id);
    }
    for (const [id, member] of before) {
      if (members.has(id)) continue;
      member.rank = null;
      member.benched.clear();
      this.#benched.delete(member);
      this.#leaving.set(id, member);
      this.dropIfDone(member);
    }
    this.#members = members;
    this.#ranks = ranksOf([...members.values()]);
    this.#regroup(settings);
    this.#quotaPools.clear();
    this.#capped.clear();
    this.#limited = 0;
    for (const member of members.values()) {
      if (member.limits?.isIdle(now)) member.limits = null;
      if (member.limits) this.#limited++;
      member.over.clear();
      member.capped = NO_CAPPED;
      const { quotaPool } = member.credential;
      if (quotaPool === null) continue;
      const peers = this.#quotaPools.get(quotaPool);
      if (peers) peers.push(member);
      else this.#quotaPools.set(quotaPool, [member]);
    }
    for (const rank of this.#ranks) {
      for (const [slot, member] of rank.members.entries()) {
        member.rank = rank;
        member.slot = slot;
        this.weigh(member, null, now);
        this.weighCaps(member, now);
        this.place(member);
      }
    }
    this.#restoreSequences(sequences);
    for (const ledger of this.#ledgers.values()) {
      this.#index(ledger);
      for (const member of arrived) this.#catchUpUse(ledger, member, arrived);
    }
    return arrived;
  }

  /** The others that share a quota with this credential. */
  *quotaPeers(member: Member): Iterable<Member> {
    const { quotaPool } = member.credential;
    if (quotaPool === null) return;
    for (const peer of this.#quotaPools.get(quotaPool) ?? []) if (peer !== member) yield peer;
  }

  groupOf(model: string): string | null {
    return this.#quotaGroups.groupOf(model);
  }

  /** The credential has limits from now on: a provider told of some. */
  limit(member: Member, limits: CredentialLimits): void {
    if (!member.limits && member.rank) this.#limited++;
    member.limits = limits;
  }

  /** Looks again whether the credential has room, on the key as a whole and on one unit. */
  weigh(member: Member, unit: Unit | null, now: number): void {
    const { limits, over } = member;
    if (!limits) return;
    this.#changes++;
    const keyRoomAt = limits.roomAt('', 1, now);
    if (keyRoomAt > now) over.set('', keyRoomAt);
    else over.delete('');
    for (const scope of unit === null ? [...over.keys()] : [unit.scope]) {
      if (scope === '') continue;
      const was = over.has(scope);
      // Only what is the unit's own; the key's limits can get room by requests for other models.
      const roomAt = limits.roomAt(scope, 1, now);
      if (roomAt > Math.max(now, keyRoomAt)) over.set(scope, roomAt);
      else over.delete(scope);
      if (was !== over.has(scope)) this.#placeOnScope(scope, member);
    }
    this.place(member);
    this.#setMemberDue(member);
  }

  /** From now on the credential serves nobody on this scope: the room it gets is somebody's who waits. */
  save(member: Member, scope: string, tokens: number): void {
    member.saved.set(scope, tokens);
    this.#savedChanged(member, scope);
  }

  unsave(member: Member, scope: string): void {
    if (member.saved.delete(scope)) this.#savedChanged(member, scope);
  }

  #savedChanged(member: Member, scope: string): void {
    this.#changes++;
    if (scope === '') this.place(member);
    else this.#placeOnScope(scope, member);
  }

  /** Somebody sits out in a fair cycle. */
  get hasBenched(): boolean {
    return this.#benched.size > 0;
  }

  /** A credential sits out on this scope, or does no longer. */
  bench(member: Member, scope: string, isBenched: boolean): void {
    if (member.benched.has(scope) === isBenched) return;
    this.#changes++;
    if (isBenched) member.benched.add(scope);
    else member.benched.delete(scope);
    if (member.benched.size > 0 && member.rank) this.#benched.add(member);
    else this.#benched.delete(member);
    for (const ledger of this.ledgersOf(scope)) this.placeOn(ledger, member);
  }

  /** The models that are known of a scope of fair cycles. */
  *ledgersOf(scope: string): Iterable<ModelLedger> {
    if (scope === EVERYTHING) yield* this.#ledgers.values();
    else if (scope.startsWith('group:')) yield* this.#groups.get(scope.slice('group:'.length))?.ledgers ?? [];
    else {
      const ledger = this.#ledgers.get(scope.slice('model:'.length));
      if (ledger && ledger.unit.scope === scope) yield ledger;
    }
  }

  /** Where a credential has served, as fair cycles name it. */
  scopesOf(member: Member): ReadonlySet<string> {
    const scopes = new Set<string>();
    for (const ledger of this.#ledgers.values()) if (ledger.spots.has(member)) scopes.add(ledger.unit.scope);
    return scopes;
  }

  /** The best of those who sit out, for a request that nobody else can serve in time. Draws nothing. */
  lastResort(ledger: ModelLedger, want: Want, now: number): Member | null {
    if (this.#benched.size === 0) return null;
    for (const rank of this.#ranks) {
      let best: Member | null = null;
      for (const member of rank.members) {
        if (!isBenched(ledger, member) || !isEligible(want, member) || !this.allows(member, ledger.model)) continue;
        if (!(rank.spare.has(member.slot) || rank.stacked.has(member.slot))) continue;
        if (!isOpenOn(ledger, member, true) || !this.hasRoom(member, ledger, want.tokens, now)) continue;
        if (best === null || useOf(ledger, member) < useOf(ledger, best)) best = member;
      }
      if (best) return best;
    }
    return null;
  }

  /** Looks again which caps of a credential are reached. */
  weighCaps(member: Member, now: number): void {
    const { caps, capped: before } = member;
    if (!caps) return;
    const next = caps.resting(now, this.basisOf(member, now), this.capScope);
    if (before.size === 0 && next.size === 0) return;
    member.capped = next;
    const changed = [...new Set([...before.keys(), ...next.keys()])].filter((cap) => before.has(cap) !== next.has(cap));
    const isMoved = [...next].some(([cap, { until }]) => until !== before.get(cap)?.until);
    if (changed.length > 0 || isMoved) this.#changes++;
    if (next.size > 0 && member.rank) this.#capped.add(member);
    else this.#capped.delete(member);
    if (changed.length > 0) {
      for (const ledger of this.#ledgers.values()) {
        if (ledger.caps.some((cap) => changed.includes(cap))) this.placeOn(ledger, member);
      }
      this.place(member);
    }
    if (member.rank) this.#setMemberDue(member);
  }

  /** What a credential's caps go by. */
  basisOf({ limits, polled }: Member, now: number): (cap: Cap) => CapBasis {
    return (cap) => capBasis(cap, limits, polled, (scope) => this.#capReach.coversScope(cap, scope), now);
  }

  /** Where a limit of this name is held: a model of a group is the group's affair. Null: no such group is configured. */
  limitScopeOf(name: string): LimitScope | null {
    if (name === 'key') return { kind: 'key' };
    const colon = name.indexOf(':');
    const [kind, rest] = [name.slice(0, colon), name.slice(colon + 1)];
    if (kind === 'model') return limitScope('model', rest, this.groupOf(rest));
    return this.#groups.has(rest) ? { kind: 'group', name: rest } : null;
  }

  readonly capScope = (cap: Cap): string => this.#capReach.scopeOf(cap);

  #configureCaps(member: Member, { caps, dailyReset }: PoolSettings, now: number): void {
    const own = caps.filter(({ tierName }) => tierName === null || tierName === member.credential.tierName);
    if (own.length === 0) member.caps = null;
    else if (member.caps) member.caps.configure(own, dailyReset, now);
    else member.caps = new CredentialCaps(own, dailyReset, now);
  }

  /** A request of this size has room on the credential now. */
  hasRoom(member: Member, ledger: ModelLedger, tokens: number, now: number): boolean {
    return member.limits === null || member.limits.roomAt(ledger.unit.scope, tokens, now) <= now;
  }

  /** Of the key's own limits alone. */
  hasRoomOnKey({ limits }: Member, tokens: number, now: number): boolean {
    return limits === null || limits.roomAt('', tokens, now) <= now;
  }

  /** What is known of a model; a ledger that is not kept yet is new and forgotten unless `keep` is called. */
  look(model: string): ModelLedger {
    const ledger = this.#ledgers.get(model);
    if (ledger) return ledger;
    const fresh = new ModelLedger(model, this.#unitOf(model));
    fresh.caps = this.#capReach.capsOf(model, fresh.unit.group);
    for (const rank of this.#ranks) {
      if (rank.hasPatterns || fresh.unit.troubled.size > 0 || this.#capped.size > 0 || this.hasBenched)
        fresh.usable[rank.order] = this.#usableOf(fresh, rank);
    }
    return fresh;
  }

  keep(ledger: ModelLedger, now: number): void {
    ledger.touchedAt = now;
    if (this.#ledgers.get(ledger.model) === ledger) return;
    this.#ledgers.set(ledger.model, ledger);
    ledger.unit.ledgers.add(ledger);
    const maxSpots = Math.max(MIN_MAX_SPOTS, MAX_SPOTS_PER_MEMBER * this.#members.size);
    if (this.#ledgers.size > MAX_LEDGERS || this.#spots > maxSpots) this.#forget(ledger, maxSpots);
  }

  spot(ledger: ModelLedger, member: Member): Spot {
    const known = ledger.spots.get(member);
    if (known) return known;
    const spot = { use: 0, cost: newSpotCost(), trial: new Trial() };
    ledger.spots.set(member, spot);
    this.#spots++;
    return spot;
  }

  /** Puts a credential where its in-flight count and its credential-wide blocks say. */
  place(member: Member): void {
    const { rank, slot } = member;
    if (!rank) return;
    const isFull = member.over.has('') || member.saved.has('');
    const isReady = member.credential.isEnabled && !member.isBlocked && !member.isBusy && !isFull;
    const isSpare = isReady && member.inFlight < member.softMax;
    if (isSpare) rank.spare.add(slot);
    else rank.spare.delete(slot);
    if (isReady && !isSpare) rank.stacked.add(slot);
    else rank.stacked.delete(slot);
  }

  /** The same for one model. */
  placeOn(ledger: ModelLedger, member: Member): void {
    const { rank, slot } = member;
    if (!rank) return;
    const isUsable = this.allows(member, ledger.model) && isOpenOn(ledger, member);
    const usable = ledger.usable[rank.order];
    if (!usable) {
      if (!isUsable) ledger.usable[rank.order] = this.#usableOf(ledger, rank);
    } else if (isUsable) usable.add(slot);
    else usable.delete(slot);
  }

  /** The same for every model of a group. */
  placeOnUnit(unit: Unit, member: Member): void {
    for (const ledger of unit.ledgers) this.placeOn(ledger, member);
  }

  groupTrial(member: Member, group: string): Trial {
    const known = member.groupTrials.get(group);
    if (known) return known;
    const trial = new Trial();
    member.groupTrials.set(group, trial);
    return trial;
  }

  /** `model`: the only one on which the states differ, when that is known. */
  become(member: Member, next: CredentialState, model?: string): void {
    const before = member.state;
    if (before === next) return;
    this.#changes++;
    member.state = next;
    if (isNewProbation(before.key, next.key)) member.trial = new Trial();
    if (before.models !== next.models) {
      const changed = model === undefined ? new Set([...before.models.keys(), ...next.models.keys()]) : [model];
      for (const name of changed) {
        const was = before.models.get(name);
        const is = next.models.get(name);
        const ledger = this.#ledgers.get(name);
        if (was === is || !ledger) continue;
        ledger.troubled += (is ? 1 : 0) - (was ? 1 : 0);
        if (isNewProbation(was, is)) this.spot(ledger, member).trial = new Trial();
        this.placeOn(ledger, member);
      }
    }
    if (before.groups !== next.groups) {
      for (const group of new Set([...before.groups.keys(), ...next.groups.keys()])) {
        const was = before.groups.get(group);
        const is = next.groups.get(group);
        if (was === is) continue;
        if (isNewProbation(was, is)) member.groupTrials.set(group, new Trial());
        this.#placeOnScope(`group:${group}`, member);
      }
    }
    this.place(member);
    this.#setMemberDue(member);
  }

  #setMemberDue(member: Member): void {
    const { key, groups, models } = member.state;
    let dueAt = firstEndOf(key);
    for (const scope of groups.values()) dueAt = Math.min(dueAt, firstEndOf(scope));
    for (const scope of models.values()) dueAt = Math.min(dueAt, firstEndOf(scope));
    for (const roomAt of member.over.values()) dueAt = Math.min(dueAt, roomAt);
    for (const { until } of member.capped.values()) dueAt = Math.min(dueAt, until ?? Number.POSITIVE_INFINITY);
    this.#setDue(member, dueAt);
  }

  /** Something about a credential on a model or group has changed, where that is a thing of its own. */
  #placeOnScope(scope: string, member: Member): void {
    if (scope.startsWith('group:')) {
      const unit = this.#groups.get(scope.slice('group:'.length));
      if (!unit) return;
      if (member.rank && isTroubled(unit, member)) unit.troubled.add(member);
      else unit.troubled.delete(member);
      this.placeOnUnit(unit, member);
      return;
    }
    const ledger = this.#ledgers.get(scope.slice('model:'.length));
    if (!ledger) return;
    this.spot(ledger, member);
    this.placeOn(ledger, member);
  }

  ledgerBecomes(ledger: ModelLedger, next: ModelState): void {
    if (ledger.state === next) return;
    this.#changes++;
    if (isNewProbation(ledger.state.scope, next.scope)) ledger.trial = new Trial();
    ledger.state = next;
    this.#setDue(ledger, firstEndOf(next.scope));
  }

  allows(member: Member, model: string): boolean {
    const { models } = member.credential;
    return models.length === 0 || matchesAny(models, model, `${this.#provider}/${model}`);
  }

  /** Nobody else is there to serve this model. */
  isOnly(member: Member, model: string): boolean {
    for (const other of this.#members.values()) {
      if (other !== member && isInUse(other.credential) && this.allows(other, model)) return false;
    }
    return true;
  }

  get isAnybodyReady(): boolean {
    return this.#ranks.some((rank) => rank.spare.size > 0 || rank.stacked.size > 0);
  }

  /** Best priority first, below-optimal first, then by mode. Null when nobody could serve. */
  choose(ledger: ModelLedger, want: Want, session: string | null, now: number, random: Random): Member | null {
    const { exclude } = want;
    if (want.only !== undefined) {
      const member = this.#members.get(want.only);
      return member && isEligible(want, member) && this.canServe(member, ledger, want, now) ? member : null;
    }
    const isAnybodyFine = exclude.size === 0 && this.#limited === 0;
    for (const rank of this.#ranks) {
      const usable = ledger.usable[rank.order];
      if (usable?.size === 0) continue;
      for (let pass = 0; pass < 2; pass++) {
        const ready = pass === 0 ? rank.spare : rank.stacked;
        if (ready.size === 0) continue;
        if (this.#mode === 'sequential') {
          const view = sequentialView(
            rank,
            ledger,
            ready,
            usable,
            (slot) => !this.#accepts(rank, slot, ledger, want, now),
          );
          const { slot, sequence } = chooseSequential(ledger.unit.sequences[rank.order] ?? NO_SEQUENCE, view, session);
          ledger.unit.sequences[rank.order] = sequence;
          const member = slot < 0 ? undefined : rank.members[slot];
          if (member) return member;
          continue;
        }
        const found = gather(
          ready,
          usable,
          isAnybodyFine ? everybody : (slot) => this.#accepts(rank, slot, ledger, want, now),
          random,
          this.#found,
        );
        const member = this.#balanced(found, rank, ledger, random);
        if (member) return member;
      }
    }
    return null;
  }

  /** One of these slots, by what each was used. */
  #balanced(found: readonly number[], rank: Rank, ledger: ModelLedger, random: Random): Member | null {
    if (this.#balanceBy === 'cost') {
      const peers = found.map((slot) => rank.members[slot]);
      const weights = peers.map((peer) => peer?.credential.weight ?? 1);
      return peers[chooseBalanced(this.usesOf(ledger, peers), weights, this.#tolerance, random)] ?? null;
    }
    const uses = this.#uses;
    const weights = this.#weights;
    uses.length = found.length;
    weights.length = found.length;
    for (let i = 0; i < found.length; i++) {
      const peer = rank.members[found[i] ?? -1];
      uses[i] = useOf(ledger, peer);
      weights[i] = peer?.credential.weight ?? 1;
    }
    const slot = found[chooseBalanced(uses, weights, this.#tolerance, random)];
    return slot === undefined ? null : (rank.members[slot] ?? null);
  }

  /** Somebody could be chosen. Draws nothing. */
  hasReady(ledger: ModelLedger, want: Want, now: number): boolean {
    return this.#ranks.some((rank) =>
      [rank.spare, rank.stacked].some((ready) => this.#hasReadyIn(ready, rank, ledger, want, now)),
    );
  }

  /** How much each was used on the model, for a choice among them: by cost where that is known of all of them. */
  usesOf(ledger: ModelLedger, members: readonly (Member | undefined)[]): readonly number[] {
    if (this.#balanceBy === 'cost') {
      const costs = costsOf(members.map((member) => member && ledger.spots.get(member)?.cost));
      if (costs) return costs;
    }
    return members.map((member) => useOf(ledger, member));
  }

  /** It could take this request now. Whether the request would have it is not looked at. */
  canServe(member: Member, ledger: ModelLedger, want: Want, now: number): boolean {
    const { rank, slot } = member;
    if (!rank || !(rank.spare.has(slot) || rank.stacked.has(slot))) return false;
    return (ledger.usable[rank.order]?.has(slot) ?? true) && this.hasRoom(member, ledger, want.tokens, now);
  }

  /** A peer of the same priority is below its optimum and could take the request. */
  hasSparePeer({ rank }: Member, ledger: ModelLedger, want: Want, now: number): boolean {
    return rank !== null && this.#hasReadyIn(rank.spare, rank, ledger, want, now);
  }

  #hasReadyIn(ready: SlotSet, rank: Rank, ledger: ModelLedger, want: Want, now: number): boolean {
    for (let position = 0; position < ready.size; position++) {
      const member = rank.members[ready.at(position)];
      if (member && isEligible(want, member) && this.canServe(member, ledger, want, now)) return true;
    }
    return false;
  }

  /** The request has not tried it, and it has room for the request. */
  #accepts(rank: Rank, slot: number, ledger: ModelLedger, want: Want, now: number): boolean {
    const member = rank.members[slot];
    if (member === undefined || want.exclude.has(member.credential.id)) return false;
    return this.hasRoom(member, ledger, want.tokens, now);
  }

  /** A new day: use is counted from zero. */
  forgetUse(): void {
    for (const ledger of this.#ledgers.values()) {
      for (const spot of ledger.spots.values()) {
        spot.use = 0;
        Object.assign(spot.cost, { ...newSpotCost(), open: spot.cost.open });
      }
    }
  }

  /** A removed credential is forgotten with its last request. */
  dropIfDone(member: Member): void {
    if (member.rank || member.inFlight > 0) return;
    this.#leaving.delete(member.credential.id);
    this.#setDue(member, Number.POSITIVE_INFINITY);
    for (const unit of this.#groups.values()) unit.troubled.delete(member);
    this.#capped.delete(member);
    this.#benched.delete(member);
    for (const ledger of this.#ledgers.values()) {
      if (member.state.models.has(ledger.model)) ledger.troubled--;
      if (ledger.spots.delete(member)) this.#spots--;
    }
  }

  #usableOf(ledger: ModelLedger, rank: Rank): SlotSet {
    const usable = new SlotSet(rank.members.length);
    if (!rank.hasPatterns) {
      // Only those that were used on the model can have something against it.
      usable.fill();
      for (const member of ledger.spots.keys()) {
        if (member.rank === rank && !isOpenOn(ledger, member)) usable.delete(member.slot);
      }
      for (const member of ledger.unit.troubled) {
        if (member.rank === rank && !isOpenOn(ledger, member)) usable.delete(member.slot);
      }
      for (const member of this.#capped) {
        if (member.rank === rank && !isOpenOn(ledger, member)) usable.delete(member.slot);
      }
      for (const member of this.#benched) {
        if (member.rank === rank && !isOpenOn(ledger, member)) usable.delete(member.slot);
      }
      return usable;
    }
    for (const [slot, member] of rank.members.entries()) {
      if (this.allows(member, ledger.model) && isOpenOn(ledger, member)) usable.add(slot);
    }
    return usable;
  }

  #index(ledger: ModelLedger): void {
    ledger.usable = [];
    for (const rank of this.#ranks) if (rank.hasPatterns) ledger.usable[rank.order] = this.#usableOf(ledger, rank);
    for (const member of ledger.spots.keys()) this.placeOn(ledger, member);
    for (const member of ledger.unit.troubled) this.placeOn(ledger, member);
    for (const member of this.#capped) this.placeOn(ledger, member);
    for (const member of this.#benched) this.placeOn(ledger, member);
  }

  #unitOf(model: string): Unit {
    const group = this.#quotaGroups.groupOf(model);
    return (group === null ? undefined : this.#groups.get(group)) ?? new Unit(null, `model:${model}`);
  }

  /** Groups of the new config; what was known of groups that are gone is forgotten. */
  #regroup({ groups, caps }: PoolSettings): void {
    this.#quotaGroups = new QuotaGroups(this.#provider, groups);
    this.#capReach = new CapReach(this.#provider, groups, caps);
    const before = this.#groups;
    this.#groups = new Map();
    for (const { name } of groups) {
      const unit = before.get(name) ?? new Unit(name, `group:${name}`);
      unit.ledgers.clear();
      unit.troubled.clear();
      this.#groups.set(name, unit);
    }
    for (const member of [...this.#members.values(), ...this.#leaving.values()]) {
      member.state = forgetGroups(member.state, (group) => this.#groups.has(group));
      for (const group of member.state.groups.keys()) this.#groups.get(group)?.troubled.add(member);
    }
    for (const ledger of this.#ledgers.values()) {
      const unit = this.#unitOf(ledger.model);
      if (ledger.unit.scope !== unit.scope) ledger.unit = unit;
      ledger.unit.ledgers.add(ledger);
      ledger.caps = this.#capReach.capsOf(ledger.model, unit.group);
    }
  }

  /** Slots change their meaning with the config; the order of use stays. */
  #sequencesByMember(): readonly KeptOrder[] {
    const units = new Set([...this.#groups.values(), ...[...this.#ledgers.values()].map((ledger) => ledger.unit)]);
    return [...units].map((unit) => ({
      unit,
      members: unit.sequences.flatMap((sequence, order) =>
        sequence.flatMap((slot) => this.#ranks[order]?.members[slot] ?? []),
      ),
    }));
  }

  #restoreSequences(kept: readonly KeptOrder[]): void {
    for (const { unit, members } of kept) {
      unit.sequences = this.#ranks.map((rank) =>
        members.filter((member) => member.rank === rank).map((member) => member.slot),
      );
    }
  }

  /** A newcomer starts at its peers' minimum; from zero it would be sent everything until it had caught up. */
  #catchUpUse(ledger: ModelLedger, member: Member, arrived: ReadonlySet<Member>): void {
    let least = Number.POSITIVE_INFINITY;
    let leastUsd = Number.POSITIVE_INFINITY;
    for (const peer of member.rank?.members ?? []) {
      if (arrived.has(peer) || !isInUse(peer.credential)) continue;
      least = Math.min(least, useOf(ledger, peer) / peer.credential.weight);
      leastUsd = Math.min(leastUsd, (ledger.spots.get(peer)?.cost.usd ?? 0) / peer.credential.weight);
      if (least === 0 && leastUsd === 0) return;
    }
    if (!Number.isFinite(least)) return;
    const spot = this.spot(ledger, member);
    spot.use = Math.max(spot.use, least * member.credential.weight);
    spot.cost.usd = Math.max(spot.cost.usd, leastUsd * member.credential.weight);
  }

  /** Drops an eighth of the idle ledgers at least: those with nothing against anybody first, then the longest unused. */
  #forget(kept: ModelLedger, maxSpots: number): void {
    const idle = [...this.#ledgers.values()].filter(
      (ledger) => ledger !== kept && ledger.inFlight === 0 && ledger.waiting === 0,
    );
    const worth = (ledger: ModelLedger) => (ledger.troubled > 0 || ledger.state.scope.blocks.length > 0 ? 1 : 0);
    idle.sort((a, b) => worth(a) - worth(b) || a.touchedAt - b.touchedAt);
    const atLeast = Math.ceil(idle.length / 8);
    for (const [index, ledger] of idle.entries()) {
      if (index >= atLeast && this.#ledgers.size <= MAX_LEDGERS && this.#spots <= maxSpots) break;
      this.#ledgers.delete(ledger.model);
      ledger.unit.ledgers.delete(ledger);
      this.#spots -= ledger.spots.size;
      this.#setDue(ledger, Number.POSITIVE_INFINITY);
      for (const member of ledger.spots.keys()) {
        this.become(member, forgetModel(member.state, ledger.model), ledger.model);
      }
    }
  }
}

const everybody = () => true;

/** The request itself would take this credential: it has not tried it, and does not ask for another. */
export const isEligible = (want: Want, { credential: { id } }: Member) =>
  !want.exclude.has(id) && (want.only === undefined || want.only === id);

/** The request would take anybody: what it cannot get, no other request for the model can. */
export const isOpenToAll = (want: Want) => want.exclude.size === 0 && want.only === undefined;

export const useOf = (ledger: ModelLedger, member: Member | undefined) =>
  member === undefined ? 0 : (ledger.spots.get(member)?.use ?? 0);

/** No block of this model or its group on this credential, no probation that is full, and room that is not saved. */
export function isOpenOn(ledger: ModelLedger, member: Member, isBenchOpen = false): boolean {
  const { state, over, saved } = member;
  const { group, scope } = ledger.unit;
  if (isCapped(ledger, member) || (!isBenchOpen && isBenched(ledger, member))) return false;
  const onModel = state.models.get(ledger.model);
  if (onModel) {
    if (onModel.blocks.length > 0) return false;
    if ((ledger.spots.get(member)?.trial.count ?? 0) >= probationLimit(onModel)) return false;
  }
  const onGroup = group === null ? undefined : state.groups.get(group);
  if (onGroup) {
    if (onGroup.blocks.length > 0) return false;
    if ((group === null ? 0 : (member.groupTrials.get(group)?.count ?? 0)) >= probationLimit(onGroup)) return false;
  }
  return (over.size === 0 || !over.has(scope)) && (saved.size === 0 || !saved.has(scope));
}

/** Its room is saved for somebody who waits, who needs so many tokens; null: it is not. */
export function savedAhead({ unit }: ModelLedger, { saved }: Member): number | null {
  return saved.size === 0 ? null : (saved.get('') ?? saved.get(unit.scope) ?? null);
}

/** A cap that counts this model is reached. */
const isCapped = ({ caps }: ModelLedger, { capped }: Member) => capped.size > 0 && caps.some((cap) => capped.has(cap));

/** It sits out in a fair cycle of this model. */
export const isBenched = ({ unit }: ModelLedger, { benched }: Member) =>
  benched.size > 0 && (benched.has(EVERYTHING) || benched.has(unit.scope));

const isTroubled = ({ group, scope }: Unit, { state, over, saved }: Member) =>
  (group !== null && state.groups.has(group)) || over.has(scope) || saved.has(scope);

/** A rank as the sequential choice sees it. */
export function sequentialView(
  rank: Rank,
  ledger: ModelLedger,
  ready: SlotSet,
  usable: SlotSet | undefined,
  isExcludedAt: (slot: number) => boolean,
): SequentialView {
  return {
    ready,
    usable,
    isExcluded: isExcludedAt,
    isExhausted: (slot) => {
      const member = rank.members[slot];
      if (!member || !isInUse(member.credential) || member.state.key.blocks.length > 0) return true;
      if (isCapped(ledger, member) || isBenched(ledger, member)) return true;
      if (member.over.has('') || member.over.has(ledger.unit.scope)) return true;
      const { group } = ledger.unit;
      const blocks = (group === null ? undefined : member.state.groups.get(group)?.blocks.length) ?? 0;
      return blocks > 0 || (member.state.models.get(ledger.model)?.blocks.length ?? 0) > 0;
    },
    isHealthy: (slot) => {
      const member = rank.members[slot];
      return (
        member !== undefined &&
        member.state.key.streak === 0 &&
        !((member.state.models.get(ledger.model)?.streak ?? 0) > 0)
      );
    },
    successesOf: (slot) => rank.members[slot]?.successes ?? 0,
  };
}

/** 0 is no limit. */
const limitOf = (perKey: number, factor: number) =>
  perKey > 0 ? Math.max(1, Math.floor(perKey * factor)) : Number.POSITIVE_INFINITY;

function ranksOf(members: readonly Member[]): readonly Rank[] {
  const byPriority = new Map<number, Member[]>();
  for (const member of members) {
    const peers = byPriority.get(member.credential.priority);
    if (peers) peers.push(member);
    else byPriority.set(member.credential.priority, [member]);
  }
  return [...byPriority].sort(([a], [b]) => a - b).map(([priority, peers], order) => new Rank(priority, order, peers));
}

const isNewProbation = (was: ScopeState | undefined, is: ScopeState | undefined) =>
  was?.probation?.since !== is?.probation?.since;
