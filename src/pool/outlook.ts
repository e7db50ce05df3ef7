import { endOf, type ScopeState } from './blocks.ts';
import type { Block, Refusal, Want } from './pool.ts';
import type { Prospect } from './prospect.ts';
import { isBenched, isEligible, type Member, type ModelLedger, type Roster } from './roster.ts';

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
  const sharedEnd = Math.max(endOf(reach), endOf(ledger.state.scope));
  const { group, scope } = ledger.unit;
  const listed = new SoonestBlocks();
  let isAnybody = false;
  let isAnybodyLeft = false;
  let isAnybodyOver = false;
  let isAnybodyBusy = false;
  let firstRoomAt = Number.POSITIVE_INFINITY;
  let soonest = Number.POSITIVE_INFINITY;
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
    let end = Math.max(
      sharedEnd,
      endOf(key),
      onModel ? endOf(onModel) : sharedEnd,
      onGroup ? endOf(onGroup) : sharedEnd,
    );
    const capped = cappedBy(ledger, member);
    for (const { until } of capped) end = Math.max(end, until ?? Number.POSITIVE_INFINITY);
    if (hold) end = Math.max(end, hold.until ?? Number.POSITIVE_INFINITY);
    const roomAt = member.limits?.roomAt(scope, want.tokens, now) ?? now;
    if (end === Number.NEGATIVE_INFINITY) {
      // Its requests, or its probe, may end at any moment.
      if (roomAt <= now) isAnybodyBusy = true;
      else isAnybodyOver = true;
      if (isAnybodyBusy && !roster.hasLimits) break;
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
  if (isAnybodyBusy) return { ...vain('busy'), roomAt: firstRoomAt };
  for (const block of shared) listed.add(block);
  const retryAt = Number.isFinite(soonest) ? soonest : null;
  const cause = isAnybodyOver ? 'over-limit' : 'blocked';
  return { refusal: { kind: 'refused', cause, blocks: listed.list(), retryAt }, roomAt: firstRoomAt };
}

const NO_BLOCKS: readonly Block[] = [];

/** The caps that are reached and count this model. */
export function cappedBy({ caps }: ModelLedger, { capped }: Pick<Member, 'capped'>): readonly Block[] {
  return capped.size === 0 ? NO_BLOCKS : caps.flatMap((cap) => capped.get(cap) ?? NO_BLOCKS);
}

const vain = (cause: Refusal['cause']): Prospect => ({
  refusal: { kind: 'refused', cause, blocks: [], retryAt: null },
  roomAt: Number.POSITIVE_INFINITY,
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
