import { endOf, type ScopeState } from './blocks.ts';
import type { Block, Refusal, Want } from './pool.ts';
import { isEligible, type ModelLedger, type Roster } from './roster.ts';

/** Why nobody can be taken for a model now, and when that changes. */

/** Enough for a person and for the status code; 5,000 blocked keys would cost more to list than to serve. */
const MAX_LISTED_PER_KIND = 16;

export function refusalOf(roster: Roster, reach: ScopeState, ledger: ModelLedger, want: Want): Refusal {
  const shared = [...reach.blocks, ...ledger.state.scope.blocks];
  const sharedEnd = Math.max(endOf(reach), endOf(ledger.state.scope));
  const listed = new SoonestBlocks();
  let isAnybody = false;
  let isAnybodyLeft = false;
  let soonest = Number.POSITIVE_INFINITY;
  for (const member of roster.members.values()) {
    if (!member.credential.isEnabled || !roster.allows(member, ledger.model)) continue;
    if (want.only === undefined || want.only === member.credential.id) isAnybody = true;
    if (!isEligible(want, member)) continue;
    isAnybodyLeft = true;
    const { key, models } = member.state;
    const onModel = models.get(ledger.model);
    const isBlocked = shared.length > 0 || key.blocks.length > 0 || (onModel?.blocks.length ?? 0) > 0;
    // Its requests, or its probe, may end at any moment.
    if (!isBlocked) return { kind: 'refused', cause: 'busy', blocks: [], retryAt: null };
    soonest = Math.min(soonest, Math.max(sharedEnd, endOf(key), onModel ? endOf(onModel) : sharedEnd));
    for (const block of key.blocks) listed.add(block);
    for (const block of onModel?.blocks ?? []) listed.add(block);
  }
  if (!isAnybody) return { kind: 'refused', cause: 'none', blocks: [], retryAt: null };
  if (!isAnybodyLeft) return { kind: 'refused', cause: 'excluded', blocks: [], retryAt: null };
  for (const block of shared) listed.add(block);
  const retryAt = Number.isFinite(soonest) ? soonest : null;
  return { kind: 'refused', cause: 'blocked', blocks: listed.list(), retryAt };
}

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
