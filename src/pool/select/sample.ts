import type { Random } from '../../shared/random.ts';
import type { SlotSet } from '../slot-set.ts';

/** Up to here every member is looked at and the choice is exact. */
const EXACT_UP_TO = 64;
/** Enough for a choice that is hard to tell from the exact one (the power of d choices). */
const SAMPLE = 8;
const MAX_DRAWS = 48;

/**
 * Members of both sets that `accepts` takes, or a fair sample of them when there are many: a pool of 5,000 keys must
 * not cost more per request than a pool of one. Draws from the smaller set; when luck finds nobody, looks at all of it,
 * so that an empty answer always means that there is nobody. `found`: takes them, emptied before.
 */
export function gather(
  ready: SlotSet,
  usable: SlotSet | undefined,
  accepts: (slot: number) => boolean,
  random: Random,
  found: number[] = [],
): number[] {
  const isUsableSmaller = usable !== undefined && usable.size < ready.size;
  const source = isUsableSmaller ? usable : ready;
  const other = isUsableSmaller ? ready : usable;
  const isIn = (slot: number) => (other === undefined || other.has(slot)) && accepts(slot);
  found.length = 0;
  if (source.size > EXACT_UP_TO) {
    for (let draws = 0; draws < MAX_DRAWS && found.length < SAMPLE; draws++) {
      const slot = source.at(Math.floor(random() * source.size));
      if (!found.includes(slot) && isIn(slot)) found.push(slot);
    }
    if (found.length > 0) return found;
  }
  for (let position = 0; position < source.size; position++) {
    const slot = source.at(position);
    if (isIn(slot)) found.push(slot);
  }
  return found;
}
