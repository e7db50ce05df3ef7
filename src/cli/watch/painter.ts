/** Control sequences (ECMA-48; 1049 and 2026 are xterm's): what a full-screen program says to its terminal. */
export const ENTER = '\u001b[?1049h\u001b[?25l\u001b[2J';
export const LEAVE = '\u001b[?25h\u001b[?1049l';

/** Terminals that know it show the whole update at once; all others ignore it. */
const BEGIN = '\u001b[?2026h';
const END = '\u001b[?2026l';

/**
 * What turns the lines that are shown into the next ones: only those that differ are written, each in its own place, and
 * nothing is cleared before, so that nothing flickers. `shown` null: nobody knows what is there.
 */
export function paintLines(shown: readonly string[] | null, next: readonly string[]): string {
  let out = shown === null ? '\u001b[2J' : '';
  for (const [row, line] of next.entries()) {
    if (shown?.[row] === line) continue;
    // The rest of a shorter line goes, in no colour of the line's own.
    out += `\u001b[${row + 1};1H${line}\u001b[0m\u001b[K`;
  }
  for (let row = next.length; row < (shown?.length ?? 0); row++) out += `\u001b[${row + 1};1H\u001b[K`;
  return out === '' ? '' : BEGIN + out + END;
}
