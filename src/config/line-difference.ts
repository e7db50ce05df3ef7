export type DifferenceLine = { readonly kind: 'kept' | 'removed' | 'added'; readonly text: string };

/** Lines around a change that show where it is. */
const AROUND = 2;

/** What an edit of one place changed: everything between the first and the last line that differ, and a little around. */
export function lineDifference(before: string, after: string): readonly DifferenceLine[] {
  const old = linesOf(before);
  const now = linesOf(after);
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head++;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const removed = old.slice(head, old.length - tail);
  const added = now.slice(head, now.length - tail);
  if (removed.length + added.length === 0) return [];
  const line = (kind: DifferenceLine['kind']) => (text: string) => ({ kind, text });
  return [
    ...old.slice(Math.max(0, head - AROUND), head).map(line('kept')),
    ...removed.map(line('removed')),
    ...added.map(line('added')),
    ...old.slice(old.length - tail, old.length - tail + AROUND).map(line('kept')),
  ];
}

const linesOf = (text: string) => (text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/));
