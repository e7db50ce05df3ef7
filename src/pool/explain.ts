import { assertNever } from '../shared/assert-never.ts';
import type { ScopeState } from './blocks.ts';
import { bySoonest, plain } from './outlook.ts';
import type { Block, Explanation, PoolSettings, Want } from './pool.ts';
import { isEligible, isOpenOn, type ModelLedger, type Member, type Roster, type Rank, useOf } from './roster.ts';
import { likeliestBalanced } from './select/balanced.ts';

/**
 * What a request would meet, credential by credential. `chosen` is the one that would be taken most often; nothing is
 * drawn from the random source, so that looking never changes what comes next.
 */
export function explainWant(
  roster: Roster,
  reach: ScopeState,
  ledger: ModelLedger,
  want: Want,
  settings: PoolSettings,
  now: number,
): readonly Explanation[] {
  const shared = [...reach.blocks, ...ledger.state.scope.blocks];
  const members = [...roster.members.values()];
  const isReady = (member: Member) => verdictOf(roster, ledger, member, shared) === 'ready' && isEligible(want, member);
  const choice = likeliest(roster.ranks, ledger, isReady, settings.tolerance);
  return members.map((member) => {
    const { id, label } = member.credential;
    const blocks = blocksOn(member, ledger.model, shared);
    const verdict = verdictOf(roster, ledger, member, shared);
    const base = { id, label, blocks: blocks.map(plain) };
    if (member === choice?.member) return { ...base, verdict: 'chosen', why: choice.why };
    switch (verdict) {
      case 'disabled':
        return { ...base, verdict, why: 'disabled' };
      case 'model_not_allowed': {
        const served = member.credential.models.map((pattern) => pattern.source).join(', ');
        return { ...base, verdict, why: `serves only ${served}` };
      }
      case 'blocked':
        return { ...base, verdict, why: blockWords(blocks, now) };
      case 'busy':
        return { ...base, verdict, why: busyWords(member, ledger) };
      case 'ready':
        return { ...base, verdict, why: readyWords(member, ledger, want, choice) };
      default:
        return assertNever(verdict);
    }
  });
}

type Choice = { readonly member: Member; readonly why: string };
type PlainVerdict = 'ready' | 'busy' | 'blocked' | 'disabled' | 'model_not_allowed';

function verdictOf(roster: Roster, ledger: ModelLedger, member: Member, shared: readonly Block[]): PlainVerdict {
  if (!member.credential.isEnabled) return 'disabled';
  if (!roster.allows(member, ledger.model)) return 'model_not_allowed';
  if (blocksOn(member, ledger.model, shared).length > 0) return 'blocked';
  return member.isBusy || ledger.isBusy || !isOpenOn(ledger, member) ? 'busy' : 'ready';
}

function blocksOn(member: Member, model: string, shared: readonly Block[]): readonly Block[] {
  const own = member.state.key.blocks;
  const onModel = member.state.models.get(model)?.blocks ?? [];
  if (own.length === 0 && onModel.length === 0) return shared;
  return [...own, ...onModel, ...shared].sort(bySoonest);
}

function likeliest(
  ranks: readonly Rank[],
  ledger: ModelLedger,
  isReady: (member: Member) => boolean,
  tolerance: number,
): Choice | null {
  for (const rank of ranks) {
    const ready = rank.members.filter(isReady);
    const spare = ready.filter((member) => member.inFlight < member.softMax);
    const pick = spare.length > 0 ? spare : ready;
    const uses = pick.map((member) => useOf(ledger, member));
    const weights = pick.map((member) => member.credential.weight);
    const member = pick[likeliestBalanced(uses, weights, tolerance)];
    if (member) return { member, why: chosenWords(ready.length, uses, weights, pick.indexOf(member)) };
  }
  return null;
}

function chosenWords(ready: number, uses: readonly number[], weights: readonly number[], index: number): string {
  if (ready === 1) return 'the only one ready';
  const share = (i: number) => (uses[i] ?? 0) / (weights[i] ?? 1);
  const isLeast = uses.every((_, i) => share(index) <= share(i));
  return `${isLeast ? 'least used' : 'likeliest by weight'} of ${ready} ready`;
}

function readyWords(member: Member, ledger: ModelLedger, want: Want, choice: Choice | null): string {
  if (want.exclude.has(member.credential.id)) return 'this request has tried it';
  if (!isEligible(want, member)) return 'this request asks for another';
  if (!choice) return 'ready';
  const { priority } = choice.member.credential;
  if (member.credential.priority !== priority) {
    return `priority ${member.credential.priority} comes after priority ${priority}`;
  }
  if (member.inFlight >= member.softMax && choice.member.inFlight < choice.member.softMax) {
    return `${member.inFlight} in flight, others are below their optimum`;
  }
  const mine = useOf(ledger, member);
  const its = useOf(ledger, choice.member);
  return mine === its ? 'as good as the chosen one' : `used ${times(mine)}, the chosen one ${times(its)}`;
}

function busyWords(member: Member, ledger: ModelLedger): string {
  if (member.inFlight >= member.hardMax) return `${member.inFlight} of ${member.hardMax} requests in flight`;
  const scope = ledger.isBusy ? 'the model' : 'it';
  return `${scope} is being tried again after a block, one step at a time`;
}

/** The block that ends last is the one that decides. */
function blockWords(blocks: readonly Block[], now: number): string {
  const last = [...blocks].sort(bySoonest).at(-1);
  if (!last) return 'blocked';
  const span = last.until === null ? 'until it is reset' : `for ${spanWords(last.until - now)}`;
  return `${last.kind} ${span} (${last.source})`;
}

const times = (use: number) => (use === 1 ? 'once' : `${Math.round(use)} times`);

function spanWords(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.ceil(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.ceil(seconds / 3600)} h`;
  return `${Math.ceil(seconds / 86_400)} d`;
}
