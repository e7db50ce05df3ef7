import type { SlotSet } from '../slot-set.ts';

/**
 * Sequential choice among credentials of one priority: stay with one until it is exhausted, then take the one that has
 * served most. What counts are successes: a credential that fails a lot is used a lot, and must not be preferred for it.
 */

/**
 * Slots in the order of preference; the first is the current one. One per rank and per model, or quota group, since
 * each is exhausted on its own. It is a value: keep what `chooseSequential` returns, and begin with `NO_SEQUENCE` again
 * when slots change their meaning.
 */
export type Sequence = readonly number[];

export const NO_SEQUENCE: Sequence = [];

/**
 * So many are ranked at a time. While the current one is busy or tried the next few take over, and one look at all of
 * 5,000 credentials serves for a while.
 */
const RANKED = 16;

/** With more that are open, a conversation looks at so many of them, which its hash picks. */
const SAMPLED = 64;

/** What the choice has to know of a rank. Nothing is asked of more than a few slots unless a ranking is due. */
export type SequentialView = {
  /** Those that can take one more, of the rank; for the pass below optimal concurrency only the ones below. */
  readonly ready: SlotSet;
  /** Those that may serve the model; undefined: all. */
  readonly usable: SlotSet | undefined;
  /** This request will not use it, or it has no room for it: passed over, but it keeps its place. */
  readonly isExcluded: (slot: number) => boolean;
  /** Blocked, disabled or over a limit of its own: loses its place. False while it is merely busy. */
  readonly isExhausted: (slot: number) => boolean;
  /** Nothing failed since its last success. */
  readonly isHealthy: (slot: number) => boolean;
  /** Successful requests, on the model or in all, since the last daily reset or ever: the caller's choice. */
  readonly successesOf: (slot: number) => number;
};

export type SequentialChoice = {
  /** -1: nobody. */
  readonly slot: number;
  readonly sequence: Sequence;
};

/**
 * The current credential; when it is exhausted the next. `session`: the request's conversation, when it has one that no
 * credential serves yet (one that is served already goes to its credential before any choice). Where several
 * credentials are equally good, conversations are spread over them by hash; without one the first in the config is
 * taken. Draws nothing: the same inputs give the same choice.
 */
export function chooseSequential(
  sequence: Sequence,
  view: SequentialView,
  session: string | null = null,
): SequentialChoice {
  let kept = sequence;
  for (let i = 0; i < kept.length; i++) {
    const slot = kept[i] ?? -1;
    if (isOpen(view, slot)) {
      // A current one that has not served yet is no better than its peers: conversations may spread.
      if (session !== null && view.successesOf(slot) === 0) return chooseForSession(kept, view, session);
      return { slot, sequence: kept };
    }
    if (view.isExhausted(slot)) {
      kept = kept.filter((other) => other !== slot);
      i--;
    }
  }
  const ranked = rank(view);
  const next = extend(kept, ranked);
  return session === null ? { slot: ranked[0] ?? -1, sequence: next } : chooseForSession(next, view, session);
}

/** The best for a conversation that nobody serves yet; equals are spread. */
function chooseForSession(sequence: Sequence, view: SequentialView, session: string): SequentialChoice {
  const seed = hashOf(session);
  let best = -1;
  let bestScore = Number.NEGATIVE_INFINITY;
  let bestWeight = 0;
  eachSampled(view, sequence, seed, (slot) => {
    const score = scoreOf(view, slot);
    if (score < bestScore) return;
    // Rendezvous hashing: a credential that leaves or joins moves only its own share of the conversations.
    const weight = mix(seed ^ Math.imul(slot + 1, 0x9e3779b1));
    if (score === bestScore && (weight < bestWeight || (weight === bestWeight && slot > best))) return;
    best = slot;
    bestScore = score;
    bestWeight = weight;
  });
  // Who has served becomes the current one, if none has yet: the first conversation decides nothing for the others.
  const hasServed = (slot: number) => view.successesOf(slot) > 0;
  const [current] = sequence;
  if (best < 0 || !hasServed(best) || (current !== undefined && hasServed(current))) return { slot: best, sequence };
  return { slot: best, sequence: extend([best], sequence) };
}

/** The best open slots, best first; equals in the config's order. */
function rank(view: SequentialView): Sequence {
  const ranked: { readonly slot: number; readonly score: number }[] = [];
  eachOpen(view, (slot) => {
    const score = scoreOf(view, slot);
    let index = ranked.length;
    for (; index > 0; index--) {
      const above = ranked[index - 1];
      if (!above || above.score > score || (above.score === score && above.slot < slot)) break;
    }
    if (index >= RANKED) return;
    ranked.splice(index, 0, { slot, score });
    if (ranked.length > RANKED) ranked.pop();
  });
  return ranked.map(({ slot }) => slot);
}

/** The current one keeps its place though it is busy; the others come after those that are ranked now. */
function extend(kept: Sequence, ranked: Sequence): Sequence {
  const [current, ...others] = kept;
  if (current === undefined) return ranked;
  return [...new Set([current, ...ranked, ...others])].slice(0, RANKED);
}

/** Whoever is healthy comes before whoever is not, then the one with more successes. */
function scoreOf(view: SequentialView, slot: number): number {
  const successes = view.successesOf(slot);
  return view.isHealthy(slot) ? successes : successes - Number.MAX_SAFE_INTEGER;
}

function isOpen({ ready, usable, isExcluded }: SequentialView, slot: number): boolean {
  return ready.has(slot) && (usable === undefined || usable.has(slot)) && !isExcluded(slot);
}

function eachOpen(view: SequentialView, visit: (slot: number) => void): void {
  const source = smallerOf(view);
  for (let position = 0; position < source.size; position++) {
    const slot = source.at(position);
    if (isOpen(view, slot)) visit(slot);
  }
}

/**
 * All that are open when they are few; else those of the sequence, which have served most, and a fair sample: every
 * new conversation asks for this until somebody has served. When luck finds nobody it looks at all.
 */
function eachSampled(view: SequentialView, sequence: Sequence, seed: number, visit: (slot: number) => void): void {
  const source = smallerOf(view);
  if (source.size <= SAMPLED) return eachOpen(view, visit);
  let visited = 0;
  const offer = (slot: number) => {
    if (!isOpen(view, slot)) return;
    visited++;
    visit(slot);
  };
  for (const slot of sequence) offer(slot);
  for (let draw = 0; draw < SAMPLED; draw++) {
    offer(source.at(mix(seed ^ Math.imul(draw + 1, 0x85ebca6b)) % source.size));
  }
  if (visited === 0) eachOpen(view, visit);
}

const smallerOf = ({ ready, usable }: SequentialView) =>
  usable !== undefined && usable.size < ready.size ? usable : ready;

/** FNV-1a, 32 bit. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** The finaliser of MurmurHash3: every bit of the input moves every bit of the result. */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
