import { assertNever } from '../shared/assert-never.ts';
import type { ScopeState } from './blocks.ts';
import { bySoonest, cappedBy, plain, roomOn } from './outlook.ts';
import type { Block, Explanation, PoolSettings, Verdict, Want } from './pool.ts';
import {
  isBenched,
  isEligible,
  isOpenOn,
  type ModelLedger,
  type Member,
  type Roster,
  sequentialView,
  type Rank,
  savedAhead,
  useOf,
} from './roster.ts';
import { likeliestBalanced } from './select/balanced.ts';
import { chooseSequential, NO_SEQUENCE } from './select/sequential.ts';
import { SlotSet } from './slot-set.ts';

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
  /** The credential that serves the request's conversation, when it may. */
  bound: Member | null,
  /** Its conversation, when nobody serves that yet. */
  session: string | null,
  now: number,
): readonly Explanation[] {
  const shared = [...reach.blocks, ...ledger.state.scope.blocks];
  const members = [...roster.members.values()];
  const verdictOn = (member: Member) => verdictOf(roster, ledger, member, shared, want.tokens, now);
  const isReady = (member: Member) => verdictOn(member) === 'ready' && isEligible(want, member);
  const choice =
    bound && isReady(bound)
      ? { member: bound, why: CONVERSATION }
      : ((settings.mode === 'sequential'
          ? nextInOrder(roster.ranks, ledger, isReady, session)
          : likeliest(roster, ledger, isReady, settings.tolerance)) ??
        (shared.length === 0 && !ledger.isBusy ? lastResort(roster, ledger, want, now) : null));
  return members.map((member) => {
    const { id, label } = member.credential;
    const blocks = blocksOn(member, ledger, shared);
    const verdict = verdictOn(member);
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
        return { ...base, verdict, why: member.credential.hold?.reason ?? blockWords(blocks, now) };
      case 'over_limit':
        return { ...base, verdict, why: overWords(member, ledger, want.tokens, now) };
      case 'fair_cycle':
        return { ...base, verdict, why: 'used up in this cycle, the others come first' };
      case 'busy':
        return { ...base, verdict, why: busyWords(member, ledger) };
      case 'ready':
        return { ...base, verdict, why: readyWords(member, ledger, want, choice, settings) };
      default:
        return assertNever(verdict);
    }
  });
}

const CONVERSATION = 'serves this conversation';

type Choice = { readonly member: Member; readonly why: string };
type PlainVerdict = Exclude<Verdict, 'chosen'>;

/** Why one is taken that sits out in a fair cycle: nobody else can serve the request. */
export const LAST_RESORT = 'used up in this cycle, but nobody else can serve';

function lastResort(roster: Roster, ledger: ModelLedger, want: Want, now: number): Choice | null {
  const member = roster.lastResort(ledger, want, now);
  return member && { member, why: LAST_RESORT };
}

function verdictOf(
  roster: Roster,
  ledger: ModelLedger,
  member: Member,
  shared: readonly Block[],
  tokens: number,
  now: number,
): PlainVerdict {
  if (!member.credential.isEnabled) return 'disabled';
  if (!roster.allows(member, ledger.model)) return 'model_not_allowed';
  if (blocksOn(member, ledger, shared).length > 0) return 'blocked';
  if (isBenched(ledger, member)) return 'fair_cycle';
  const ahead = savedAhead(ledger, member);
  if (roomOn(member, ledger, tokens, ahead, now) > now) return 'over_limit';
  return ahead !== null || member.isBusy || ledger.isBusy || !isOpenOn(ledger, member) ? 'busy' : 'ready';
}

function blocksOn(member: Member, ledger: ModelLedger, shared: readonly Block[]): readonly Block[] {
  const { state } = member;
  const { hold } = member.credential;
  const { model, unit } = ledger;
  const own: readonly Block[] = hold ? [hold, ...state.key.blocks] : state.key.blocks;
  const capped = cappedBy(ledger, member);
  const onGroup = (unit.group === null ? undefined : state.groups.get(unit.group)?.blocks) ?? [];
  const onModel = state.models.get(model)?.blocks ?? [];
  if (own.length === 0 && onGroup.length === 0 && onModel.length === 0 && capped.length === 0) return shared;
  return [...own, ...onGroup, ...onModel, ...capped, ...shared].sort(bySoonest);
}

