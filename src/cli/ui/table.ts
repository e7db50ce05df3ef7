/** Rows in aligned columns, by what a terminal shows: wide characters count two, colour codes none. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  options: { readonly maxColumns: number | null; readonly styleHead: (text: string) => string },
): string {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => Bun.stringWidth(row[i] ?? ''))));
  if (options.maxColumns !== null) shrink(widths, options.maxColumns);
  const line = (row: readonly string[], style: (text: string) => string) =>
    head
      .map((_, i) => {
        const text = cut(row[i] ?? '', widths[i] ?? 0);
        // The last column is not padded: trailing blanks are a nuisance to those who copy.
        const padding = i === head.length - 1 ? '' : ' '.repeat((widths[i] ?? 0) - Bun.stringWidth(text));
        return style(text) + padding;
      })
      .join(GAP)
      .trimEnd();
  return `${[line(head, options.styleHead), ...rows.map((row) => line(row, (text) => text))].join('\n')}\n`;
}

const GAP = '  ';
const NARROWEST = 8;

/** Takes columns from the widest until the row fits or nothing is left to take. */
function shrink(widths: number[], maxColumns: number): void {
  let excess = widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - maxColumns;
  while (excess > 0) {
    const widest = Math.max(...widths);
    if (widest <= NARROWEST) return;
    widths[widths.indexOf(widest)] = widest - 1;
    excess--;
  }
}

function cut(text: string, width: number): string {
  return Bun.stringWidth(text) <= width ? text : `${Bun.sliceAnsi(text, 0, width - 1)}…`;
}
