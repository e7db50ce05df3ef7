import type { Random } from '../shared/random.ts';
import { matchesAny } from '../shared/wildcard.ts';
import { type CredentialState, firstEndOf, forgetModel, HEALTHY, probationLimit, type ScopeState } from './blocks.ts';
import { type ModelState, QUIET } from './breaker.ts';
import type { CredentialId, PoolCredential } from './credential.ts';
import type { Due } from './due-heap.ts';
import type { PoolSettings, Refusal, Want } from './pool.ts';
import { chooseBalanced } from './select/balanced.ts';
import { gather } from './select/sample.ts';
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

/** One credential on one model. */
export type Spot = { use: number; trial: Trial };

export class Member implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  credential: PoolCredential;
  state: CredentialState = HEALTHY;
  inFlight = 0;
  trial = new Trial();
  /** Null once it is gone from the config. */
  rank: Rank | null = null;
  slot = 0;
  hardMax = Number.POSITIVE_INFINITY;
  softMax = Number.POSITIVE_INFINITY;
  requests = 0;
  failures = 0;
  inputTokens = 0;
  outputTokens = 0;

  constructor(credential: PoolCredential) {
    this.credential = credential;
  }

  get isBusy(): boolean {
    return this.inFlight >= this.hardMax || this.trial.count >= probationLimit(this.state.key);
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

/** What is known of one model at this provider. */
export class ModelLedger implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  readonly model: string;
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
  outlook: { readonly changes: number; readonly reach: ScopeState; readonly refusal: Refusal } | null = null;

  constructor(model: string) {
    this.model = model;
  }

  get isBusy(): boolean {
    return this.trial.count >= probationLimit(this.state.scope);
  }
}

export class Roster {
  readonly #provider: string;
  readonly #setDue: (owner: Member | ModelLedger, at: number) => void;
  #members = new Map<CredentialId, Member>();
  /** Gone from the config with requests still in flight; one that comes back finds its count here. */
  readonly #leaving = new Map<CredentialId, Member>();
  #ranks: readonly Rank[] = [];
  readonly #ledgers = new Map<string, ModelLedger>();
  #spots = 0;
  #changes = 0;

  constructor(provider: string, setDue: (owner: Member | ModelLedger, at: number) => void) {
    this.#provider = provider;
    this.#setDue = setDue;
  }

  /** Grows whenever a block, a credential or a limit changes; not with requests in flight. */
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

  replace(credentials: readonly PoolCredential[], concurrency: PoolSettings['concurrency']): void {
    this.#changes++;
    const before = this.#members;
    const members = new Map<CredentialId, Member>();
    const arrived = new Set<Member>();
    for (const credential of credentials) {
      if (members.has(credential.id)) continue;
      const known = before.get(credential.id) ?? this.#leaving.get(credential.id);
      const member = known ?? new Member(credential);
      if (!before.has(credential.id) || (credential.isEnabled && !member.credential.isEnabled)) arrived.add(member);
      member.credential = credential;
      const factor = concurrency.priorityMultipliers[credential.priority] ?? 1;
      member.hardMax = limitOf(concurrency.maxPerKey, factor);
      member.softMax = limitOf(concurrency.optimalPerKey, factor);
      members.set(credential.id, member);
      this.#leaving.delete(credential.id);
    }
    for (const [id, member] of before) {
      if (members.has(id)) continue;
      member.rank = null;
      this.#leaving.set(id, member);
      this.dropIfDone(member);
    }
    this.#members = members;
    this.#ranks = ranksOf([...members.values()]);
    for (const rank of this.#ranks) {
      for (const [slot, member] of rank.members.entries()) {
        member.rank = rank;
        member.slot = slot;
        this.place(member);
      }
    }
    for (const ledger of this.#ledgers.values()) {
      this.#index(ledger);
      for (const member of arrived) this.#catchUpUse(ledger, member, arrived);
    }
  }