function nextInOrder(
  ranks: readonly Rank[],
  ledger: ModelLedger,
  isReady: (member: Member) => boolean,
  session: string | null,
): Choice | null {
  for (const rank of ranks) {
    const ready = rank.members.filter(isReady);
    const spare = ready.filter((member) => member.inFlight < member.softMax);
    const open = new SlotSet(rank.members.length);
    for (const member of spare.length > 0 ? spare : ready) open.add(member.slot);
    const view = sequentialView(rank, ledger, open, undefined, () => false);
    const sequence = ledger.unit.sequences[rank.order] ?? NO_SEQUENCE;
    const { slot } = chooseSequential(sequence, view, session);
    const member = rank.members[slot];
    if (!member) continue;
    if (ready.length === 1) return { member, why: 'the only one ready' };
    return { member, why: sequence[0] === slot ? 'in use until it is exhausted' : `next of ${ready.length} ready` };
  }
  return null;
}

function likeliest(
  roster: Roster,
  ledger: ModelLedger,
  isReady: (member: Member) => boolean,
  tolerance: number,
): Choice | null {
  for (const rank of roster.ranks) {
    const ready = rank.members.filter(isReady);
    const spare = ready.filter((member) => member.inFlight < member.softMax);
    const pick = spare.length > 0 ? spare : ready;
    const uses = roster.usesOf(ledger, pick);
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

function readyWords(
  member: Member,
  ledger: ModelLedger,
  want: Want,
  choice: Choice | null,
  { mode }: PoolSettings,
): string {
  if (want.exclude.has(member.credential.id)) return 'this request has tried it';
  if (!isEligible(want, member)) return 'this request asks for another';
  if (!choice) return 'ready';
  if (choice.why === CONVERSATION) return 'another serves this conversation';
  const { priority } = choice.member.credential;
  if (member.credential.priority !== priority) {
    return `priority ${member.credential.priority} comes after priority ${priority}`;
  }
  if (member.inFlight >= member.softMax && choice.member.inFlight < choice.member.softMax) {
    return `${member.inFlight} in flight, others are below their optimum`;
  }
  if (mode === 'sequential') return 'its turn comes later';
  const mine = useOf(ledger, member);
  const its = useOf(ledger, choice.member);
  return mine === its ? 'as good as the chosen one' : `used ${times(mine)}, the chosen one ${times(its)}`;
}

function busyWords(member: Member, ledger: ModelLedger): string {
  if (member.inFlight >= member.hardMax) return `${member.inFlight} of ${member.hardMax} requests in flight`;
  if (!ledger.isBusy && savedAhead(ledger, member) !== null) return SAVED;
  const scope = ledger.isBusy ? 'the model' : 'it';
  return `${scope} is being tried again after a block, one step at a time`;
}

/** Why one is passed over that has room: somebody needs more of it, and came first. */
export const SAVED = 'its room is kept for a request that waits';

/** The window that is full, where one is; a large request can also be too large for what is left. */
function overWords(member: Member, ledger: ModelLedger, tokens: number, now: number): string {
  const ahead = savedAhead(ledger, member);
  const roomAt = roomOn(member, ledger, tokens, ahead, now);
  const when = Number.isFinite(roomAt) ? `room in ${spanWords(roomAt - now)}` : 'never has room';
  if (ahead !== null && roomOn(member, ledger, tokens, null, now) <= now) return `${SAVED}, ${when}`;
  const views = member.limits?.views(now).filter(({ scope }) => scope === 'key' || scope === ledger.unit.scope) ?? [];
  const full = views.find(({ remaining }) => remaining !== null && remaining < 1);
  if (full) return `${full.name} ${full.used} of ${full.limit ?? full.used} used, ${when}`;
  return `too few tokens left for this request, ${when}`;
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
