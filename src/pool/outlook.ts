import { endOf, type ScopeState } from './blocks.ts';
import type { CredentialId } from './credential.ts';
import type { Block, Refusal, Want } from './pool.ts';
import type { Prospect } from './prospect.ts';
import { isBenched, isEligible, type Member, type ModelLedger, type Roster, savedAhead } from './roster.ts';

/** Why nobody can be taken for a model now, and when that changes. */

/** Enough for a person and for the status code; 5,000 blocked keys would cost more to list than to serve. */
const MAX_LISTED_PER_KIND = 16;

/** `isBenchOpen`: those who sit out in a fair cycle count, too. */
export function prospectOf(
  roster: Roster,
  reach: ScopeState,
  ledger: ModelLedger,
  want: Want,
  isBenchOpen: boolean,
  now: number,
): Prospect {
  const shared = [...reach.blocks, ...ledger.state.scope.blocks];
  const sharedEnd = sharedEndOf(reach, ledger);
  const { group } = ledger.unit;
  const listed = new SoonestBlocks();
  let isAnybody = false;
  let isAnybodyLeft = false;
  let isAnybodyOver = false;
  let isAnybodyBusy = false;
  let firstRoomAt = Number.POSITIVE_INFINITY;
  let soonest = Number.POSITIVE_INFINITY;
  let bestRoomAt = Number.POSITIVE_INFINITY;
  let best: CredentialId | null = null;
  for (const member of roster.members.values()) {
    if (!member.credential.isEnabled || !roster.allows(member, ledger.model)) continue;
    if (want.only === undefined || want.only === member.credential.id) isAnybody = true;
    if (!isEligible(want, member)) continue;
    isAnybodyLeft = true;
    if (!isBenchOpen && isBenched(ledger, member)) continue;
    const { key, groups, models } = member.state;
    const { hold } = member.credential;
    const onModel = models.get(ledger.model);
    const onGroup = group === null ? undefined : groups.get(group);
    const capped = cappedBy(ledger, member);
    const end = Math.max(sharedEnd, ownEndOf(member, ledger, capped));
    const ahead = savedAhead(ledger, member);
    const roomAt = roomOn(member, ledger, want.tokens, ahead, now);
    if (end === Number.NEGATIVE_INFINITY) {
      // Its requests, or its probe, may end at any moment.
      if (roomAt <= now) isAnybodyBusy = true;
      else isAnybodyOver = true;
      if (isAnybodyBusy && !roster.hasLimits) break;
      if (roomAt > now && roomAt < bestRoomAt) {
        bestRoomAt = roomAt;
        best = member.credential.id;
      }
    }
    if (roomAt > now) firstRoomAt = Math.min(firstRoomAt, roomAt);
    soonest = Math.min(soonest, Math.max(end, roomAt));
    if (hold) listed.add(hold);
    for (const block of key.blocks) listed.add(block);
    for (const block of onModel?.blocks ?? []) listed.add(block);
    for (const block of onGroup?.blocks ?? []) listed.add(block);
    for (const block of capped) listed.add(block);
  }
  if (!isAnybody) return vain('none');
  if (!isAnybodyLeft) return vain('excluded');
  if (isAnybodyBusy) return { ...vain('busy'), roomAt: firstRoomAt, soonest: best };
  for (const block of shared) listed.add(block);
  const retryAt = Number.isFinite(soonest) ? soonest : null;
  const cause = isAnybodyOver ? 'over-limit' : 'blocked';
  return { refusal: { kind: 'refused', cause, blocks: listed.list(), retryAt }, roomAt: firstRoomAt, soonest: best };
}

/** All that keeps the request from this credential is room, which it has in time; and not all of that is saved. */
export function isWorthSaving(
  roster: Roster,
  reach: ScopeState,
  ledger: ModelLedger,
  want: Want,
  member: Member,
  isBenchOpen: boolean,
  deadline: number,
  now: number,
): boolean {
  if (!member.rank || !member.limits || !member.credential.isEnabled || !roster.allows(member, ledger.model))
    return false;
  if (!isEligible(want, member) || (!isBenchOpen && isBenched(ledger, member))) return false;
  const end = Math.max(sharedEndOf(reach, ledger), ownEndOf(member, ledger, cappedBy(ledger, member)));
  if (end !== Number.NEGATIVE_INFINITY || member.saved.has('')) return false;
  return roomOn(member, ledger, want.tokens, null, now) <= deadline;
}

/** When the last that stands against the provider, or the model there, is over; -Infinity: nothing does. */
const sharedEndOf = (reach: ScopeState, ledger: ModelLedger) => Math.max(endOf(reach), endOf(ledger.state.scope));

/** The same for the credential itself on this model. */
function ownEndOf({ state, credential }: Member, ledger: ModelLedger, capped: readonly Block[]): number {
  const { group } = ledger.unit;
  const onModel = state.models.get(ledger.model);
  const onGroup = group === null ? undefined : state.groups.get(group);
  let end = endOf(state.key);
  if (onModel) end = Math.max(end, endOf(onModel));
  if (onGroup) end = Math.max(end, endOf(onGroup));
  for (const { until } of capped) end = Math.max(end, until ?? Number.POSITIVE_INFINITY);
  return credential.hold ? Math.max(end, credential.hold.until ?? Number.POSITIVE_INFINITY) : end;
}

/** `ahead`: tokens of the request that its room is saved for; null: it is not. */
export function roomOn({ limits }: Member, { unit }: ModelLedger, tokens: number, ahead: number | null, now: number) {
  if (limits === null) return now;
  return ahead === null ? limits.roomAt(unit.scope, tokens, now) : limits.roomAfter(unit.scope, ahead, tokens, now);
}

const NO_BLOCKS: readonly Block[] = [];

/** The caps that are reached and count this model. */
export function cappedBy({ caps }: ModelLedger, { capped }: Pick<Member, 'capped'>): readonly Block[] {
  return capped.size === 0 ? NO_BLOCKS : caps.flatMap((cap) => capped.get(cap) ?? NO_BLOCKS);
}

const vain = (cause: Refusal['cause']): Prospect => ({
  refusal: { kind: 'refused', cause, blocks: [], retryAt: null },
  roomAt: Number.POSITIVE_INFINITY,
  soonest: null,
});

/** The soonest few of each kind, so that no kind is crowded out. */
class SoonestBlocks {
  readonly #byKind = new Map<string, Block[]>();

  add(block: Block): void {
    const listed = this.#byKind.get(block.kind);
    if (!listed) {
      this.#byKind.set(block.kind, [block]);
      return;
    }
    const last = listed[listed.length - 1];
    if (listed.length >= MAX_LISTED_PER_KIND) {
      if (last && untilOf(block) >= untilOf(last)) return;
      listed.pop();
    }
    let index = listed.length;
    for (let above = listed[index - 1]; above && untilOf(above) > untilOf(block); above = listed[index - 1]) index--;
    listed.splice(index, 0, block);
  }

  list(): readonly Block[] {
    return [...this.#byKind.values()].flat().sort(bySoonest).map(plain);
  }
}

const untilOf = (block: Block) => block.until ?? Number.MAX_VALUE;

export const bySoonest = (a: Block, b: Block) => untilOf(a) - untilOf(b);

/** A block as others see it, without the pool's own bookkeeping. */
export const plain = ({ scope, kind, until, reason, source }: Block): Block => ({ scope, kind, until, reason, source });
