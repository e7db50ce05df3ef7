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
const MAX_LANES = 512;
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
  tier: Tier | null = null;
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
export class Tier {
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
export class Lane implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  readonly model: string;
  state: ModelState = QUIET;
  trial = new Trial();
  readonly spots = new Map<Member, Spot>();
  /** By tier: who may serve the model as far as the model is concerned. Absent: everybody. */
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
  readonly #setDue: (owner: Member | Lane, at: number) => void;
  #members = new Map<CredentialId, Member>();
  /** Gone from the config with requests still in flight; one that comes back finds its count here. */
  readonly #leaving = new Map<CredentialId, Member>();
  #tiers: readonly Tier[] = [];
  readonly #lanes = new Map<string, Lane>();
  #spots = 0;
  #changes = 0;

  constructor(provider: string, setDue: (owner: Member | Lane, at: number) => void) {
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

  get tiers(): readonly Tier[] {
    return this.#tiers;
  }

  get lanes(): ReadonlyMap<string, Lane> {
    return this.#lanes;
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
      member.tier = null;
      this.#leaving.set(id, member);
      this.dropIfDone(member);
    }
    this.#members = members;
    this.#tiers = tiersOf([...members.values()]);
    for (const tier of this.#tiers) {
      for (const [slot, member] of tier.members.entries()) {
        member.tier = tier;
        member.slot = slot;
        this.place(member);
      }
    }
    for (const lane of this.#lanes.values()) {
      this.#index(lane);
      for (const member of arrived) this.#catchUpUse(lane, member, arrived);
    }
  }

  /** The lane of a model; one that is not kept yet is new and forgotten unless `keep` is called. */
  look(model: string): Lane {
    const lane = this.#lanes.get(model);
    if (lane) return lane;
    const fresh = new Lane(model);
    for (const tier of this.#tiers) if (tier.hasPatterns) fresh.usable[tier.order] = this.#usableOf(fresh, tier);
    return fresh;
  }

  keep(lane: Lane, now: number): void {
    lane.touchedAt = now;
    if (this.#lanes.get(lane.model) === lane) return;
    this.#lanes.set(lane.model, lane);
    const maxSpots = Math.max(MIN_MAX_SPOTS, MAX_SPOTS_PER_MEMBER * this.#members.size);
    if (this.#lanes.size > MAX_LANES || this.#spots > maxSpots) this.#forget(lane, maxSpots);
  }

  spot(lane: Lane, member: Member): Spot {
    const known = lane.spots.get(member);
    if (known) return known;
    const spot = { use: 0, trial: new Trial() };
    lane.spots.set(member, spot);
    this.#spots++;
    return spot;
  }

  /** Puts a credential where its in-flight count and its credential-wide blocks say. */
  place(member: Member): void {
    const { tier, slot } = member;
    if (!tier) return;
    const isReady = member.credential.isEnabled && member.state.key.blocks.length === 0 && !member.isBusy;
    const isSpare = isReady && member.inFlight < member.softMax;
    if (isSpare) tier.spare.add(slot);
    else tier.spare.delete(slot);
    if (isReady && !isSpare) tier.stacked.add(slot);
    else tier.stacked.delete(slot);
  }

  /** The same for one model. */
  placeOn(lane: Lane, member: Member): void {
    const { tier, slot } = member;
    if (!tier) return;
    const isUsable = this.allows(member, lane.model) && isOpenOn(lane, member);
    const usable = lane.usable[tier.order];
    if (!usable) {
      if (!isUsable) lane.usable[tier.order] = this.#usableOf(lane, tier);
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
        const lane = this.#lanes.get(name);
        if (was === is || !lane) continue;
        lane.troubled += (is ? 1 : 0) - (was ? 1 : 0);
        if (isNewProbation(was, is)) this.spot(lane, member).trial = new Trial();
        this.placeOn(lane, member);
      }
    }
    this.place(member);
    let dueAt = firstEndOf(next.key);
    for (const scope of next.models.values()) dueAt = Math.min(dueAt, firstEndOf(scope));
    this.#setDue(member, dueAt);
  }

  laneBecomes(lane: Lane, next: ModelState): void {
    if (lane.state === next) return;
    this.#changes++;
    if (isNewProbation(lane.state.scope, next.scope)) lane.trial = new Trial();
    lane.state = next;
    this.#setDue(lane, firstEndOf(next.scope));
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
    return this.#tiers.some((tier) => tier.spare.size > 0 || tier.stacked.size > 0);
  }

  /** Best priority first, below-optimal first, then balanced. Null when nobody could serve. */
  choose(lane: Lane, want: Want, tolerance: number, random: Random): Member | null {
    const { exclude } = want;
    if (want.only !== undefined) {
      const member = this.#members.get(want.only);
      return member && isEligible(want, member) && this.#isReady(lane, member) ? member : null;
    }
    for (const tier of this.#tiers) {
      const usable = lane.usable[tier.order];
      if (usable?.size === 0) continue;
      for (let pass = 0; pass < 2; pass++) {
        const ready = pass === 0 ? tier.spare : tier.stacked;
        if (ready.size === 0) continue;
        const isOpen = (slot: number) => !isExcluded(tier, slot, exclude);
        const found = gather(ready, usable, exclude.size === 0 ? everybody : isOpen, random);
        if (found.length === 0) continue;
        const uses = found.map((slot) => useOf(lane, tier.members[slot]));
        const weights = found.map((slot) => tier.members[slot]?.credential.weight ?? 1);
        const chosen = found[chooseBalanced(uses, weights, tolerance, random)];
        const member = chosen === undefined ? undefined : tier.members[chosen];
        if (member) return member;
      }
    }
    return null;
  }

  #isReady(lane: Lane, { tier, slot }: Member): boolean {
    if (!tier || !(tier.spare.has(slot) || tier.stacked.has(slot))) return false;
    return lane.usable[tier.order]?.has(slot) ?? true;
  }

  /** A removed credential is forgotten with its last request. */
  dropIfDone(member: Member): void {
    if (member.tier || member.inFlight > 0) return;
    this.#leaving.delete(member.credential.id);
    this.#setDue(member, Number.POSITIVE_INFINITY);
    for (const lane of this.#lanes.values()) {
      if (member.state.models.has(lane.model)) lane.troubled--;
      if (lane.spots.delete(member)) this.#spots--;
    }
  }

  #usableOf(lane: Lane, tier: Tier): SlotSet {
    const usable = new SlotSet(tier.members.length);
    if (!tier.hasPatterns) {
      // Only those that were used on the model can have something against it.
      usable.fill();
      for (const member of lane.spots.keys()) {
        if (member.tier === tier && !isOpenOn(lane, member)) usable.delete(member.slot);
      }
      return usable;
    }
    for (const [slot, member] of tier.members.entries()) {
      if (this.allows(member, lane.model) && isOpenOn(lane, member)) usable.add(slot);
    }
    return usable;
  }

  #index(lane: Lane): void {
    lane.usable = [];
    for (const tier of this.#tiers) if (tier.hasPatterns) lane.usable[tier.order] = this.#usableOf(lane, tier);
    for (const member of lane.spots.keys()) this.placeOn(lane, member);
  }

  /** A newcomer starts at its peers' minimum; from zero it would be sent everything until it had caught up. */
  #catchUpUse(lane: Lane, member: Member, arrived: ReadonlySet<Member>): void {
    let least = Number.POSITIVE_INFINITY;
    for (const peer of member.tier?.members ?? []) {
      if (arrived.has(peer) || !peer.credential.isEnabled) continue;
      least = Math.min(least, useOf(lane, peer) / peer.credential.weight);
      if (least === 0) return;
    }
    if (!Number.isFinite(least)) return;
    const spot = this.spot(lane, member);
    spot.use = Math.max(spot.use, least * member.credential.weight);
  }

