import { distance } from 'fastest-levenshtein';

/** The candidate a person most likely meant, or undefined when nothing is close (at most a third of the letters differ). */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  const wanted = written.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const candidate of candidates) {
    const name = candidate.toLowerCase();
    const apart = isSwapped(wanted, name) ? 1 : distance(wanted, name);
    if (apart < bestDistance) {
      best = candidate;
      bestDistance = apart;
    }
  }
  return best;
}

/** Two neighbouring letters in the wrong order (`prot` for `port`): one slip of the fingers, though two edits. */
function isSwapped(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return i + 1 < a.length && a[i] === b[i + 1] && a[i + 1] === b[i] && a.slice(i + 2) === b.slice(i + 2);
}