  /** The ledger of a model; one that is not kept yet is new and forgotten unless `keep` is called. */
  look(model: string): ModelLedger {
    const ledger = this.#ledgers.get(model);
    if (ledger) return ledger;
    const fresh = new ModelLedger(model);
    for (const rank of this.#ranks) if (rank.hasPatterns) fresh.usable[rank.order] = this.#usableOf(fresh, rank);
    return fresh;
  }

  keep(ledger: ModelLedger, now: number): void {
    ledger.touchedAt = now;
    if (this.#ledgers.get(ledger.model) === ledger) return;
    this.#ledgers.set(ledger.model, ledger);
    const maxSpots = Math.max(MIN_MAX_SPOTS, MAX_SPOTS_PER_MEMBER * this.#members.size);
    if (this.#ledgers.size > MAX_LEDGERS || this.#spots > maxSpots) this.#forget(ledger, maxSpots);
  }

  spot(ledger: ModelLedger, member: Member): Spot {
    const known = ledger.spots.get(member);
    if (known) return known;
    const spot = { use: 0, trial: new Trial() };
    ledger.spots.set(member, spot);
    this.#spots++;
    return spot;
  }

  /** Puts a credential where its in-flight count and its credential-wide blocks say. */
  place(member: Member): void {
    const { rank, slot } = member;
    if (!rank) return;
    const isReady = member.credential.isEnabled && member.state.key.blocks.length === 0 && !member.isBusy;
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
    this.place(member);
    let dueAt = firstEndOf(next.key);
    for (const scope of next.models.values()) dueAt = Math.min(dueAt, firstEndOf(scope));
    this.#setDue(member, dueAt);
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
      if (other !== member && other.credential.isEnabled && this.allows(other, model)) return false;
    }
    return true;
  }

  get isAnybodyReady(): boolean {
    return this.#ranks.some((rank) => rank.spare.size > 0 || rank.stacked.size > 0);
  }

  /** Best priority first, below-optimal first, then balanced. Null when nobody could serve. */
  choose(ledger: ModelLedger, want: Want, tolerance: number, random: Random): Member | null {
    const { exclude } = want;
    if (want.only !== undefined) {
      const member = this.#members.get(want.only);
      return member && isEligible(want, member) && this.#isReady(ledger, member) ? member : null;
    }
    for (const rank of this.#ranks) {
      const usable = ledger.usable[rank.order];
      if (usable?.size === 0) continue;
      for (let pass = 0; pass < 2; pass++) {
        const ready = pass === 0 ? rank.spare : rank.stacked;
        if (ready.size === 0) continue;
        const isOpen = (slot: number) => !isExcluded(rank, slot, exclude);
        const found = gather(ready, usable, exclude.size === 0 ? everybody : isOpen, random);
        if (found.length === 0) continue;
        const uses = found.map((slot) => useOf(ledger, rank.members[slot]));
        const weights = found.map((slot) => rank.members[slot]?.credential.weight ?? 1);
        const chosen = found[chooseBalanced(uses, weights, tolerance, random)];
        const member = chosen === undefined ? undefined : rank.members[chosen];
        if (member) return member;
      }
    }
    return null;
  }

  #isReady(ledger: ModelLedger, { rank, slot }: Member): boolean {
    if (!rank || !(rank.spare.has(slot) || rank.stacked.has(slot))) return false;
    return ledger.usable[rank.order]?.has(slot) ?? true;
  }

  /** A removed credential is forgotten with its last request. */
  dropIfDone(member: Member): void {
    if (member.rank || member.inFlight > 0) return;
    this.#leaving.delete(member.credential.id);
    this.#setDue(member, Number.POSITIVE_INFINITY);
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
  }

  /** A newcomer starts at its peers' minimum; from zero it would be sent everything until it had caught up. */
  #catchUpUse(ledger: ModelLedger, member: Member, arrived: ReadonlySet<Member>): void {
    let least = Number.POSITIVE_INFINITY;
    for (const peer of member.rank?.members ?? []) {
      if (arrived.has(peer) || !peer.credential.isEnabled) continue;
      least = Math.min(least, useOf(ledger, peer) / peer.credential.weight);
      if (least === 0) return;
    }
    if (!Number.isFinite(least)) return;
    const spot = this.spot(ledger, member);
    spot.use = Math.max(spot.use, least * member.credential.weight);
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
      this.#spots -= ledger.spots.size;
      this.#setDue(ledger, Number.POSITIVE_INFINITY);
      for (const member of ledger.spots.keys()) {
        this.become(member, forgetModel(member.state, ledger.model), ledger.model);
      }
    }
  }
}

const everybody = () => true;

const isExcluded = (rank: Rank, slot: number, exclude: ReadonlySet<CredentialId>) => {
  const member = rank.members[slot];
  return member === undefined || exclude.has(member.credential.id);
};

/** The request itself would take this credential: it has not tried it, and does not ask for another. */
export const isEligible = (want: Want, { credential: { id } }: Member) =>
  !want.exclude.has(id) && (want.only === undefined || want.only === id);

/** The request would take anybody: what it cannot get, no other request for the model can. */
export const isOpenToAll = (want: Want) => want.exclude.size === 0 && want.only === undefined;

export const useOf = (ledger: ModelLedger, member: Member | undefined) =>
  member === undefined ? 0 : (ledger.spots.get(member)?.use ?? 0);

/** No block of this model on this credential, and no probation that is full. */
export function isOpenOn(ledger: ModelLedger, member: Member): boolean {
  const scope = member.state.models.get(ledger.model);
  if (!scope) return true;
  if (scope.blocks.length > 0) return false;
  return (ledger.spots.get(member)?.trial.count ?? 0) < probationLimit(scope);
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
