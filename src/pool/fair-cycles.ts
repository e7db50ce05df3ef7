import { isObject } from '../shared/json-shape.ts';
import { endOf } from './blocks.ts';
import { type CredentialId, isInUse } from './credential.ts';
import type { Due } from './due-heap.ts';
import { type Cycle, type CyclePeer, exhaust, type FairCycleRules, review } from './fair-cycle.ts';
import { cappedBy } from './outlook.ts';
import { EVERYTHING, type Member, type Roster } from './roster.ts';

/** Keeps a pool's cycles, and who sits out because of them. */

/** Names of models are made up by clients; above this the oldest cycle is forgotten. */
const MAX_CYCLES = 1024;

export class RunningCycle implements Due {
  dueAt = Number.POSITIVE_INFINITY;
  /** The priority whose credentials take turns; null: all. */
  readonly tier: number | null;
  /** `group:NAME`, `model:NAME`, or everything. */
  readonly scope: string;
  cycle: Cycle;

  constructor(tier: number | null, scope: string, cycle: Cycle) {
    this.tier = tier;
    this.scope = scope;
    this.cycle = cycle;
  }
}

export class FairCycles {
  readonly #roster: Roster;
  readonly #setDue: (owner: RunningCycle, at: number) => void;
  #rules: FairCycleRules | null = null;
  /** By tier and scope. */
  readonly #running = new Map<string, RunningCycle>();

  constructor(roster: Roster, setDue: (owner: RunningCycle, at: number) => void) {
    this.#roster = roster;
    this.#setDue = setDue;
  }

  get rules(): FairCycleRules | null {
    return this.#rules;
  }

