import type { DifferenceLine } from '../../config/line-difference.ts';
import type { Paint } from './colour.ts';
import { plainText } from './plain-text.ts';

const SIGNS = { kept: ' ', removed: '-', added: '+' } as const;

/** Lines of a file before and after an edit, as `diff` shows them. */
export function differenceText(lines: readonly DifferenceLine[], paint: Paint): string {
  const styles = { kept: paint.dim, removed: paint.red, added: paint.green };
  return lines
    .map(({ kind, text }) => styles[kind](`${SIGNS[kind]} ${plainText(text.replaceAll('\t', '  '))}`))
    .join('\n');
}
