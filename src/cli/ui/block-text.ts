import type { BlockView } from '../../gateway/operations.ts';
import { printable } from '../../shared/printable.ts';
import { duration } from './human-time.ts';
import { shortName } from './plain-text.ts';

/** Why something may not be used, and when that is over: `quota, back in 3 h`. `now`: milliseconds since the epoch. */
export function blockText(block: BlockView, now: number): string {
  // Of an account the reason says what a person can do; a test or a reset does not bring it back.
  if (block.source === 'account') return printable(block.reason);
  return `${block.kind}, ${backText(endOf(block), now, block.scope)}`;
}

/** The same with who says so: an end that the provider gave, or a guess. */
export function sourcedText(block: BlockView, now: number): string {
  const text = blockText(block, now);
  return block.source === 'account' ? text : `${text} (${block.source})`;
}

/** When a block is over, milliseconds since the epoch; infinite for one that only a test or a person lifts. */
export function endOf({ until }: Pick<BlockView, 'until'>): number {
  return until === null ? Number.POSITIVE_INFINITY : Date.parse(until);
}

/** `back in 3 h`. A test proves a key, and not that it may be used for one of its models. */
export function backText(end: number, now: number, scope = 'key'): string {
  if (end === Number.POSITIVE_INFINITY) return scope === 'key' ? 'until it is tested or reset' : 'until it is reset';
  return end <= now ? 'back now' : `back in ${duration(end - now)}`;
}

/** A block's scope as its words: `model:gemini-2.5-pro` is `gemini-2.5-pro`, `group:pro` is `group pro`, `models:a,b` is `a, b`. */
export function scopeText(scope: string): string {
  const colon = scope.indexOf(':');
  if (colon < 0) return scope;
  const [kind, names] = [scope.slice(0, colon), printable(scope.slice(colon + 1))];
  if (kind === 'models') return names.replaceAll(',', ', ');
  const name = shortName(names);
  return kind.endsWith('model') ? name : `${kind} ${name}`;
}

/**
 * All blocks of one credential in one line: those of the whole credential as they are, models by their number when there
 * are several. The state beside it stays `ready` when only models rest, so it is said which, and until when.
 */
export function blocksText(blocks: readonly BlockView[], now: number): string {
  const whole = blocks.filter(({ scope }) => scope === 'key');
  const texts = whole.map((block) => blockText(block, now));
  const ends = new Map<string, number>();
  for (const block of blocks)
    if (block.scope !== 'key') ends.set(block.scope, Math.max(ends.get(block.scope) ?? 0, endOf(block)));
  const [only] = ends.keys();
  if (ends.size === 1 && only !== undefined) {
    const block = blocks.find((candidate) => candidate.scope === only && endOf(candidate) === ends.get(only));
    if (block) texts.push(`${scopeText(only)}: ${blockText(block, now)}`);
  } else if (ends.size > 1) {
    const sorted = [...ends.values()].sort((a, b) => a - b);
    const [first, last] = [backText(sorted[0] ?? 0, now, 'model'), backText(sorted.at(-1) ?? 0, now, 'model')];
    const what = [...ends.keys()].every((scope) => scope.startsWith('model:')) ? 'models' : 'models and groups';
    texts.push(
      first === last
        ? `${ends.size} ${what} rest, ${first}`
        : `${ends.size} ${what} rest, the first ${first}, the last ${last}`,
    );
  }
  return texts.join('; ');
}