  /** New config, or other credentials. Cycles go on, as far as they mean the same. */
  configure(rules: FairCycleRules | null, now: number): void {
    const isOther = rules?.scope !== this.#rules?.scope || rules?.isCrossTier !== this.#rules?.isCrossTier;
    this.#rules = rules;
    for (const running of [...this.#running.values()]) {
      const kept = [...running.cycle.exhausted].filter((id) => {
        const member = this.#roster.members.get(id);
        return member !== undefined && running.tier === this.#tierOf(member);
      });
      this.#end(running);
      if (isOther || !rules || kept.length === 0) continue;
      this.#begin(running.tier, running.scope, { ...running.cycle, exhausted: new Set(kept) });
    }
    this.reviewAll(now);
  }

  /** The credential is used up on these scopes. With one cycle for everything, on any is on all. */
  exhaust(member: Member, scopes: Iterable<string>, now: number): void {
    const rules = this.#rules;
    if (!rules || !member.rank) return;
    const tier = this.#tierOf(member);
    for (const name of scopes) {
      const scope = rules.scope === 'credential' ? EVERYTHING : name;
      const running = this.#running.get(keyOf(tier, scope));
      const cycle = exhaust(running?.cycle ?? null, member.credential.id, now);
      if (cycle === running?.cycle) continue;
      if (running) running.cycle = cycle;
      const begun = running ?? this.#begin(tier, scope, cycle);
      this.#roster.bench(member, scope, true);
      this.#review(begun, now);
    }
  }

  /** Something about a credential has changed that others may wait for. */
  reviewWith(member: Member, now: number): void {
    if (this.#running.size === 0 || !member.rank) return;
    const tier = this.#tierOf(member);
    for (const running of [...this.#running.values()]) if (running.tier === tier) this.#review(running, now);
  }

  reviewAll(now: number): void {
    for (const running of [...this.#running.values()]) this.#review(running, now);
  }

  /** It has lasted as long as a cycle may. */
  expire(running: RunningCycle, now: number): void {
    this.#review(running, now);
    if (this.#running.get(keyOf(running.tier, running.scope)) === running) this.#arm(running);
  }

  /** The operator lifts what is against a credential, or against all. */
  release(member: Member | null, now: number): void {
    for (const running of [...this.#running.values()]) {
      if (member === null) this.#end(running);
      else if (running.cycle.exhausted.has(member.credential.id)) {
        const exhausted = new Set(running.cycle.exhausted);
        exhausted.delete(member.credential.id);
        running.cycle = { ...running.cycle, exhausted };
        this.#roster.bench(member, running.scope, false);
        this.#review(running, now);
      }
    }
  }

  /** The clock was set back. */
  shift(byMs: number): void {
    for (const running of this.#running.values()) {
      running.cycle = { ...running.cycle, startedAt: running.cycle.startedAt + byMs };
      this.#arm(running);
    }
  }

  snapshot(): unknown {
    return [...this.#running.values()].map(({ tier, scope, cycle }) => ({
      tier,
      scope,
      startedAt: cycle.startedAt,
      exhausted: [...cycle.exhausted],
    }));
  }

  /** Takes over what `snapshot` gave; what is malformed, past or of other rules is left out. */
  restore(stored: unknown, byMs: number, now: number): void {
    const rules = this.#rules;
    if (!rules || !Array.isArray(stored)) return;
    const ids = new Map([...this.#roster.members.keys()].map((id) => [String(id), id]));
    for (const entry of stored.slice(0, MAX_CYCLES)) {
      if (!isObject(entry) || typeof entry.scope !== 'string' || typeof entry.startedAt !== 'number') continue;
      const { tier, scope } = entry;
      if ((tier === null) !== rules.isCrossTier || (scope === EVERYTHING) !== (rules.scope === 'credential')) continue;
      if ((tier !== null && typeof tier !== 'number') || !Array.isArray(entry.exhausted)) continue;
      const exhausted = entry.exhausted.flatMap((name: unknown): CredentialId[] => {
        const id = typeof name === 'string' ? ids.get(name) : undefined;
        const member = id === undefined ? undefined : this.#roster.members.get(id);
        return id !== undefined && member && this.#tierOf(member) === tier ? [id] : [];
      });
      const startedAt = Math.min(entry.startedAt + byMs, now);
      if (exhausted.length === 0) continue;
      // What came back with the credentials may have begun it already.
      const begun = this.#running.get(keyOf(tier, scope));
      if (begun) this.#end(begun);
      this.#begin(tier, scope, { startedAt, exhausted: new Set([...exhausted, ...(begun?.cycle.exhausted ?? [])]) });
    }
    this.reviewAll(now);
  }

  #begin(tier: number | null, scope: string, cycle: Cycle): RunningCycle {
    if (this.#running.size >= MAX_CYCLES) {
      const [oldest] = this.#running.values();
      if (oldest) this.#end(oldest);
    }
    const running = new RunningCycle(tier, scope, cycle);
    this.#running.set(keyOf(tier, scope), running);
    for (const id of cycle.exhausted) {
      const member = this.#roster.members.get(id);
      if (member) this.#roster.bench(member, scope, true);
    }
    this.#arm(running);
    return running;
  }

  #end(running: RunningCycle): void {
    this.#running.delete(keyOf(running.tier, running.scope));
    this.#setDue(running, Number.POSITIVE_INFINITY);
    for (const id of running.cycle.exhausted) {
      const member = this.#roster.members.get(id);
      if (member) this.#roster.bench(member, running.scope, false);
    }
  }

  #review(running: RunningCycle, now: number): void {
    if (!this.#rules || !review(running.cycle, this.#peers(running), this.#rules, now)) this.#end(running);
  }

  #arm(running: RunningCycle): void {
    this.#setDue(running, running.cycle.startedAt + (this.#rules?.durationMs ?? 0));
  }

  *#peers({ tier, scope }: RunningCycle): Iterable<CyclePeer> {
    for (const rank of this.#roster.ranks) {
      if (tier !== null && rank.priority !== tier) continue;
      for (const member of rank.members) {
        if (!isInUse(member.credential) || !this.#isOf(member, scope)) continue;
        yield { id: member.credential.id, blockedUntil: this.#blockedUntil(member, scope) };
      }
    }
  }

  /** It serves a model of this scope. */
  #isOf(member: Member, scope: string): boolean {
    if (scope === EVERYTHING || member.credential.models.length === 0) return true;
    const models = [...this.#roster.ledgersOf(scope)].map(({ model }) => model);
    const [, name] = scope.split(/^model:/);
    if (name !== undefined) models.push(name);
    return models.some((model) => this.#roster.allows(member, model));
  }

  #blockedUntil({ state, over, capped }: Member, scope: string): number {
    let end = Math.max(endOf(state.key), over.get('') ?? Number.NEGATIVE_INFINITY);
    for (const [cap, { until }] of capped) {
      if (cap.models.length === 0) end = Math.max(end, until ?? Number.POSITIVE_INFINITY);
    }
    if (scope === EVERYTHING) return end;
    const name = scope.slice(scope.indexOf(':') + 1);
    const own = (scope.startsWith('group:') ? state.groups : state.models).get(name);
    if (own) end = Math.max(end, endOf(own));
    end = Math.max(end, over.get(scope) ?? Number.NEGATIVE_INFINITY);
    const [ledger] = capped.size > 0 ? this.#roster.ledgersOf(scope) : [];
    for (const block of ledger ? cappedBy(ledger, { capped }) : []) {
      end = Math.max(end, block.until ?? Number.POSITIVE_INFINITY);
    }
    return end;
  }

  #tierOf({ credential }: Member): number | null {
    return this.#rules?.isCrossTier ? null : credential.priority;
  }
}

const keyOf = (tier: number | null, scope: string) => `${tier ?? '*'} ${scope}`;