  /** Drops an eighth of the idle lanes at least: those with nothing against anybody first, then the longest unused. */
  #forget(kept: Lane, maxSpots: number): void {
    const idle = [...this.#lanes.values()].filter((lane) => lane !== kept && lane.inFlight === 0 && lane.waiting === 0);
    const worth = (lane: Lane) => (lane.troubled > 0 || lane.state.scope.blocks.length > 0 ? 1 : 0);
    idle.sort((a, b) => worth(a) - worth(b) || a.touchedAt - b.touchedAt);
    const atLeast = Math.ceil(idle.length / 8);
    for (const [index, lane] of idle.entries()) {
      if (index >= atLeast && this.#lanes.size <= MAX_LANES && this.#spots <= maxSpots) break;
      this.#lanes.delete(lane.model);
      this.#spots -= lane.spots.size;
      this.#setDue(lane, Number.POSITIVE_INFINITY);
      for (const member of lane.spots.keys()) {
        this.become(member, forgetModel(member.state, lane.model), lane.model);
      }
    }
  }
}

const everybody = () => true;

const isExcluded = (tier: Tier, slot: number, exclude: ReadonlySet<CredentialId>) => {
  const member = tier.members[slot];
  return member === undefined || exclude.has(member.credential.id);
};

/** The request itself would take this credential: it has not tried it, and does not ask for another. */
export const isEligible = (want: Want, { credential: { id } }: Member) =>
  !want.exclude.has(id) && (want.only === undefined || want.only === id);

/** The request would take anybody: what it cannot get, no other request for the model can. */
export const isOpenToAll = (want: Want) => want.exclude.size === 0 && want.only === undefined;

export const useOf = (lane: Lane, member: Member | undefined) =>
  member === undefined ? 0 : (lane.spots.get(member)?.use ?? 0);

/** No block of this model on this credential, and no probation that is full. */
export function isOpenOn(lane: Lane, member: Member): boolean {
  const scope = member.state.models.get(lane.model);
  if (!scope) return true;
  if (scope.blocks.length > 0) return false;
  return (lane.spots.get(member)?.trial.count ?? 0) < probationLimit(scope);
}

/** 0 is no limit. */
const limitOf = (perKey: number, factor: number) =>
  perKey > 0 ? Math.max(1, Math.floor(perKey * factor)) : Number.POSITIVE_INFINITY;

function tiersOf(members: readonly Member[]): readonly Tier[] {
  const byPriority = new Map<number, Member[]>();
  for (const member of members) {
    const peers = byPriority.get(member.credential.priority);
    if (peers) peers.push(member);
    else byPriority.set(member.credential.priority, [member]);
  }
  return [...byPriority].sort(([a], [b]) => a - b).map(([priority, peers], order) => new Tier(priority, order, peers));
}

const isNewProbation = (was: ScopeState | undefined, is: ScopeState | undefined) =>
  was?.probation?.since !== is?.probation?.since;
